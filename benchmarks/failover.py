"""How long it is from the death of a far end to working packets by another method.

    python -m benchmarks.failover [--repeats 1]

As root; a repeat takes three minutes. Aim: ten seconds while traffic flows. A far end dies by being cut off: nobody says
that it is gone. Traffic is a ping every 0.2 s to a host of the IPv6 internet; working are packets when one is answered.
Without traffic it is the default route that tells: it is there when probes have been answered.
"""

import argparse
import re
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path

from benchmarks.contestants import TUNNELMGR, interfaces, wait_until_gone
from benchmarks.results import record
from tests.peers.miredo import TEREDO
from tests.peers.teredo_internet import SERVER_NAME, TeredoInternet, teredo_internet
from tunnelmgr.lab.namespaces import Host
from tunnelmgr.lab.waiting import wait_for

DEVICE = "tm-bench"
BROKER, PREFIX = "192.0.2.33", IPv6Network("2001:db8:100::/40")
BROKER_PROFILE = f"name: broker\nmethod: {{type: tsp, role: broker, address: {BROKER}, prefix: '{PREFIX}', leases: '%s'}}\n"
PROFILE = "name: bench\nmethods: [%s, %s]\nnetwork: {probe: ['%s']}\n"
BY_TEREDO = f"{{type: teredo, server: {SERVER_NAME}}}"
BY_TSP = "{type: tsp, broker: broker.example.net}"
SETTLED = 3.0  # seconds between the first working packets and the death
UP_TIMEOUT = 30.0  # seconds
FAILOVER_TIMEOUT = 120.0  # seconds; more than any figure that would be published
ABOUT = """Seconds from the death of a far end to working packets by the next method of the profile, Teredo with Miredo's
server and relay, TSP with our broker; no link delay. Aim: 10 while traffic flows."""

DEATHS = {
    "Teredo relay": (("198.51.100.1",), BY_TEREDO, BY_TSP, PREFIX),
    "Teredo server and relay": (("192.0.2.1", "192.0.2.2", "198.51.100.1"), BY_TEREDO, BY_TSP, PREFIX),
    "TSP broker": ((BROKER,), BY_TSP, BY_TEREDO, TEREDO),
}
"""What dies: its addresses, the method that loses it, the method that follows, and the prefix of that one's address."""


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1)
    options = parser.parse_args()
    samples: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory() as folder, teredo_internet("bench", Path(folder)) as world:
        bench = Bench(world, Path(folder))
        for _ in range(options.repeats):
            for name in DEATHS:
                samples[f"death of the {name}, s"]["traffic flows"].append(bench.with_traffic(name))
                samples[f"death of the {name}, s"]["idle"].append(bench.without_traffic(name))
    record("failover", ABOUT, samples)


class Bench:
    """The internet of the first day, with a broker."""

    def __init__(self, world: TeredoInternet, folder: Path) -> None:
        self._world = world
        self._home = world.home.inside
        self._folder = folder
        host = world.internet.host("broker", BROKER, "2001:db8:7::1", names=["broker.example.net"])
        world.internet.route(str(PREFIX), host)
        profile = folder / "broker.yaml"
        profile.write_text(BROKER_PROFILE % f"sqlite:///{folder}/leases.db")
        self._start(host, profile)
        wait_for("the broker", lambda: ":3653" in host.run(["ss", "-uln"]).stdout or None, UP_TIMEOUT)

    def with_traffic(self, name: str) -> float:
        """Return the seconds until a ping is answered again."""
        with self._up(name), self._pinging() as answers:
            wait_for("an answer", lambda: answers() or None, UP_TIMEOUT)
            time.sleep(SETTLED)
            with self._dead(name) as died_at:
                # What was on its way when it died arrives within a moment.
                later = wait_for(
                    "an answer by the next method",
                    lambda: next((at for at in answers() if at > died_at + 1.0), None),
                    FAILOVER_TIMEOUT,
                )
                return later - died_at

    def without_traffic(self, name: str) -> float:
        """Return the seconds until the default route leads into the tunnel of the next method."""
        prefix = DEATHS[name][3]
        with self._up(name):
            time.sleep(SETTLED)
            with self._dead(name) as died_at:
                wait_for("the next method", lambda: self._carries(prefix) or None, FAILOVER_TIMEOUT)
                return time.time() - died_at

    @contextmanager
    def _up(self, name: str) -> Iterator[None]:
        _, first, second, _ = DEATHS[name]
        profile = self._folder / "bench.yaml"
        profile.write_text(PROFILE % (first, second, self._world.native.ipv6))
        running = self._start(self._home, profile)
        try:
            wait_for("up", lambda: self._has_default_route() or None, UP_TIMEOUT)
            yield
        finally:
            self._home.stop(running)
            wait_until_gone(self._home, DEVICE)

    @contextmanager
    def _dead(self, name: str) -> Iterator[float]:
        """Cut its addresses off; yield the time of day."""
        addresses = ", ".join(DEATHS[name][0])
        rules = "".join(f"add rule ip dead forward ip {way} {{ {addresses} }} drop\n" for way in ("saddr", "daddr"))
        hook = "add table ip dead\nadd chain ip dead forward { type filter hook forward priority 0; }\n"
        backbone = self._world.internet.backbone
        backbone.run(["nft", "-f", "-"], stdin=hook + rules)
        try:
            yield time.time()
        finally:
            backbone.run(["nft", "delete", "table", "ip", "dead"])

    @contextmanager
    def _pinging(self) -> Iterator[Callable[[], list[float]]]:
        """Ping all the while; yield what returns the times of day of the answers."""
        output = self._folder / "pings"
        output.unlink(missing_ok=True)
        program = self._home.popen(["ping", "-6", "-n", "-D", "-i", "0.2", str(self._world.native.ipv6)], output=output)
        try:
            yield lambda: [float(at) for at in re.findall(r"^\[([\d.]+)\] .*bytes from", output.read_text(), re.MULTILINE)]
        finally:
            self._home.stop(program)

    def _start(self, host: Host, profile: Path) -> "subprocess.Popen[bytes]":
        environment = {
            "TUNNELMGR_RUNTIME_DIR": str(self._folder / profile.stem),
            "TUNNELMGR_STATE_DIR": str(self._folder / f"{profile.stem}-state"),
        }
        output = self._folder / f"{profile.stem}.log"
        return host.popen([str(TUNNELMGR), "up", "-f", str(profile)], output=output, environment=environment)

    def _carries(self, prefix: IPv6Network) -> bool:
        addresses = [IPv6Address(bytes.fromhex(words[0])) for words in interfaces(self._home) if words[-1] == DEVICE]
        return any(address in prefix for address in addresses) and self._has_default_route()

    def _has_default_route(self) -> bool:
        """Whether it is in the main table: the tunnel's own has one from the beginning."""
        return bool(self._home.run(["ip", "-6", "route", "show", "default", "dev", DEVICE], check=False).stdout)


if __name__ == "__main__":
    main()
