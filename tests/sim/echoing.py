"""A far end of nothing in particular: it says where it sees whoever asks, sends protocol 41 back, and listens to TCP."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

from tunnelmgr.api.datagrams import ChannelKind, Datagram
from tunnelmgr.api.effects import OpenChannel
from tunnelmgr.api.events import Stopped
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.api.reach import Heard, ReachProbe
from tunnelmgr.api.status import TunnelStatus
from tunnelmgr.api.tunnel import Tunnel

PORT, TCP_PORT = 4000, 3653
QUESTION, ANSWER = b"where am I?", b"you are at "


def asking(target: str, *, offset: int = 0) -> ReachProbe:
    """Ask an `Echoing` host where it sees us."""
    what = f"paper server {target}" + (" (second address)" if offset else "")
    return ReachProbe(what, target, PORT, request=QUESTION, understand=_understand, offset=offset)


def _understand(data: bytes) -> Heard | None:
    if not data.startswith(ANSWER):
        return None
    address, _, port = data.removeprefix(ANSWER).decode().partition(":")
    return Heard(Endpoint(IPv4Address(address), int(port)))


@dataclass
class Echoing(Tunnel):
    """Answers on every address it has, each from where it was asked."""

    tcp: bool = False

    def __post_init__(self) -> None:
        super().__init__()

    def start(self, now: float, network: Network, memory: Mapping[str, bytes]) -> None:
        for local in network.addresses:
            self.outbox.say(OpenChannel(str(local.address.ip), ChannelKind.UDP, Endpoint(local.address.ip, PORT)))
        self.outbox.say(OpenChannel("41", ChannelKind.RAW41))
        if self.tcp:
            self.outbox.say(OpenChannel("tcp", ChannelKind.TCP_LISTEN, Endpoint(IPv4Address(0), TCP_PORT)))

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        if datagram.channel == "41":
            self.outbox.send(Datagram("41", datagram.data, datagram.remote))
        elif datagram.data == QUESTION:
            self.outbox.send(Datagram(datagram.channel, ANSWER + str(datagram.remote).encode(), datagram.remote))

    def receive_packet(self, packet: bytes, now: float) -> None: ...

    def handle_timeout(self, now: float) -> None: ...

    def next_timeout(self) -> float | None:
        return None

    def status(self, now: float) -> TunnelStatus:
        return TunnelStatus("serving")

    def stop(self, now: float) -> None:
        self.outbox.say(Stopped())
