"""A profile with what was found about the network in front of it, as comments: what `detect --write` leaves. Pure."""

from tunnelmgr.cli.detect_screen import explained
from tunnelmgr.cli.detecting import Detected


def commented(found: Detected, source: str) -> str:
    """Return the text of a profile with its findings before it."""
    lines = [
        "# What `tunnelmgr detect` found where this profile was written:",
        "#",
        *(f"# {line}".rstrip() for line in explained(found).splitlines()),
        "",
    ]
    return "\n".join(lines) + "\n" + source
