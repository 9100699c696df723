"""Guesses which known word a mistyped one was meant to be."""

import difflib
from collections.abc import Iterable


def closest(word: str, known: Iterable[str]) -> str:
    """Return "did you mean 'server'?", or nothing when no known word is close. Letter case does not count."""
    by_lower = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.7)
    return f"did you mean {by_lower[found[0]]!r}?" if found else ""
