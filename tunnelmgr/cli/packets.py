"""Packets and addresses as `decode` and `trace` print them: one line what it is for, and its parts on demand."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tunnelmgr.api.dissection import Dissector, Field
from tunnelmgr.api.errors import TunnelError
from tunnelmgr.cli import render
from tunnelmgr.core.capture.explanation import ExplainedPacket
from tunnelmgr.core.capture.frame import Frame
from tunnelmgr.core.plugins import PluginRegistry

ADDRESS = "address"
"""The kind of an address that is explained by itself."""

_ENDS_WIDTH = 2 * len("255.255.255.255:65535") + len(" > ")


@dataclass(frozen=True, slots=True)
class Decoded:
    """What is told of one packet or address. None is unknown."""

    what: str
    """As it was typed: the address, the bytes, or the file."""
    number: int | None
    """Of the frame in its capture, from 1."""
    at: float | None
    """Seconds since 1970."""
    interface: str | None
    source: str | None
    """Of the outer packet, with the port where there is one."""
    destination: str | None
    length: int
    """Bytes; of a frame, before the capture cut it."""
    protocol: str
    """Whose rules explain it: "teredo", "ipv6", "udp" ..."""
    kind: str
    """Stable, for scripts: "router-solicitation", "data", "malformed" ..."""
    purpose: str
    fields: tuple[Field, ...]

    @classmethod
    def of(cls, what: str, explained: ExplainedPacket, length: int, frame: Frame | None = None) -> "Decoded":
        """Return what is told of a packet, in a frame or without one."""
        found = explained.dissection
        return cls(
            what,
            frame.number if frame else None,
            frame.at if frame else None,
            (frame.interface or None) if frame else None,
            explained.source or None,
            explained.destination or None,
            length,
            found.protocol,
            found.kind,
            found.purpose,
            found.fields,
        )


def installed_dissectors(plugins: PluginRegistry, tell: Callable[[str], None]) -> Sequence[Dissector]:
    """Return new dissectors of every transport installed; `tell` hears of those that are broken."""
    dissectors: list[Dissector] = []
    for name in plugins.types():
        try:
            dissectors += plugins.transport(name).dissectors()
        except TunnelError as error:
            tell(f"packets of {name} are not explained: {error}")
    return dissectors


class Lines:
    """Prints packets of one capture below each other; times count from the first."""

    def __init__(self, *, fields: bool, interfaces: bool = False) -> None:
        self._fields = fields
        self._interfaces = interfaces
        self._first_at: float | None = None

    def __call__(self, packet: Decoded) -> str:
        """Return one line, and below it the fields where they are wanted."""
        interface = f"{packet.interface or '':<5}" if self._interfaces else ""
        head = "  ".join(filter(None, (self._frame(packet), interface, _ends(packet), packet.purpose)))
        wanted = self._fields or packet.kind == ADDRESS  # of an address, its parts are all there is to tell
        return "\n".join([head, *_field_lines(packet.fields)]) if wanted else head

    def _frame(self, packet: Decoded) -> str:
        if packet.number is None:
            return ""
        if packet.at is None:
            return f"{packet.number:>4} {'':>10}"
        self._first_at = packet.at if self._first_at is None else self._first_at
        return f"{packet.number:>4} {packet.at - self._first_at:>10.4f}"


def _ends(packet: Decoded) -> str:
    ends = f"{packet.source} > {packet.destination}" if packet.source else ""
    return f"{ends:<{_ENDS_WIDTH}}" if packet.number is not None else ends


def _field_lines(fields: tuple[Field, ...]) -> list[str]:
    rows = [(str(field.offset), str(field.length), field.name, field.value, field.remark) for field in fields]
    return render.columns([("byte", "bytes", "field", "value", ""), *rows], indent="      ") if rows else []
