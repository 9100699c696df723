"""coturn, Debian's STUN server with the tests of RFC 5780, as a daemon in a namespace of the lab."""

import subprocess
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path

from tests.peers import debian
from tunnelmgr.api.errors import TunnelError
from tunnelmgr.lab.namespaces import Host
from tunnelmgr.lab.waiting import wait_for

PORT, OTHER_PORT = 3478, 3479
READY_TIMEOUT = 15.0  # seconds


def root() -> Path:
    """The folder with the program and the libraries few machines have. Raises debian.Unavailable."""
    events = [f"libevent-{part}-2.1-7" for part in ("core", "extra", "openssl", "pthreads")]
    databases = [
        "libhiredis0.14",
        "libmariadb3",
        "libpq5",
        "libldap-2.5-0",
        "libsasl2-2",
    ]  # it speaks to four, and needs none
    return debian.unpacked("coturn", *events, *databases)


class Coturn:
    """A STUN server on the two IPv4 addresses of a host."""

    def __init__(self, host: Host, *, folder: Path) -> None:
        self.host = host
        self.addresses = [address for address in host.addresses if isinstance(address, IPv4Address)]
        self.output = folder / f"{host.name}-coturn.log"
        self._folder = folder

    def start(self) -> None:
        """Start it and wait until it listens. Raises TunnelError with what it said when it does not."""
        programs = root()
        listening = [word for address in self.addresses for word in ("--listening-ip", str(address))]
        ports = ["--listening-port", str(PORT), "--alt-listening-port", str(OTHER_PORT)]
        quiet = ["--no-cli", "--no-tls", "--no-dtls", "--no-tcp", "--stun-only", "--log-file", "stdout"]
        files = ["--userdb", str(self._folder / "coturn.db"), "--pidfile", str(self._folder / "coturn.pid")]
        running = self.host.popen(
            [f"{programs}/usr/bin/turnserver", "-n", *listening, *ports, *quiet, *files],
            output=self.output,
            environment={"LD_LIBRARY_PATH": debian.library_path(programs)},
        )
        for address in self.addresses:
            for port in (PORT, OTHER_PORT):
                wait_for(f"coturn on {address}:{port}", partial(self._listens, running, address, port), READY_TIMEOUT)

    def _listens(self, running: "subprocess.Popen[bytes]", address: IPv4Address, port: int) -> bool:
        if running.poll() is not None:
            raise TunnelError(f"coturn ended; it said: {self.output.read_text()}")
        return f" {address}:{port} " in self.host.run(["ss", "-Huln"]).stdout
