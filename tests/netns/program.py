"""`tunnelmgr` as a user runs it, on a host of the lab, with directories of its own."""

import atexit
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

from tunnelmgr.daemon.client import ControlClient
from tunnelmgr.lab.namespaces import Host
from tunnelmgr.lab.waiting import wait_for

HOME = """\
name: home
method: {type: teredo, server: teredo.example.net}
"""


class Tunnelmgr:
    """The command line of this checkout. Each instance has directories of its own, most below `folder`."""

    def __init__(self, host: Host, folder: Path, profile: str = HOME) -> None:
        self.host = host
        self.folder = folder / host.namespace
        self.folder.mkdir(parents=True)
        # The path of a socket has 107 bytes at most, and pytest's folders have long names.
        self.runtime_dir = Path(tempfile.mkdtemp(prefix="tm"))
        atexit.register(shutil.rmtree, self.runtime_dir, ignore_errors=True)
        self.environment = {
            "TUNNELMGR_RUNTIME_DIR": str(self.runtime_dir),
            "TUNNELMGR_STATE_DIR": str(self.folder / "state"),
        }
        self.profile = self.write_profile("home", profile)

    def write_profile(self, name: str, text: str) -> Path:
        """Write a profile file and return its path."""
        path = self.folder / f"{name}.yaml"
        path.write_text(text)
        return path

    def words(self, *arguments: str | Path) -> list[str]:
        """The words of a command line."""
        return [str(Path(sys.executable).with_name("tunnelmgr")), *map(str, arguments)]

    def run(self, *arguments: str | Path, check: bool = True, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return self.host.run(self.words(*arguments), environment=self.environment, check=check, timeout=timeout)

    def start(self, *arguments: str | Path, output: str = "output") -> subprocess.Popen[bytes]:
        """Start a command and leave it running; what it says is in the file `output` of `folder`."""
        return self.host.popen(self.words(*arguments), output=self.folder / output, environment=self.environment)

    def up(self, *options: str) -> list[str]:
        """Bring the profile up and return the story told."""
        return self.run("up", self.profile, *options).stderr.splitlines()

    def control(self, name: str = "home") -> ControlClient:
        """The control socket of one running profile."""
        return ControlClient(self.runtime_dir / f"{name}.sock")

    def status(self, name: str = "home") -> dict[str, Any]:
        """The snapshot of one running profile."""
        [profile] = json.loads(self.run("status", name, "--json", check=False).stdout)["data"]["profiles"]
        snapshot = profile["snapshot"]
        assert isinstance(snapshot, dict), f"{name} is {profile['state']}"
        return snapshot

    def running(self, name: str = "home") -> dict[str, Any]:
        """What the running method of a profile says of itself."""
        running = self.status(name)["running"]
        assert isinstance(running, dict), f"no method of {name} runs"
        return running

    def tunnel(self, name: str = "home") -> dict[str, Any]:
        """The transport's own state, facts, peers and counters."""
        return dict(self.running(name)["tunnel"])

    def address(self, name: str = "home") -> IPv6Address:
        """The tunnel address."""
        return IPv6Address(self.running(name)["addresses"][0])

    def traces(self) -> list[str]:
        """What is on the host of any tunnel: devices, addresses, routes, rules, neighbours, tables, sockets and journals."""
        found = [
            line
            for words in (
                ["ip", "-o", "link"],
                ["ip", "-6", "route", "show", "table", "all"],
                ["ip", "-6", "rule"],
                ["ip", "-6", "neighbour", "show", "proxy"],
            )
            for line in self.host.run(words).stdout.splitlines()
            if "tm-" in line or "proto 116" in line or "protocol 116" in line
        ]
        found += self.host.run(["nft", "list", "tables"]).stdout.splitlines()
        found += [path.name for path in self.runtime_dir.glob("*") if path.suffix in {".sock", ".journal"}]
        return found


def ping(host: Host, target: IPv6Address, count: int, *, interval: float = 0.1) -> int:
    """Send `count` echo requests and return how many were answered."""
    words: Sequence[str] = ["ping", "-6", "-n", "-c", str(count), "-i", str(interval), "-W", "5", str(target)]
    said = host.run(words, check=False).stdout
    return sum("bytes from" in line for line in said.splitlines())


def bulk(client: Host, server: Host, target: IPv6Address, *options: str) -> int:
    """Send TCP for two seconds and return the bytes that arrived."""
    listening = server.popen(["iperf3", "-s", "-1"])
    wait_for("iperf3 server", lambda: "5201" in server.run(["ss", "-ltn"]).stdout or None)
    said = client.run(["iperf3", "-J", "-t", "2", "-c", str(target), *options]).stdout
    server.stop(listening)
    return int(json.loads(said)["end"]["sum_received"]["bytes"])
