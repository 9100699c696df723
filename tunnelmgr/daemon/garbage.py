"""Keeps the pauses of Python's cycle collector short: packets wait while it runs.

A full collection walks every object there is: with the hundred thousand clients of a busy relay it takes most of a second,
and Python makes one whenever their number has grown by a quarter. The younger generations are what finds nearly all cycles;
they are walked often, so that each walk is short. What only a full collection would find is left: a few objects for each
control connection.
"""

import gc
from typing import Final

YOUNG: Final = 2000  # objects made and not freed before the youngest are walked: a millisecond
MIDDLE: Final = 5  # such walks before those that survived one are walked
NEVER: Final = 1_000_000_000


def keep_pauses_short() -> None:
    """To be called when everything is imported: it is here to stay, and never walked again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, NEVER)
