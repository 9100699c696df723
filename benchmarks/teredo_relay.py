"""Our Teredo relay beside Debian's: throughput, new clients a second, memory and stalls with a hundred thousand of them.

    python -m benchmarks.teredo_relay [--repeats 1] [--seconds 3] [--clients 100000]

As root; four minutes a repeat. All clients and their server are one program on one host: see `teredo_clients`. Floods are
more than either relay can carry; what arrives is counted by the receiver's device. `benchmarks.unlimited` puts our
limits out of reach.
"""

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from benchmarks.processes import cpu_time, packets, resident
from benchmarks.results import record
from benchmarks.teredo_clients import CLIENTS, FIRST_PORT, NATIVE_PORT, SERVER, Clients, client_address
from tests.peers.miredo import RELAY_PORT, TEREDO, MiredoRelay
from tunnelmgr.lab.namespaces import Host, NamespaceInternet, Offload
from tunnelmgr.lab.waiting import wait_for

RELAY = "198.51.100.1"
PROFILE = f"""\
name: bench
method: {{type: teredo, role: relay, address: {RELAY}, port: {RELAY_PORT}, peers_max: 1000000}}
"""
SIZES = {"1280 bytes": 1232, "64 bytes": 16}
"""Sizes of the IPv6 packets -> bytes of UDP payload."""
SETTLING = 1.0  # seconds of a flood before counting begins
PROBE_INTERVAL = 0.001  # seconds
PROBES_FROM, PROBES_TO = 20.0, 50.0  # seconds after the last client was met: they fall silent at 30
REFRESH_INTERVAL = 5.0  # seconds between signs of life of the client that is probed
ABOUT = """Relay between one native host and clients that are one program; veth offloads off, limits out of reach. CPU is
user and system time of the relay's processes. A stall is the longest time a packet to a known client took while
all others fell silent, probed every millisecond. Memory is resident: with the clients just met, and once they
are silent; floors: no stall above 20 ms, under 1000 bytes per silent client.

What would lift each. Throughput: carrying known clients' packets in the kernel, which is what a data path of
eBPF is for; a new client costs a dozen Python objects and two datagrams, and takes code that is no Python to
cost less. Memory: of a client half is the entry of the forwarding table and half that of the relay; paths in a
map of the kernel would save the first. Stalls: looks at clients come 64 at a time, a millisecond apart, and no
full collection of garbage ever runs; what is left is one look, and the machine's own scheduler, which a priority
above others' would help."""


class Relay(Protocol):
    """A Teredo relay on one host of the lab."""

    name: str

    def start(self) -> None:
        """Start it and wait until 2001::/32 is routed into it."""

    def stop(self) -> None:
        """End it."""


class Ours:
    """`tunnelmgr up -f`."""

    name = "tunnelmgr"

    def __init__(self, host: Host, folder: Path) -> None:
        self._host = host
        self._profile = folder / "bench.yaml"
        self._profile.write_text(PROFILE)
        self._environment = {"TUNNELMGR_RUNTIME_DIR": str(folder / "run"), "TUNNELMGR_STATE_DIR": str(folder / "state")}

    def start(self) -> None:
        command = [sys.executable, "-m", "benchmarks.unlimited", "up", "-f", str(self._profile)]
        self._program = self._host.popen(command, environment=self._environment)
        wait_for("our relay", lambda: self._host.run(["ip", "-6", "route", "show", str(TEREDO)]).stdout)

    def stop(self) -> None:
        self._host.stop(self._program)


class Theirs:
    """Debian's `miredo` in relay mode."""

    name = "miredo"

    def __init__(self, host: Host, folder: Path) -> None:
        self._relay = MiredoRelay(host, folder=folder)

    def start(self) -> None:
        self._relay.start()

    def stop(self) -> None:
        self._relay.stop()


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each flood")
    parser.add_argument("--clients", type=int, default=100_000)
    options = parser.parse_args()
    samples: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory() as folder, NamespaceInternet("bench", offload=Offload.OFF) as internet:
        relay = internet.host("relay", RELAY, "2001:db8:2::1")
        host = internet.host("clients", SERVER, *CLIENTS)
        native = internet.host("native", "2001:db8:6::1")
        internet.route(str(TEREDO), relay)
        contestants: list[Relay] = [Ours(relay, Path(folder)), Theirs(relay, Path(folder))]
        for repeat in range(options.repeats):
            for contestant in contestants:
                print(f"repeat {repeat + 1} of {options.repeats}: {contestant.name}", flush=True)
                contestant.start()
                clients = Clients(host, native)
                for measure, figure in (
                    *throughput(clients, relay, host, native, options.seconds),
                    *crowd(clients, relay, options.clients),
                ):
                    samples[measure][contestant.name].append(figure)
                clients.close()
                contestant.stop()
    record("teredo_relay", ABOUT, samples)


def throughput(clients: Clients, relay: Host, host: Host, native: Host, seconds: float) -> Iterator[tuple[str, float]]:
    """Yield how much one client and one native host get through, one after the other."""
    for title, size in SIZES.items():
        clients.meet(0, 1)
        up = [RELAY, str(RELAY_PORT), clients.packet(0, bytes(size)).hex()]
        up += ["--source", str(CLIENTS[0]), "--source-port", str(FIRST_PORT)]
        down = [str(client_address(0)), str(NATIVE_PORT), bytes(size).hex()]
        for way, sender, receiver, words in (("up", host, native, up), ("down", native, host, down)):
            flood = sender.popen(
                [sys.executable, "-m", "benchmarks.blast", *words, "--seconds", str(seconds + 2 * SETTLING)]
            )
            time.sleep(SETTLING)
            received, used, began_at = packets(receiver, "eth0")[0], cpu_time(relay), time.monotonic()
            time.sleep(seconds)
            received, used = packets(receiver, "eth0")[0] - received, cpu_time(relay) - used
            elapsed = time.monotonic() - began_at
            sender.stop(flood)
            yield f"{title} {way}, packets a second", received / elapsed
            yield f"{title} {way}, CPU us per packet", used * 1e6 / received


def crowd(clients: Clients, relay: Host, count: int) -> Iterator[tuple[str, float]]:
    """Yield what it takes to meet many clients, to know them, and to see them fall silent."""
    before, used = resident(relay), cpu_time(relay)
    elapsed = clients.meet(1, count)
    yield "new clients a second", count / elapsed
    yield "CPU us per new client", (cpu_time(relay) - used) * 1e6 / count
    yield "bytes per client", (resident(relay) - before) / count
    yield "longest stall when they fall silent, ms", longest_stall(clients) * 1000
    yield "bytes per silent client", (resident(relay) - before) / count


def longest_stall(clients: Clients) -> float:
    """Return the seconds the slowest packet to client 0 took, while all other clients fall silent."""
    began_at = refreshed_at = time.monotonic()
    longest = 0.0
    clients.meet(0, 1)
    number = 0
    while (now := time.monotonic()) < began_at + PROBES_TO:
        if now - refreshed_at >= REFRESH_INTERVAL:
            refreshed_at = now
            clients.send_from(0, clients.packet(0, b"alive"))
        if now < began_at + PROBES_FROM:
            time.sleep(0.1)
            list(clients.received(0))
            continue
        number += 1
        clients.send_to(0, number.to_bytes(8))
        while not any(packet[48:56] == number.to_bytes(8) for _, packet in clients.received(1.0)):
            if time.monotonic() - now > 2:
                raise TimeoutError("a packet to a known client was lost")
        longest = max(longest, time.monotonic() - now)
        time.sleep(PROBE_INTERVAL)
    return longest


if __name__ == "__main__":
    main()
