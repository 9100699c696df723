"""A home among peers that are all hostile, whose host must stay what it was.

home 192.168.1.2 (NAT 203.0.113.1; 2001:db8:77::5/64 of its own) --- backbone --- 192.0.2.33, .36, .39   everybody hostile
  `--- its router 192.168.1.1, hostile too
"""

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess, Popen

from tests.hostile import ports, provider
from tests.netns.program import Tunnelmgr
from tests.peers.https import make_certificates
from tunnelmgr.lab.namespaces import Host, NamespaceInternet
from tunnelmgr.lab.namespaces.programs import programs_in
from tunnelmgr.lab.vocabulary import NatKind
from tunnelmgr.lab.waiting import wait_for

ROOT = Path(__file__).resolve().parents[3]
SEED = os.environ.get("HOSTILE_SEED", "1")
KNOWN_ENDS = {0, 1, 69, 75, 76, 77}
_LOOKS = (
    ["nft", "list", "ruleset"],
    ["ip", "-o", "link"],
    ["ip", "-o", "address"],
    ["ip", "-4", "route", "show", "table", "all"],
    ["ip", "-6", "route", "show", "table", "all"],
    ["ip", "rule"],
    ["ip", "-6", "rule"],
    ["ip", "-6", "neighbour", "show", "proxy"],
    ["sysctl", "-a", "--pattern", "net.ipv[46].conf.(all|default|eth0|own).(forwarding|accept_ra|disable_ipv6|rp_filter)"],
    ["cat", "/etc/resolv.conf", "/etc/hosts"],
)
_OURS = (r"unreachable default .* proto 116", r"default dev tm-home", r"from all .*lookup")
_GLOBAL = re.compile(r"(?<![:0-9a-f])(2[0-9a-f]{3}|f[cd][0-9a-f]{2}):")  # unicast addresses that are not of the link


class HostileHome:
    """The host and what is asked of it."""

    def __init__(self, internet: NamespaceInternet, folder: Path) -> None:
        self.folder = folder
        self.site = internet.site("home", NatKind.FULL_CONE)
        far = internet.host("hostile", ports.HOSTILE, ports.BEHIND_LIES, ports.DAMAGED, names=[provider.NAME])
        authority = make_certificates(folder, provider.NAME)
        (stranger := folder / "stranger").mkdir()
        make_certificates(stranger, provider.NAME)
        self.peers = [self._start(far, "internet", ports.STUN), self._start(self.site.router, "router", ports.SSDP)]
        self.tunnelmgr = Tunnelmgr(self.site.inside, folder)
        self.tunnelmgr.environment["SSL_CERT_FILE"] = str(authority)
        for words in (
            "link add own type veth peer name own1",
            "link set own up",
            "-6 address add 2001:db8:77::5/64 dev own nodad",
        ):
            self.host.run(["ip", *words.split()])

    @property
    def host(self) -> Host:
        return self.site.inside

    def _start(self, host: Host, place: str, port: int) -> Popen[bytes]:
        words = [sys.executable, "-m", "tests.hostile", place, SEED, str(self.folder)]
        peers = host.popen(words, environment={"PYTHONPATH": str(ROOT)}, output=self.folder / f"{place}.log")
        wait_for(f"the peers of the {place}", lambda: f":{port} " in host.run(["ss", "-lun"]).stdout or None)
        return peers

    def run(self, *words: str | Path, timeout: float = 60) -> CompletedProcess[str]:
        """Run a command that ends in a known way, and whose words steer no terminal."""
        ended = self.tunnelmgr.run(*words, check=False, timeout=timeout)
        assert ended.returncode in KNOWN_ENDS, ended.stderr
        assert "Traceback" not in ended.stderr, ended.stderr
        assert all(line.isprintable() for line in (ended.stderr + ended.stdout).split("\n")), ended.stderr
        return ended

    @contextmanager
    def unharmed(self) -> Iterator[Path]:
        """Give the file of what the kernel tells of addresses, routes and rules; afterwards all is as it was before."""
        before, told = self._state(), Path(tempfile.mkstemp(dir=self.folder, prefix="told")[1])
        watching = self.host.popen(["ip", "-6", "-o", "monitor", "address", "route", "rule"], output=told)
        yield told
        self.host.stop(watching)
        assert self._state() == before

    def _state(self) -> list[str]:
        """Return all that no far end may change: the network, the files of /etc, the programs that run."""
        said = [line for words in _LOOKS for line in self.host.run(words).stdout.splitlines()]
        files = [f"{path} {path.stat().st_mtime_ns}" for path in sorted(Path("/etc").glob("*")) if path.name != "netns"]
        return [*said, *files, *(" ".join(program.words) for program in programs_in(self.host.namespace))]


def foreign(told: Path, *known: str) -> list[str]:
    """Return what the kernel told of other than the bare device, the default route and its guard, and what is `known`."""
    ours = re.compile("|".join((*_OURS, *map(re.escape, known))))
    lines = [line for line in told.read_text().splitlines() if not ours.search(line)]
    return [line for line in lines if "tm-" not in line or _GLOBAL.search(line)]
