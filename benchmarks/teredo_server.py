"""Our Teredo server beside Debian's: solicitations answered, and what each one costs.

    python -m benchmarks.teredo_server [--repeats 3] [--seconds 5]

As root. One host floods the server with the solicitation every client sends, more than either can answer; what leaves the
server's sockets is counted by the kernel. `benchmarks.unlimited` puts our limits out of reach: within them a
client gets a few answers a second.
"""

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from benchmarks.processes import cpu_time, udp_datagrams_sent
from benchmarks.results import record
from tests.peers.miredo import SERVER_PORT, MiredoServer
from tunnelmgr.lab.namespaces import Host, NamespaceInternet, Offload
from tunnelmgr.lab.waiting import wait_for

ADDRESSES = ("192.0.2.1", "192.0.2.2")
PROFILE = f"name: bench\nmethod: {{type: teredo, role: server, addresses: [{', '.join(ADDRESSES)}]}}\n"
SOLICITATION = (
    "00010000112233445566778800"
    "6000000000083afffe800000000000000000ffffffffffffff020000000000000000000000000002"
    "85007d3700000000"
)
"""The vector rs-restricted-nonce of docs/protocols/teredo.md."""
SETTLING = 1.0  # seconds of the flood before counting begins
ABOUT = """Router solicitations with a nonce, all of one client, more than the server can answer; veth offloads off, limits
out of reach. CPU is user and system time of the server's processes. Floor: an eighth of miredo-server's rate.

What would lift it: a process for each core, on sockets that share the port (a server has no state to share);
taking and sending many datagrams in one system call, which Python's sockets cannot; answering in the kernel, as
the answer differs from the question in a handful of octets."""


class Server(Protocol):
    """A Teredo server on one host of the lab."""

    name: str

    def start(self) -> None:
        """Start it and wait until it listens."""

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
        wait_for("our server", lambda: _listens(self._host))

    def stop(self) -> None:
        self._host.stop(self._program)


class Theirs:
    """`miredo-server -f`."""

    name = "miredo-server"

    def __init__(self, host: Host, folder: Path) -> None:
        self._server = MiredoServer(host, folder=folder)

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each flood")
    options = parser.parse_args()
    samples: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory() as folder, NamespaceInternet("bench", offload=Offload.OFF) as internet:
        host = internet.host("server", *ADDRESSES, "2001:db8:1::1")
        client = internet.host("client", "203.0.113.1")
        contestants: list[Server] = [Ours(host, Path(folder)), Theirs(host, Path(folder))]
        for repeat in range(options.repeats):
            for contestant in contestants:
                print(f"repeat {repeat + 1} of {options.repeats}: {contestant.name}", flush=True)
                contestant.start()
                for measure, figure in measures(host, client, options.seconds):
                    samples[measure][contestant.name].append(figure)
                contestant.stop()
    record("teredo_server", ABOUT, samples)


def measures(server: Host, client: Host, seconds: float) -> Iterator[tuple[str, float]]:
    """Yield every figure of one running server."""
    length = str(seconds + 2 * SETTLING)
    words = ["-m", "benchmarks.blast", ADDRESSES[0], str(SERVER_PORT), SOLICITATION, "--seconds", length]
    flood = client.popen([sys.executable, *words])
    time.sleep(SETTLING)
    answered, used, began_at = udp_datagrams_sent(server), cpu_time(server), time.monotonic()
    time.sleep(seconds)
    answered, used = udp_datagrams_sent(server) - answered, cpu_time(server) - used
    elapsed = time.monotonic() - began_at
    client.stop(flood)
    yield "solicitations answered a second", answered / elapsed
    yield "CPU us per solicitation", used * 1e6 / answered


def _listens(host: Host) -> bool:
    return f"{ADDRESSES[0]}:{SERVER_PORT}" in host.run(["ss", "-Hlun"]).stdout


if __name__ == "__main__":
    main()
