"""What tests with real namespaces need: a machine that has it all, and an internet of their own.

A test whose machine lacks something is skipped with the reason. The conftest.py of the project makes that a failure where
all tiers are required.
"""

import itertools
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.netns.program import Tunnelmgr
from tests.peers import debian, faketime, miredo, radvd
from tests.peers.teredo_internet import TeredoInternet, teredo_internet
from tunnelmgr.lab.namespaces import NamespaceInternet, destroy, labs

HERE = Path(__file__).parent
_lab_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder, so that none can be forgotten."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.netns)


@contextmanager
def peers_needed() -> Iterator[None]:
    """Skip the running test where a peer of its with block cannot be had."""
    try:
        yield
    except debian.Unavailable as reason:
        pytest.skip(str(reason))


def require_program(name: str) -> str:
    """Return the path of a program, or end the test."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"needs the program {name}")
    return str(path)


@pytest.fixture(autouse=True)
def _namespaces() -> None:
    """The gate before every test of this folder."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    for program in ("ip", "nft", "sysctl", "ethtool", "ping"):
        require_program(program)
    if not Path("/dev/net/tun").exists():
        pytest.skip("needs /dev/net/tun")


@pytest.fixture(autouse=True, scope="session")
def _no_leftovers() -> None:
    """Remove the labs of test processes that were killed."""
    if os.geteuid() != 0:
        return
    for lab in labs():
        owner = re.fullmatch(r"t(\d+)n\d+", lab)
        if owner and not Path(f"/proc/{owner[1]}").exists():
            destroy(lab)


@pytest.fixture
def lab_name() -> Callable[[], str]:
    """Return names for labs that no other test, worker or run uses."""
    return lambda: f"t{os.getpid()}n{next(_lab_numbers)}"


@pytest.fixture
def internet(lab_name: Callable[[], str]) -> Iterator[NamespaceInternet]:
    """An internet with nothing but a backbone."""
    with NamespaceInternet(lab_name()) as internet:
        yield internet


@pytest.fixture
def miredo_programs() -> None:
    """For tests that use the classes of `tests.peers.miredo`."""
    with peers_needed():
        miredo.root()


@pytest.fixture
def far_end(miredo_programs: None, lab_name: Callable[[], str], tmp_path: Path) -> Iterator[TeredoInternet]:
    """Miredo's server and relay, an IPv6-only host, and a home behind a port-restricted NAT."""
    with teredo_internet(lab_name(), tmp_path) as internet:
        yield internet


@pytest.fixture
def home(far_end: TeredoInternet, tmp_path: Path) -> Iterator[Tunnelmgr]:
    """A host behind the home NAT, its tunnel taken down at the end with nothing left."""
    tunnelmgr = Tunnelmgr(far_end.home.inside, tmp_path)
    yield tunnelmgr
    tunnelmgr.run("down", "home")
    assert tunnelmgr.traces() == []


@pytest.fixture
def radvd_environment() -> dict[str, str]:
    """What tunnelmgr's environment must have for it to find radvd."""
    with peers_needed():
        return radvd.environment()


@pytest.fixture
def wall_clock(tmp_path: Path) -> Iterator[faketime.WallClock]:
    """A time of day that can jump, for programs that get its environment and end before it: ask for it first."""
    with peers_needed(), faketime.wall_clock(tmp_path) as clock:
        yield clock


@pytest.fixture
def iperf3() -> str:
    return require_program("iperf3")


@pytest.fixture
def tshark() -> str:
    return require_program("tshark")
