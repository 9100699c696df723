"""A hostile home for each test, of which nothing is left behind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.netns.conftest import require_program
from tests.netns.hostile.home import HostileHome
from tunnelmgr.lab.namespaces import NamespaceInternet


@pytest.fixture
def home(internet: NamespaceInternet, tmp_path: Path) -> Iterator[HostileHome]:
    require_program("openssl")
    made = HostileHome(internet, tmp_path)
    yield made
    assert made.tunnelmgr.traces() == []
    assert [peers.poll() for peers in made.peers] == [None, None], "the peers have lied to the end"
