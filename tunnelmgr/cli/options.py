"""Options and arguments that several commands share."""

import math
import os
import sys
from typing import Any, Final

import click

from tunnelmgr.core.profiles.paths import DEFAULT

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON; for its schema see `tunnelmgr schema`.")
dry_run = click.option("--dry-run", is_flag=True, help="Print what would be changed on this host, and change nothing.")
profile = click.argument("profile", default=DEFAULT)
profile_if_any = click.argument("profile", required=False)


class Number(click.FloatRange):
    """A number within limits, as click has it, which takes "nan" to be within all of them."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number


TIMEOUT_MAX: Final = 31_536_000  # seconds; a year, which every clock and socket takes

timeout = click.option(
    "--timeout", default=30.0, show_default=True, type=Number(0, TIMEOUT_MAX), metavar="SECONDS", help="Seconds to wait."
)


def colour_wanted() -> bool:
    """Return True if colours are wanted: on a terminal that has them, unless NO_COLOR says otherwise (no-color.org)."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("NO_COLOR")
