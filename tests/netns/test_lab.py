"""The namespace internet itself: it is what it says, and leaves nothing behind."""

import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.nat_prober.namespaces import NamespaceProbeGround, NamespaceProbeSocket
from tests.nat_prober.prober import measure
from tunnelmgr.api.errors import TunnelError
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.report import Filtering
from tunnelmgr.lab.namespaces import NamespaceInternet, Offload, destroy, labs
from tunnelmgr.lab.vocabulary import Link, Nat, NatKind
from tunnelmgr.lab.waiting import wait_for


@pytest.mark.parametrize("kind", NatKind)
def test_nat_measures_as_described(internet: NamespaceInternet, kind: NatKind) -> None:
    outside = internet.host("one", "192.0.2.1"), internet.host("two", "192.0.2.2")
    home = internet.site("home", kind)
    with NamespaceProbeGround(home.inside, outside) as ground:
        assert measure(ground) == kind.nat


def test_cone_with_hairpin_measures_as_described(internet: NamespaceInternet) -> None:
    outside = internet.host("one", "192.0.2.1"), internet.host("two", "192.0.2.2")
    nat = Nat(filtering=Filtering.ENDPOINT_INDEPENDENT, hairpinning=True)
    home = internet.site("home", nat)
    with NamespaceProbeGround(home.inside, outside) as ground:
        assert measure(ground) == nat


def test_changed_nat_measures_as_described(internet: NamespaceInternet) -> None:
    outside = internet.host("one", "192.0.2.1"), internet.host("two", "192.0.2.2")
    home = internet.site("home", NatKind.FULL_CONE)
    home.change_nat(Nat())
    with NamespaceProbeGround(home.inside, outside) as ground:
        assert measure(ground) == Nat()


def test_second_host_of_a_site_shares_its_address(internet: NamespaceInternet) -> None:
    server = internet.host("server", "192.0.2.1")
    home = internet.site("home", NatKind.PORT_RESTRICTED)
    tablet = home.add_host("tablet")
    with NamespaceProbeGround(tablet, (server, server)) as ground:
        inside, outside = ground.inside(), ground.outside(0)
        inside.send(b"hello", outside.endpoint)
        assert outside.receive(5.0) == (b"hello", Endpoint(home.address, inside.endpoint.port))
    tablet.run(["ping", "-c1", "-W5", str(home.inside.ipv4)])


def test_restarted_nat_forgets_its_mappings(internet: NamespaceInternet) -> None:
    server = internet.host("server", "192.0.2.1")
    home = internet.site("home", NatKind.SYMMETRIC)
    with NamespaceProbeGround(home.inside, (server, server)) as ground:
        inside, outside = ground.inside(), ground.outside(0)
        before = _seen_from(inside, outside)
        assert _seen_from(inside, outside) == before
        home.forget_mappings()
        assert _seen_from(inside, outside) != before


def test_mapping_expires_after_its_time(internet: NamespaceInternet) -> None:
    server = internet.host("server", "192.0.2.1")
    symmetric = NatKind.SYMMETRIC.nat
    assert symmetric is not None
    home = internet.site("home", replace(symmetric, mapping_timeout=1.0))
    with NamespaceProbeGround(home.inside, (server, server)) as ground:
        inside, outside = ground.inside(), ground.outside(0)
        before = _seen_from(inside, outside)
        time.sleep(2.5)  # not a wait for something: the silence is what is tested
        assert _seen_from(inside, outside) != before


def test_link_delays_both_ways_and_loses_nothing(internet: NamespaceInternet) -> None:
    server = internet.host("server", "192.0.2.1", "2001:db8:1::1", link=Link(delay=0.05))
    client = internet.host("client", "198.51.100.1", "2001:db8:2::1", link=Link(delay=0.1))
    for address in (server.ipv4, server.ipv6):
        said = client.run(["ping", "-c5", "-i0.05", "-W5", str(address)]).stdout
        times = [float(time) for time in re.findall(r"time=([\d.]+) ms", said)]
        assert len(times) == 5
        # A packet crosses both links there and back; how much longer a busy machine takes is not promised.
        assert min(times) >= 300


def test_large_packets_pass_a_link_that_delays(internet: NamespaceInternet) -> None:
    server = internet.host("server", "192.0.2.1", link=Link(delay=0.01, mtu=1400))
    client = internet.host("client", "198.51.100.1")
    client.run(["ping", "-c1", "-W5", "-M", "do", "-s", str(1400 - 28), str(server.ipv4)])
    client.run(["ping", "-c1", "-W5", "-M", "dont", "-s", "4000", str(server.ipv4)])


def test_a_cut_cable_is_down_and_leaves_with_the_lab(lab_name: Callable[[], str]) -> None:
    with NamespaceInternet(lab_name()) as internet:
        server = internet.host("server", "192.0.2.1", link=Link(delay=0.01))
        server.run(["ping", "-c1", "-W5", "192.0.2.254"])
        subprocess.run(["pkill", "-f", f"delay_line {server.namespace} "], check=True)
        wait_for("cut", lambda: "NO-CARRIER" in server.run(["ip", "link", "show", "eth0"]).stdout or None)
    assert internet.name not in labs()


def test_site_gets_another_address(internet: NamespaceInternet) -> None:
    server = internet.host("server", "192.0.2.1")
    home = internet.site("home", NatKind.PORT_RESTRICTED)
    moved = home.address + 40
    home.move(moved)
    with NamespaceProbeGround(home.inside, (server, server)) as ground:
        inside, outside = ground.inside(), ground.outside(0)
        inside.send(b"hello", outside.endpoint)
        assert outside.receive(5.0) == (b"hello", Endpoint(moved, inside.endpoint.port))
        outside.send(b"answer", Endpoint(moved, inside.endpoint.port))
        assert inside.receive(5.0) == (b"answer", outside.endpoint)


def test_link_loses_the_packets_it_names(internet: NamespaceInternet) -> None:
    server = internet.host("server", "192.0.2.1", link=Link(loss=frozenset({1, 2})))
    client = internet.host("client", "198.51.100.1")
    with NamespaceProbeGround(client, (server, server)) as ground:
        inside, outside = ground.inside(), ground.outside(0)
        for ordinal in range(5):
            inside.send(b"%d" % ordinal, outside.endpoint)
        received = [outside.receive(5.0) for _ in range(3)]
    assert [datagram[0] for datagram in received if datagram] == [b"0", b"3", b"4"]


def test_link_delays_and_duplicates_the_packets_it_names(internet: NamespaceInternet) -> None:
    crooked = Link(late=frozenset({1}), late_by=1.0, duplicated=frozenset({3}))
    server = internet.host("server", "192.0.2.1", link=crooked)
    client = internet.host("client", "198.51.100.1")
    with NamespaceProbeGround(client, (server, server)) as ground:
        inside, outside = ground.inside(), ground.outside(0)
        for ordinal in range(5):
            inside.send(b"%d" % ordinal, outside.endpoint)
        received = [outside.receive(5.0) for _ in range(6)]
    assert [datagram[0] for datagram in received if datagram] == [b"0", b"2", b"3", b"3", b"4", b"1"]


def test_link_loses_at_its_rate(internet: NamespaceInternet) -> None:
    server = internet.host("server", "192.0.2.1", link=Link(loss_rate=0.5))
    client = internet.host("client", "198.51.100.1")
    ping = client.run(["ping", "-q", "-c100", "-i0.002", "-W1", str(server.ipv4)], check=False)
    # A quarter survives both ways; 0 and 100 are as likely as a broken dice.
    assert 1 < float(ping.stdout.split("% packet loss")[0].split()[-1]) < 100


def test_small_link_reports_its_mtu(internet: NamespaceInternet) -> None:
    server = internet.host("server", "192.0.2.1", link=Link(mtu=1300))
    client = internet.host("client", "198.51.100.1")
    # The first error teaches the host, the ping after that fails by itself: either names the size.
    ping = client.run(["ping", "-c2", "-i0.2", "-Mdo", "-s1400", str(server.ipv4)], check=False)
    assert "1300" in ping.stdout + ping.stderr


def test_hosts_find_each_other_by_name(internet: NamespaceInternet) -> None:
    client = internet.host("client", "198.51.100.1", "2001:db8:9::1")
    internet.host("server", "192.0.2.1", "2001:db8:1::1", names=["teredo.example.net"])
    client.run(["ping", "-4", "-c1", "-W5", "teredo.example.net"])
    client.run(["ping", "-6", "-c1", "-W5", "server"])
    started = time.monotonic()
    assert client.run(["getent", "hosts", "unknown.example.net"], check=False).returncode == 2
    assert time.monotonic() - started < 5.0


def test_program_sees_names_that_come_after_its_start(internet: NamespaceInternet, tmp_path: Path) -> None:
    client = internet.host("client", "198.51.100.1")
    output = tmp_path / "names"
    client.popen(["sh", "-c", "until getent hosts late; do sleep 0.05; done"], output=output)
    internet.host("late", "192.0.2.1")
    wait_for("the new name", lambda: "192.0.2.1" in output.read_text())


def test_entering_moves_one_thread_only(internet: NamespaceInternet) -> None:
    server = internet.host("server", "192.0.2.1")
    interfaces: dict[str, list[str]] = {}

    def look(who: str) -> None:
        interfaces[who] = [name for _, name in socket.if_nameindex()]

    other_may_look, other_has_looked = threading.Event(), threading.Event()

    def other() -> None:
        other_may_look.wait(5.0)
        look("other")
        other_has_looked.set()

    look("before")
    thread = threading.Thread(target=other)
    thread.start()
    with server.enter():
        look("inside")
        other_may_look.set()
        other_has_looked.wait(5.0)
    thread.join()
    look("after")
    assert interfaces["inside"] == ["lo", "eth0"]
    assert interfaces["other"] == interfaces["after"] == interfaces["before"]


def test_failing_program_is_quoted(internet: NamespaceInternet) -> None:
    server = internet.host("server", "192.0.2.1")
    with pytest.raises(TunnelError, match=r"server: sh -c .* exited with 3: oh no"):
        server.run(["sh", "-c", "echo oh no >&2; exit 3"])


def test_failing_build_names_the_command(internet: NamespaceInternet) -> None:
    internet.host("one", "192.0.2.1")
    with pytest.raises(TunnelError, match=rf"ip -n {internet.backbone.namespace} -batch -; .*File exists"):
        internet.host("two", "192.0.2.1")


def test_host_name_can_be_given_once(internet: NamespaceInternet) -> None:
    internet.host("one", "192.0.2.1")
    with pytest.raises(TunnelError, match="has a host one"):
        internet.site("one", NatKind.NONE)


@pytest.mark.parametrize(("offload", "expected"), [(Offload.ON, "on"), (Offload.OFF, "off")])
def test_offloads_can_be_off(lab_name: Callable[[], str], offload: Offload, expected: str) -> None:
    with NamespaceInternet(lab_name(), offload=offload) as internet:
        home = internet.site("home", NatKind.PORT_RESTRICTED)
        features = home.inside.run(["ethtool", "-k", "eth0"]).stdout
    assert f"tx-checksumming: {expected}\n" in features
    assert f"tcp-segmentation-offload: {expected}\n" in features


def test_labs_with_the_same_addresses_stand_side_by_side(lab_name: Callable[[], str]) -> None:
    with NamespaceInternet(lab_name()) as here, NamespaceInternet(lab_name()) as there:
        for internet in (here, there):
            internet.host("server", "192.0.2.1")
            home = internet.site("home", NatKind.PORT_RESTRICTED)
            home.inside.run(["ping", "-c1", "-W5", "server"])
        with pytest.raises(TunnelError, match="exists"):
            NamespaceInternet(there.name).create()


def test_destroyed_lab_leaves_nothing(lab_name: Callable[[], str]) -> None:
    with NamespaceInternet(lab_name()) as internet:
        home = internet.site("home", NatKind.FULL_CONE)
        # A daemon of a daemon, which no longer is a child of ours.
        program = home.inside.popen(["sh", "-c", "setsid sleep 1000 & exec sleep 1000"])
        assert program.poll() is None
    assert program.poll() == -signal.SIGKILL
    assert internet.name not in labs()
    assert not _traces(internet.name)


def test_several_may_destroy_a_lab_at_once(lab_name: Callable[[], str]) -> None:
    with NamespaceInternet(lab_name()) as internet:
        for number in range(8):
            internet.host(f"host{number}", f"192.0.2.{number + 1}")
        with ThreadPoolExecutor(4) as several:
            list(several.map(destroy, [internet.name] * 4))  # raises what one of them met
    assert internet.name not in labs()


def test_lab_of_a_killed_process_can_be_destroyed(lab_name: Callable[[], str]) -> None:
    lab = lab_name()
    program = (
        "from tunnelmgr.lab.namespaces import NamespaceInternet\n"
        f"internet = NamespaceInternet({lab!r}); internet.create()\n"
        "internet.host('server', '192.0.2.1').popen(['sleep', '1000'])\n"
        "print('built', flush=True); input()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as builder:
        assert builder.stdout is not None
        assert builder.stdout.readline() == b"built\n"
        builder.kill()
    assert lab in labs()
    destroy(lab)
    assert lab not in labs()
    assert not _traces(lab)


def _seen_from(inside: NamespaceProbeSocket, outside: NamespaceProbeSocket) -> Endpoint:
    inside.send(b"hello", outside.endpoint)
    arrived = outside.receive(5.0)
    assert arrived is not None
    return arrived[1]


def _traces(lab: str) -> list[Path]:
    """Everything on this machine that has the lab's name."""
    return [path for folder in ("/run/netns", "/etc/netns") for path in Path(folder).glob(f"tml-{lab}-*")]
