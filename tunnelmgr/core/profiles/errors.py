"""What pydantic finds wrong with a profile, in the words and at the places of the file."""

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from tunnelmgr.core.guess import closest
from tunnelmgr.core.profiles.yamlfile import Fault, MappingNode, Node, ScalarNode, SequenceNode, Span

VALUE_MAX = 80  # characters of a value that is shown; ours
ERRORS_MAX = 200  # translated of one file; ours: each looks at all others
Location = tuple[int | str, ...]

# Beginnings of pydantic's error types -> what should have been written.
_EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "decimal": "a number",
    "bool": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "ip_v4_address": "an IPv4 address",
    "ip_v4_network": "an IPv4 prefix such as 192.0.2.0/24",
    "ip_v4_interface": "an IPv4 address with its prefix length",
    "ip_v6_address": "an IPv6 address",
    "ip_v6_network": "an IPv6 prefix such as 2001:db8::/32",
    "ip_v6_interface": "an IPv6 address with its prefix length",
}
_LIMITS = {
    "greater_than_equal": ("ge", "at least {}"),
    "greater_than": ("gt", "more than {}"),
    "less_than_equal": ("le", "at most {}"),
    "less_than": ("lt", "less than {}"),
}


class _Spot(NamedTuple):
    """Where in the file an error belongs."""

    path: Location
    """Keys and indices that exist in the file."""
    key: ScalarNode | None
    """The key whose value this is or belongs to; None at the top."""
    node: Node
    place: Span
    """Of the value; of its key where the value is empty or spans lines."""


def faults_of(error: ValidationError, root: MappingNode, model: type[BaseModel], place: Span) -> Iterator[Fault]:
    """Translate what `model` found in `root`, at most one fault a value; `place` is for what concerns all of it."""
    by_path: dict[Location, list[tuple[_Spot, ErrorDetails]]] = {}
    for details in error.errors(include_url=False)[:ERRORS_MAX]:
        spot = _spot(root, details["loc"], place)
        # A missing key has no place in the file: its own path keeps two of them apart.
        path = (*spot.path, details["loc"][-1]) if details["type"] == "missing" else spot.path
        by_path.setdefault(path, []).append((spot, details))
    for path, found in by_path.items():
        deeper = any(other[: len(path)] == path and len(other) > len(path) for other in by_path)
        if deeper and all(_follows(details) for _, details in found):
            continue
        if all(_misspelt(spot, details) for spot, details in found):
            continue
        yield _fault(found[0][0], [details for _, details in found], model)


def _follows(details: ErrorDetails) -> bool:
    """True if an error is noise when something deeper within the value is wrong.

    Of a union's branches, the one that got further is what the user meant; and pydantic does not count wrong items.
    """
    return bool(_expected(details)) or details["type"] == "too_short"


def _misspelt(spot: _Spot, details: ErrorDetails) -> bool:
    """True if a missing key stands there misspelt: that name is reported as unknown already."""
    if details["type"] != "missing" or not isinstance(spot.node, MappingNode):
        return False
    name = str(details["loc"][-1])
    return any(closest(key.text, [name]) for key, _ in spot.node.items)


def _spot(root: MappingNode, location: Location, place: Span) -> _Spot:
    spot = _Spot((), None, root, place)
    for part in location:
        node = spot.node
        if isinstance(node, MappingNode) and (item := node.get(str(part))):
            key, value = item
            spot = _Spot(
                (*spot.path, part), key, value, value.place if isinstance(value, ScalarNode) and value.text else key.place
            )
        elif isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.items):
            spot = _Spot((*spot.path, part), spot.key, node.items[part], node.items[part].place)
        # Anything else names a branch of a union, which the file does not show.
    return spot


def _fault(spot: _Spot, errors: list[ErrorDetails], model: type[BaseModel]) -> Fault:
    first = errors[0]
    kind, location = first["type"], first["loc"]
    if kind == "missing":
        name = str(location[-1])
        field = _fields(model, location[:-1]).get(name)
        about = f": {field.description.partition('. ')[0].removesuffix('.')}" if field and field.description else ""
        return Fault(spot.place, f"missing key {name!r}{about}")
    if kind == "extra_forbidden":
        name = str(location[-1])
        return Fault(spot.key.place if spot.key else spot.place, f"unknown key {name!r}", _known(name, location[:-1], model))
    subject = repr(spot.key.text) if spot.key else "this"
    if isinstance(spot.node, ScalarNode) and spot.node.value is None:
        return Fault(spot.place, f"{subject} has no value", "give it one, or remove the line")
    if reasons := [reason for details in errors if (reason := _reason(details, spot))]:
        place = _named_key(reasons[0], spot.node) or spot.place
        return Fault(place, f"{subject}{reasons[0]}" if spot.key else reasons[0].removeprefix(": "))
    return _mismatch(subject, spot, errors)


def _named_key(reason: str, node: Node) -> Span | None:
    """Return the place of the first key in `node` that a sentence about all of it names in backquotes; None without any."""
    items = [node.get(name) for name in re.findall(r"`(\w+)", reason)] if isinstance(node, MappingNode) else []
    return next((item[0].place for item in items if item), None)


def _reason(details: ErrorDetails, spot: _Spot) -> str:
    """Return what is wrong with a value of the right type, to follow its key; nothing when the type is wrong."""
    kind, context = details["type"], details.get("ctx", {})
    if kind in _LIMITS:
        name, words = _LIMITS[kind]
        return f" must be {words.format(format(context[name], '.15g'))}, not {_shown(spot.node)}"
    if kind in {"too_short", "string_too_short"} and context["min_length"] == 1:
        return " must not be empty"
    if kind == "value_error":
        return f": {context['error']}"
    if _expected(details):
        return ""
    message = details["msg"]
    return f": {message[0].lower()}{message[1:]}"


def _mismatch(subject: str, spot: _Spot, errors: list[ErrorDetails]) -> Fault:
    expected = list(dict.fromkeys(map(_expected, errors)))
    hint = ""
    if isinstance(spot.node, ScalarNode):
        if expected == ["text"]:
            hint = "put it in quotes"
        elif any("_network" in details["type"] for details in errors) and (prefix := _without_host_bits(spot.node.text)):
            hint = f"host bits set, {prefix}?"
        else:
            hint = closest(spot.node.text, [choice for details in errors for choice in _choices(details)])
    return Fault(spot.place, f"{subject} expects {' or '.join(expected)}, not {_shown(spot.node)}", hint)


def _without_host_bits(text: str) -> str:
    """Return the prefix that an address with a prefix length belongs to; nothing for other text."""
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        return ""


def _expected(details: ErrorDetails) -> str:
    """Return what type of value was expected; nothing when the error is of another kind."""
    kind = details["type"]
    if kind in {"enum", "literal_error"}:
        return str(details["ctx"]["expected"])
    return next((words for start, words in _EXPECTED.items() if kind.startswith(start)), "")


def _choices(details: ErrorDetails) -> list[str]:
    if details["type"] not in {"enum", "literal_error"}:
        return []
    return [word.strip("' ") for word in details["ctx"]["expected"].replace(" or ", ",").split(",")]


def _shown(node: Node) -> str:
    match node:
        case ScalarNode(value=str(text)):
            return repr(text if len(text) <= VALUE_MAX else f"{text[:VALUE_MAX]}...")
        case ScalarNode(text=text):
            return text
        case SequenceNode():
            return "a list"
    return "keys and values"


def _known(name: str, location: Location, model: type[BaseModel]) -> str:
    """Return where to go from an unknown key: a close one, the section it belongs to, or all that are known."""
    fields = _fields(model, location)
    if hint := closest(name, fields):
        return hint
    for section, field in fields.items():
        if any(name in inner.model_fields for inner in _models(field.annotation)):
            return f"it belongs into {section!r}"
    return f"known keys are: {', '.join(fields)}"


def _fields(model: type[BaseModel], location: Location) -> Mapping[str, FieldInfo]:
    """Return the fields of the models at a location, by the names a profile uses."""
    models = [model]
    for part in location:
        inner = [
            found for outer in models if (field := outer.model_fields.get(str(part))) for found in _models(field.annotation)
        ]
        models = inner or models
    return {field.alias or name: field for found in models for name, field in found.model_fields.items()}


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
