"""A broker and a client at home, each as a module's fixtures `broker_profile` and `profile` have it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.netns.program import Tunnelmgr
from tests.peers.tsp_internet import ACCOUNT, BROKER, PASSWORD, TspInternet, tsp_internet, write_secret
from tunnelmgr.lab.namespaces import Site
from tunnelmgr.lab.vocabulary import NatKind


@pytest.fixture
def broker_profile() -> str:
    return BROKER


@pytest.fixture
def profile() -> str:
    return ACCOUNT


@pytest.fixture
def far_end(lab_name: Callable[[], str], tmp_path: Path, broker_profile: str) -> Iterator[TspInternet]:
    with tsp_internet(lab_name(), tmp_path, broker_profile) as internet:
        yield internet


@pytest.fixture
def site(far_end: TspInternet) -> Site:
    """A home behind a port-restricted NAT."""
    return far_end.internet.site("home", NatKind.PORT_RESTRICTED)


@pytest.fixture
def home(site: Site, tmp_path: Path, profile: str) -> Iterator[Tunnelmgr]:
    """A client at home that knows Alice's password, taken down at the end with nothing left."""
    tunnelmgr = Tunnelmgr(site.inside, tmp_path, profile)
    write_secret(tunnelmgr, "password", f"{PASSWORD}\n")
    yield tunnelmgr
    tunnelmgr.run("down", tunnelmgr.profile)
    assert tunnelmgr.traces() == []
