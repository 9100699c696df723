"""What users are told of trouble: a reason and a hint, and of what strangers can provoke little."""

from typing import NamedTuple

from tunnelmgr.api.events import Notice
from tunnelmgr.api.outbox import Outbox
from tunnelmgr_sixinfour.constants import NOTICE_INTERVAL, NOTICE_REPETITION


class Diagnosis(NamedTuple):
    """What to tell the user."""

    reason: str
    hint: str


class SparingNotices:
    """Says one Notice of a code in NOTICE_INTERVAL, and the same again after NOTICE_REPETITION only."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._said: dict[str, tuple[str, float]] = {}
        """Code -> the latest text, and when it was said."""

    def say(self, code: str, text: str, now: float) -> None:
        """Say it, unless it was or something else was just before. `code` is one of few: each is remembered."""
        latest, said_at = self._said.get(code, ("", float("-inf")))
        if now - said_at >= (NOTICE_REPETITION if text == latest else NOTICE_INTERVAL):
            self._said[code] = text, now
            self._outbox.say(Notice(code, text))
