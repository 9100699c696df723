"""Methods that can never be reached: no network fulfils their condition, or the same method was tried before. Pure.

A method behind one that suits everywhere *is* reached, when that one does not carry.
"""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from tunnelmgr.core.profiles.when import When
from tunnelmgr.core.profiles.yamlfile import Fault, Span


class Written(NamedTuple):
    """One method as it stands in the profile."""

    place: Span
    type: str
    role: str
    settings: object
    """Those of its transport, as plain data."""
    when: When | None


def unreachable(methods: Sequence[Written]) -> Iterator[Fault]:
    """Yield those that can be left out of the profile, each with the reason."""
    for number, method in enumerate(methods):
        if method.when is not None and (why := _contradiction(method.when)):
            yield Fault(method.place, f"this method is never tried: {why}", "correct its 'when'")
        elif earlier := next((one for one in methods[:number] if _replaces(one, method)), None):
            line = earlier.place.line
            why = f"this method is never reached: line {line} has the same one, wherever this one would be used"
            yield Fault(method.place, why, "remove one of them, or change its 'when'")


def _contradiction(when: When) -> str:
    """Return why a condition never holds; empty where it may.

    `{nat: none, public_ipv4: false}` may: a private deployment has such networks.
    """
    if when.nat is not None and not when.nat:
        return "its 'nat' excludes every kind it names"
    named = when.interface or ("*",)
    if all(_excluded(pattern, when.not_interface) for pattern in named):
        return "its 'interface' excludes every interface it names"
    return ""


def _excluded(pattern: str, refused: Sequence[str]) -> bool:
    """True if all that matches `pattern` matches one of `refused`.

    What `*` stands for may itself be a wildcard; what `?` or `[` stand for may not.
    """
    plain = not set(pattern) & set("*?[")
    return any(fnmatchcase(pattern, other) for other in refused if plain or not set(other) & set("?["))


def _replaces(earlier: Written, later: Written) -> bool:
    same = (earlier.type, earlier.role, earlier.settings) == (later.type, later.role, later.settings)
    return same and _covers(earlier.when, later.when)


def _covers(earlier: When | None, later: When | None) -> bool:
    """True if the earlier condition holds wherever the later one does. None is the transport's own judgement."""
    if earlier is None or later is None:
        return earlier == later or earlier == When()
    return (
        (earlier.nat is None or (later.nat is not None and later.nat <= earlier.nat))
        and earlier.public_ipv4 in {None, later.public_ipv4}
        and earlier.native_ipv6 in {None, later.native_ipv6}
        and earlier.parts.get("interface") in {None, later.parts.get("interface")}
    )
