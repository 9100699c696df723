"""The sockets `prober` measures a NAT of the simulated internet with. Waiting lets simulated time pass."""

from collections import deque

from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.lab.simulated.channels import EPHEMERAL_PORTS
from tunnelmgr.lab.simulated.internet import Internet
from tunnelmgr.lab.simulated.packet import OuterPacket
from tunnelmgr.lab.simulated.segment import Plug, Segment
from tunnelmgr.lab.simulated.site import Site
from tunnelmgr.lab.vocabulary import Link


class ProbeHost:
    """A host that has sockets and no Tunnel."""

    def __init__(self, internet: Internet, segment: Segment, site: Site | None, name: str) -> None:
        self.name = name
        self.internet = internet
        self.plug = segment.attach(self, [internet.next_address(site)], Link())
        self._sockets: dict[int, SimulatedProbeSocket] = {}

    def open(self) -> "SimulatedProbeSocket":
        """Open a socket on an ephemeral port."""
        while (port := self.internet.random.randint(*EPHEMERAL_PORTS)) in self._sockets:
            pass
        self._sockets[port] = SimulatedProbeSocket(self, port)
        return self._sockets[port]

    def receive(self, packet: OuterPacket, plug: Plug) -> None:
        """Take a packet from the network; what is for no socket is dropped."""
        socket = self._sockets.get(packet.destination.port)
        if packet.protocol is IpProtocol.UDP and socket is not None:
            socket.arrived.append((packet.payload, packet.source))


class SimulatedProbeSocket:
    """A UDP socket on an ephemeral port of a host."""

    def __init__(self, host: ProbeHost, port: int) -> None:
        self.endpoint = Endpoint(host.plug.addresses[0], port)
        self.arrived: deque[tuple[bytes, Endpoint]] = deque()
        self._host = host

    def send(self, data: bytes, remote: Endpoint) -> None:
        self._host.plug.send(OuterPacket(IpProtocol.UDP, self.endpoint, remote, data, self._host.name))

    def receive(self, timeout: float) -> tuple[bytes, Endpoint] | None:
        """Return the next datagram and its source, or None when `timeout` seconds passed without one."""
        self._host.internet.run_until(lambda: bool(self.arrived), within=timeout)
        return self.arrived.popleft() if self.arrived else None


class SimulatedProbeGround:
    """One new host in the site to be measured (or on the backbone), and two outside with different addresses."""

    def __init__(self, internet: Internet, site: Site | None) -> None:
        segment = site.inside if site is not None else internet.backbone
        self._inside = ProbeHost(internet, segment, site, "prober")
        self._outside = [ProbeHost(internet, internet.backbone, None, f"reflector{number}") for number in range(2)]

    def inside(self) -> SimulatedProbeSocket:
        return self._inside.open()

    def outside(self, host: int) -> SimulatedProbeSocket:
        return self._outside[host].open()
