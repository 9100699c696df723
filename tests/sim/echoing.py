"""A far end of nothing in particular: it says where it sees whoever asks, sends protocol 41 back, and listens to TCP."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from tunnelmgr.api.datagrams import ChannelEvent, ChannelKind, Datagram
from tunnelmgr.api.effects import Effect, EffectResult, OpenChannel
from tunnelmgr.api.events import Event, Stopped
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.api.reach import Heard, ReachProbe
from tunnelmgr.api.status import Fact, PathUse, TunnelStatus

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
class Echoing:
    """Answers on every address it has, each from where it was asked."""

    tcp: bool = False
    _saying: list[Event] = field(default_factory=list)
    _sending: list[Datagram] = field(default_factory=list)

    def start(self, now: float, network: Network, memory: Mapping[str, bytes]) -> None:
        self._saying += [
            OpenChannel(str(local.address.ip), ChannelKind.UDP, Endpoint(local.address.ip, PORT))
            for local in network.addresses
        ]
        self._saying.append(OpenChannel("41", ChannelKind.RAW41))
        if self.tcp:
            self._saying.append(OpenChannel("tcp", ChannelKind.TCP_LISTEN, Endpoint(IPv4Address(0), TCP_PORT)))

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        if datagram.channel == "41":
            self._sending.append(Datagram("41", datagram.data, datagram.remote))
        elif datagram.data == QUESTION:
            self._sending.append(Datagram(datagram.channel, ANSWER + str(datagram.remote).encode(), datagram.remote))

    def receive_packet(self, packet: bytes, now: float) -> None: ...

    def channel_changed(self, event: ChannelEvent, now: float) -> None: ...

    def network_changed(self, network: Network, now: float) -> None: ...

    def paths_used(self, uses: Sequence[PathUse], now: float) -> None: ...

    def effect_done(self, effect: Effect, result: EffectResult, now: float) -> None: ...

    def handle_timeout(self, now: float) -> None: ...

    def next_timeout(self) -> float | None:
        return None

    def datagrams_to_send(self) -> list[Datagram]:
        sending, self._sending = self._sending, []
        return sending

    def packets_to_deliver(self) -> list[bytes]:
        return []

    def events(self) -> list[Event]:
        saying, self._saying = self._saying, []
        return saying

    def status(self, now: float) -> TunnelStatus:
        return TunnelStatus("serving")

    def command(self, name: str, arguments: Mapping[str, Fact], now: float) -> Mapping[str, object]:
        return {}

    def stop(self, now: float) -> None:
        self._saying.append(Stopped())
