"""The Teredo client (RFC 4380 section 5.2): one host, one address, any number of peers."""

import errno
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv6Interface
from random import Random

from tunnelmgr.api.datagrams import ChannelEvent, ChannelFailed, Datagram, IcmpReceived
from tunnelmgr.api.effects import Effect, EffectResult, Failed, FailureCode, OpenChannel
from tunnelmgr.api.error_answers import ErrorAnswers
from tunnelmgr.api.errors import ExitCode
from tunnelmgr.api.events import Down, Notice, Stopped, Up
from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.api.packets.ipv6 import IPv6Packet, ipv6_length
from tunnelmgr.api.report import NatKind
from tunnelmgr.api.status import Fact, PathUse, TunnelStatus
from tunnelmgr.api.tunnel import Tunnel, earliest
from tunnelmgr_teredo.client.advertisement import ServerAdvertisement, is_advertisement
from tunnelmgr_teredo.client.discovery import DISCOVERY, LocalDiscovery
from tunnelmgr_teredo.client.errands import Errands
from tunnelmgr_teredo.client.filtering import FilteringTest
from tunnelmgr_teredo.client.identity import Identity
from tunnelmgr_teredo.client.peer_book import PeerBook
from tunnelmgr_teredo.client.qualification import Qualification
from tunnelmgr_teredo.client.reception import Reception
from tunnelmgr_teredo.client.refresh_interval import RefreshInterval
from tunnelmgr_teredo.client.settings import ClientSettings, NativeMode
from tunnelmgr_teredo.client.transmission import Transmission
from tunnelmgr_teredo.constants import CLIENT_LINK_LOCAL, HOST_ERRORS, SERVICE, TEREDO_PREFIX
from tunnelmgr_teredo.drops import Drop, Refused, counted_by
from tunnelmgr_teredo.ports import UdpPorts
from tunnelmgr_teredo.wire.address import GlobalUnicast, TeredoAddress
from tunnelmgr_teredo.wire.datagram import Payload

_NO_WAY_OUT = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL})
_UNREACHABLE = 3  # ICMPv4 type; RFC 792
_HOST_OR_PORT = frozenset({1, 3})  # its codes that tell of one destination
_PORT_HINT = "choose another `port`, or leave it out for a random one"


class TeredoClient(Tunnel):
    """The Tunnel. Owns a qualification, and a peer book while qualified."""

    def __init__(self, settings: ClientSettings, random: Random) -> None:
        super().__init__()
        self._settings = settings
        self._random = random
        self._unicast = GlobalUnicast(settings.private_deployment)
        self._errors = ErrorAnswers(CLIENT_LINK_LOCAL, HOST_ERRORS, self.outbox)
        self._qualification = Qualification(settings, self._unicast, random, self.outbox)
        self._discovery = LocalDiscovery(random, self.outbox) if settings.local_discovery else None
        self._joining: OpenChannel | None = None
        self._errands = Errands(settings.bind, random, self.outbox)
        self._interval: RefreshInterval | None = None
        self._filtering: FilteringTest | None = None
        self._network = Network()
        hints = dict.fromkeys(FailureCode, _PORT_HINT) if settings.port else {}
        self._ports = UdpPorts({SERVICE: Endpoint(settings.bind, settings.port)}, hints, random, self.outbox)
        self._book: PeerBook | None = None
        self._reception: Reception | None = None
        self._transmission: Transmission | None = None
        self._teredo: TeredoAddress | None = None
        """The address last used, to be used again if nothing changed."""
        self._up: Up | None = None
        """What was said last."""
        self._standing_down = False
        """True if native IPv6 keeps us from having an address."""

    # -- verbs --------------------------------------------------------------------------------------------------------

    def start(self, now: float, network: Network, memory: Mapping[str, bytes]) -> None:
        self._network = network
        self._unicast.network_changed(network)
        self._qualification.remembered(memory)
        self._ports.open()
        if self._discovery is not None:
            self._discovery.network_changed(network)
            self._joining = self._discovery.opening()
            self.outbox.say(self._joining)

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        self.outbox.count("datagrams-received")
        with counted_by(self.outbox):
            self._receive(datagram, now)
        self._act_on_news(now)

    def receive_packet(self, packet: bytes, now: float) -> None:
        with counted_by(self.outbox):
            packet = packet[: ipv6_length(packet)]
            if self._transmission is not None:
                self._transmission.transmit(packet, now)
                return
            self.outbox.drop(Drop.NOT_QUALIFIED)
            self._errors.unreachable(packet, now)

    def channel_changed(self, event: ChannelEvent, now: float) -> None:
        match event:
            case ChannelFailed(errno=number) if number in _NO_WAY_OUT:
                self._qualification.unreachable(now)
            case IcmpReceived(type=kind, code=code, remote=remote) if kind == _UNREACHABLE and code in _HOST_OR_PORT:
                self._qualification.icmp_unreachable(remote)
                if self._book is not None:
                    self._book.icmp_unreachable(remote)
            case _:
                self.outbox.count("channel-events-ignored")

    def network_changed(self, network: Network, now: float) -> None:
        before, self._network = self._network, network
        if network.native_ipv6 and not before.native_ipv6:
            self._warn_of_native()
        self._unicast.network_changed(network)
        if self._discovery is not None:
            self._discovery.network_changed(network)
        if not self._ports.ready:
            return
        local = self._ports.local(SERVICE, network)
        if self._must_stop():
            self._stand_down(now)
        elif self._standing_down:
            self._standing_down = False
            self._qualification.begin(local, now)
        elif network.resumed or (network.source, network.default_route) != (before.source, before.default_route):
            if self._book is not None:
                self._book.doubt()
            self._qualification.requalify(local, now)

    def paths_used(self, uses: Sequence[PathUse], now: float) -> None:
        if self._book is not None and self._book.paths_used(uses, now):
            self._qualification.server_heard(now)

    def effect_done(self, effect: Effect, result: EffectResult, now: float) -> None:
        if self._ports.effect_done(effect, result, now):
            self._begin(now)
        elif effect is self._joining:
            self._joined(result)
        elif not self._errands.effect_done(effect, result, now):
            self._qualification.resolved(effect, result, now)
        self._act_on_news(now)

    def handle_timeout(self, now: float) -> None:
        self._ports.handle_timeout(now)
        self._qualification.handle_timeout(now)
        self._act_on_news(now)
        if self._book is not None:
            self._book.handle_timeout(now)
        if self._discovery is not None:
            self._discovery.handle_timeout(now)
        self._errands.handle_timeout(now)

    def next_timeout(self) -> float | None:
        timers = [self._ports.next_timeout(), self._qualification.next_timeout(), self._errands.next_timeout()]
        if self._book is not None:
            timers.append(self._book.next_timeout())
        if self._discovery is not None:
            timers.append(self._discovery.next_timeout())
        return earliest(*timers)

    def status(self, now: float) -> TunnelStatus:
        book = self._book
        return TunnelStatus(
            state=self._qualification.state.value,
            facts=self._facts(),
            peers=book.peer_statuses(now) if book is not None else (),
            peers_total=len(book.peers) if book is not None else 0,
            counters=dict(self.outbox.counters),
        )

    def stop(self, now: float) -> None:
        """End at once: there is no far end to say good-bye to."""
        self._qualification.abandon()
        self._give_address_up(now)
        self._ports.end()
        self.outbox.say(Stopped())

    # -- channels -----------------------------------------------------------------------------------------------------

    def _begin(self, now: float) -> None:
        if self._must_stop():
            self._stand_down(now)
        else:
            self._qualification.begin(self._ports.local(SERVICE, self._network), now)

    def _joined(self, result: EffectResult) -> None:
        if isinstance(result, Failed):
            self.outbox.say(Notice("teredo.no-discovery", f"no local client discovery: {result.text}"))
            self._discovery = None

    # -- datagrams ----------------------------------------------------------------------------------------------------

    def _receive(self, datagram: Datagram, now: float) -> None:
        remote = datagram.remote
        impossible = remote.port == 0 or remote.address.is_multicast or remote.address == IPv4Address(0)
        if impossible or remote == self._qualification.local:
            raise Refused(Drop.OUTER_SOURCE)
        if datagram.channel not in (SERVICE, DISCOVERY):
            self._errands.receive(datagram, now)
            self._heed_errands()
            return
        payload = Payload.parse(datagram.data)
        packet = IPv6Packet.parse(payload.packet)
        if is_advertisement(payload, packet):
            self._qualification.receive_advertisement(payload, remote, now)
            return
        if self._reception is None or self._book is None:
            raise Refused(Drop.NOT_QUALIFIED)
        if self._discovery is not None and datagram.channel == DISCOVERY:
            self._discovery.require_neighbour(packet, datagram)
            self._reception.receive_announcement(packet, datagram, now)
            return
        self._reception.receive(payload, packet, datagram, now)
        if remote == self._book.identity.server.primary_endpoint:
            self._qualification.server_heard(now)

    # -- coming up and going down -------------------------------------------------------------------------------------

    def _act_on_news(self, now: float) -> None:
        for news in self._qualification.news():
            match news:
                case ServerAdvertisement():
                    self._take_address(news, now)
                case Down():
                    self._give_address_up(now)
                    self._up = None
                    self.outbox.say(news)
                case NatKind():
                    self._say_up()
                    self._look_at_filtering()

    def _take_address(self, told: ServerAdvertisement, now: float) -> None:
        identity = self._identity(told)
        if self._book is not None and self._book.identity == identity:
            return
        self._give_address_up(now)
        self._errors.source = identity.address
        book = PeerBook(identity, self._settings, self._discovery, self._random, self.outbox, self._errors, now)
        self._book = book
        self._reception = Reception(book, self._unicast, self._settings.relays, self.outbox)
        self._transmission = Transmission(book, self._unicast, self._errors, self.outbox)
        if self._discovery is not None:
            self._discovery.begin(identity, now)
        self._say_up()
        if self._settings.determine_interval:
            secret = self._settings.shared_secret
            self._interval = RefreshInterval(identity, self._unicast, secret, self._random, self.outbox)
            self._errands.run(self._interval)
        self._look_at_filtering()

    def _identity(self, told: ServerAdvertisement) -> Identity:
        primary = told.server.primary
        if self._teredo is None or (self._teredo.mapped, self._teredo.server) != (told.mapped, primary):
            self._teredo = TeredoAddress.build(primary, told.mapped, self._random)
        mtu = min(told.mtu, self._settings.mtu)
        return Identity(self._teredo.ipv6, self._teredo, told.server, self._qualification.local, mtu, told.probe)

    def _give_address_up(self, now: float) -> None:
        if self._book is not None:
            self._book.end(now)
        if self._discovery is not None:
            self._discovery.end()
        self._errands.end()
        self._interval = self._filtering = None
        self._qualification.refresh_interval = self._settings.refresh_interval
        self._book = self._reception = self._transmission = None

    def _look_at_filtering(self) -> None:
        """Find out what the answers of one port cannot show, now that nothing waits for it."""
        known = self._filtering is not None or self._qualification.nat.kind is not NatKind.PORT_RESTRICTED
        if self._book is not None and not known:
            server = self._book.identity.server
            self._filtering = FilteringTest(server, self._settings.shared_secret, self._random, self.outbox)
            self._errands.run(self._filtering)

    def _heed_errands(self) -> None:
        if self._interval is not None:
            self._qualification.refresh_interval = max(self._settings.refresh_interval, self._interval.interval)
        if self._filtering is not None and self._filtering.lets_strangers_in:
            self._qualification.lets_strangers_in()

    def _say_up(self) -> None:
        """Say how this host is to be configured, if that is news."""
        if self._book is None:
            return
        identity = self._book.identity
        config = HostConfig(
            addresses=(IPv6Interface(identity.address),),
            routes=(TEREDO_PREFIX,),
            default_route=True,
            mtu=identity.mtu,
        )
        details = {"server": str(identity.server), "nat": self._qualification.nat.word, "mapped": str(identity.mapped)}
        up = Up(config, details, identity.probe)
        if up != self._up:
            self._up = up
            self.outbox.say(up)

    def _warn_of_native(self) -> None:
        """Teredo is a means of last resort, with an end (RFC 4380 section 5.5)."""
        if self._settings.native is NativeMode.STANDBY:
            self.outbox.say(Notice("teredo.native", "this host has native IPv6: is Teredo still needed here?"))

    def _must_stop(self) -> bool:
        return self._settings.native is NativeMode.STOP and self._network.native_ipv6 is True

    def _stand_down(self, now: float) -> None:
        """Have no address while there is native IPv6."""
        if self._standing_down:
            return
        self._standing_down = True
        self._qualification.abandon()
        self._give_address_up(now)
        self._up = None
        self.outbox.say(Down("this host has native IPv6, and `native: stop` is set", code=ExitCode.FAILED))

    # -- status -------------------------------------------------------------------------------------------------------

    def _facts(self) -> Mapping[str, Fact]:
        qualification = self._qualification
        server, book = qualification.server, self._book
        filters = self._filtering is not None and self._filtering.lets_strangers_in is False
        return {
            "server": str(server) if server is not None else None,
            "nat": qualification.nat.word if book is not None else None,
            "nat_candidates": qualification.nat.candidates(filters=filters) if book is not None else None,
            "mapped": str(qualification.mapped) if qualification.mapped is not None else None,
            "local": str(qualification.local) if self._ports.ready else None,
            "port_preserved": qualification.port_preserved,
            "address": str(book.identity.address) if book is not None else None,
            "round_trip_s": qualification.round_trip,
            "refresh_interval_s": qualification.refresh_interval,
            "relay": str(book.relay) if book is not None and book.relay is not None else None,
            "encrypted": False,
        }
