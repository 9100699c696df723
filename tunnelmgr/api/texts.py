"""Words that others chose (far ends, files, the kernel) as they may stand on a terminal and in a log: none moves the cursor,
begins a line of its own, or makes the letters after it run the other way."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar, cast

T = TypeVar("T")


def printable(text: str) -> str:
    """Return a text on one line, with everything escaped that cannot be seen: control characters of every kind, line ends,
    marks of direction, and what is no Unicode."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


def worded(value: T) -> T:
    """Return an event or a status with its words made printable: its texts, and those in its mappings and lists."""
    return cast("T", _dataclass(value))


def _dataclass(value: Any) -> Any:
    return replace(value, **{field.name: _words(getattr(value, field.name)) for field in fields(value)})


def _words(value: object) -> object:
    match value:
        case str():
            return printable(value)
        case Mapping():
            return {printable(str(key)): _words(item) for key, item in value.items()}
        case list():
            return [_words(item) for item in value]
        case tuple() if type(value) is tuple:
            return tuple(_dataclass(item) if is_dataclass(item) else _words(item) for item in value)
        case _:
            return value
