"""A TSP broker's own cost: sessions set up a second, and ten thousand tunnels held, memory and time for their keepalives.

    python -m benchmarks.tsp_broker [--tunnels 10000] [--repeats 3]

No privilege, no network: the Tunnel that ships, its leases in an SQLite file, driven in one process for each figure. What
sockets and the data path cost is not in it. Each session is a client of its own, with four datagrams (anonymous) or six
(DIGEST-MD5). Takes three minutes.
"""

import argparse
import gc
import multiprocessing
import resource
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from ipaddress import IPv4Address, IPv6Network
from pathlib import Path
from random import Random

from benchmarks.results import record
from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.effects import Ask, Done, OpenChannel
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.api.status import PathUse
from tunnelmgr_tsp.broker.broker import TspBroker
from tunnelmgr_tsp.broker.conversations import UDP
from tunnelmgr_tsp.broker.leases import Leases
from tunnelmgr_tsp.broker.settings import TspBrokerSettings
from tunnelmgr_tsp.broker.users import account_line
from tunnelmgr_tsp.wire.capability import TunnelType
from tunnelmgr_tsp.wire.datagrams import ControlMessage
from tunnelmgr_tsp.wire.digest import DigestChallenge, prove
from tunnelmgr_tsp.wire.messages import Action, BareRequest, Create

ABOUT = """The broker's Tunnel with its leases in SQLite, in memory but for the figure that says so, driven in one process;
both ends of the dialogue are in the figures, so that a broker alone is faster. On disk each new session waits for one
commit; clients that come back do not. Memory is what the process grew by, once the sessions were forgotten. Keepalives:
every tunnel is used once in 30 s, as told by the data path, with the sweeps in between."""
IN_MEMORY = Path("/dev/shm")  # noqa: S108 - only folders of our own are made there, by tempfile
ON_DISK = 300  # sessions whose leases are on disk
FIRST = int(IPv4Address("10.0.0.1"))
PREFIX = "2001:db8::/32"
MINUTE = 60


class Bench:
    """One broker, and the clients it serves."""

    def __init__(self, folder: Path, users: int) -> None:
        accounts = "\n".join(account_line(f"user{number}", "tunnelmgr", "wonder") for number in range(users)) or None
        url = f"sqlite:///{folder}/leases.db"
        written = {"address": "192.0.2.1", "prefix": PREFIX, "users": accounts, "leases": url, "tunnels_max": 10**6}
        settings = TspBrokerSettings.model_validate(written)
        plan = settings.plan()
        self._leases = Leases(url, "bench", plan.slots, plan.prefix_slots)
        self.broker = TspBroker(settings, Random(1))
        self.now = 0.0
        self.broker.start(0.0, Network(), {})
        self._turn()

    def close(self) -> None:
        self._leases.close()

    def set_up(self, number: int, *, user: str | None) -> None:
        """Go through one client's session."""
        self.now += 0.01
        remote = Endpoint(IPv4Address(FIRST + number), 40000)
        self._ask(b"VERSION=2.0.0\r\n", 240, remote)
        if user is None:
            self._ask(b"AUTHENTICATE ANONYMOUS\r\n", 241, remote)
        else:
            challenge = DigestChallenge.parse(self._ask(b"AUTHENTICATE DIGEST-MD5\r\n", 241, remote))
            proof, _ = prove(challenge, user, "wonder", "broker", b"c")
            self._ask(proof.serialize(), 242, remote)
            self._ask(b"", 243, remote)
        self._ask(Create(TunnelType.V6UDPV4, IPv4Address("10.1.1.2"), 30).serialize(), 244, remote)
        self._ask(BareRequest(Action.ACCEPT).serialize(), 245, remote)
        if number % 100 == 99:
            self.wake()

    def wake(self) -> None:
        self.broker.handle_timeout(self.now)
        self._turn()

    def _ask(self, text: bytes, sequence: int, remote: Endpoint) -> bytes:
        self.broker.receive_datagram(Datagram(UDP, ControlMessage(sequence, 0, text).serialize(), remote), self.now)
        (answer,) = self._turn()
        return ControlMessage.parse(answer.data).text

    def _turn(self) -> list[Datagram]:
        sent = self.broker.outbox.drain_datagrams()
        while events := self.broker.outbox.drain_events():
            for event in events:
                if isinstance(event, Ask):
                    self.broker.effect_done(event, Done(self._leases.handle(event.request)), self.now)
                elif isinstance(event, OpenChannel):
                    self.broker.effect_done(event, Done(event.local), self.now)
            sent += self.broker.outbox.drain_datagrams()
        self.broker.next_timeout()
        return sent


def set_up(bench: Bench, tunnels: int, *, with_users: bool) -> float:
    """Set all tunnels up; return how many a second."""
    started_at = time.perf_counter()
    for number in range(tunnels):
        bench.set_up(number, user=f"user{number}" if with_users else None)
    elapsed = time.perf_counter() - started_at
    peers = bench.broker.status(bench.now).peers_total
    if peers != tunnels:
        raise RuntimeError(f"{peers} of {tunnels} tunnels are up: part of them died of silence during the measurement")
    return tunnels / elapsed


def keep(bench: Bench, tunnels: int) -> float:
    """Keep all tunnels for a minute; return milliseconds of CPU a second."""
    first = int(IPv6Network(PREFIX).network_address) + 2
    networks = [IPv6Network((first + number, 128)) for number in range(tunnels)]
    cpu = time.process_time()
    for second in range(MINUTE):
        bench.now += 1
        used = networks[second % 30 :: 30]
        bench.broker.paths_used([PathUse(network, bench.now, bench.now, 1, 64, 1, 64) for network in used], bench.now)
        bench.wake()
    return (time.process_time() - cpu) / MINUTE * 1000


def memory() -> float:
    """Return this process's memory in MB."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def measure(tunnels: int, *, with_users: bool) -> dict[str, float]:
    """Set all tunnels up, and keep them for a minute."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        bench = Bench(Path(folder), tunnels if with_users else 0)
        before = memory()
        rate = set_up(bench, tunnels, with_users=with_users)
        cost = keep(bench, tunnels)
        grown = memory() - before
        bench.close()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), ON_DISK if with_users else 0)
        rate_on_disk = set_up(bench, ON_DISK, with_users=with_users)
        bench.close()
    return {
        "sessions set up a second": rate,
        "the same with leases on disk": rate_on_disk,
        f"memory of {tunnels} tunnels, MB": grown,
        "keepalives of all tunnels, ms of CPU a second": cost,
    }


def main() -> None:
    """Measure, each time in a process of its own, and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tunnels", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    samples: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, max_tasks_per_child=1) as fresh:
        for _ in range(options.repeats):
            for contestant, with_users in (("anonymous", False), ("digest-md5", True)):
                figures = fresh.submit(measure, options.tunnels, with_users=with_users).result()
                for what, figure in figures.items():
                    samples[what][contestant].append(figure)
    record("tsp_broker", ABOUT, samples)


if __name__ == "__main__":
    main()
