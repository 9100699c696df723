"""Options and arguments that several commands share."""

import os
import sys

import click

from tunnelmgr.core.profiles.paths import DEFAULT

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON; for its schema see `tunnelmgr schema`.")
dry_run = click.option("--dry-run", is_flag=True, help="Print what would be changed on this host, and change nothing.")
profile = click.argument("profile", default=DEFAULT)
profile_if_any = click.argument("profile", required=False)
timeout = click.option("--timeout", default=30.0, show_default=True, type=click.FloatRange(min=0), help="Seconds to wait.")


def colour_wanted() -> bool:
    """Return True if colours are wanted: on a terminal, unless NO_COLOR says otherwise (no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")
