"""The Teredo clients that are measured: ours, and Debian's Miredo, each as its user starts it."""

import subprocess
import sys
from ipaddress import IPv6Address
from pathlib import Path
from typing import Protocol

from tests.peers import debian, miredo
from tests.peers.miredo import TEREDO, MiredoClient
from tests.peers.teredo_internet import SERVER_NAME
from tunnelmgr.lab.namespaces import Host
from tunnelmgr.lab.waiting import wait_for

TUNNELMGR = Path(sys.executable).with_name("tunnelmgr")
PROFILE = f"name: bench\nmethod: {{type: teredo, server: {SERVER_NAME}}}\n"


class Contestant(Protocol):
    """A Teredo client on one host of the lab."""

    name: str
    help_command: list[str]
    """What prints its help."""
    environment: dict[str, str]
    """For `help_command`."""
    device: str
    """Its tunnel interface while it runs."""

    def launch(self) -> None:
        """Start the process and return at once."""

    def stop(self) -> None:
        """End it and wait until its device is gone."""


class Tunnelmgr:
    """`tunnelmgr up -f`."""

    device = "tm-bench"

    def __init__(self, host: Host, folder: Path, program: Path = TUNNELMGR, name: str = "tunnelmgr") -> None:
        self.name = name
        self.help_command = [str(program), "--help"]
        self._host = host
        self._program = program
        self._profile = folder / "bench.yaml"
        self._profile.write_text(PROFILE)
        self._output = folder / "tunnelmgr.log"
        self.environment = {"TUNNELMGR_RUNTIME_DIR": str(folder / "run"), "TUNNELMGR_STATE_DIR": str(folder / "state")}
        self._running: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        command = [str(self._program), "up", "-f", str(self._profile)]
        self._running = self._host.popen(command, output=self._output, environment=self.environment)

    def stop(self) -> None:
        if self._running:
            self._host.stop(self._running)
        wait_until_gone(self._host, self.device)


class Miredo:
    """`miredo -f`."""

    name = "miredo"
    device = miredo.INTERFACE

    def __init__(self, host: Host, folder: Path) -> None:
        self._host = host
        self._client = MiredoClient(host, server=SERVER_NAME, folder=folder)
        programs = miredo.root()
        self.help_command = [str(programs / "usr/sbin/miredo"), "--help"]
        self.environment = {"LD_LIBRARY_PATH": debian.library_path(programs)}

    def launch(self) -> None:
        self._client.daemon.start()

    def stop(self) -> None:
        self._client.stop()
        wait_until_gone(self._host, self.device)


def interfaces(host: Host) -> list[list[str]]:
    """Return the words of each line of the host's table of IPv6 addresses: address, index, ..., name."""
    with host.enter():
        return [line.split() for line in Path("/proc/thread-self/net/if_inet6").read_text().splitlines()]


def teredo_address(host: Host, device: str) -> IPv6Address | None:
    """Return the Teredo address on the device, None while there is none."""
    found = [IPv6Address(bytes.fromhex(words[0])) for words in interfaces(host) if words[-1] == device]
    return next((address for address in found if address in TEREDO), None)


def teredo_clients(host: Host, folder: Path, before: Path | None) -> list[Contestant]:
    """Return who is measured: ours, ours of an earlier checkout where its program is given, and Miredo."""
    earlier = [Tunnelmgr(host, folder, before, "before")] if before else []
    return [Tunnelmgr(host, folder), *earlier, Miredo(host, folder)]


def wait_until_gone(host: Host, device: str) -> None:
    """Wait until the device has no address; the next contestant must not find its routes."""
    wait_for(f"end of {device}", lambda: all(words[-1] != device for words in interfaces(host)))
