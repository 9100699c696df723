"""Watches the packets of a running profile: which sockets to listen on, and what comes of them in the order of time.

The kernel copies packets to us (packet(7)); the tunnel's own process has no part in it but to tell, once a second, which
device and which sockets are its.
"""

import selectors
import time
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from ipaddress import IPv4Address
from typing import NamedTuple, Self

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.api.network import Network
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.core.driving.traffic import OuterSocket
from tunnelmgr.core.running.snapshot import Running
from tunnelmgr.daemon.client import ControlClient, NotRunningError
from tunnelmgr.host.linux.facts import network
from tunnelmgr.host.linux.packet_filter import OuterEnd, packets_of
from tunnelmgr.host.linux.packet_socket import PACKET_BYTES_MAX, PacketSocket, SeenPacket

_LOOK_INTERVAL = 1.0  # seconds between looks at the profile: does it run, has its device or a socket changed
_LOOPBACK = "lo"


class TunnelSide(Enum):
    """Of a tunnel."""

    OUTER = "outer"
    """Datagrams on the IPv4 network."""
    INNER = "inner"
    """IPv6 packets on the tunnel device."""


class Tap(NamedTuple):
    """One interface to listen on, and for what; without ends for everything."""

    side: TunnelSide
    interface: str
    ends: tuple[OuterEnd, ...] = ()

    def __str__(self) -> str:
        return f"{self.side.value} {self.interface}"


class Traced(NamedTuple):
    """A packet that passed."""

    side: TunnelSide
    packet: SeenPacket


def taps_of(run: Running, here: Network, sides: Iterable[TunnelSide]) -> frozenset[Tap]:
    """Return where the packets of a tunnel pass. Pure."""
    taps: set[Tap] = set()
    if TunnelSide.INNER in sides:
        taps.add(Tap(TunnelSide.INNER, run.device))
    if TunnelSide.OUTER in sides:
        for interface in {_LOOPBACK, *(local.interface for local in here.addresses)}:
            ends = tuple(_end(sock) for sock in run.sockets if interface in _interfaces(sock, here))
            taps |= {Tap(TunnelSide.OUTER, interface, ends)} if ends else set()
    return frozenset(taps)


def _interfaces(sock: OuterSocket, here: Network) -> set[str]:
    """Return the interfaces a socket's datagrams may pass: those with its address, all with one when it has none."""
    address = IPv4Address(sock.address)
    if address.is_loopback:
        return {_LOOPBACK}
    anywhere = address.is_unspecified or address.is_multicast
    return {local.interface for local in here.addresses if anywhere or local.address.ip == address}


def _end(sock: OuterSocket) -> OuterEnd:
    address = IPv4Address(sock.address)
    protocol = IpProtocol.IPV6 if sock.kind == "raw41" else IpProtocol.UDP
    remote = IPv4Address(sock.remote) if sock.remote else None
    return OuterEnd(protocol, None if address.is_unspecified else address, sock.port, remote)


class Tracer:
    """Listens on the taps of one profile, which may change. To be used in a `with`."""

    def __init__(self, client: ControlClient, sides: Iterable[TunnelSide], tell: Callable[[str], None]) -> None:
        """`tell` shows the user what is to be known beside the packets."""
        self._client = client
        self._sides = tuple(sides)
        self._tell = tell
        self._open: dict[Tap, PacketSocket] = {}
        self._selector = selectors.DefaultSelector()
        self._answering = True
        self._lost = 0
        self._missing: set[Tap] = set()
        self.seen = 0
        """Packets so far."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for tap in list(self._open):
            self._close(tap)
        self._selector.close()

    def lost(self) -> int:
        """Return how many packets came faster than they could be read."""
        for sock in self._open.values():
            self._lost += sock.lost()
        return self._lost

    def packets(self) -> Iterator[Traced]:
        """Yield packets as they pass, until the profile ends. Raises TunnelError when nothing can be listened to."""
        while self._look():
            look_at = time.monotonic() + _LOOK_INTERVAL
            while (left := look_at - time.monotonic()) > 0:
                yield from self._wait(left)

    def _look(self) -> bool:
        """Listen where the profile's packets pass now; return whether it still runs."""
        try:
            snapshot = self._client.status()
        except NotRunningError:
            self._tell(f"{self._client.name} has ended")
            return False
        except TunnelError as error:  # it hangs, which is worth watching
            if self._answering:
                self._tell(str(error))
            self._answering = False
            return True
        self._answering = True
        run = snapshot.running
        self._listen(taps_of(run, network(), self._sides) if run else frozenset())
        before = self._lost
        if self.lost() > before:
            self._tell(f"{self._lost - before} packets came too fast to be shown")
        return True

    def _listen(self, wanted: frozenset[Tap]) -> None:
        for tap in self._open.keys() - wanted:
            self._close(tap)
        missing = sorted(wanted - self._open.keys(), key=lambda tap: (tap.side is TunnelSide.INNER, tap.interface))
        opened = [tap for tap in missing if self._try(tap)]
        if opened:
            self._tell(f"{self._client.name}: watching {', '.join(map(str, opened))}; Ctrl-C ends")

    def _try(self, tap: Tap) -> bool:
        try:
            sock = PacketSocket(tap.interface, packets_of(tap.ends, PACKET_BYTES_MAX) if tap.ends else ())
        except PermissionError as error:
            raise TunnelError(
                f"may not watch packets on {tap.interface}: {error.strerror}",
                hint="it takes root, in a container the capability NET_RAW",
                exit_code=ExitCode.NO_PERMISSION,
            ) from error
        except OSError as error:
            if not self._open and not self.seen:
                raise TunnelError(
                    f"cannot watch packets on {tap.interface}: {error.strerror}",
                    hint=f"is {self._client.name} up in another network namespace? trace it there",
                ) from error
            if tap not in self._missing:
                self._tell(f"{tap}: {error.strerror}; looking for it again")
            self._missing.add(tap)
            return False
        self._missing.discard(tap)
        self._open[tap] = sock
        self._selector.register(sock, selectors.EVENT_READ, tap)
        return True

    def _wait(self, timeout: float) -> Iterator[Traced]:
        found: list[Traced] = []
        for key, _ in self._selector.select(timeout):
            tap: Tap = key.data
            try:
                found += (Traced(tap.side, packet) for packet in self._open[tap].read())
            except OSError:  # the interface is down or gone: the next look finds another
                self._close(tap)
        for traced in sorted(found, key=lambda traced: traced.packet.at):
            self.seen += 1
            yield traced

    def _close(self, tap: Tap) -> None:
        sock = self._open.pop(tap)
        self._lost += sock.lost()
        self._selector.unregister(sock)
        sock.close()
