"""miniupnpd, Debian's daemon for NAT-PMP, PCP and UPnP, on a router of the lab."""

import subprocess
from ipaddress import IPv4Interface
from pathlib import Path

from tests.peers import debian
from tunnelmgr.api.errors import TunnelError
from tunnelmgr.api.packets.port_control import PORT_CONTROL_PORT
from tunnelmgr.lab.namespaces import Site
from tunnelmgr.lab.waiting import wait_for

READY_TIMEOUT = 15.0  # seconds


def root() -> Path:
    """The folder with the program. Raises debian.Unavailable."""
    return debian.unpacked("miniupnpd-nftables", "libmnl0", "libnftnl11")


class Miniupnpd:
    """Lets the hosts of a site ask their router for mappings."""

    def __init__(self, site: Site, lan: IPv4Interface, *, folder: Path) -> None:
        """`lan` is the router's address inside."""
        self._router = site.router
        self._lan = lan
        self._folder = folder
        self.output = folder / f"{site.router.name}-miniupnpd.log"

    def start(self) -> None:
        """Start it and wait until it listens. Raises TunnelError with what it said when it does not."""
        programs = root()
        settings = self._folder / "miniupnpd.conf"
        settings.write_text(
            f"ext_ifname=wan\nlistening_ip={self._lan.ip}/{self._lan.network.prefixlen}\nenable_natpmp=yes\n"
            "enable_upnp=yes\nuuid=00000000-0000-4000-8000-000000000000\n"
        )
        running = self._router.popen(
            [f"{programs}/usr/sbin/miniupnpd", "-d", "-f", str(settings), "-P", str(self._folder / "miniupnpd.pid")],
            output=self.output,
            environment={"LD_LIBRARY_PATH": debian.library_path(programs)},
        )
        wait_for("miniupnpd", lambda: self._listens(running), READY_TIMEOUT)

    def _listens(self, running: "subprocess.Popen[bytes]") -> bool:
        if running.poll() is not None:
            raise TunnelError(f"miniupnpd ended; it said: {self.output.read_text()}")
        return f":{PORT_CONTROL_PORT} " in self._router.run(["ss", "-Huln"]).stdout
