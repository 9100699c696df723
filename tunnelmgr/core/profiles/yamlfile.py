"""YAML as a profile needs it: a strict part of YAML 1.2, with the place of every key and value.

YAML 1.1, which PyYAML resolves by default, turns an unquoted `2001:10:20:30:40:50:1:2` into an integer and `on` into a
boolean. Here true, false, null and decimal numbers mean what they say, and everything else is text. Tags, anchors, aliases
and a second document have no use in a profile and are faults, as are keys given twice.

This module imports PyYAML. Commands that may not need a profile import it late.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import yaml

Value = str | int | float | bool | None
Plain = Value | list["Plain"] | dict[str, "Plain"]

SIZE_MAX = 1 << 16  # bytes of a file; ours: the longest example has 2000
DEPTH_MAX = 32  # lists and mappings within each other; ours

_CONSTANTS: dict[str, bool | None] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
# YAML 1.2.2 section 10.3.2, decimal forms only. A longer number counts nothing in a profile: it stays text.
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]{1,18}|[0-9]{1,18}(\.[0-9]{0,18})?)([eE][-+]?[0-9]{1,2})?")
_NO_TAG = "for a negation write 'not', for text quote it"
# What PyYAML's problem contains -> message, hint.
_SYNTAX = [
    ("\\t", "a tab", "indent with spaces"),
    (
        "mapping values",
        "a ':' where none may be",
        "quote a value that contains one, or compare the indentation",
    ),
    ("found ':'", "a value begins with ':'", "quote it"),
    ("'<document start>'", "this line does not belong to the lines above it", "compare the indentation"),
    ("<block end>", "this line does not belong to the lines above it", "compare the indentation"),
]


class Span(NamedTuple):
    """A piece of a line. Line and column count from 1, in characters."""

    line: int
    column: int
    length: int = 1
    """Characters, at least 1, within the line."""


class Fault(NamedTuple):
    """Something wrong at a place."""

    place: Span
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """A word, with what it means."""

    place: Span
    value: Value
    text: str
    """As written, quotes removed."""


@dataclass(frozen=True, slots=True)
class SequenceNode:
    """A list."""

    place: Span
    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class MappingNode:
    """Keys and values, in the order of the file."""

    place: Span
    items: tuple[tuple[ScalarNode, "Node"], ...]

    def get(self, key: str) -> "tuple[ScalarNode, Node] | None":
        """Return the key and the value of that name."""
        return next((item for item in self.items if item[0].text == key), None)


Node = ScalarNode | SequenceNode | MappingNode


@dataclass(frozen=True, slots=True)
class Document:
    """A file read: its nodes as far as they could be understood, and what is wrong with it."""

    lines: tuple[str, ...]
    root: Node
    faults: tuple[Fault, ...]


def plain(node: Node) -> Plain:
    """Return the node's meaning without places."""
    match node:
        case ScalarNode(value=value):
            return value
        case SequenceNode(items=items):
            return [plain(item) for item in items]
        case MappingNode(items=pairs):
            return {key.text: plain(value) for key, value in pairs}


def scalars(node: Node) -> Iterator[ScalarNode]:
    """Yield every value below a node, itself included, in the order of the file."""
    match node:
        case ScalarNode():
            yield node
        case SequenceNode(items=items):
            for item in items:
                yield from scalars(item)
        case MappingNode(items=pairs):
            for _, value in pairs:
                yield from scalars(value)


def read_yaml(text: str) -> Document:
    """Read one YAML document. What is wrong with it is in `faults`; after an error of syntax the root is empty."""
    lines = tuple(text.splitlines()) or ("",)
    empty = ScalarNode(Span(1, 1), None, "")
    if len(text.encode(errors="surrogatepass")) > SIZE_MAX:
        return Document(
            (), empty, (Fault(Span(0, 0), f"the file is longer than {SIZE_MAX} bytes", "no profile needs that"),)
        )
    composer = _Composer(lines)
    try:
        root = composer.document(yaml.parse(text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        return Document(lines, empty, (_syntax_fault(error, lines),))
    except yaml.reader.ReaderError as error:
        return Document(lines, empty, (_character_fault(error, text),))
    except RecursionError:  # our own, see DEPTH_MAX, or PyYAML's
        return Document(lines, empty, (Fault(Span(1, 1), "lists and mappings are too deeply nested"),))
    return Document(lines, root or empty, tuple(composer.faults))


class _Composer:
    """Makes nodes out of PyYAML's events."""

    def __init__(self, lines: tuple[str, ...]) -> None:
        self._lines = lines
        self.faults: list[Fault] = []

    def document(self, events: Iterator[yaml.Event]) -> Node | None:
        root: Node | None = None
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent) and root is not None:
                self.faults.append(Fault(self._place(event), "a second document begins", "a profile is one document"))
                return root
            if isinstance(event, yaml.NodeEvent):
                root = self._node(event, events, depth=0)
        return root

    def _node(self, event: yaml.NodeEvent, events: Iterator[yaml.Event], depth: int) -> Node:
        place = self._place(event)
        self._refuse_extras(event, place)
        if depth > DEPTH_MAX:
            raise RecursionError
        match event:
            case yaml.ScalarEvent():
                return ScalarNode(place, event.value if event.style else _meaning(event.value), event.value)
            case yaml.SequenceStartEvent():
                items = tuple(self._node(child, events, depth + 1) for child in _children(events))
                return SequenceNode(place, items)
            case yaml.MappingStartEvent():
                return MappingNode(place, tuple(self._pairs(events, depth)))
        return ScalarNode(place, None, "")  # an alias, already refused

    def _pairs(self, events: Iterator[yaml.Event], depth: int) -> Iterator[tuple[ScalarNode, Node]]:
        seen: dict[str, int] = {}
        for event in _children(events):
            key = self._node(event, events, depth + 1)
            value = self._node(next(_children(events)), events, depth + 1)
            if not isinstance(key, ScalarNode):
                self.faults.append(Fault(key.place, "a list or mapping as a key", "a key is a word"))
            elif key.text in seen:
                message = f"key {key.text!r} is given twice"
                self.faults.append(Fault(key.place, message, f"remove one, the first is in line {seen[key.text]}"))
            else:
                seen[key.text] = key.place.line
                yield key, value

    def _refuse_extras(self, event: yaml.NodeEvent, place: Span) -> None:
        if isinstance(event, yaml.AliasEvent):
            self.faults.append(Fault(place, f"alias '*{event.anchor}'", "write the value itself, or quote the text"))
            return
        if event.anchor is not None:
            self.faults.append(Fault(place, f"anchor '&{event.anchor}'", "remove it, or quote the text"))
        if tag := getattr(event, "tag", None):
            self.faults.append(Fault(place, f"tag {tag!r}", _NO_TAG))

    def _place(self, event: yaml.Event) -> Span:
        """Return where an event is; of one that spans lines, what stands on the first."""
        start, end = event.start_mark, event.end_mark
        if start is None or end is None:  # of events made by hand only
            return Span(1, 1)
        if end.line == start.line:
            length = end.column - start.column
        else:
            line = self._lines[start.line] if start.line < len(self._lines) else ""
            length = len(line.rstrip()) - start.column
        return Span(start.line + 1, start.column + 1, max(length, 1))


def _children(events: Iterator[yaml.Event]) -> Iterator[yaml.NodeEvent]:
    """Yield the nodes of a list or mapping that began, up to its end. Each must be composed before the next is taken."""
    for event in events:
        if isinstance(event, yaml.CollectionEndEvent):
            return
        if isinstance(event, yaml.NodeEvent):
            yield event


def _meaning(text: str) -> Value:
    """Return what an unquoted word means."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def _syntax_fault(error: yaml.MarkedYAMLError, lines: tuple[str, ...]) -> Fault:
    """Return an error of syntax in the words of a user; PyYAML uses those of a parser."""
    problem = error.problem or ""
    place = _point(error.problem_mark)
    opened = _point(error.context_mark or error.problem_mark)
    begins = lines[opened.line - 1][opened.column - 1 :] if opened.line <= len(lines) else ""
    if "end of stream" in problem or "'<stream end>'" in problem:
        return Fault(opened, f"{begins[:1]!r} is never closed")
    if "scanning a tag" in (error.context or ""):
        return Fault(opened, "a tag", _NO_TAG)
    if "expected ':'" in problem:
        return Fault(opened, f"{begins!r} is not 'key: value'")
    if ("cannot start any token" in problem and "\\t" not in problem) or "alphabetic or numeric" in problem:
        return Fault(opened, f"a value begins with {begins[:1]!r}", "quote it")
    for words, message, hint in _SYNTAX:
        if words in problem:
            return Fault(place, message, hint)
    return Fault(place, f"not YAML: {problem or error.context}")


def _point(mark: yaml.error.Mark | None) -> Span:
    return Span(mark.line + 1, mark.column + 1) if mark else Span(1, 1)


def _character_fault(error: yaml.reader.ReaderError, text: str) -> Fault:
    before = text[: error.position]
    place = Span(before.count("\n") + 1, len(before) - before.rfind("\n"))
    return Fault(place, f"the character {text[error.position]!r} is not allowed in YAML", "remove it")
