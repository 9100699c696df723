"""The Teredo server (RFC 4380 section 5.3), with a relay beside it where so wished.

A server remembers no client. It tells each one its mapping, passes bubbles on so that clients can open their NATs for each
other, and lets their echo tests out into native IPv6. With `relay` and `exit: nat66` one host is all a household needs:
what its clients send leaves with this host's own address, and answers find their way home without any routing.
"""

from collections.abc import Mapping, Sequence
from random import Random

from tunnelmgr.api.datagrams import ChannelEvent, Datagram
from tunnelmgr.api.effects import Effect, EffectResult
from tunnelmgr.api.events import Notice, Stopped, Up
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.packets.ipv6 import IPV6_DESTINATION, IPv6Packet
from tunnelmgr.api.status import Fact, PathUse, TunnelStatus
from tunnelmgr.api.tunnel import Tunnel, earliest
from tunnelmgr_teredo.constants import ALL_ROUTERS, SERVER_PORT
from tunnelmgr_teredo.drops import Drop, counted_by
from tunnelmgr_teredo.native import is_native
from tunnelmgr_teredo.ports import SERVED_HINTS, UdpPorts
from tunnelmgr_teredo.relay.guests import Guests, Signatories
from tunnelmgr_teredo.relay.peers import RelayPeers
from tunnelmgr_teredo.relay.relaying import RELAY, RelayIdentity, Relaying
from tunnelmgr_teredo.relay.served import Everyone
from tunnelmgr_teredo.server.admission import Admission, ServerIdentity, require_serverly
from tunnelmgr_teredo.server.advertising import PRIMARY, SECONDARY, Advertising
from tunnelmgr_teredo.server.dispatch import Dispatch
from tunnelmgr_teredo.server.limits import ServerLimits
from tunnelmgr_teredo.server.settings import Exit, ServerSettings
from tunnelmgr_teredo.wire.address import GlobalUnicast, TeredoAddress
from tunnelmgr_teredo.wire.datagram import Payload

_ALL_ROUTERS = ALL_ROUTERS.packed


class TeredoServer(Tunnel):
    """The Tunnel. Owns its ports, the rules of a server, and perhaps a relay."""

    def __init__(self, settings: ServerSettings, random: Random) -> None:
        super().__init__()
        self._settings = settings
        self._unicast = GlobalUnicast(settings.private_deployment)
        limits = ServerLimits()
        own = frozenset((*settings.addresses, *settings.local_addresses))
        self._identity = identity = ServerIdentity(settings.addresses[0], own)
        self._ports = UdpPorts(_channels(settings), SERVED_HINTS, random, self.outbox)
        self._guests = guests = (Signatories if settings.secure else Guests)(settings.clients)
        self._advertising = Advertising(settings, limits, guests, self.outbox)
        self._admission = Admission(identity, self._unicast)
        self._dispatch = Dispatch(identity, self._unicast, limits, guests, self.outbox)
        self._relay_outbox = Outbox()
        self._relaying = self._relay(random) if settings.relay else None

    # -- verbs --------------------------------------------------------------------------------------------------------

    def start(self, now: float, network: Network, memory: Mapping[str, bytes]) -> None:
        self.network_changed(network, now)
        self._ports.open()

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        if datagram.channel == RELAY and self._relaying is not None:
            self._relaying.receive(datagram, now)
            self._post(now)
            return
        self.outbox.count("datagrams-received")
        with counted_by(self.outbox):
            self._receive(datagram, now)

    def receive_packet(self, packet: bytes, now: float) -> None:
        if self._relaying is None:
            self.outbox.drop(Drop.DESTINATION)
            return
        self._relaying.transmit(packet, now)
        self._post(now)

    def channel_changed(self, event: ChannelEvent, now: float) -> None:
        """Whoever went away will not ask again."""
        self.outbox.count("channel-events-ignored")

    def network_changed(self, network: Network, now: float) -> None:
        self._unicast.network_changed(network)
        self._admission.network_changed(network)
        native = network.native_source
        self._advertising.native_changed(native if native is not None and is_native(native) else None)
        if self._relaying is not None:
            self._relaying.network_changed(network)

    def paths_used(self, uses: Sequence[PathUse], now: float) -> None:
        if self._relaying is not None:
            self._relaying.paths_used(uses, now)

    def effect_done(self, effect: Effect, result: EffectResult, now: float) -> None:
        if self._ports.effect_done(effect, result, now):
            self._say_up()

    def handle_timeout(self, now: float) -> None:
        self._ports.handle_timeout(now)
        if self._relaying is not None:
            self._relaying.handle_timeout(now)
            self._post(now)

    def next_timeout(self) -> float | None:
        relaying = self._relaying.next_timeout() if self._relaying is not None else None
        return earliest(self._ports.next_timeout(), relaying)

    def status(self, now: float) -> TunnelStatus:
        relaying = self._relaying
        return TunnelStatus(
            state="listening" if self._ports.ready else "not listening",
            facts=self._facts(),
            peers=relaying.peer_statuses(now) if relaying is not None else (),
            peers_total=len(relaying.peers) if relaying is not None else 0,
            counters=dict(self.outbox.counters)
            | {f"relay-{name}": count for name, count in self._relay_outbox.counters.items()},
        )

    def stop(self, now: float) -> None:
        """End at once: clients notice by their next refresh."""
        self._ports.end()
        self.outbox.say(Stopped())

    # -- the server ---------------------------------------------------------------------------------------------------

    def _receive(self, datagram: Datagram, now: float) -> None:
        """Take one datagram of a client, a relay or anybody. Raises WireError, Refused for the most part."""
        payload = Payload.parse(datagram.data)
        require_serverly(payload.packet)
        self._admission.require_outer_source(datagram.remote)
        if payload.packet[IPV6_DESTINATION] == _ALL_ROUTERS:
            self._advertising.answer(payload, datagram, now)
            return
        packet = IPv6Packet.parse(payload.packet)
        self._admission.require_inner_source(packet, datagram.remote)
        self._dispatch.dispatch(payload, packet, datagram, now)

    # -- the relay beside it ------------------------------------------------------------------------------------------

    def _relay(self, random: Random) -> Relaying:
        settings = self._settings
        identity = RelayIdentity(self._identity.own)
        return Relaying(
            identity,
            Everyone(self._unicast),
            RelayPeers(settings.peers_max),
            self._guests,
            self._unicast,
            random,
            self._relay_outbox,
        )

    def _post(self, now: float) -> None:
        """Take over what the relay says; its bubbles through this server need not travel to get here."""
        for event in self._relay_outbox.drain_events():
            self.outbox.say(event)
        for packet in self._relay_outbox.drain_packets():
            self.outbox.deliver(packet)
        for datagram in self._relay_outbox.drain_datagrams():
            if datagram.remote.port == SERVER_PORT and datagram.remote.address in self._identity.own:
                self._knock(datagram.data, now)
            else:
                self.outbox.send(datagram)

    def _knock(self, packet: bytes, now: float) -> None:
        """Pass a bubble of our own relay on to a client of ours."""
        client = TeredoAddress.parse(IPv6Packet.parse(packet).destination)
        with counted_by(self.outbox):
            self._dispatch.forward(Payload(packet), client, self._relay_endpoint, now)

    @property
    def _relay_endpoint(self) -> Endpoint:
        return Endpoint(self._identity.primary, self._settings.relay_port)

    # -- what others are told -----------------------------------------------------------------------------------------

    def _say_up(self) -> None:
        self.outbox.say(
            Notice("teredo.client-profile", f"clients use `method: {{type: teredo, server: {self._identity.primary}}}`")
        )
        details = {name: str(fact) for name, fact in self._facts().items() if isinstance(fact, str)}
        exposed = (_OPEN, _CLOSE_IT) if self._settings.is_open_exit else ()
        self.outbox.say(Up(self._settings.host_config, details, (), *exposed))

    def _facts(self) -> dict[str, Fact]:
        settings, relaying = self._settings, self._relaying
        facts: dict[str, Fact] = {
            "server": ", ".join(map(str, settings.addresses)),
            "answers": settings.guests,
        }
        if relaying is not None:
            facts |= {"relay": str(self._relay_endpoint), "exit": _EXITS[settings.exit], **relaying.facts()}
        return {**facts, "encrypted": False}


_OPEN = "everybody who knows this server's address uses the IPv6 internet in the name of this host"
_CLOSE_IT = "name the IPv4 prefixes of your clients in `clients`, or give them secrets in `secure`"
_EXITS = {
    Exit.NATIVE: "native: 2001::/32 must be routed to this host",
    Exit.NAT66: "nat66: outgoing only, clients appear as this host",
}


def _channels(settings: ServerSettings) -> dict[str, Endpoint]:
    channels = {
        channel: Endpoint(address, SERVER_PORT)
        for channel, address in zip((PRIMARY, SECONDARY), settings.local_addresses, strict=False)
    }
    if settings.relay:
        channels[RELAY] = Endpoint(settings.local_addresses[0], settings.relay_port)
    return channels
