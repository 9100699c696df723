"""Miredo, the other Teredo: Debian's client, server and relay as daemons in namespaces of the lab.

Each class starts its daemon and waits until it is ready in `start`; whatever still runs ends with the lab. What the
daemons say is in `daemon.output`.
"""

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from pathlib import Path
from typing import TypeVar

from tests.peers import debian
from tunnelmgr.api.errors import TunnelError
from tunnelmgr.lab.namespaces import Host
from tunnelmgr.lab.waiting import wait_for

_T = TypeVar("_T")

TEREDO = IPv6Network("2001::/32")
SERVER_PORT = 3544
RELAY_PORT = 3545  # any; fixed, so that captures read easily
INTERFACE = "teredo"
READY_TIMEOUT = 15.0  # seconds; a client whose first solicitation is lost repeats it after 4 s


def root() -> Path:
    """The folder with the programs. Raises debian.Unavailable."""
    return debian.unpacked("miredo", "miredo-server", "libjudydebian1", "libcap2")


class MiredoServer:
    """A Teredo server on `address` and the address after it, both of which the host must have."""

    def __init__(self, host: Host, address: IPv4Address | None = None, *, folder: Path) -> None:
        self.host = host
        self.address = address or host.ipv4
        self.daemon = _Daemon(host, "miredo-server", folder, f"ServerBindAddress {self.address}\n")

    def start(self) -> None:
        self.daemon.start()
        for address in (self.address, self.address + 1):
            self.daemon.wait_for(f"socket on {address}", partial(_is_bound, self.host, address, SERVER_PORT))

    def stop(self) -> None:
        self.daemon.stop()


class MiredoRelay:
    """A Teredo relay on `address`. 2001::/32 has to be routed to the host (`internet.route`)."""

    def __init__(self, host: Host, address: IPv4Address | None = None, *, folder: Path) -> None:
        self.host = host
        self.address = address or host.ipv4
        self.daemon = _Daemon(
            host,
            "miredo",
            folder,
            f"RelayType relay\nInterfaceName {INTERFACE}\nBindAddress {self.address}\nBindPort {RELAY_PORT}\n",
        )

    def start(self) -> None:
        self.host.run(["sysctl", "-qw", "net.ipv6.conf.all.forwarding=1"])
        self.daemon.start()
        self.daemon.wait_for("route for 2001::/32", lambda: self.host.run(["ip", "-6", "route", "show", str(TEREDO)]).stdout)

    def stop(self) -> None:
        self.daemon.stop()


class MiredoClient:
    """A Teredo client of `server`, a name or an address, on the port `port` or one of its own choice."""

    def __init__(self, host: Host, *, server: str | IPv4Address, folder: Path, port: int = 0) -> None:
        self.host = host
        configuration = f"RelayType client\nInterfaceName {INTERFACE}\nServerAddress {server}\n"
        if port:
            configuration += f"BindPort {port}\n"
        self.daemon = _Daemon(host, "miredo", folder, configuration)

    def start(self) -> IPv6Address:
        """Start and return the Teredo address once the client is qualified."""
        self.daemon.start()
        return self.daemon.wait_for("Teredo address", self.address)

    def stop(self) -> None:
        self.daemon.stop()

    def address(self) -> IPv6Address | None:
        """The Teredo address it has now."""
        with self.host.enter():
            lines = Path("/proc/thread-self/net/if_inet6").read_text().splitlines()
        addresses = [IPv6Address(bytes.fromhex(line[:32])) for line in lines if line.split()[-1] == INTERFACE]
        return next((address for address in addresses if address in TEREDO), None)


class _Daemon:
    """A program of the suite running on `host`, with its files in `folder`."""

    def __init__(self, host: Host, program: str, folder: Path, configuration: str) -> None:
        self.output = folder / f"{host.name}-{program}.log"
        self._host = host
        self._program = program
        self._configuration = folder / f"{host.name}-{program}.conf"
        self._configuration.write_text(configuration)
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        programs = root()
        # The helper of the client and its hook have fixed paths, so both folders are laid over those of the machine:
        # for this daemon alone, because `ip netns exec` gives every program a mount namespace. The name files of the
        # lab were bound over /etc before and have to be bound again.
        script = (
            f"mount -t overlay overlay -o lowerdir={programs}/usr/libexec:/usr/libexec /usr/libexec\n"
            f"mount -t overlay overlay -o lowerdir={programs}/etc:/etc /etc\n"
            f"for file in /etc/netns/{self._host.namespace}/*; do mount --bind $file /etc/${{file##*/}}; done\n"
            f"exec {programs}/usr/sbin/{self._program} -f -u nobody -c {self._configuration}"
            f" -p {self._configuration.with_suffix('.pid')}\n"
        )
        self._running = self._host.popen(
            ["sh", "-ec", script],
            output=self.output,
            environment={"LD_LIBRARY_PATH": debian.library_path(programs)},
        )

    def stop(self) -> None:
        """End the daemon; its interface goes with it."""
        if self._running:
            self._host.stop(self._running)
            self._running = None

    def wait_for(self, what: str, condition: Callable[[], _T | None]) -> _T:
        """Wait until it is ready. Raises TunnelError with what it said when it ends or does not get ready."""

        def ready() -> _T | None:
            if self._running is None or self._running.poll() is not None:
                raise TunnelError("it ended")
            return condition()

        try:
            return wait_for(what, ready, READY_TIMEOUT)
        except TunnelError as error:
            said = self.output.read_text()
            raise TunnelError(f"{self._program} on {self._host.name}: {error.message}; it said: {said}") from error


def _is_bound(host: Host, address: IPv4Address, port: int) -> bool:
    """Whether a UDP socket of the host is bound to exactly this address and port."""
    with host.enter():
        table = Path("/proc/thread-self/net/udp").read_text()
    # The kernel prints the address as the number it is in memory.
    return f" {int.from_bytes(address.packed, sys.byteorder):08X}:{port:04X} " in table
