"""The XML of TSP: read with limits and without DTD or entities of its own, written in the layout that old clients know.

See docs/protocols/tsp.md sections 7.5 and 15: some clients read XML by looking for exact text.
"""

from xml.etree.ElementTree import Element, indent, tostring

from defusedxml.ElementTree import fromstring

from tunnelmgr.api.errors import WireError
from tunnelmgr_tsp.constants import XML_DEPTH_MAX, XML_ELEMENTS_MAX, XML_TEXT_MAX


def element(name: str, *children: Element, text: str = "", **attributes: str) -> Element:
    """Return an element to be written."""
    made = Element(name, attributes)
    made.text = text
    made.extend(children)
    return made


def write_document(root: Element) -> bytes:
    """Return the lines of a document, without the last line's end."""
    indent(root, " ")
    return tostring(root, encoding="unicode", short_empty_elements=False).replace("\n", "\r\n").encode()


def parse_document(data: bytes) -> Element:
    """Read a document, names in lower case without namespaces and text trimmed. Raises WireError unless it is small XML."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode("latin-1")  # 8-bit comments occur; what matters is ASCII
    try:
        root: Element = fromstring(text.strip(), forbid_dtd=True)
    except (SyntaxError, ValueError, LookupError) as error:
        raise WireError(f"bad XML: {type(error).__name__}") from error
    elements = list(root.iter())
    if len(elements) > XML_ELEMENTS_MAX or _depth(root) > XML_DEPTH_MAX:
        raise WireError(f"XML with more than {XML_ELEMENTS_MAX} elements or {XML_DEPTH_MAX} levels")
    for one in elements:
        one.tag, one.text = _local(one.tag), (one.text or "").strip()
        one.attrib = {_local(name): value.strip() for name, value in one.attrib.items()}
        if len(one.text) > XML_TEXT_MAX:
            raise WireError(f"XML element with {len(one.text)} characters of text")
    return root


def _depth(root: Element) -> int:
    return 1 + max(map(_depth, root), default=0)


def _local(name: str) -> str:
    return name.rpartition("}")[2].lower()
