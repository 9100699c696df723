"""A client on the bench: driven by its verbs alone, with everything around it played by the test."""

from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Network
from random import Random
from typing import TypeVar

from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.effects import Done, Effect, EffectResult, OpenChannel
from tunnelmgr.api.events import Event, Up
from tunnelmgr.api.network import DefaultRoute, Endpoint, LocalAddress, Network
from tunnelmgr.api.packets.discovery import RouterAdvertisement
from tunnelmgr.api.packets.discovery_options import LIFETIME_INFINITE, DiscoveryOption, MtuOption, PrefixInformation
from tunnelmgr.api.packets.icmpv6 import icmpv6_packet
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.api.packets.udp import UdpDatagram
from tunnelmgr_teredo.client.client import TeredoClient
from tunnelmgr_teredo.client.settings import ClientSettings
from tunnelmgr_teredo.constants import CLIENT_LINK_LOCAL, SOLICITATION_TIMEOUT, SOLICITATIONS_MAX
from tunnelmgr_teredo.wire.address import TeredoAddress, server_link_local
from tunnelmgr_teredo.wire.datagram import Authentication, OriginIndication, Payload

T = TypeVar("T")

SERVER = IPv4Address("203.0.113.120")
SECONDARY = IPv4Address("203.0.113.121")
LOCAL = Endpoint(IPv4Address("10.0.0.20"), 8192)
MAPPED = Endpoint(IPv4Address("192.0.2.10"), 8192)
SERVER_GIVEN_UP = SOLICITATIONS_MAX * SOLICITATION_TIMEOUT
"""Seconds until a server that does not answer is given up."""


class ScriptedRandom(Random):
    """Random numbers, but for the nonces of solicitations and the flags of addresses where a vector fixes them."""

    def __init__(self, *, nonce: bytes | None = None, flags: int | None = None) -> None:
        super().__init__(1)
        self._nonce = nonce
        self._flags = flags

    def randbytes(self, n: int) -> bytes:
        return self._nonce if self._nonce is not None and n == len(self._nonce) else super().randbytes(n)

    def getrandbits(self, k: int, /) -> int:
        return self._flags if self._flags is not None and k == 16 else super().getrandbits(k)


def network(source: str = str(LOCAL.address), *, native_ipv6: bool = False, resumed: bool = False) -> Network:
    address = LocalAddress("eth0", IPv4Interface(f"{source}/24"))
    route = DefaultRoute("eth0", IPv4Address("10.0.0.1"))
    return Network((address,), route, IPv4Address(source), native_ipv6, resumed)


def advertisement(
    nonce: bytes,
    mapped: Endpoint,
    server: IPv4Address = SERVER,
    mtu: int = 1280,
    options: tuple[DiscoveryOption, ...] = (),
) -> bytes:
    """Return what a server answers."""
    prefix = IPv6Network((TeredoAddress(server, 0, mapped).ipv6, 64), strict=False)
    usual = (PrefixInformation(prefix, False, True, LIFETIME_INFINITE, LIFETIME_INFINITE), MtuOption(mtu))
    message = RouterAdvertisement(retransmit_timer=2000, options=(*usual, *options))
    packet = icmpv6_packet(message, server_link_local(server), CLIENT_LINK_LOCAL).serialize()
    return Payload(packet, Authentication(nonce), OriginIndication(mapped)).serialize()


def udp_packet(source: IPv6Address, destination: IPv6Address, payload: bytes = b"hello") -> bytes:
    """Return an IPv6 packet a host might send."""
    datagram = UdpDatagram(40100, 40101, payload).serialize(source, destination)
    return IPv6Packet(source, destination, IpProtocol.UDP, datagram).serialize()


class Bench:
    """One client, its clock, and everything it has said."""

    def __init__(self, random: Random | None = None, /, **settings: object) -> None:
        values = {"server": str(SERVER), "port": LOCAL.port} | settings
        self.client = TeredoClient(ClientSettings.model_validate(values), random or Random(1))
        self.now = 1000.0
        self.said: list[Event] = []
        """All events so far; datagrams and packets are taken by the test."""
        self.refreshes: Endpoint | None = None
        """The mapping the server answers with while time passes; None while it is silent."""
        self._sent: list[Datagram] = []

    def start(self, net: Network | None = None, memory: dict[str, bytes] | None = None) -> "Bench":
        """Start, and open the service port."""
        self.client.start(self.now, net or network(), memory or {})
        (opening,) = self.take_events(OpenChannel)
        self.open(opening)
        return self

    def open(self, opening: OpenChannel) -> None:
        """Let a channel be opened as the client wishes."""
        self.answer(opening, Done(Endpoint(IPv4Address(0), opening.local.port)))

    def answer(self, effect: Effect, result: EffectResult) -> None:
        self.client.effect_done(effect, result, self.now)

    def qualified(self, mapped: Endpoint = MAPPED, primary: IPv4Address = SERVER) -> "Bench":
        """Start, and answer the solicitations to both addresses."""
        self.start()
        for sent in self.sent():
            self.advertise(sent, mapped, primary)
        self.take_events(Up)
        return self

    def advertise(self, solicitation: Datagram, mapped: Endpoint = MAPPED, primary: IPv4Address = SERVER) -> None:
        """Answer a solicitation the client sent."""
        header = Payload.parse(solicitation.data).authentication
        assert header is not None, "solicitations have a nonce"
        self.receive(advertisement(header.nonce, mapped, primary), solicitation.remote)

    def receive(self, payload: bytes, remote: Endpoint) -> None:
        self.client.receive_datagram(Datagram("service", payload, remote, LOCAL), self.now)

    def send(self, packet: bytes) -> None:
        """Give the client a packet of its host."""
        self.client.receive_packet(packet, self.now)

    def sent(self) -> list[Datagram]:
        """Take the datagrams the client has sent since the last call, without the solicitations that were answered."""
        sent, self._sent = self._sent + self.client.outbox.drain_datagrams(), []
        return sent

    def delivered(self) -> list[bytes]:
        """Take the packets for the host."""
        return self.client.outbox.drain_packets()

    def take_events(self, kind: type[T]) -> list[T]:
        """Take the events since the last call; return those of one kind."""
        events = self.client.outbox.drain_events()
        self.said.extend(events)
        return [event for event in events if isinstance(event, kind)]

    def wait(self, seconds: float) -> None:
        """Let time pass, with a wake-up whenever the client asked for one."""
        until = self.now + seconds
        while (at := self.client.next_timeout()) is not None and at <= until:
            self.now = max(at, self.now)
            self.client.handle_timeout(self.now)
            self._answer_solicitations()
        self.now = until

    def wake(self) -> float:
        """Go to the instant the client asked to be woken at; return how many seconds that took."""
        at = self.client.next_timeout()
        assert at is not None, "the client wants to be woken"
        before, self.now = self.now, max(at, self.now)
        self.client.handle_timeout(self.now)
        return self.now - before

    def _answer_solicitations(self) -> None:
        for datagram in self.client.outbox.drain_datagrams():
            if self.refreshes is not None and datagram.data[:2] == b"\x00\x01":
                self.advertise(datagram, self.refreshes, datagram.remote.address)
            else:
                self._sent.append(datagram)

    @property
    def state(self) -> str:
        return self.client.status(self.now).state

    @property
    def address(self) -> IPv6Address:
        """The Teredo address in use. Raises AssertionError while there is none."""
        address = self.client.status(self.now).facts["address"]
        assert isinstance(address, str), f"no address: {self.state}"
        return IPv6Address(address)

    def dropped(self, reason: str) -> int:
        return self.client.status(self.now).counters.get(f"dropped-{reason}", 0)
