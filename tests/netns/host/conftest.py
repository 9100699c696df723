"""A machine of its own for the tests that change one."""

from collections.abc import Callable, Iterator

import pytest

from tests.netns.host.machine import sh
from tunnelmgr.lab.namespaces.entering import entered


@pytest.fixture
def machine(lab_name: Callable[[], str]) -> Iterator[str]:
    """A namespace with nothing but loopback; the test's thread is inside."""
    name = f"{lab_name()}-machine"
    sh(f"ip netns add {name}")
    try:
        with entered(name):
            sh("ip link set lo up")
            yield name
    finally:
        sh(f"ip netns delete {name}")
