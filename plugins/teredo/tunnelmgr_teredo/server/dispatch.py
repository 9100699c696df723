"""Where a server sends what it took (RFC 4380 section 5.3.1; docs/protocols/teredo.md section 6.2)."""

from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.packets.icmp import EchoRequest
from tunnelmgr.api.packets.icmpv6 import Icmpv6Type, icmpv6_packet, parse_icmpv6
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr_teredo.constants import SERVER_ICMPV6_MAX
from tunnelmgr_teredo.drops import Drop, Refused
from tunnelmgr_teredo.native import is_native, leads_astray
from tunnelmgr_teredo.relay.guests import Guests
from tunnelmgr_teredo.server.admission import ServerIdentity
from tunnelmgr_teredo.server.advertising import PRIMARY
from tunnelmgr_teredo.server.limits import ServerLimits
from tunnelmgr_teredo.wire.address import GlobalUnicast, TeredoAddress, is_teredo, server_link_local
from tunnelmgr_teredo.wire.datagram import OriginIndication, Payload, is_bubble

_PASSED_ON = frozenset(
    {
        Icmpv6Type.DESTINATION_UNREACHABLE,
        Icmpv6Type.PACKET_TOO_BIG,
        Icmpv6Type.TIME_EXCEEDED,
        Icmpv6Type.PARAMETER_PROBLEM,
        Icmpv6Type.ECHO_REQUEST,
        Icmpv6Type.ECHO_REPLY,
    }
)


class Dispatch:
    """Sends bubbles and ICMPv6 to clients, or into native IPv6. What may not go it refuses by raising."""

    def __init__(
        self, identity: ServerIdentity, unicast: GlobalUnicast, limits: ServerLimits, guests: Guests, outbox: Outbox
    ) -> None:
        self._identity = identity
        self._unicast = unicast
        self._limits = limits
        self._guests = guests
        self._outbox = outbox
        self._link_local = server_link_local(identity.primary)

    def dispatch(self, payload: Payload, packet: IPv6Packet, datagram: Datagram, now: float) -> None:
        """Send on a packet that was admitted. Raises WireError, Refused for the most part."""
        if packet.destination == self._link_local:
            self._answer_echo(packet, datagram, now)
            return
        if not is_bubble(packet):
            _require_small_talk(packet)
        if is_teredo(packet.destination):
            self.forward(payload, TeredoAddress.parse(packet.destination), datagram.remote, now)
        else:
            self._release(payload, packet, datagram.remote, now)

    def forward(self, payload: Payload, client: TeredoAddress, origin: Endpoint, now: float) -> None:
        """Send a packet to a client, whoever it is from. Raises Refused."""
        if not self._unicast.has_endpoint(client.mapped):
            raise Refused(Drop.DESTINATION)
        if client.mapped.address in self._identity.own:
            raise Refused(Drop.LOOP)
        if not self._limits.allows_forwarding(client.mapped.address, now):
            raise Refused(Drop.FORWARD_LIMIT)
        # Only our own clients believe what we say of an origin.
        indication = OriginIndication(origin) if client.server == self._identity.primary else None
        forwarded = Payload(payload.packet, None, indication, payload.behind)
        self._outbox.count("packets-forwarded")
        self._outbox.send(Datagram(PRIMARY, forwarded.serialize(), client.mapped))

    def _release(self, payload: Payload, packet: IPv6Packet, source: Endpoint, now: float) -> None:
        """Let a client's echo test out; the answer comes to it through the relay nearest to the host it asks."""
        if is_bubble(packet) or not is_native(packet.destination) or leads_astray(packet.destination, self._unicast):
            raise Refused(Drop.SCOPE)
        if not self._guests.admits(source, now):
            raise Refused(self._guests.refusal)
        if not self._limits.allows_release(source.address, now):
            raise Refused(Drop.ECHO_LIMIT)
        self._outbox.deliver(payload.packet)

    def _answer_echo(self, packet: IPv6Packet, datagram: Datagram, now: float) -> None:
        message = None if is_bubble(packet) else parse_icmpv6(packet)
        if not isinstance(message, EchoRequest) or len(packet.payload) > SERVER_ICMPV6_MAX:
            raise Refused(Drop.ICMP_TYPE)
        if not self._limits.allows_answer(datagram.remote.address, now):
            raise Refused(Drop.SOLICITATION_LIMIT)
        answer = icmpv6_packet(message.reply(), self._link_local, packet.source)
        self._outbox.count("echoes-answered")
        self._outbox.send(Datagram(datagram.channel, answer.serialize(), datagram.remote))


def _require_small_talk(packet: IPv6Packet) -> None:
    """Data has no business with a server, not even inside ICMPv6. Raises Refused."""
    if len(packet.payload) > SERVER_ICMPV6_MAX:
        raise Refused(Drop.TOO_BIG)
    if not packet.payload or packet.payload[0] not in _PASSED_ON:
        raise Refused(Drop.ICMP_TYPE)
