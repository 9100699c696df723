"""Names every part of a Teredo datagram, as far as it can be read (RFC 4380 section 5.1.1, RFC 6081 section 4)."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv6Address

from tunnelmgr.api.dissection import Field
from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.explained import dissect_ipv6, shown
from tunnelmgr.api.packets.ipv6 import IPv6Packet, ipv6_length
from tunnelmgr_teredo.constants import OBSOLETE_PREFIX, SERVER_PORT
from tunnelmgr_teredo.wire.address import TeredoAddress, link_local_identifier
from tunnelmgr_teredo.wire.datagram import Authentication, OriginIndication
from tunnelmgr_teredo.wire.trailers import (
    AlternateAddresses,
    NeighbourDiscovery,
    NonceTrailer,
    RandomPort,
    Trailer,
    parse_trailers,
)

_AUTHENTICATION, _ORIGIN = b"\x00\x01", b"\x00\x00"
_LINK_LOCALS = {
    IPv6Address("fe80::ffff:ffff:ffff"): "what Miredo and tunnelmgr call themselves before they have an address",
    IPv6Address("fe80::ffff:ffff:fffd"): "what Windows since Vista calls itself before it has an address",
    IPv6Address("fe80::5445:5245:444f"): 'spells "TEREDO": Windows XP and early Miredo, cone bit clear',
    IPv6Address("fe80::8000:5445:5245:444f"): 'spells "TEREDO" behind the cone bit: Windows XP and early Miredo',
}


@dataclass(slots=True)
class Parts:
    """What a datagram holds; reading stops at what is wrong, and `fault` says why."""

    fields: tuple[Field, ...] = ()
    authentication: Authentication | None = None
    origin: OriginIndication | None = None
    packet: IPv6Packet | None = None
    inner_kind: str = ""
    """Of the IPv6 packet, as dissect_ipv6() has it."""
    inner_purpose: str = ""
    trailers: tuple[Trailer, ...] = ()
    fault: str = ""

    @classmethod
    def read(cls, payload: bytes) -> "Parts":
        """Read a datagram; raises nothing."""
        parts = cls()
        try:
            parts._read(payload)
        except WireError as error:
            parts.fault = str(error)
        return parts

    def _read(self, payload: bytes) -> None:
        rest = payload
        if not rest:
            raise WireError("an empty datagram")
        if rest[:2] == _AUTHENTICATION:
            self.authentication, rest = Authentication.split(rest)
            self.fields += tuple(_authentication(self.authentication))
        if rest[:2] == _ORIGIN:
            at = len(payload) - len(rest)
            self.origin, rest = OriginIndication.split(rest)
            remark = "where the server saw the sender; inverted on the wire, so that no NAT rewrites it"
            self.fields += (Field("origin indication", str(self.origin.endpoint), at, 8, remark),)
        if rest[:2] == _AUTHENTICATION:
            raise WireError("an authentication header behind another header: it must be the first")
        self._read_packet(rest, len(payload) - len(rest))

    def _read_packet(self, data: bytes, at: int) -> None:
        length = ipv6_length(data)
        self.packet = IPv6Packet.parse(data)
        inner = dissect_ipv6(data, at)
        self.inner_kind, self.inner_purpose = inner.kind, inner.purpose
        self.fields += tuple(map(_with_remark, inner.fields))
        self._read_trailers(data[length:], at + length)

    def _read_trailers(self, data: bytes, at: int) -> None:
        self.trailers = parse_trailers(data)
        for trailer in self.trailers:
            length = 2 + len(trailer.serialize())
            self.fields += (_trailer(trailer, at, length),)
            at, data = at + length, data[length:]
        if data:
            self.fields += (Field("unread trailer", shown(data), at, len(data), "malformed: reading stops here"),)


def address_fields(address: TeredoAddress) -> tuple[Field, ...]:
    """Name the parts of a Teredo address (RFC 4380 section 4, flags as in RFC 5991 section 3.1)."""
    dead = address.prefix == OBSOLETE_PREFIX
    about_prefix = "of Windows before 2006; 6bone space, returned that year: nothing routes it" if dead else "Teredo"
    return (
        Field("prefix", str(address.prefix), 0, 4, about_prefix),
        Field("server", str(address.server), 4, 4),
        Field("flags", f"{address.flags:#06x}", 8, 2, _flags(address)),
        Field("mapped port", str(address.mapped.port), 10, 2, "inverted in the address"),
        Field(
            "mapped address", str(address.mapped.address), 12, 4, "inverted in the address: the outside of the client's NAT"
        ),
    )


def address_remark(address: IPv6Address) -> str:
    """Return what an address of a Teredo packet tells by itself; nothing for a native one."""
    if address in _LINK_LOCALS:
        return _LINK_LOCALS[address]
    if client := TeredoAddress.decode(address):
        return f"Teredo client at {client.mapped}, server {client.server}"
    own = link_local_identifier(address)
    return f"Teredo server {own.mapped.address}" if own and own.cone and own.mapped.port == SERVER_PORT else ""


def _flags(address: TeredoAddress) -> str:
    cone = "cone bit set: the client's NAT lets everyone in" if address.cone else "no cone bit"
    first, second = address.random_bits
    return f"{cone}; random bits {first:#03x} and {second:#04x}" if first or second else cone


def _authentication(header: Authentication) -> Iterator[Field]:
    value_at = 4 + len(header.client_id)
    nonce_at = value_at + len(header.value)
    size = nonce_at + len(header.nonce) + 1
    kind = "signed" if header.value else "nonce only"
    yield Field("authentication", f"{size} bytes", 0, 4, kind)
    if header.client_id:
        yield Field("client identifier", _text(header.client_id), 4, len(header.client_id))
    if header.value:
        yield Field("authentication value", header.value.hex(), value_at, len(header.value))
    yield Field("nonce", header.nonce.hex(), nonce_at, len(header.nonce), "the server's answer must repeat it")
    meaning = "get a new key" if header.confirmation else "nothing to confirm"
    yield Field("confirmation", str(header.confirmation), size - 1, 1, meaning)


def _text(data: bytes) -> str:
    text = data.decode("ascii", errors="replace")
    return text if text.isprintable() and "\N{REPLACEMENT CHARACTER}" not in text else data.hex()


def _with_remark(field: Field) -> Field:
    if field.name not in {"source", "destination"} or field.remark:
        return field
    return replace(field, remark=address_remark(IPv6Address(field.value)))


def _trailer(trailer: Trailer, at: int, length: int) -> Field:
    match trailer:
        case NonceTrailer():
            return Field(
                "nonce trailer", trailer.nonce.hex(), at, length, "a direct bubble that repeats it answers this one"
            )
        case AlternateAddresses():
            listed = ", ".join(map(str, trailer.endpoints))
            return Field("alternate address trailer", listed, at, length, "where the sender can be reached as well")
        case NeighbourDiscovery():
            return Field("neighbour discovery trailer", trailer.discovery.name.lower(), at, length)
        case RandomPort():
            return Field("random port trailer", str(trailer.port), at, length, "the port to answer to")
        case _:
            remark = "of unknown type: to be skipped"
            return Field(f"trailer {trailer.type:#04x}", shown(trailer.value), at, length, remark)
