"""Our Teredo client beside Debian's, through the same NAT, server and relay: TCP, small packets, latency, CPU.

    python -m benchmarks.teredo_tcp [--repeats 3] [--seconds 5] [--before PROGRAM]

As root. Every datagram travels alone (veth offloads off), as over a real network. The clients take turns, so that a slow
minute of the machine meets both. The relay is Miredo's in both cases and a bottleneck of both.
"""

import argparse
import json
import os
import re
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.contestants import Contestant, teredo_clients
from benchmarks.results import record
from tests.peers.teredo_internet import TeredoInternet, teredo_internet
from tunnelmgr.lab.namespaces import Host, Offload
from tunnelmgr.lab.waiting import wait_for

SMALL_PACKET = 64  # bytes of UDP payload
PINGS = 500
PING_INTERVAL = 0.004  # seconds
ABOUT = """Teredo client behind a port-restricted NAT, Miredo's server and relay, an IPv6-only host; veth offloads off.
CPU is user and system time of the client's processes, without the kernel's packet work, per packet of the tunnel device."""


class Usage(NamedTuple):
    """What the tunnel has used so far."""

    cpu: float  # seconds
    packets: int


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5, help="length of each transfer")
    parser.add_argument("--before", type=Path, help="the program of an earlier checkout, measured beside this one")
    options = parser.parse_args()
    samples: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with (
        tempfile.TemporaryDirectory() as folder,
        teredo_internet("bench", Path(folder), offload=Offload.OFF) as world,
    ):
        world.native.popen(["iperf3", "-s"])
        contestants = teredo_clients(world.home.inside, Path(folder), options.before)
        for repeat in range(options.repeats):
            for contestant in contestants:
                print(f"repeat {repeat + 1} of {options.repeats}: {contestant.name}", flush=True)
                for measure, figure in measures(contestant, world, options.seconds):
                    samples[measure][contestant.name].append(figure)
    record("teredo_tcp", ABOUT, samples)


def measures(contestant: Contestant, world: TeredoInternet, seconds: int) -> Iterator[tuple[str, float]]:
    """Yield every figure of one contestant, started for this and stopped afterwards."""
    home, target = world.home.inside, str(world.native.ipv6)
    with running(contestant, home, target):
        round_trips = sorted(ping(home, target))
        yield "round trip, median, us", statistics.median(round_trips) * 1000
        yield "round trip, 99 %, us", round_trips[len(round_trips) * 99 // 100] * 1000
        for title, arguments in (
            ("TCP up", []),
            ("TCP down", ["-R"]),
            ("TCP up, 4 streams", ["-P4"]),
            ("TCP down, 4 streams", ["-R", "-P4"]),
        ):
            before = usage(home, contestant.device)
            sums = iperf(home, target, seconds, *arguments)["sum_received"]
            yield f"{title}, Mbit/s", sums["bits_per_second"] / 1e6
            yield f"{title}, CPU us per packet", cpu_per_packet(before, usage(home, contestant.device))
        for title, arguments in (("small packets up", []), ("small packets down", ["-R"])):
            sums = iperf(home, target, seconds, "-u", "-b0", f"-l{SMALL_PACKET}", *arguments)["sum"]
            yield f"{title}, kpps", sums["packets"] * (1 - sums["lost_percent"] / 100) / sums["seconds"] / 1000


@contextmanager
def running(contestant: Contestant, home: Host, target: str) -> Iterator[None]:
    """Have a contestant up, proven by an answer from the target."""
    contestant.launch()
    try:
        answered = ["ping", "-6", "-c1", "-W1", target]
        wait_for(f"{contestant.name} reaching {target}", lambda: home.run(answered, check=False).returncode == 0)
        yield
    finally:
        contestant.stop()


def ping(home: Host, target: str) -> list[float]:
    """Return round trips in milliseconds."""
    said = home.run(["ping", "-6", "-c", str(PINGS), "-i", str(PING_INTERVAL), target]).stdout
    return [float(time) for time in re.findall(r"time=([\d.]+) ms", said)]


def iperf(home: Host, target: str, seconds: int, *arguments: str) -> dict[str, dict[str, float]]:
    """Run one transfer and return the sums at its end."""
    command = ["iperf3", "-6", "-J", "-c", target, "-t", str(seconds), *arguments]
    sums: dict[str, dict[str, float]] = json.loads(home.run(command, timeout=seconds + 30).stdout)["end"]
    return sums


def usage(home: Host, device: str) -> Usage:
    """Read what every process of the host's namespace has used, and the device's counters."""
    pids = home.run(["ip", "netns", "pids", home.namespace]).stdout.split()
    ticks = 0
    for pid in pids:
        if (stat := Path(f"/proc/{pid}/stat")).exists():
            fields = stat.read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])  # utime and stime: proc(5)
    with home.enter():
        lines = Path("/proc/thread-self/net/dev").read_text().splitlines()
    counters = next(line.partition(":")[2].split() for line in lines if line.strip().startswith(f"{device}:"))
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), int(counters[1]) + int(counters[9]))


def cpu_per_packet(before: Usage, after: Usage) -> float:
    """Return microseconds of CPU per packet."""
    return (after.cpu - before.cpu) * 1e6 / (after.packets - before.packets)


if __name__ == "__main__":
    main()
