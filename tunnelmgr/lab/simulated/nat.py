"""What a NAT does to packets, in the words of RFC 4787: mapping, filtering, choice of ports, expiry, hairpinning.

One `FlowTable` holds the mappings of one protocol with ports; a `Translator` is a whole NAT. Pure: packets and a time go in.
"""

from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from random import Random

from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.api.report import Filtering, Mapping
from tunnelmgr.lab.simulated.packet import Dropped, IcmpError, OuterPacket
from tunnelmgr.lab.vocabulary import Nat, PortChoice

FIRST_PORT, LAST_PORT = 1024, 65535  # what a NAT gives away; RFC 4787 REQ-3 leaves the well-known ones alone
FIRST_SEQUENTIAL_PORT = 40000
OPEN_BOX_TIMEOUT = 30.0  # seconds; Linux nf_conntrack_udp_timeout, a flow seen in one direction only
TCP_MAPPING_TIMEOUT = 7440.0  # seconds; RFC 5382 REQ-5
PROTOCOL_41_TIMEOUT = 600.0  # seconds; Linux nf_conntrack_generic_timeout

Scope = Endpoint | IPv4Address | None
"""The remotes a mapping is for: one endpoint, all ports of one address, or everybody."""


@dataclass(slots=True)
class Binding:
    """One mapping: an inside endpoint and the outside port that stands for it."""

    inside: Endpoint
    port: int
    filtering: Filtering
    timeout: float
    used_at: float
    renewed: bool = True
    """Whether use keeps it alive; what was mapped on request ends when it was to."""
    contacted: dict[Endpoint, float] = field(default_factory=dict)
    """Remotes packets were exchanged with, and when last."""

    def alive(self, now: float) -> bool:
        return now - self.used_at < self.timeout

    def knows(self, remote: Endpoint, now: float) -> bool:
        """Whether packets were exchanged with a remote not long ago."""
        return remote in self.contacted and now - self.contacted[remote] < self.timeout

    def use(self, remote: Endpoint, now: float) -> None:
        self.contacted[remote] = now
        if self.renewed:
            self.used_at = now

    def lets_in(self, remote: Endpoint, now: float) -> bool:
        if self.filtering is Filtering.ENDPOINT_INDEPENDENT:
            return True
        if self.filtering is Filtering.ADDRESS_AND_PORT:
            return self.knows(remote, now)
        return any(at.address == remote.address and now - used < self.timeout for at, used in self.contacted.items())


class FlowTable:
    """The mappings of UDP or of TCP."""

    def __init__(self, nat: Nat, random: Random) -> None:
        self._nat = nat
        self._random = random
        self._next_port = FIRST_SEQUENTIAL_PORT
        self._bindings: dict[tuple[Endpoint, Scope], Binding] = {}
        self._by_port: dict[int, Binding] = {}
        self._box: dict[tuple[int, Endpoint], float] = {}
        """Flows the box itself has: outside port and remote, and when last heard."""

    def outbound(self, inside: Endpoint, remote: Endpoint, now: float) -> int:
        """Return the outside port a packet from `inside` to `remote` leaves from."""
        binding = self._find(inside, remote, now) or self._bind(inside, self._scope(remote), now)
        if self._box_has(binding.port, remote, now):
            binding = self._move(binding, remote, now)
        binding.use(remote, now)
        return binding.port

    def inbound(self, port: int, remote: Endpoint, now: float) -> Endpoint | Dropped:
        """Return the inside endpoint that may hear `remote` on `port`."""
        binding = self.binding_at(port, now)
        if binding is not None and not self._box_has(port, remote, now) and binding.lets_in(remote, now):
            binding.use(remote, now)
            return binding.inside
        if self._nat.open_box:
            self._box[port, remote] = now
            return Dropped(f"unsolicited, kept by the box as a flow of its own on port {port}")
        return Dropped(f"no mapping on port {port}" if binding is None else f"filtered on port {port}")

    def binding_at(self, port: int, now: float) -> Binding | None:
        """Return the mapping that holds an outside port."""
        binding = self._by_port.get(port)
        return binding if binding is not None and binding.alive(now) else None

    def port_of(self, inside: Endpoint, remote: Endpoint) -> int:
        """Return the outside port of the flow between `inside` and `remote`, alive or not; 0 when there was none."""
        found = [self._bindings.get((inside, scope)) for scope in (remote, remote.address, None)]
        return next((binding.port for binding in found if binding is not None), 0)

    def bind_on_request(self, inside: Endpoint, port: int, lifetime: float, now: float) -> int:
        """Make a mapping everybody may use, as PCP does (RFC 6887); return its outside port.

        A port of 0, or one that another inside endpoint holds, gives the port `inside` has already, or any.
        """
        old = self._find(inside, Endpoint(inside.address, 0), now)
        wished = port or (old.port if old is not None else inside.port)
        holder = self.binding_at(wished, now)
        outside = wished if holder is None or holder.inside == inside else self._random_port(now)
        binding = Binding(inside, outside, Filtering.ENDPOINT_INDEPENDENT, lifetime, now, renewed=False)
        self._bindings[inside, None] = self._by_port[outside] = binding
        return outside

    def unbind(self, inside: Endpoint) -> None:
        """Take back what was mapped on request."""
        binding = self._bindings.pop((inside, None), None)
        if binding is not None:
            del self._by_port[binding.port]

    def _find(self, inside: Endpoint, remote: Endpoint, now: float) -> Binding | None:
        for scope in (remote, remote.address, None):  # a mapping for one peer goes before one for all
            binding = self._bindings.get((inside, scope))
            if binding is not None and binding.alive(now) and (scope != remote or binding.knows(remote, now)):
                return binding
        return self._own_port(inside, now) if self._scope(remote) is None else None

    def _own_port(self, inside: Endpoint, now: float) -> Binding | None:
        """Return the mapping that keeps the port `inside` has itself, if it is one of `inside`."""
        binding = self.binding_at(inside.port, now)
        return binding if binding is not None and binding.inside == inside else None

    def _scope(self, remote: Endpoint) -> Scope:
        match self._nat.mapping:
            case Mapping.ENDPOINT_INDEPENDENT:
                return None
            case Mapping.ADDRESS:
                return remote.address
            case Mapping.ADDRESS_AND_PORT:
                return remote

    def _bind(self, inside: Endpoint, scope: Scope, now: float, *, moved: bool = False) -> Binding:
        port = self._random_port(now) if moved else self._choose_port(inside, now)
        filtering = Filtering.ADDRESS_AND_PORT if moved else self._nat.filtering
        binding = Binding(inside, port, filtering, self._nat.mapping_timeout, now)
        self._bindings[inside, scope] = self._by_port[port] = binding
        return binding

    def _move(self, binding: Binding, remote: Endpoint, now: float) -> Binding:
        """Return a mapping for a remote whose flow with the box has taken the outside endpoint of `binding`.

        Linux gives a new flow the port of the latest flow of the same inside endpoint, else the port it has inside
        (nf_nat_core.c, get_unique_tuple). So the port taken here is the one for all remotes met later, while flows there
        are keep theirs.
        """
        inside, scope = binding.inside, self._scope(remote)
        if scope is None:
            for known in binding.contacted:
                self._bindings[inside, known] = binding
        own = self._own_port(inside, now)
        if own is None or self._box_has(own.port, remote, now):
            return self._bind(inside, scope, now, moved=True)
        self._bindings[inside, scope] = own
        return own

    def _choose_port(self, inside: Endpoint, now: float) -> int:
        if self._nat.port_choice is PortChoice.PRESERVING and self.binding_at(inside.port, now) is None:
            return inside.port
        if self._nat.port_choice is PortChoice.SEQUENTIAL:
            return self._sequential_port(now)
        return self._random_port(now)

    def _sequential_port(self, now: float) -> int:
        while self.binding_at(self._next_port, now) is not None:
            self._next_port = self._next_port + 1 if self._next_port < LAST_PORT else FIRST_PORT
        self._next_port += 1
        return self._next_port - 1

    def _random_port(self, now: float) -> int:
        while True:
            port = self._random.randint(FIRST_PORT, LAST_PORT)
            if self.binding_at(port, now) is None and all(taken != port for taken, _ in self._box):
                return port

    def _box_has(self, port: int, remote: Endpoint, now: float) -> bool:
        heard_at = self._box.get((port, remote))
        return heard_at is not None and now - heard_at < OPEN_BOX_TIMEOUT


class Translator:
    """One NAT with one outside address. Takes IPv4 packets from either side and returns what it makes of them."""

    def __init__(self, nat: Nat, outside: IPv4Address, random: Random) -> None:
        self.nat = nat
        self.outside = outside
        self._random = random
        self.forget()

    def forget(self) -> None:
        """Lose all mappings, as a router does that restarts."""
        streams = replace(
            self.nat, filtering=Filtering.ADDRESS_AND_PORT, mapping_timeout=TCP_MAPPING_TIMEOUT, open_box=False
        )
        self._tables = {IpProtocol.UDP: FlowTable(self.nat, self._random), IpProtocol.TCP: FlowTable(streams, self._random)}
        self._hosts41: dict[IPv4Address, tuple[IPv4Address, float]] = {}

    @property
    def udp(self) -> FlowTable:
        return self._tables[IpProtocol.UDP]

    def outward(self, packet: OuterPacket, now: float) -> OuterPacket | Dropped:
        """Translate a packet on its way out."""
        if packet.error is not None:
            return self._error_outward(packet, packet.error)
        if packet.protocol is IpProtocol.IPV6:
            return self._protocol41_outward(packet, now)
        if packet.protocol is IpProtocol.UDP and not self.nat.passes_udp:
            return Dropped("UDP blocked")
        port = self._tables[packet.protocol].outbound(packet.source, packet.destination, now)
        return replace(packet, source=Endpoint(self.outside, port))

    def inward(self, packet: OuterPacket, now: float) -> OuterPacket | Dropped:
        """Translate a packet on its way in."""
        if packet.error is not None:
            return self._error_inward(packet, packet.error, now)
        if packet.protocol is IpProtocol.IPV6:
            return self._protocol41_inward(packet, now)
        if packet.protocol is IpProtocol.UDP and not self.nat.passes_udp:
            return Dropped("UDP blocked")
        inside = self._tables[packet.protocol].inbound(packet.destination.port, packet.source, now)
        return inside if isinstance(inside, Dropped) else replace(packet, destination=inside)

    def hairpin(self, packet: OuterPacket, now: float) -> OuterPacket | Dropped:
        """Turn round a packet from inside to our own outside address (RFC 4787 section 6)."""
        if not self.nat.hairpinning:
            return Dropped("no hairpinning")
        leaving = self.outward(packet, now)
        return leaving if isinstance(leaving, Dropped) else self.inward(leaving, now)

    def _protocol41_outward(self, packet: OuterPacket, now: float) -> OuterPacket | Dropped:
        if not self.nat.passes_protocol41:
            return Dropped("protocol 41 blocked")
        remote, inside = packet.destination.address, packet.source.address
        holder = self._host41(remote, now)
        if holder not in {None, inside}:
            return Dropped(f"protocol 41 with {remote} belongs to {holder}")
        self._hosts41[remote] = (inside, now)
        return replace(packet, source=Endpoint(self.outside, 0))

    def _protocol41_inward(self, packet: OuterPacket, now: float) -> OuterPacket | Dropped:
        remote = packet.source.address
        inside = self._host41(remote, now)
        if inside is None:
            return Dropped(f"nobody inside speaks protocol 41 with {remote}")
        self._hosts41[remote] = (inside, now)
        return replace(packet, destination=Endpoint(inside, 0))

    def _host41(self, remote: IPv4Address, now: float) -> IPv4Address | None:
        inside, used_at = self._hosts41.get(remote, (None, now))
        return inside if now - used_at < PROTOCOL_41_TIMEOUT else None

    def _error_outward(self, packet: OuterPacket, error: IcmpError) -> OuterPacket:
        about = error.about
        seen = replace(about, destination=Endpoint(self.outside, self._outside_port(about)))
        return replace(packet, source=Endpoint(self.outside, 0), error=replace(error, about=seen))

    def _outside_port(self, about: OuterPacket) -> int:
        """The port outside by which `about` came in before it was refused inside."""
        table = self._tables.get(about.protocol)
        return table.port_of(about.destination, about.source) if table is not None else 0

    def _error_inward(self, packet: OuterPacket, error: IcmpError, now: float) -> OuterPacket | Dropped:
        about = error.about
        table = self._tables.get(about.protocol)
        if table is None:
            address = self._host41(about.destination.address, now)
            inside = Endpoint(address, 0) if address is not None else None
        else:
            binding = table.binding_at(about.source.port, now)
            inside = binding.inside if binding is not None else None
        if inside is None:
            return Dropped("ICMP error about no packet of ours")
        seen = replace(about, source=inside)
        return replace(packet, destination=Endpoint(inside.address, 0), error=replace(error, about=seen))
