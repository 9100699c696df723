"""A tunnel through which nothing passes: its host looks like one without IPv6, and goes on as before when packets flow.

home 203.0.113.66 --- backbone --- far 192.0.2.80 --- native 2001:db8:6::1
  2001:db8:41::2 === protocol 41 === 2001:db8:41::1, forwards
"""

import errno
import os
import signal
import socket
import time
from collections.abc import Iterator
from ipaddress import IPv6Address
from pathlib import Path

import pytest

from tests.netns.program import ping
from tests.netns.sixinfour.test_sixinfour import FAR6, HOME6, Ends, state_of
from tunnelmgr.lab.namespaces import Host, NamespaceInternet
from tunnelmgr.lab.namespaces.entering import entered
from tunnelmgr.lab.waiting import wait_for

BLOCK = """\
add table inet block
add chain inet block forward { type filter hook forward priority 0; }
add rule inet block forward ip protocol 41 drop
"""
GENEROUS = 60.0  # seconds


@pytest.fixture
def ends(internet: NamespaceInternet, tmp_path: Path) -> Iterator[Ends]:
    made = Ends(internet, tmp_path)
    yield made
    for end in (made.home, made.far):
        end.run("down", "home", check=False)
        assert end.traces() == []


def block(ends: Ends) -> None:
    """Let nothing pass, without a word, and wait until home has noticed."""
    ends.internet.backbone.run(["nft", "-f", "-"], stdin=BLOCK)

    def noticed() -> bool | None:
        with entered(ends.home.host.namespace), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as asking:
            asking.sendto(b"?", (str(FAR6), 7))  # what goes out and brings nothing back raises a doubt
        return state_of(ends.home) == "impaired" or None

    wait_for("the loss", noticed, GENEROUS)


def unblock(ends: Ends) -> None:
    ends.internet.backbone.run(["nft", "delete", "table", "inet", "block"])
    wait_for("the return", lambda: state_of(ends.home) == "up" or None, GENEROUS)


def chosen_source(host: Host, target: IPv6Address, source: str = "::") -> str:
    """What becomes of the question with which getaddrinfo ranks an address: the source the kernel takes, or its error."""
    with entered(host.namespace), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as asking:
        try:
            asking.bind((source, 0))
            asking.connect((str(target), 53))
        except OSError as error:
            return errno.errorcode[error.errno or 0]
        return str(asking.getsockname()[0])


def conversation(caller: Host, called: Host, target: IPv6Address) -> tuple[socket.socket, socket.socket]:
    """A TCP connection: its two ends."""
    with entered(called.namespace), socket.create_server(("::", 7), family=socket.AF_INET6) as listening:
        with entered(caller.namespace):
            calling = socket.create_connection((str(target), 7), GENEROUS)
        answering, _ = listening.accept()
        answering.settimeout(GENEROUS)
        return calling, answering


def test_programs_are_told_at_once_that_there_is_no_ipv6_and_the_tunnel_comes_back(ends: Ends) -> None:
    ends.up()
    home, native = ends.home.host, ends.native.ipv6
    assert chosen_source(home, native) == str(HOME6)
    block(ends)
    for source in ("::", str(HOME6)):
        assert chosen_source(home, native, source) == "EHOSTUNREACH"
    assert ends.home.address() == HOME6, "device and address stay"
    time.sleep(12)  # not a wait for something: two more rounds of probes are lost, and change nothing
    assert state_of(ends.home) == "impaired"
    unblock(ends)
    assert chosen_source(home, native) == str(HOME6)
    assert ping(home, native, 3) == 3


def test_connections_both_ways_outlive_the_outage(ends: Ends) -> None:
    ends.up()
    outgoing = conversation(ends.home.host, ends.native, ends.native.ipv6)
    incoming = conversation(ends.native, ends.home.host, HOME6)
    block(ends)
    for calling, answering in (outgoing, incoming):
        calling.sendall(b"question")
        answering.sendall(b"answer")
    unblock(ends)
    for calling, answering in (outgoing, incoming):
        with calling, answering:
            assert answering.recv(100) == b"question"
            assert calling.recv(100) == b"answer"


def test_before_the_far_end_is_heard_there_is_no_ipv6_either(ends: Ends) -> None:
    ends.home.start("up", "-f", ends.home.profile)
    wait_for("waiting", lambda: state_of(ends.home) == "waiting-for-peer" or None, GENEROUS)
    assert chosen_source(ends.home.host, ends.native.ipv6) == "EHOSTUNREACH"
    ends.far.up()
    wait_for("up", lambda: state_of(ends.home) == "up" or None, GENEROUS)
    assert chosen_source(ends.home.host, ends.native.ipv6) == str(HOME6)


def test_a_process_killed_meanwhile_leaves_nothing_that_the_next_start_does_not_remove(ends: Ends) -> None:
    ends.far.up()
    running = ends.home.start("up", "-f", ends.home.profile)
    ends.home.run("wait", "home")
    block(ends)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait(GENEROUS)
    assert any("unreachable default" in line for line in ends.home.traces())
    ends.internet.backbone.run(["nft", "delete", "table", "inet", "block"])
    ends.home.up()
    assert chosen_source(ends.home.host, ends.native.ipv6) == str(HOME6)
    assert not any("unreachable default" in line for line in ends.home.traces())
