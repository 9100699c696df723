"""What each kind of Teredo datagram is for, in one sentence: the words behind `tunnelmgr decode` and `tunnelmgr trace`."""

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv6Address

from tunnelmgr.api.dissection import Outer
from tunnelmgr.api.packets.discovery import RouterAdvertisement
from tunnelmgr.api.packets.icmp import EchoReply, EchoRequest
from tunnelmgr.api.packets.icmpv6 import parse_icmpv6
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr_teredo.constants import ALL_NODES, SERVER_PORT
from tunnelmgr_teredo.dissection.fields import Parts
from tunnelmgr_teredo.wire.address import TeredoAddress, link_local_identifier
from tunnelmgr_teredo.wire.datagram import is_bubble
from tunnelmgr_teredo.wire.trailers import Discovery, NeighbourDiscovery, first_trailer

Purpose = tuple[str, str]
"""The kind, stable for scripts, and the sentence."""


class Way(Enum):
    """How a datagram travels, as far as its envelope tells."""

    TO_SERVER = "to a server"
    FROM_SERVER = "from a server"
    DIRECT = "between peers"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class SeenDatagram:
    """A datagram in good order, with its envelope where that is known."""

    parts: Parts
    packet: IPv6Packet
    outer: Outer | None

    @property
    def way(self) -> Way:
        if self.parts.origin is not None:
            return Way.FROM_SERVER  # only a server has reason to say it
        if self.outer is None:
            return Way.UNKNOWN
        if self.outer.destination.port == SERVER_PORT:
            return Way.TO_SERVER
        return Way.FROM_SERVER if self.outer.source.port == SERVER_PORT else Way.DIRECT

    @property
    def is_echo_test(self) -> bool:
        """True if an echo request is one that a server shall release into the IPv6 internet."""
        from_client, to_client = is_client(self.packet.source), is_client(self.packet.destination)
        return self.way is Way.TO_SERVER and from_client and not to_client


def purpose_of(sighting: SeenDatagram) -> Purpose:
    """Return what a datagram is for; echoes have functions of their own."""
    if sighting.parts.inner_kind == "router-solicitation":
        return "router-solicitation", _solicitation(sighting)
    if sighting.parts.inner_kind == "router-advertisement":
        return "router-advertisement", _advertisement(sighting)
    if is_bubble(sighting.packet):
        return _bubble(sighting)
    return "data", _data(sighting)


def echo_request_purpose(sighting: SeenDatagram, request: EchoRequest) -> Purpose:
    """Return what an echo request is for."""
    host = sighting.packet.destination
    if sighting.is_echo_test:
        return "echo-test", f"echo test: sent through the server, so that {host} answers through the relay nearest to it"
    if sighting.way is Way.UNKNOWN and is_client(sighting.packet.source) and not is_client(host):
        return "echo-request", f"ping {request.sequence} to {host}; if it goes to a server's port 3544, an echo test"
    return "data", _data(sighting)


def echo_reply_purpose(sighting: SeenDatagram, reply: EchoReply, *, answers_test: bool) -> Purpose:
    """Return what an echo reply is for; `answers_test` when the request was seen on its way to a server."""
    host = sighting.packet.source
    if answers_test and sighting.outer is not None:
        return "echo-test-reply", f"echo-test reply: proves that the relay at {sighting.outer.source} speaks for {host}"
    if sighting.way is Way.UNKNOWN and not is_client(host):
        return "echo-reply", f"echo reply {reply.sequence} of {host}: to an echo test, or to a ping"
    return "data", _data(sighting)


def is_client(address: IPv6Address) -> bool:
    """True if an address is a Teredo one, be it of the obsolete prefix."""
    return TeredoAddress.decode(address) is not None


def _solicitation(sighting: SeenDatagram) -> str:
    purpose = "router solicitation: asks the server how our NAT shows us"
    own = link_local_identifier(sighting.packet.source)
    signed = sighting.parts.authentication is not None and bool(sighting.parts.authentication.value)
    purpose += ", signed" if signed else ""
    return purpose + ("; cone bit set: the server's other address shall answer" if own and own.cone else "")


def _advertisement(sighting: SeenDatagram) -> str:
    header, origin = sighting.parts.authentication, sighting.parts.origin
    if header is not None and header.confirmation:
        return "router advertisement: the server refuses the key, get a new one"
    seen = f"your NAT shows you as {origin.endpoint}" if origin else "does not say how the NAT shows you"
    message = parse_icmpv6(sighting.packet)
    prefixes = [str(option.prefix) for option in message.prefixes] if isinstance(message, RouterAdvertisement) else []
    return f"router advertisement: {seen}" + (f", your prefix is {', '.join(prefixes)}" if prefixes else "")


def _bubble(sighting: SeenDatagram) -> Purpose:
    packet = sighting.packet
    if packet.destination == ALL_NODES:
        return "discovery-bubble", "discovery bubble: looks for Teredo clients on the same link"
    kind = "relay-bubble" if packet.source.is_link_local else "indirect-bubble"
    match sighting.way:
        case Way.TO_SERVER:
            return kind, f"indirect bubble: the server shall tell {_client(packet.destination)} that {_asker(packet)} calls"
        case Way.FROM_SERVER:
            return kind, f"indirect bubble: the server tells that {_caller(sighting)} calls; a bubble back opens the NAT"
        case Way.DIRECT:
            return "direct-bubble", _direct_bubble(sighting)
        case Way.UNKNOWN:
            ends = f"from {_asker(packet)} to {_client(packet.destination)}"
            return "bubble", f"bubble {ends}: direct, or on its way to a server; only the envelope tells"


def _caller(sighting: SeenDatagram) -> str:
    asker, origin = _asker(sighting.packet), sighting.parts.origin
    return asker if origin is None or asker == str(origin.endpoint) else f"{asker} at {origin.endpoint}"


def _direct_bubble(sighting: SeenDatagram) -> str:
    discovery = first_trailer(sighting.parts.trailers, NeighbourDiscovery)
    if discovery is not None and discovery.discovery is Discovery.SOLICITATION:
        return "direct bubble: asks whether this path still works"
    if discovery is not None:
        return "direct bubble: answers that this path works"
    if sighting.packet.source.is_link_local:
        return "direct bubble of a relay: an answer proves the way back"
    where = sighting.outer.destination if sighting.outer else "the receiver"
    return f"direct bubble: opens the sender's NAT to {where}"


def _data(sighting: SeenDatagram) -> str:
    packet = sighting.packet
    through = " by way of a server" if sighting.way in {Way.TO_SERVER, Way.FROM_SERVER} else ""
    return f"data{through}: {sighting.parts.inner_purpose}, {packet.source} > {packet.destination}"


def _asker(packet: IPv6Packet) -> str:
    if packet.source.is_link_local:
        return "a relay"
    return _client(packet.source) if is_client(packet.source) else f"the relay of {packet.source}"


def _client(address: IPv6Address) -> str:
    client = TeredoAddress.decode(address)
    return str(address if client is None else client.mapped)
