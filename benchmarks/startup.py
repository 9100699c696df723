"""How long `--help` takes, and how long it is from starting a Teredo client to its address, beside Debian's Miredo.

    python -m benchmarks.startup [--repeats 10] [--before PROGRAM]

As root. Aims: 150 ms and 500 ms. The links of the lab have no delay, so that the time is the program's own.
"""

import argparse
import os
import subprocess
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from benchmarks.contestants import Contestant, teredo_address, teredo_clients
from benchmarks.results import record
from tests.peers.teredo_internet import teredo_internet
from tunnelmgr.lab.namespaces import Host

POLL_INTERVAL = 0.001  # seconds
ADDRESS_TIMEOUT = 30.0  # seconds
ABOUT = """Time until `--help` has ended, and from the start of the process to a Teredo address on its device, behind a
port-restricted NAT with Miredo's server; no link delay; modules compiled before. Aims for tunnelmgr: 150 and 500 ms."""


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--before", type=Path, help="the program of an earlier checkout, measured beside this one")
    options = parser.parse_args()
    samples: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory() as folder, teredo_internet("bench", Path(folder)) as world:
        home = world.home.inside
        for _ in range(options.repeats):
            for contestant in teredo_clients(home, Path(folder), options.before):
                samples["--help, ms"][contestant.name].append(time_to_help(contestant) * 1000)
                samples["up to address, ms"][contestant.name].append(time_to_address(contestant, home) * 1000)
    record("startup", ABOUT, samples)


def time_to_help(contestant: Contestant) -> float:
    """Return seconds."""
    started_at = time.perf_counter()
    subprocess.run(
        contestant.help_command, env={**os.environ, **contestant.environment}, stdout=subprocess.DEVNULL, check=True
    )
    return time.perf_counter() - started_at


def time_to_address(contestant: Contestant, home: Host) -> float:
    """Return seconds."""
    started_at = time.perf_counter()
    contestant.launch()
    try:
        while teredo_address(home, contestant.device) is None:
            if time.perf_counter() - started_at > ADDRESS_TIMEOUT:
                raise TimeoutError(f"{contestant.name}: no address within {ADDRESS_TIMEOUT} s")
            time.sleep(POLL_INTERVAL)
        return time.perf_counter() - started_at
    finally:
        contestant.stop()


if __name__ == "__main__":
    main()
