"""The XML of TSP as a small tree: read with limits and without DTD or entities of its own, written by hand.

See docs/protocols/tsp.md sections 7.5 and 15: some clients read XML by looking for exact text.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

from defusedxml.ElementTree import fromstring

from tunnelmgr.api.errors import WireError
from tunnelmgr_tsp.constants import XML_DEPTH_MAX, XML_ELEMENTS_MAX, XML_TEXT_MAX

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element as ParsedElement


@dataclass(frozen=True, slots=True)
class Element:
    """One element. Names are lower case; text is trimmed."""

    name: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    children: tuple["Element", ...] = ()

    def all(self, name: str) -> Iterator["Element"]:
        """Yield the children of this name."""
        return (child for child in self.children if child.name == name)

    def first(self, name: str) -> "Element | None":
        """Return the first child of this name."""
        return next(self.all(name), None)

    def serialize(self, depth: int = 0) -> str:
        """Return the lines of this element, without the last line's end."""
        margin = " " * depth
        attributes = "".join(f' {name}="{escape(value)}"' for name, value in self.attributes.items())
        opening = f"{margin}<{self.name}{attributes}>{escape(self.text)}"
        if not self.children:
            return f"{opening}</{self.name}>"
        inner = "\r\n".join(child.serialize(depth + 1) for child in self.children)
        return f"{opening}\r\n{inner}\r\n{margin}</{self.name}>"


def parse_document(data: bytes) -> Element:
    """Read a document. Raises WireError unless it is plain small XML."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode("latin-1")  # 8-bit comments occur; what matters is ASCII
    try:
        root = fromstring(text.strip(), forbid_dtd=True)
    except (SyntaxError, ValueError, LookupError) as error:
        raise WireError(f"bad XML: {type(error).__name__}") from error
    return _Limits().element(root, depth=1)


class _Limits:
    def __init__(self) -> None:
        self._elements = 0

    def element(self, parsed: "ParsedElement", depth: int) -> Element:
        self._elements += 1
        if depth > XML_DEPTH_MAX or self._elements > XML_ELEMENTS_MAX:
            raise WireError(f"XML with more than {XML_ELEMENTS_MAX} elements or {XML_DEPTH_MAX} levels")
        text = (parsed.text or "").strip()
        if len(text) > XML_TEXT_MAX:
            raise WireError(f"XML element with {len(text)} characters of text")
        return Element(
            _local(parsed.tag),
            {_local(name): value.strip() for name, value in parsed.attrib.items()},
            text,
            tuple(self.element(child, depth + 1) for child in parsed),
        )


def _local(name: str) -> str:
    """Drop the namespace ElementTree puts before a name."""
    return name.rpartition("}")[2].lower()
