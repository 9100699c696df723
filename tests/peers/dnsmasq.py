"""dnsmasq, here a provider's DHCP server that offers 6rd (option 212)."""

import subprocess
from ipaddress import IPv4Interface
from pathlib import Path

from tests.peers import debian
from tunnelmgr.api.errors import TunnelError
from tunnelmgr.lab.namespaces import Host
from tunnelmgr.lab.waiting import wait_for

READY_TIMEOUT = 15.0  # seconds


def root() -> Path:
    """The folder with the program and the libraries few machines have. Raises debian.Unavailable."""
    libraries = ("libdbus-1-3", "libnetfilter-conntrack3", "libnfnetlink0", "libidn2-0", "libunistring2", "libnettle8")
    return debian.unpacked("dnsmasq-base", *libraries)


class Dnsmasq:
    """Answers whoever asks on one interface of a host."""

    def __init__(self, host: Host, interface: str, address: IPv4Interface, *, folder: Path) -> None:
        """`address` is that of the interface."""
        self._host = host
        self._interface = interface
        self._address = address
        self._folder = folder
        self.output = folder / f"{host.name}-dnsmasq.log"

    def start(self, option: bytes | None) -> subprocess.Popen[bytes]:
        """Start it with this value of option 212, None for none, and wait until it listens.

        Raises TunnelError with what it said when it does not.
        """
        programs = root()
        first, last = self._address.network[100], self._address.network[200]
        running = self._host.popen(
            [
                f"{programs}/usr/sbin/dnsmasq",
                *("--no-daemon", "--conf-file=/dev/null", "--port=0", "--user=root", "--log-dhcp", "--bind-interfaces"),
                f"--interface={self._interface}",
                f"--dhcp-range={first},{last},{self._address.netmask},1h",
                f"--dhcp-leasefile={self._folder / 'leases'}",
                f"--pid-file={self._folder / 'dnsmasq.pid'}",
                *([f"--dhcp-option=212,{option.hex(':')}"] if option is not None else []),
            ],
            output=self.output,
            environment={"LD_LIBRARY_PATH": debian.library_path(programs)},
        )
        wait_for("dnsmasq", lambda: self._listens(running), READY_TIMEOUT)
        return running

    def _listens(self, running: "subprocess.Popen[bytes]") -> bool:
        if running.poll() is not None:
            raise TunnelError(f"dnsmasq ended; it said: {self.output.read_text()}")
        return ":67 " in self._host.run(["ss", "-Huln"]).stdout
