"""Somebody with a public address who sends what he likes."""

from ipaddress import IPv4Address

from tests.teredo_world.far_end import FakeRelay

from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.network import Endpoint


class Attacker(FakeRelay):
    """Sends from one port, and believes nothing that it is sent."""

    PORT = 6666

    def __init__(self) -> None:
        super().__init__("2001:db8:bad::1", self.PORT)
        self.received: list[Datagram] = []

    def send(self, payload: bytes, remote: Endpoint) -> None:
        """Send a datagram at the next wake-up."""
        self.outbox.send(Datagram("service", payload, remote, Endpoint(IPv4Address(0), self.PORT)))

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        self.received.append(datagram)
