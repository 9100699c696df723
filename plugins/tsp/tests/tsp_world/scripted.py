"""A client at a desk: a broker that says what a test wrote for it, a clock that moves by hand."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv6Address
from random import Random
from typing import Any

from tunnelmgr.api.datagrams import ChannelKind, Datagram
from tunnelmgr.api.effects import Done, Effect, OpenChannel, Resolve
from tunnelmgr.api.events import Down, Event, Notice, Up
from tunnelmgr.api.network import DefaultRoute, Endpoint, LocalAddress, Network
from tunnelmgr.api.packets.icmp import EchoReply, EchoRequest
from tunnelmgr.api.packets.icmpv6 import icmpv6_packet, parse_icmpv6
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr_tsp.client.client import TspClient
from tunnelmgr_tsp.client.settings import TspClientSettings
from tunnelmgr_tsp.constants import PORT
from tunnelmgr_tsp.wire.capability import TunnelType
from tunnelmgr_tsp.wire.datagrams import ControlMessage, Kind
from tunnelmgr_tsp.wire.framing import Reply, Status
from tunnelmgr_tsp.wire.messages import KeepaliveWish, Offer

BROKER = Endpoint(IPv4Address("192.0.2.1"), PORT)
OURS = IPv4Address("203.0.113.5")
SERVER, CLIENT = IPv6Address("2001:db8:1::1"), IPv6Address("2001:db8:1::2")
OFFER = Offer(TunnelType.V6UDPV4, BROKER.address, SERVER, OURS, CLIENT, 1440, keepalive=KeepaliveWish(30, SERVER))
NETWORK = Network((LocalAddress("eth0", IPv4Interface(f"{OURS}/24")),), DefaultRoute("eth0", None), OURS)
CAPABILITY = b"CAPABILITY TUNNEL=V6V4 TUNNEL=V6UDPV4 AUTH=ANONYMOUS AUTH=DIGEST-MD5 AUTH=PLAIN\r\n"
OK = b"200 Success\r\n"

Answer = bytes | None
"""What the broker says; None says nothing."""


def offered(**changes: Any) -> bytes:
    """Return an answer to create."""
    return Reply(Status(200, "Success"), replace(OFFER, **changes).serialize()).serialize()


def refusal(code: int, text: str = "No") -> bytes:
    """Return an answer to create that refuses."""
    return Reply(Status(code, text)).serialize()


class Desk:
    """A client over UDP, and its scripted broker. `answers` maps the first word of a request to an answer, or to several."""

    def __init__(self, answers: dict[str, Answer | list[Answer]] | None = None, **settings: Any) -> None:
        self.answers: dict[str, Answer | list[Answer]] = {"VERSION": CAPABILITY, "AUTHENTICATE": OK, "create": offered()}
        self.answers |= {"accept": b"", "reject": b"", **(answers or {})}
        self.now = 0.0
        self.said: list[Event] = []
        self.requests: list[bytes] = []
        self.echoes: list[float] = []
        """When keepalives left."""
        self.echo_works = True
        self.channels: dict[str, ChannelKind] = {}
        chosen = TspClientSettings.model_validate({"broker": "192.0.2.1", "signalling": "udp"} | settings)
        self.client = TspClient(chosen, Random(1))
        self.client.start(0.0, NETWORK, {})
        self.turn()

    def turn(self) -> None:
        """Carry out what the client says until it has nothing more to say."""
        while True:
            events, datagrams = self.client.outbox.drain_events(), self.client.outbox.drain_datagrams()
            if not events and not datagrams:
                return
            self.said += events
            for event in events:
                self._perform(event)
            for datagram in datagrams:
                self._deliver(datagram)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        while (at := self.client.next_timeout()) is not None and at <= end:
            self.now = max(self.now, at)
            self.client.handle_timeout(self.now)
            self.turn()
        self.now = end

    def hear(self, data: bytes, remote: Endpoint = BROKER, channel: str | None = None) -> None:
        """Let a datagram arrive on the latest channel."""
        self.client.receive_datagram(Datagram(channel or list(self.channels)[-1], data, remote), self.now)
        self.turn()

    def _perform(self, event: Event) -> None:
        match event:
            case OpenChannel(channel, kind, local):
                self.channels[channel] = kind
                self._answer(event, local._replace(port=40000 + len(self.channels)))
            case Resolve():
                self._answer(event, (BROKER.address,))

    def _answer(self, effect: Effect, value: object) -> None:
        self.client.effect_done(effect, Done(value), self.now)

    def _deliver(self, datagram: Datagram) -> None:
        if Kind.of(datagram.data) is Kind.IPV6:
            self._echo(datagram)
            return
        message = ControlMessage.parse(datagram.data)
        self.requests.append(message.text)
        answer = self._script(message.text)
        if answer is not None:
            reply = ControlMessage(message.sequence, message.timestamp, answer).serialize()
            self.client.receive_datagram(Datagram(datagram.channel, reply, datagram.remote), self.now)

    def _script(self, text: bytes) -> Answer:
        words = text.decode("latin-1")
        name = next((name for name in self.answers if f'action="{name}"' in words or words.startswith(name)), "")
        found = self.answers.get(name)
        if not isinstance(found, list):
            return found
        return found.pop(0) if len(found) > 1 else found[0]

    def _echo(self, datagram: Datagram) -> None:
        self.echoes.append(self.now)
        packet = IPv6Packet.parse(datagram.data)
        message = parse_icmpv6(packet)
        if self.echo_works and isinstance(message, EchoRequest):
            reply = icmpv6_packet(EchoReply(message.identifier, message.sequence, message.data), SERVER, CLIENT)
            self.client.receive_datagram(Datagram(datagram.channel, reply.serialize(), datagram.remote), self.now)

    # What a test looks at.

    @property
    def ups(self) -> list[Up]:
        return [event for event in self.said if isinstance(event, Up)]

    @property
    def downs(self) -> list[Down]:
        return [event for event in self.said if isinstance(event, Down)]

    @property
    def notices(self) -> list[str]:
        return [event.code for event in self.said if isinstance(event, Notice)]

    def count(self, words: bytes) -> int:
        """Return how many requests held these words."""
        return sum(words in request for request in self.requests)
