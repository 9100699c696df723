"""Measuring a NAT from both of its sides, with nothing but datagrams: what RFC 5780 does, for both internets.

The result is the same `Nat` a lab is built from, so a built NAT can be compared with its description. A test that
something does *not* arrive is fenced: after the probe, a datagram that must arrive is sent on the same way, and
once it is there the probe is known to be lost. No time is guessed, except where all UDP may be blocked.
"""

from itertools import pairwise
from typing import Protocol

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.report import Filtering, Mapping
from tunnelmgr.lab.vocabulary import Nat, PortChoice

ARRIVAL_TIMEOUT = 2.0  # seconds until a datagram, and a fence behind it, counts as dropped
FRESH_MAPPINGS = 3  # new inside endpoints needed to tell a counter from chance


class ProbeSocket(Protocol):
    """A UDP socket on an ephemeral port somewhere in a lab."""

    @property
    def endpoint(self) -> Endpoint: ...

    def send(self, data: bytes, remote: Endpoint) -> None: ...

    def receive(self, timeout: float) -> tuple[bytes, Endpoint] | None:
        """Return the next datagram and its source, or None when `timeout` seconds passed without one."""
        ...


class ProbeGround(Protocol):
    """Where sockets can be opened: on the inside host, and outside on two hosts with different addresses."""

    def inside(self) -> ProbeSocket: ...

    def outside(self, host: int) -> ProbeSocket:
        """Open a socket on the outside host number 0 or 1."""
        ...


def measure(ground: ProbeGround) -> Nat | None:
    """Return what is between inside and outside: a NAT, or None where nothing is translated.

    The mapping timeout is not measured: that takes its time. Raises TunnelError when a datagram is lost on the way.
    """
    first, second, other = ground.outside(0), ground.outside(0), ground.outside(1)
    inside = ground.inside()
    inside.send(b"hello", first.endpoint)
    arrived = first.receive(ARRIVAL_TIMEOUT)
    if arrived is None:
        return Nat(passes_udp=False)
    if arrived[1] == inside.endpoint:
        return None
    port_choice = _port_choice(ground, first)
    return Nat(
        mapping=_mapping(arrived[1], _mapped(inside, second), _mapped(inside, other)),
        filtering=_filtering(ground, first, second, other),
        port_choice=port_choice,
        hairpinning=_hairpinning(ground, first),
        open_box=port_choice is PortChoice.PRESERVING and _remembers_strangers(ground, first, other),
    )


def _mapped(inside: ProbeSocket, outside: ProbeSocket) -> Endpoint:
    """Where `outside` sees packets of `inside` come from."""
    inside.send(b"who am I", outside.endpoint)
    arrived = outside.receive(ARRIVAL_TIMEOUT)
    if arrived is None:
        raise TunnelError(f"the datagram from {inside.endpoint} to {outside.endpoint} was lost, others were not")
    return arrived[1]


def _mapping(first: Endpoint, second: Endpoint, other: Endpoint) -> Mapping:
    if first != second:
        return Mapping.ADDRESS_AND_PORT
    return Mapping.ENDPOINT_INDEPENDENT if first == other else Mapping.ADDRESS


def _filtering(ground: ProbeGround, first: ProbeSocket, second: ProbeSocket, other: ProbeSocket) -> Filtering:
    inside = ground.inside()
    mapped = _mapped(inside, first)  # it has spoken to `first` only
    other.send(b"other address", mapped)
    second.send(b"other port", mapped)
    first.send(b"fence", mapped)
    arrived = _until(inside, b"fence")
    if b"other address" in arrived:
        return Filtering.ENDPOINT_INDEPENDENT
    return Filtering.ADDRESS if b"other port" in arrived else Filtering.ADDRESS_AND_PORT


def _port_choice(ground: ProbeGround, outside: ProbeSocket) -> PortChoice:
    fresh = [ground.inside() for _ in range(FRESH_MAPPINGS)]
    inside_ports = [socket.endpoint.port for socket in fresh]
    ports = [_mapped(socket, outside).port for socket in fresh]
    if ports == inside_ports:
        return PortChoice.PRESERVING
    steps = {later - earlier for earlier, later in pairwise(ports)}
    return PortChoice.SEQUENTIAL if steps == {1} else PortChoice.RANDOM


def _hairpinning(ground: ProbeGround, outside: ProbeSocket) -> bool:
    one, two = ground.inside(), ground.inside()
    _mapped(one, outside)
    mapped = _mapped(two, outside)
    one.send(b"hairpin", mapped)
    # Not quite the same way: the NAT turns the probe round, and the fence comes from beyond it, which is longer.
    outside.send(b"fence", mapped)
    return b"hairpin" in _until(two, b"fence")


def _remembers_strangers(ground: ProbeGround, outside: ProbeSocket, later: ProbeSocket) -> bool:
    """Whether an unsolicited packet takes the outside endpoint from the inside host that would have had it.

    Raises TunnelError where it does so towards the stranger alone: `Nat.open_box` means all that is spoken to later.
    """
    inside, witness = ground.inside(), ground.inside()
    witness_mapped = _mapped(witness, outside)
    outside.send(b"unsolicited", Endpoint(witness_mapped.address, inside.endpoint.port))
    outside.send(b"fence", witness_mapped)
    _until(witness, b"fence")
    moved = _mapped(inside, outside)
    if moved.port == inside.endpoint.port:
        return False
    if (seen := _mapped(inside, later)) != moved:
        raise TunnelError(f"an open box that moved to {moved} for a stranger is {seen} for the next peer")
    return True


def _until(socket: ProbeSocket, fence: bytes) -> set[bytes]:
    """All that arrives until the fence does."""
    arrived: set[bytes] = set()
    while fence not in arrived and (got := socket.receive(ARRIVAL_TIMEOUT)) is not None:
        arrived.add(got[0])
    return arrived
