"""Walks IPv6 extension headers to the upper-layer protocol behind them (RFC 8200 section 4).

Reports what a tunnel must judge on the way: fragments and routing headers. Options inside hop-by-hop and destination
headers are not looked at.
"""

from dataclasses import dataclass
from typing import NamedTuple

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.protocol import IpProtocol

# Extension headers in one packet. RFC 8200 section 4.1 recommends an order of at most seven and sets no limit.
EXTENSION_HEADERS_MAX = 16

_EXTENSIONS = frozenset(
    {
        IpProtocol.HOP_BY_HOP_OPTIONS,
        IpProtocol.ROUTING,
        IpProtocol.FRAGMENT,
        IpProtocol.AUTHENTICATION,
        IpProtocol.DESTINATION_OPTIONS,
    }
)


class RoutingHeader(NamedTuple):
    """What matters of a routing header; type 0 is to be treated as in RFC 5095 section 3."""

    type: int
    segments_left: int


class FragmentHeader(NamedTuple):
    """RFC 8200 section 4.5; an offset of 0 without `more` is an atomic fragment (RFC 6946)."""

    offset: int  # bytes, a multiple of 8
    more: bool
    identification: int


@dataclass(frozen=True, slots=True)
class UpperLayer:
    """Where the extension headers of a packet end.

    `protocol` is ICMPv6, UDP, no-next-header ... and `offset` counts bytes from the end of the fixed IPv6 header. ESP
    ends the walk as well: what is behind it is encrypted. In a fragment that is not the first, `protocol` is the
    header the *first* fragment goes on with (an extension header, perhaps) and `offset` is where the data begins.
    """

    protocol: int
    offset: int
    fragment: FragmentHeader | None = None
    routing: tuple[RoutingHeader, ...] = ()

    @property
    def begins_here(self) -> bool:
        """Whether `offset` is the first byte of the upper-layer header, rather than data of a later fragment."""
        return self.fragment is None or self.fragment.offset == 0


def find_upper_layer(next_header: int, payload: bytes) -> UpperLayer:
    """Walk the headers in `payload`, of which `next_header` names the first.

    Raises WireError for a header that does not fit in `payload` (also in a first fragment, which must hold them all:
    RFC 7112), for hop-by-hop options that are not first, a second fragment header, or more than EXTENSION_HEADERS_MAX.
    """
    offset = 0
    fragment: FragmentHeader | None = None
    routing: list[RoutingHeader] = []
    for index in range(EXTENSION_HEADERS_MAX + 1):
        if next_header not in _EXTENSIONS:
            return UpperLayer(next_header, offset, fragment, tuple(routing))
        header = _header_at(offset, next_header, payload)
        if next_header == IpProtocol.HOP_BY_HOP_OPTIONS and index > 0:
            raise WireError("hop-by-hop options behind another extension header")
        if next_header == IpProtocol.ROUTING:
            routing.append(RoutingHeader(type=header[2], segments_left=header[3]))
        if next_header == IpProtocol.FRAGMENT:
            if fragment is not None:
                raise WireError("second fragment header in one packet")
            fragment = _fragment(header)
        next_header = header[0]
        offset += len(header)
        if fragment is not None and fragment.offset:
            return UpperLayer(next_header, offset, fragment, tuple(routing))
    raise WireError(f"more than {EXTENSION_HEADERS_MAX} extension headers")


def _header_at(offset: int, kind: int, payload: bytes) -> bytes:
    """Return the whole extension header at `offset`: 8 bytes at least."""
    if offset + 8 > len(payload):
        raise WireError(f"extension header {kind} at byte {offset} of a payload of {len(payload)}")
    if kind == IpProtocol.FRAGMENT:
        length = 8
    elif kind == IpProtocol.AUTHENTICATION:
        length = (payload[offset + 1] + 2) * 4  # counts words of 32 bits, unlike all others: RFC 4302 section 2.2
    else:
        length = (payload[offset + 1] + 1) * 8
    if offset + length > len(payload):
        raise WireError(f"extension header {kind} of {length} bytes at byte {offset} of a payload of {len(payload)}")
    return payload[offset : offset + length]


def _fragment(header: bytes) -> FragmentHeader:
    word = int.from_bytes(header[2:4], "big")
    return FragmentHeader(offset=word & 0xFFF8, more=bool(word & 1), identification=int.from_bytes(header[4:8], "big"))
