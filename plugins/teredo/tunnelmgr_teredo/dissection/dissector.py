"""Tells what a Teredo datagram is for, as `tunnelmgr decode` and `tunnelmgr trace` print it.

Most of it stands in the datagram and on its envelope. Two things do not: whether an echo reply answers an echo test, and
whether something broken belongs to Teredo at all. So requests, and endpoints that talked to a server, are remembered.
"""

from ipaddress import IPv6Address
from typing import ClassVar, NamedTuple

from tunnelmgr.api.datagrams import ChannelKind
from tunnelmgr.api.dissection import MALFORMED, Dissection, Dissector, Outer
from tunnelmgr.api.limits import Recent
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets.icmp import EchoReply, EchoRequest
from tunnelmgr.api.packets.icmpv6 import parse_icmpv6
from tunnelmgr_teredo.constants import DISSECTOR_MEMORY, OBSOLETE_PREFIX, SERVER_PORT
from tunnelmgr_teredo.dissection.fields import Parts, address_fields, address_remark
from tunnelmgr_teredo.dissection.purposes import SeenDatagram, Way, echo_reply_purpose, echo_request_purpose, purpose_of
from tunnelmgr_teredo.wire.address import TeredoAddress

PROTOCOL = "teredo"


class TeredoDissector(Dissector):
    """Explains one capture."""

    udp_ports: ClassVar[frozenset[int]] = frozenset({SERVER_PORT})

    def __init__(self) -> None:
        self._echo_tests: Recent[_Echo, None] = Recent(DISSECTOR_MEMORY)
        self._speakers: Recent[Endpoint, None] = Recent(DISSECTOR_MEMORY)

    def dissect(self, payload: bytes, outer: Outer | None) -> Dissection | None:
        """Explain a payload; None when it is not Teredo's."""
        if outer is not None and outer.kind is not ChannelKind.UDP:
            return None
        parts = Parts.read(payload)
        if not self._is_ours(payload, parts, outer):
            return None
        if parts.packet is None or parts.fault or parts.inner_kind == MALFORMED:
            reason = parts.fault or parts.inner_purpose.removeprefix("malformed: ")
            return Dissection(PROTOCOL, MALFORMED, f"malformed: {reason}", parts.fields)
        sighting = SeenDatagram(parts, parts.packet, outer)
        self._remember_speaker(sighting)
        kind, purpose = self._echo(sighting) or purpose_of(sighting)
        return Dissection(PROTOCOL, kind, purpose, parts.fields)

    def dissect_address(self, address: IPv6Address) -> Dissection | None:
        """Explain a Teredo address, of the prefix that is dead too."""
        client = TeredoAddress.decode(address)
        if client is None:
            return None
        purpose = f"the Teredo client that its NAT shows as {client.mapped}, with server {client.server}"
        if client.prefix == OBSOLETE_PREFIX:
            purpose += "; an address of the prefix from before 2006, which nothing routes"
        return Dissection(PROTOCOL, "address", purpose, address_fields(client))

    def _is_ours(self, payload: bytes, parts: Parts, outer: Outer | None) -> bool:
        if outer is not None:
            ends = (outer.source, outer.destination)
            if any(end.port == SERVER_PORT or end in self._speakers for end in ends):
                return True
            if parts.fault:
                return False
        elif payload[:2] in (b"\x00\x00", b"\x00\x01"):
            return True
        packet = parts.packet
        return packet is not None and any(map(address_remark, (packet.source, packet.destination)))

    def _remember_speaker(self, sighting: SeenDatagram) -> None:
        if sighting.outer is not None and sighting.way is Way.TO_SERVER:
            self._speakers[sighting.outer.source] = None
        elif sighting.outer is not None and sighting.way is Way.FROM_SERVER:
            self._speakers[sighting.outer.destination] = None

    def _echo(self, sighting: SeenDatagram) -> tuple[str, str] | None:
        if sighting.parts.inner_kind not in {"echo-request", "echo-reply"}:
            return None
        packet = sighting.packet
        message = parse_icmpv6(packet)
        if isinstance(message, EchoRequest):
            echo = _Echo(packet.source, packet.destination, message.identifier, message.sequence, message.data)
            if sighting.is_echo_test:
                self._echo_tests[echo] = None
            return echo_request_purpose(sighting, message)
        if isinstance(message, EchoReply):
            echo = _Echo(packet.destination, packet.source, message.identifier, message.sequence, message.data)
            return echo_reply_purpose(sighting, message, answers_test=echo in self._echo_tests)
        return None


class _Echo(NamedTuple):
    asking: IPv6Address
    asked: IPv6Address
    identifier: int
    sequence: int
    data: bytes
