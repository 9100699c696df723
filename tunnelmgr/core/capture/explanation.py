"""Explains packets, payloads and addresses by asking the dissectors of all transports, and names what none of them knows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv6Address

from tunnelmgr.api.datagrams import ChannelKind
from tunnelmgr.api.dissection import MALFORMED, Dissection, Dissector, Field, Outer
from tunnelmgr.api.errors import WireError
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets.explained import address_remark, dissect_ipv6, shown
from tunnelmgr.api.packets.icmpv4 import Icmpv4Error, parse_icmpv4
from tunnelmgr.api.packets.ipv4 import IPV4_HEADER_LENGTH, IPv4Packet, IPv4Quote
from tunnelmgr.api.packets.ipv6 import IPV6_HEADER_LENGTH, IPv6Packet, ipv6_length
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.api.packets.udp import UdpDatagram
from tunnelmgr.core.capture.frame import Frame, ip_packet
from tunnelmgr.core.capture.offload import completed_ipv4, completed_udp

_PACKET_BYTES_MAX = 65535


@dataclass(frozen=True, slots=True)
class ExplainedPacket:
    """A packet with its outer ends, and what it is for."""

    dissection: Dissection
    source: str = ""
    """Outer address, with the port where there is one; empty when unknown."""
    destination: str = ""


class Decoder:
    """Explains one capture, or one packet. It remembers what its dissectors do."""

    def __init__(self, dissectors: Sequence[Dissector]) -> None:
        self._dissectors = dissectors

    def frame(self, frame: Frame) -> ExplainedPacket:
        """Explain a captured frame."""
        try:
            data = ip_packet(frame)
        except WireError as error:
            return ExplainedPacket(Dissection("link", "not-ip", str(error)))
        missing = frame.length - len(frame.data)
        if missing <= 0:
            return self.packet(data)
        words = f"the capture holds {len(frame.data)} of {frame.length} bytes"
        cut_off = Dissection("link", "cut-off", f"cut off: {words}")
        if len(data) < (IPV4_HEADER_LENGTH if data[0] >> 4 == 4 else IPV6_HEADER_LENGTH):
            return ExplainedPacket(cut_off)
        # What the headers say does not depend on the rest.
        explained = self.packet(data + bytes(min(missing, _PACKET_BYTES_MAX)))
        is_broken = explained.dissection.kind == MALFORMED
        return replace(explained, dissection=cut_off if is_broken else _remarked(explained.dissection, words))

    def packet(self, data: bytes) -> ExplainedPacket:
        """Explain an IPv4 or IPv6 packet."""
        return self._ipv4(data) if data[:1] and data[0] >> 4 == 4 else self._ipv6(data)

    def payload(self, data: bytes) -> ExplainedPacket:
        """Explain bytes that may be a whole packet, or the payload of one."""
        if data[:1] and data[0] >> 4 == 4:
            return self._ipv4(data)
        for dissector in self._dissectors:
            if found := dissector.dissect(data, None):
                return ExplainedPacket(found)
        return self._ipv6(data)

    def address(self, address: IPv6Address) -> Dissection | None:
        """Explain an address that a tunnel made; None for any other."""
        for dissector in self._dissectors:
            if found := dissector.dissect_address(address):
                return found
        if remark := address_remark(address):
            site = Field("site", str(address.sixtofour), 2, 4, "the public IPv4 address of its router")
            return Dissection("6to4", "address", remark, (Field("prefix", "2002::/16", 0, 2, "6to4"), site))
        return None

    def _ipv6(self, data: bytes) -> ExplainedPacket:
        found = dissect_ipv6(data)
        ends = {field.name: field.value for field in found.fields}
        return ExplainedPacket(found, ends.get("source", ""), ends.get("destination", ""))

    def _ipv4(self, data: bytes) -> ExplainedPacket:
        completed, remark = completed_ipv4(data)
        try:
            packet = IPv4Packet.parse(completed)
        except WireError as error:
            return ExplainedPacket(Dissection("ipv4", MALFORMED, f"malformed: {error}"))
        explained = self._inside(packet)
        return replace(explained, dissection=_remarked(explained.dissection, remark)) if remark else explained

    def _inside(self, packet: IPv4Packet) -> ExplainedPacket:
        source, destination = str(packet.source), str(packet.destination)
        if packet.is_fragment:
            purpose = f"IPv4 fragment at byte {packet.fragment_offset}, {len(packet.payload)} bytes: not put together here"
            return ExplainedPacket(Dissection("ipv4", "fragment", purpose), source, destination)
        if packet.protocol == IpProtocol.UDP:
            return self._udp(packet)
        if packet.protocol == IpProtocol.TCP:
            return self._tcp(packet)
        return ExplainedPacket(self._other(packet), source, destination)

    def _udp(self, packet: IPv4Packet) -> ExplainedPacket:
        data, remark = completed_udp(packet)
        try:
            datagram = UdpDatagram.parse(data, packet.source, packet.destination)
        except WireError as error:
            dissection = Dissection("udp", MALFORMED, f"malformed: {error}")
            return ExplainedPacket(dissection, str(packet.source), str(packet.destination))
        source = Endpoint(packet.source, datagram.source_port)
        destination = Endpoint(packet.destination, datagram.destination_port)
        outer = Outer(ChannelKind.UDP, source, destination)
        found = self._ask(datagram.payload, outer, {source.port, destination.port}) or _unknown(datagram.payload)
        return ExplainedPacket(_remarked(found, remark) if remark else found, str(source), str(destination))

    def _tcp(self, packet: IPv4Packet) -> ExplainedPacket:
        data = packet.payload
        header = (data[12] >> 4) * 4 if len(data) >= 20 else 0
        if not 20 <= header <= len(data):
            dissection = Dissection("tcp", MALFORMED, f"malformed: TCP header of {header} bytes in {len(data)}")
            return ExplainedPacket(dissection, str(packet.source), str(packet.destination))
        source = Endpoint(packet.source, int.from_bytes(data[:2], "big"))
        destination = Endpoint(packet.destination, int.from_bytes(data[2:4], "big"))
        said = data[header:]
        outer = Outer(ChannelKind.TCP_CONNECT, source, destination)
        known = [one for one in self._dissectors if one.tcp_ports & {source.port, destination.port}] if said else []
        answers = (dissector.dissect(said, outer) for dissector in known)
        nothing = Dissection("tcp", "other", f"TCP, {len(said)} bytes: no tunnel" if said else "TCP without data")
        return ExplainedPacket(next((one for one in answers if one), nothing), str(source), str(destination))

    def _other(self, packet: IPv4Packet) -> Dissection:
        data = packet.payload
        if packet.protocol == IpProtocol.IPV6:
            outer = Outer(ChannelKind.RAW41, Endpoint(packet.source, 0), Endpoint(packet.destination, 0))
            return self._ask(data, outer, set()) or _ipv6_in("ipv6-in-ipv4", data)
        if packet.protocol == IpProtocol.ICMPV4:
            return _icmpv4(packet)
        return Dissection("ipv4", "other", f"IPv4 protocol {packet.protocol}, {len(data)} bytes: no tunnel")

    def _ask(self, payload: bytes, outer: Outer, ports: set[int]) -> Dissection | None:
        """Ask the dissectors that want this kind first, then all others."""

        def stranger(dissector: Dissector) -> bool:
            return not (dissector.protocol_41 if outer.kind is ChannelKind.RAW41 else ports & dissector.udp_ports)

        answers = (dissector.dissect(payload, outer) for dissector in sorted(self._dissectors, key=stranger))
        return next((answer for answer in answers if answer), None)


def _remarked(dissection: Dissection, remark: str) -> Dissection:
    return replace(dissection, purpose=f"{dissection.purpose} ({remark})")


def _unknown(payload: bytes) -> Dissection:
    try:
        whole = ipv6_length(payload) == len(payload)
    except WireError:
        whole = False
    if whole:
        return _ipv6_in("ipv6-in-udp", payload)
    fields = (Field("UDP data", shown(payload), 0, len(payload)),)
    return Dissection("udp", "unknown", f"UDP, {len(payload)} bytes that no transport here knows", fields)


def _ipv6_in(protocol: str, data: bytes) -> Dissection:
    inner = dissect_ipv6(data)
    if inner.kind == MALFORMED:
        return Dissection(protocol, MALFORMED, inner.purpose, inner.fields)
    packet = IPv6Packet.parse(data)
    return Dissection(protocol, "data", f"data: {inner.purpose}, {packet.source} > {packet.destination}", inner.fields)


def _icmpv4(packet: IPv4Packet) -> Dissection:
    try:
        message = parse_icmpv4(packet)
    except WireError as error:
        return Dissection("icmpv4", MALFORMED, f"malformed: {error}")
    if not isinstance(message, Icmpv4Error):
        return Dissection("icmpv4", "other", f"ICMPv4, {len(packet.payload)} bytes: no tunnel")
    what = f"{message.type.name.replace('_', ' ').lower()} (code {message.code})"
    return Dissection("icmpv4", "error", f"the network answers {what} to what went to {_quoted(message.quote)}")


def _quoted(quote: IPv4Quote) -> str:
    packet = quote.packet
    if packet.protocol == IpProtocol.UDP and len(packet.payload) >= 4:
        return str(Endpoint(packet.destination, int.from_bytes(packet.payload[2:4], "big")))
    return str(packet.destination)
