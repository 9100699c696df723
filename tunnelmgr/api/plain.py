"""Our own objects as plain data, the kind JSON can say, and back by their type hints.

It is what travels on the control socket, what `--json` prints and what our own files hold. Where one of several dataclasses
may come, each is written under its name: `{"route": {"device": "tm-home", ...}}`.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints, overload

_T = TypeVar("_T")


def as_plain(value: object) -> Any:
    """Return dataclasses and mappings as dict, sequences as list, enums as their value, bytes in base64.

    Text and numbers stay as they are; anything else, such as an address or a path, becomes its text.
    """
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, bytes):
        return b64encode(value).decode("ascii")
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): as_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [as_plain(item) for item in value]
    return str(value)


def as_named(value: object) -> dict[str, Any]:
    """Return a dataclass under its name, so that `from_plain` can tell it from others it might be."""
    return {_name(type(value)): as_plain(value)}


@overload
def from_plain(kind: type[_T], data: object) -> _T: ...


@overload
def from_plain(kind: object, data: object) -> Any: ...


def from_plain(kind: Any, data: Any) -> Any:
    """Return what `as_plain` took apart. Raises ValueError when `data` is not that.

    Both sides may be of different versions: what a dataclass does not know is left out, what is missing takes its default.
    """
    origin: Any = get_origin(kind) or kind
    if origin in {Union, UnionType}:
        return _one_of(get_args(kind), data)
    if origin in {object, Any}:
        return data
    if is_dataclass(origin):
        return _dataclass(kind, _checked(data, Mapping, kind))
    if issubclass(origin, tuple):
        return _tuple(origin, get_args(kind), _checked(data, list, kind))
    if issubclass(origin, Mapping):
        return {key: from_plain(get_args(kind)[1], item) for key, item in _checked(data, Mapping, kind).items()}
    if issubclass(origin, AbstractSet):
        return frozenset(from_plain(get_args(kind)[0], item) for item in _checked(data, list, kind))
    if origin is bytes:
        return b64decode(_checked(data, str, kind), validate=True)
    if issubclass(origin, Enum):
        return origin(data)
    if issubclass(origin, str | int | float | NoneType):
        return _checked(data, int | float if origin is float else origin, kind)
    return origin(_checked(data, str, kind))


def _checked(data: Any, plain: Any, kind: Any) -> Any:
    if isinstance(data, plain):
        return data
    raise ValueError(f"not a {getattr(kind, '__name__', kind)}: {data!r:.80}")


def _dataclass(kind: Any, data: Mapping[str, Any]) -> Any:
    values = {}
    for field in fields(kind):
        if field.name in data:
            try:
                values[field.name] = from_plain(_hints(kind)[field.name], data[field.name])
            except ValueError as error:
                raise ValueError(f"{field.name}: {error}") from error
        elif field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(f"{kind.__name__} without {field.name}")
    return kind(**values)


def _tuple(kind: Any, arguments: tuple[Any, ...], data: list[Any]) -> Any:
    if kind is tuple and arguments[1:] == (...,):
        return tuple(from_plain(arguments[0], item) for item in data)
    hints = arguments if kind is tuple else tuple(_hints(kind).values())
    items = [from_plain(hint, item) for hint, item in zip(hints, data, strict=True)]
    return tuple(items) if kind is tuple else kind(*items)


def _one_of(kinds: tuple[Any, ...], data: Any) -> Any:
    """Return `data` as the first of these kinds that it can be; of several dataclasses the one it names."""
    named = {_name(kind): kind for kind in kinds if is_dataclass(kind)}
    if len(named) > 1 and data is not None:
        ((name, values),) = _checked(data, Mapping, "named object").items()
        if name not in named:
            raise ValueError(f"{name!r} is not one of {', '.join(named)}")
        return from_plain(named[name], values)
    refused = []
    for kind in kinds:
        try:
            return from_plain(kind, data)
        except ValueError as error:
            refused.append(str(error))
    raise ValueError("; ".join(refused))


def _name(kind: Any) -> str:
    return str(kind.__name__).lower()


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
