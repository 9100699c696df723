"""A Teredo server and a relay as small as they can be, for tests of the client: only what RFC 4380 asks, no defences."""

from collections import defaultdict
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network

from tunnelmgr.api.datagrams import ChannelKind, Datagram
from tunnelmgr.api.effects import OpenChannel
from tunnelmgr.api.events import Stopped, Up
from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.api.packets.discovery import RouterAdvertisement
from tunnelmgr.api.packets.discovery_options import LIFETIME_INFINITE, MtuOption, PrefixInformation
from tunnelmgr.api.packets.icmpv6 import icmpv6_packet
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.status import TunnelStatus
from tunnelmgr.api.tunnel import Tunnel
from tunnelmgr_teredo.constants import PEER_VALIDITY, SERVER_PORT
from tunnelmgr_teredo.wire.address import InterfaceIdentifier, TeredoAddress, is_teredo, server_link_local
from tunnelmgr_teredo.wire.datagram import OriginIndication, Payload, SharedSecret, bubble, is_bubble

_OTHER = {"primary": "secondary", "secondary": "primary"}


class _Role(Tunnel):
    """What both have in common: they wait for what comes."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def handle_timeout(self, now: float) -> None:
        pass

    def next_timeout(self) -> float | None:
        return None

    def status(self, now: float) -> TunnelStatus:
        return TunnelStatus("listening")

    def stop(self, now: float) -> None:
        self.outbox.say(Stopped())


class FakeServer(_Role):
    """Answers solicitations on both addresses, forwards bubbles between clients and echo requests to native hosts.

    A test may change every attribute while it runs: `silent` and `silent_secondary` let it take no notice of anything,
    `wrong_prefix` has it advertise another server's prefix, `lie` tell this mapping to everybody; `knows_cone_bit` off, it
    answers from the address that was asked whatever the solicitation says.
    """

    def __init__(
        self, primary: str, secondary: str | None = None, *, mtu: int | None = 1280, secret: SharedSecret | None = None
    ) -> None:
        super().__init__()
        self.primary = IPv4Address(primary)
        self.secondary = IPv4Address(secondary) if secondary else self.primary + 1
        self.mtu = mtu
        self.secret = secret
        self.confirmation = 0
        self.silent = False
        self.silent_secondary = False
        self.wrong_prefix: IPv4Address | None = None
        self.lie: Endpoint | None = None
        self.knows_cone_bit = True
        self.solicited: list[tuple[float, str, Payload]] = []
        """Every solicitation: when, on which address, and what."""

    def start(self, now: float, network: Network, memory: Mapping[str, bytes]) -> None:
        for channel, address in (("primary", self.primary), ("secondary", self.secondary)):
            self.outbox.say(OpenChannel(channel, ChannelKind.UDP, Endpoint(address, SERVER_PORT)))
        self.outbox.say(Up(HostConfig(listening=True, forwarding=True)))

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        if self.silent or (self.silent_secondary and datagram.channel == "secondary"):
            return
        payload = Payload.parse(datagram.data)
        packet = IPv6Packet.parse(payload.packet)
        if packet.source.is_link_local and packet.destination == IPv6Address("ff02::2"):
            self.solicited.append((now, datagram.channel, payload))
            self._advertise(datagram, payload, packet)
        elif is_teredo(packet.destination):
            self._forward(datagram, payload, packet)
        elif is_teredo(packet.source):
            self.outbox.deliver(payload.packet)

    def receive_packet(self, packet: bytes, now: float) -> None:
        pass

    def _advertise(self, datagram: Datagram, payload: Payload, solicitation: IPv6Packet) -> None:
        server = self.wrong_prefix or self.primary
        prefix = IPv6Network((TeredoAddress(server, 0, Endpoint(server, 0)).ipv6, 64), strict=False)
        information = PrefixInformation(prefix, False, True, LIFETIME_INFINITE, LIFETIME_INFINITE)
        options = (information, MtuOption(self.mtu)) if self.mtu is not None else (information,)
        message = RouterAdvertisement(retransmit_timer=2000, options=options)
        packet = icmpv6_packet(message, server_link_local(self.primary), solicitation.source).serialize()
        origin = OriginIndication(self.lie or datagram.remote)
        answer = Payload(packet, payload.authentication, origin)
        if payload.authentication is not None and self.secret is not None:
            answer = self.secret.sign(packet, payload.authentication.nonce, origin, self.confirmation)
        cone = self.knows_cone_bit and InterfaceIdentifier.parse(solicitation.source.packed[8:]).cone
        channel = _OTHER[datagram.channel] if cone else datagram.channel
        self.outbox.send(Datagram(channel, answer.serialize(), datagram.remote))

    def _forward(self, datagram: Datagram, payload: Payload, packet: IPv6Packet) -> None:
        client = TeredoAddress.parse(packet.destination)
        origin = OriginIndication(datagram.remote) if client.server == self.primary else None
        forwarded = Payload(payload.packet, None, origin, payload.behind)
        self.outbox.send(Datagram("primary", forwarded.serialize(), client.mapped))


class FakeRelay(_Role):
    """Carries packets between native hosts and clients; a client is asked to open its NAT by a bubble from `address`.

    As Miredo's, it believes the mapping a client's bubble comes from, so that symmetric NATs are served too.
    """

    def __init__(self, address: str, port: int = SERVER_PORT + 1) -> None:
        super().__init__()
        self.address = IPv6Address(address)
        self._port = port
        self._waiting: dict[IPv6Address, list[bytes]] = defaultdict(list)
        self.known: dict[IPv6Address, Endpoint] = {}
        self._heard_at: dict[IPv6Address, float] = {}
        self.carried = 0

    def start(self, now: float, network: Network, memory: Mapping[str, bytes]) -> None:
        self.outbox.say(OpenChannel("service", ChannelKind.UDP, Endpoint(IPv4Address(0), self._port)))
        self.outbox.say(Up(HostConfig(listening=True, forwarding=True)))

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        payload = Payload.parse(datagram.data)
        packet = IPv6Packet.parse(payload.packet)
        mapped = self.known.get(packet.source) or TeredoAddress.parse(packet.source).mapped
        if mapped != datagram.remote and not is_bubble(packet):
            return
        self.known[packet.source] = datagram.remote
        self._heard_at[packet.source] = now
        for waiting in self._waiting.pop(packet.source, []):
            self.outbox.send(Datagram("service", waiting, datagram.remote))
        if not is_bubble(packet):
            self.carried += 1
            self.outbox.deliver(payload.packet)

    def receive_packet(self, packet: bytes, now: float) -> None:
        destination = IPv6Packet.parse(packet).destination
        if destination in self.known and now - self._heard_at[destination] < PEER_VALIDITY:
            self.outbox.send(Datagram("service", packet, self.known[destination]))
            return
        self._waiting[destination].append(packet)
        client = TeredoAddress.parse(destination)
        self.outbox.send(Datagram("service", bubble(self.address, destination), client.server_endpoint))
