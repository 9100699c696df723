"""Our 6in4 on both ends beside plain routed IPv6 over the same hosts: TCP, small packets, latency.

    python -m benchmarks.sixinfour [--repeats 3] [--seconds 3]

As root. Every packet travels alone (veth offloads off), as over a real network. Tunnel and plain take turns, so that a slow
minute of the machine meets both. Both ends of the tunnel are this machine's work, and its backbone too.
"""

import argparse
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from ipaddress import IPv6Address
from pathlib import Path
from typing import NamedTuple

from benchmarks.contestants import TUNNELMGR
from benchmarks.results import record
from benchmarks.teredo_tcp import SMALL_PACKET, iperf, ping
from tunnelmgr.lab.namespaces import Host, NamespaceInternet, Offload

HOME, FAR = "203.0.113.1", "192.0.2.80"
FAR_NATIVE, FAR_TUNNEL = IPv6Address("2001:db8:80::1"), IPv6Address("2001:db8:41::1")
PROFILE = """\
name: bench
method: {{type: 6in4, remote: {remote}, address: {address}/64{keys}}}
firewall: {{inbound: open}}
"""
TRANSFERS = {"TCP up": [], "TCP down": ["-R"], "TCP up, 4 streams": ["-P4"], "TCP down, 4 streams": ["-R", "-P4"]}
FLOODS = {"small packets up": [], "small packets down": ["-R"]}
ABOUT = """From one host to another over the same links: through our 6in4 with both ends on this machine, and by
plain IPv6 routing; veth offloads off. MTU 1480 and 1500."""


class Contestant(NamedTuple):
    """A way to the far host."""

    name: str
    target: IPv6Address


CONTESTANTS = [Contestant("tunnelmgr", FAR_TUNNEL), Contestant("plain routing", FAR_NATIVE)]


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3, help="length of each transfer")
    options = parser.parse_args()
    samples: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory() as folder, NamespaceInternet("bench", offload=Offload.OFF) as internet:
        home, far = internet.host("home", HOME, "2001:db8:81::1"), internet.host("far", FAR, FAR_NATIVE)
        start(far, Path(folder) / "far", remote=HOME, address=FAR_TUNNEL, keys=", routes: ['2001:db8:5::/48']")
        start(home, Path(folder) / "home", remote=FAR, address=FAR_TUNNEL + 1)
        far.popen(["iperf3", "-s"])
        for repeat in range(options.repeats):
            for contestant in CONTESTANTS:
                print(f"repeat {repeat + 1} of {options.repeats}: {contestant.name}", flush=True)
                for measure, figure in measures(home, contestant.target, options.seconds):
                    samples[measure][contestant.name].append(figure)
    record("sixinfour", ABOUT, samples)


def start(host: Host, folder: Path, *, remote: str, address: IPv6Address, keys: str = "") -> None:
    """Bring one end up in the background; it ends with the lab."""
    folder.mkdir()
    profile = folder / "bench.yaml"
    profile.write_text(PROFILE.format(remote=remote, address=address, keys=keys))
    environment = {"TUNNELMGR_RUNTIME_DIR": str(folder / "run"), "TUNNELMGR_STATE_DIR": str(folder / "state")}
    host.run([str(TUNNELMGR), "up", str(profile)], environment=environment)


def measures(home: Host, target: IPv6Address, seconds: int) -> Iterator[tuple[str, float]]:
    """Yield every figure of one way to the far host."""
    to = str(target)
    round_trips = sorted(ping(home, to))
    yield "round trip, median, us", statistics.median(round_trips) * 1000
    yield "round trip, 99 %, us", round_trips[len(round_trips) * 99 // 100] * 1000
    for title, arguments in TRANSFERS.items():
        yield f"{title}, Mbit/s", iperf(home, to, seconds, *arguments)["sum_received"]["bits_per_second"] / 1e6
    for title, arguments in FLOODS.items():
        sums = iperf(home, to, seconds, "-u", "-b0", f"-l{SMALL_PACKET}", *arguments)["sum"]
        yield f"{title}, kpps", sums["packets"] * (1 - sums["lost_percent"] / 100) / sums["seconds"] / 1000


if __name__ == "__main__":
    main()
