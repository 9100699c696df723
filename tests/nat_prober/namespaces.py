"""The sockets `prober` measures a NAT of the namespace internet with."""

import socket
from contextlib import ExitStack
from ipaddress import IPv4Address
from typing import Self

from tunnelmgr.api.network import Endpoint
from tunnelmgr.lab.namespaces.host import Host


class NamespaceProbeSocket:
    """A UDP socket on an ephemeral port of a host."""

    def __init__(self, host: Host) -> None:
        self._address = host.ipv4
        with host.enter():
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((str(host.ipv4), 0))

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(self._address, self.socket.getsockname()[1])

    def send(self, data: bytes, remote: Endpoint) -> None:
        self.socket.sendto(data, (str(remote.address), remote.port))

    def receive(self, timeout: float) -> tuple[bytes, Endpoint] | None:
        self.socket.settimeout(timeout)
        try:
            data, (address, port) = self.socket.recvfrom(2048)
        except TimeoutError:
            return None
        return data, Endpoint(IPv4Address(address), port)


class NamespaceProbeGround:
    """An inside host and two outside ones; as a context manager it closes the sockets it has opened."""

    def __init__(self, inside: Host, outside: tuple[Host, Host]) -> None:
        self._inside = inside
        self._outside = outside
        self._sockets = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._sockets.close()

    def inside(self) -> NamespaceProbeSocket:
        return self._open(self._inside)

    def outside(self, host: int) -> NamespaceProbeSocket:
        return self._open(self._outside[host])

    def _open(self, host: Host) -> NamespaceProbeSocket:
        probe = NamespaceProbeSocket(host)
        self._sockets.enter_context(probe.socket)
        return probe
