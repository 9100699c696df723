"""The order in which a pump carries out what a Tunnel says."""

from collections.abc import Sequence
from ipaddress import IPv4Address

from tests.scripted_tunnel import ScriptedTunnel
from tunnelmgr.api.datagrams import ChannelKind, Datagram
from tunnelmgr.api.effects import CloseChannel, OpenChannel
from tunnelmgr.api.events import Event
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.pump import Outside, Pump
from tunnelmgr.api.status import PathUse

REMOTE = Endpoint(IPv4Address("192.0.2.1"), 4000)


class Ledger(Outside):
    """Writes down what is carried out."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def now(self) -> float:
        return 0.0

    def on_event(self, event: Event) -> None:
        assert isinstance(event, OpenChannel | CloseChannel)
        self.lines.append(f"{type(event).__name__} {event.channel}")

    def send(self, datagrams: Sequence[Datagram]) -> None:
        self.lines += [f"{datagram.data.decode()} on {datagram.channel}" for datagram in datagrams]

    def deliver(self, packets: Sequence[bytes]) -> None:
        self.lines += [f"deliver {packet.decode()}" for packet in packets]

    def path_uses(self) -> Sequence[PathUse]:
        return ()

    def wake_at(self, instant: float | None) -> None:
        self.lines.append(f"wake at {instant}")


def test_a_channel_closes_after_its_last_words_and_opens_before_its_first() -> None:
    ledger = Ledger()
    tunnel = ScriptedTunnel(CloseChannel("old"), OpenChannel("new", ChannelKind.UDP))
    tunnel.outbox.send(Datagram("new", b"hello", REMOTE), Datagram("old", b"good bye", REMOTE))
    tunnel.outbox.deliver(b"packet")
    tunnel.wake_at = 7.0
    Pump(tunnel, ledger).command("turn", {})
    assert ledger.lines == [
        "good bye on old",
        "CloseChannel old",
        "OpenChannel new",
        "hello on new",
        "deliver packet",
        "wake at 7.0",
    ]
