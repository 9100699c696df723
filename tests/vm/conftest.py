"""These tests run inside the machine alone: `make test-vm`, or `python -m tests.vm` with words for pytest.

They share the lab's internet and programs with the tests in namespaces, on a kernel that has what the host's may lack.
"""

import itertools
import os
from collections.abc import Iterator

import pytest

from tunnelmgr.lab.namespaces import NamespaceInternet, Offload

collect_ignore_glob = [] if os.environ.get("TUNNELMGR_IN_VM") == "1" else ["test_*.py"]
_numbers = itertools.count(1)


@pytest.fixture
def internet() -> Iterator[NamespaceInternet]:
    """An internet with nothing but a backbone.

    Without offloads: a veth leaves checksums to a card that is not there, and inside a kernel tunnel nobody fills them in.
    Then pings pass, and TCP to a peer in user space never connects (docs/protocols/sixinfour.md, section 12).
    """
    with NamespaceInternet(f"v{next(_numbers)}", offload=Offload.OFF) as internet:
        yield internet
