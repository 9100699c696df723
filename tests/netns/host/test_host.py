"""The real machine does what the plans say: in a namespace of its own, read back with iproute2 and nft."""

import asyncio
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, IPv6Network
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.netns.host.machine import add_link, sh
from tunnelmgr.api.errors import TunnelError
from tunnelmgr.api.hostconfig import ProxiedNeighbour
from tunnelmgr.api.network import DefaultRoute, LocalAddress
from tunnelmgr.host.apply import Configurator
from tunnelmgr.host.cleanup import Leftover, cleanup
from tunnelmgr.host.desired import Desired, Destination, Forwarding, Inbound
from tunnelmgr.host.firewall import inbound_rules
from tunnelmgr.host.items import Address, Purpose, Rule, Table
from tunnelmgr.host.journal import Journal
from tunnelmgr.host.linux import tun as tun_module
from tunnelmgr.host.linux.host import LinuxHost
from tunnelmgr.host.linux.tun import LinuxTun, open_by_ioctl
from tunnelmgr.host.plan import Step
from tunnelmgr.lab.waiting import wait_for

ADDRESS = IPv6Interface("2001:db8:1::2/64")
STRANGER = IPv6Address("2001:db8:2::9")
HOME = Desired(
    "tm-home",
    addresses=(ADDRESS,),
    destinations=(Destination(IPv6Network("::/0"), 1029),),
    sources=(IPv6Network(ADDRESS.ip),),
)
FIREWALL = Table.of("tm-home", Purpose.INBOUND, inbound_rules("tm-home", ("input", "forward")))
CHANGED = replace(FIREWALL, mark="")
MOVED = replace(HOME, addresses=(IPv6Interface("2001:db8:3::2/64"),), sources=(IPv6Network("2001:db8:3::2"),))


@pytest.fixture(autouse=True)
def _in_a_machine(machine: str) -> None:
    pass


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal.take(tmp_path / "home.journal")
    yield journal
    journal.close()


@pytest.fixture
def tun() -> Iterator[LinuxTun]:
    tun = LinuxHost().open_tun("tm-home")
    yield tun
    tun.close()


def refused(command: str) -> str:
    """Run a command that must fail and return what it said."""
    done = subprocess.run(command.split(), capture_output=True, text=True, check=False)
    assert done.returncode != 0
    return done.stderr


def ip(words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(sh(f"ip -j {words}") or "[]")
    return found


def everything() -> list[str]:
    """All that this machine shows of addresses, routes, rules and firewall."""
    return [sh(words) for words in ("ip address", "ip -6 route show table all", "ip -6 rule", "ip rule", "nft list ruleset")]


_T = TypeVar("_T")


def on_this_machine(work: Callable[[LinuxHost], Coroutine[None, None, _T]]) -> _T:
    async def run() -> _T:
        host = LinuxHost()
        try:
            return await work(host)
        finally:
            await host.close()

    return asyncio.run(run())


def applied(journal: Journal, wish: Desired) -> list[Step]:
    return on_this_machine(lambda host: Configurator(host, journal).apply(wish))


def cleared(journal: Journal) -> None:
    on_this_machine(lambda host: Configurator(host, journal).clear())


def clean(runtime_dir: Path) -> list[Leftover]:
    return on_this_machine(lambda host: cleanup(host, runtime_dir))


@pytest.mark.requirement("T-TX-017")
@pytest.mark.usefixtures("tun")
def test_a_plan_becomes_what_iproute2_and_nft_show(journal: Journal) -> None:
    applied(journal, HOME)
    (link,) = ip("-6 address show dev tm-home")
    assert (link["mtu"], "UP" in link["flags"]) == (1280, True)
    # One address and no other: no link-local one either.
    assert [(info["local"], info["prefixlen"], info["nodad"]) for info in link["addr_info"]] == [("2001:db8:1::2", 64, True)]
    (default,) = ip("-6 route show default")
    assert (default["dev"], default["metric"], default["protocol"]) == ("tm-home", 1029, "116")
    assert [(rule["priority"], rule["src"], rule["protocol"]) for rule in ip("-6 rule") if "protocol" in rule] == [
        (7200, "2001:db8:1::2", "116"),
        (7201, "2001:db8:1::2", "116"),
    ]
    listing = sh("nft list table ip6 tunnelmgr_home")
    assert "hook input" in listing
    assert "hook forward" in listing
    assert Path("/proc/sys/net/ipv6/conf/tm-home/accept_ra").read_text() == "0\n"


@pytest.mark.usefixtures("tun")
def test_the_second_time_there_is_nothing_to_do(journal: Journal) -> None:
    assert applied(journal, HOME)
    assert applied(journal, HOME) == []
    assert applied(journal, MOVED)
    assert applied(journal, MOVED) == []


@pytest.mark.usefixtures("tun")
def test_an_address_moves_with_its_rules(journal: Journal) -> None:
    applied(journal, HOME)
    applied(journal, MOVED)
    (link,) = ip("-6 address show dev tm-home")
    assert [info["local"] for info in link["addr_info"]] == ["2001:db8:3::2"]
    assert {rule["src"] for rule in ip("-6 rule")} == {"all", "2001:db8:3::2"}
    applied(journal, replace(MOVED, addresses=(IPv6Interface("2001:db8:3::2/128"),)))
    (link,) = ip("-6 address show dev tm-home")
    assert [info["prefixlen"] for info in link["addr_info"]] == [128]


@pytest.mark.usefixtures("tun")
def test_what_somebody_flushed_is_put_back(journal: Journal) -> None:
    applied(journal, HOME)
    sh("nft flush ruleset")
    sh("ip -6 address flush dev tm-home")
    assert {step.after for step in applied(journal, HOME)} >= {
        FIREWALL,
        Address("tm-home", ADDRESS),
    }
    sh("nft flush chain ip6 tunnelmgr_home input")
    assert Step(replace(FIREWALL, mark=""), FIREWALL) in applied(journal, HOME)


@pytest.mark.parametrize(
    ("done", "seen"),
    [
        ("true", FIREWALL),
        ("nft add table ip6 somebody_else", FIREWALL),
        ("nft flush chain ip6 tunnelmgr_home input", CHANGED),
        ("nft insert rule ip6 tunnelmgr_home input accept", CHANGED),
        ("nft delete rule ip6 tunnelmgr_home forward handle {handle}", CHANGED),
        ("nft replace rule ip6 tunnelmgr_home forward handle {handle} accept", CHANGED),
        ("nft add chain ip6 tunnelmgr_home input {{ policy drop; }}", CHANGED),
        ("nft add table ip6 tunnelmgr_home {{ flags dormant; }}", CHANGED),
        ("nft delete table ip6 tunnelmgr_home", None),
        ("nft flush ruleset", None),
    ],
)
@pytest.mark.usefixtures("tun")
def test_what_somebody_did_to_a_table_is_seen_and_mended(journal: Journal, done: str, seen: Table | None) -> None:
    async def story(host: LinuxHost) -> None:
        configurator = Configurator(host, journal)
        await configurator.apply(HOME)
        left = sh(LIST)
        sh(done.format(handle=last_handle("forward")))
        assert [item for item in await host.actual("tm-home") if isinstance(item, Table)] == ([seen] if seen else [])
        mending = await configurator.apply(HOME)
        assert mending == ([] if seen == FIREWALL else [Step(seen, FIREWALL)])
        assert sh(LIST) == left

    on_this_machine(story)


LIST = "nft --stateless list table ip6 tunnelmgr_home"


def last_handle(chain: str) -> int:
    rules = json.loads(sh(f"nft -j list chain ip6 tunnelmgr_home {chain}"))["nftables"]
    return int(rules[-1]["rule"]["handle"])


def test_packets_and_other_tables_change_nothing_of_ours(journal: Journal, tun: LinuxTun, listening: int) -> None:
    async def story(host: LinuxHost) -> None:
        configurator = Configurator(host, journal)
        await configurator.apply(HOME)
        os.write(tun.fd, syn(listening))
        wait_for("the drop", lambda: dropped() == 1)
        sh("nft add table ip6 other")
        assert await configurator.apply(HOME) == []

    on_this_machine(story)


def test_clearing_leaves_nothing(journal: Journal) -> None:
    before = everything()
    tun = LinuxHost().open_tun("tm-home")
    applied(journal, HOME)
    applied(journal, replace(MOVED, forwarding=Forwarding.OPEN, passes=False))
    assert everything() != before
    cleared(journal)
    tun.close()
    assert everything() == before
    assert Path("/proc/sys/net/ipv6/conf/all/forwarding").read_text() == "0\n"


def test_a_step_that_fails_takes_the_others_with_it(journal: Journal) -> None:
    before = everything()
    tun = LinuxHost().open_tun("tm-home")
    # Multicast: the kernel refuses it, after firewall, device and first address were made.
    with pytest.raises(TunnelError, match=r"ip -6 address add ff0e::1/128 dev tm-home nodad: "):
        applied(journal, replace(HOME, addresses=(ADDRESS, IPv6Interface("ff0e::1/128"))))
    assert sh("ip -6 address show dev tm-home") == ""
    tun.close()
    assert everything() == before


CHILD = """
import asyncio, sys
from pathlib import Path
from tunnelmgr.host.apply import Configurator
from tunnelmgr.host.journal import Journal
from tunnelmgr.host.linux.host import LinuxHost
from tests.netns.host.test_host import HOME

async def live():
    host = LinuxHost()
    journal = Journal.take(Path(sys.argv[1]))
    tun = host.open_tun("tm-home")
    await Configurator(host, journal).apply(HOME)
    print("applied", flush=True)
    await asyncio.Event().wait()

asyncio.run(live())
"""


def test_a_killed_process_leaves_nothing_that_cleanup_does_not_remove(tmp_path: Path) -> None:
    before = everything()
    journal = tmp_path / "home.journal"
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(journal)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"applied\n"
        assert clean(tmp_path) == [], "its owner lives"
        child.send_signal(signal.SIGKILL)
    wait_for("the end of the device", lambda: not ip("link show type tun"))
    assert "tunnelmgr_home" in sh("nft list ruleset")
    assert [leftover.profile for leftover in clean(tmp_path)] == ["home"]
    assert everything() == before
    assert clean(tmp_path) == []


def received(tun: LinuxTun, matching: Callable[[bytes], bool]) -> bytes:
    """Return the first packet the kernel sends into the tunnel that matches."""
    while True:
        readable, _, _ = select.select([tun.fd], [], [], 10)
        assert readable, "nothing came out of the tunnel within 10 s"
        packet = os.read(tun.fd, 2048)
        if matching(packet):
            return packet


def packet_from_stranger(payload: Any) -> bytes:
    from scapy.layers.inet6 import IPv6

    return bytes(IPv6(src=str(STRANGER), dst=str(ADDRESS.ip)) / payload)


def syn(port: int) -> bytes:
    from scapy.layers.inet import TCP

    return packet_from_stranger(TCP(sport=4444, dport=port, flags="S", seq=1))


def is_tcp(packet: bytes) -> bool:
    return packet[6] == socket.IPPROTO_TCP


def is_echo_reply(packet: bytes) -> bool:
    return packet[6] == socket.IPPROTO_ICMPV6 and packet[40] == 129


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("::", 0), family=socket.AF_INET6) as server:
        yield server.getsockname()[1]


def dropped() -> int:
    """How many packets the firewall of the host itself has dropped."""
    rules = json.loads(sh("nft -j list chain ip6 tunnelmgr_home input"))["nftables"]
    (counter,) = [
        part["counter"]["packets"] for rule in rules if "rule" in rule for part in rule["rule"]["expr"] if "counter" in part
    ]
    return int(counter)


def test_a_listening_port_is_closed_to_strangers(journal: Journal, tun: LinuxTun, listening: int) -> None:
    applied(journal, HOME)
    os.write(tun.fd, syn(listening))
    wait_for("the drop", lambda: dropped() == 1)
    # What comes next shows that nothing answered the first: the echo reply is the first packet out of the tunnel.
    from scapy.layers.inet6 import ICMPv6EchoRequest

    os.write(tun.fd, packet_from_stranger(ICMPv6EchoRequest(id=7)))
    assert (
        received(tun, lambda packet: packet[6] in {socket.IPPROTO_TCP, socket.IPPROTO_ICMPV6} and packet[40] != 143)[40]
        == 129
    )


def test_a_listening_port_is_open_where_the_user_says_so(journal: Journal, tun: LinuxTun, listening: int) -> None:
    applied(journal, replace(HOME, inbound=Inbound.OPEN))
    os.write(tun.fd, syn(listening))
    assert received(tun, is_tcp)[40 + 13] == 0x12  # SYN and ACK


def test_answers_to_our_own_questions_pass(journal: Journal, tun: LinuxTun) -> None:
    from scapy.layers.inet import UDP

    applied(journal, HOME)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as question:
        question.settimeout(10)
        question.bind((str(ADDRESS.ip), 0))
        question.sendto(b"?", (str(STRANGER), 53))
        received(tun, lambda packet: packet[6] == socket.IPPROTO_UDP)
        os.write(tun.fd, packet_from_stranger(UDP(sport=53, dport=question.getsockname()[1]) / b"!"))
        assert question.recv(10) == b"!"


@pytest.mark.requirement("T-TX-017")
@pytest.mark.usefixtures("tun")
def test_the_tunnel_address_answers_through_the_tunnel_beside_native_ipv6(journal: Journal) -> None:
    add_link("native")
    add_link("lan")
    sh("ip -6 address add 2001:db8:aaaa::2/64 dev native nodad")
    sh("ip -6 route add default via 2001:db8:aaaa::1 dev native metric 100")
    sh("ip -6 address add 2001:db8:1:8000::1/64 dev lan nodad")
    applied(journal, HOME)

    def leaves_by(destination: str, source: str = "") -> str:
        return str(ip(f"-6 route get {destination} {source}")[0]["dev"])

    assert leaves_by(str(STRANGER)) == "native"
    assert leaves_by(str(STRANGER), f"from {ADDRESS.ip}") == "tm-home"
    assert leaves_by("2001:db8:1:8000::5", f"from {ADDRESS.ip}") == "lan"
    barred = replace(HOME, passes=False)
    assert len(applied(journal, barred)) == 1
    assert applied(journal, barred) == []
    assert "No route to host" in refused(f"ip -6 route get {STRANGER} from {ADDRESS.ip}"), "by no other way"
    assert leaves_by(str(STRANGER)) == "native"
    assert leaves_by("2001:db8:1:8000::5", f"from {ADDRESS.ip}") == "lan"
    applied(journal, HOME)
    assert leaves_by(str(STRANGER), f"from {ADDRESS.ip}") == "tm-home"
    applied(journal, replace(HOME, sources=()))
    assert leaves_by(str(STRANGER), f"from {ADDRESS.ip}") == "native"


@pytest.mark.usefixtures("tun")
def test_forwarding_keeps_listening_to_routers(journal: Journal) -> None:
    add_link("native")
    switch = Path("/proc/sys/net/ipv6/conf/native/accept_ra")
    applied(journal, replace(HOME, forwarding=Forwarding.ANSWERS))
    assert (switch.read_text(), Path("/proc/sys/net/ipv6/conf/all/forwarding").read_text()) == ("2\n", "1\n")
    assert applied(journal, replace(HOME, forwarding=Forwarding.ANSWERS)) == []
    cleared(journal)
    assert (switch.read_text(), Path("/proc/sys/net/ipv6/conf/all/forwarding").read_text()) == ("1\n", "0\n")


def test_a_far_end_translates_what_it_passes_on(journal: Journal, tun: LinuxTun) -> None:
    from scapy.layers.inet import UDP
    from scapy.layers.inet6 import IPv6

    add_link("wan")
    sh("ip -6 address add 2001:db8:aaaa::2/64 dev wan nodad")
    sh("ip -6 neighbour add 2001:db8:aaaa::1 lladdr 02:00:00:00:00:01 dev wan")
    sh("ip -6 route add default via 2001:db8:aaaa::1 dev wan")
    relay = Desired(
        "tm-home",
        destinations=(Destination(IPv6Network("2001::/32"), 1029),),
        forwarding=Forwarding.OPEN,
        translate=(IPv6Network("2001::/32"),),
    )
    applied(journal, relay)
    assert applied(journal, relay) == []
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x86DD)) as far_end:
        far_end.bind(("wan-far", 0x86DD))
        far_end.settimeout(10)
        os.write(tun.fd, bytes(IPv6(src="2001:0:c000:201::1", dst=str(STRANGER)) / UDP(sport=5000, dport=53) / b"?"))
        while (packet := far_end.recv(2048))[6] != socket.IPPROTO_UDP:
            pass
    assert IPv6Address(packet[8:24]) == IPv6Address("2001:db8:aaaa::2")
    cleared(journal)
    assert sh("nft list ruleset") == ""


def test_two_tunnels_do_not_touch_each_other(journal: Journal, tmp_path: Path) -> None:
    host = LinuxHost()
    tuns = [host.open_tun("tm-home"), host.open_tun("tm-work")]
    work = Journal.take(tmp_path / "work.journal")
    applied(work, replace(MOVED, device="tm-work"))
    applied(journal, HOME)
    assert applied(work, replace(MOVED, device="tm-work")) == []
    cleared(journal)
    assert applied(work, replace(MOVED, device="tm-work")) == []
    assert any(isinstance(step.after, Rule) for step in work.net())
    for tun in tuns:
        tun.close()
    work.close()


def test_the_network_is_read_as_iproute2_reads_it() -> None:
    host = LinuxHost()
    assert host.surroundings().network.default_route is None
    assert host.surroundings().network.native_ipv6 is False
    add_link("wan")
    sh("ip address add 198.51.100.7/24 dev wan")
    sh("ip address add 198.51.100.8/24 dev wan")
    sh("ip route add default via 198.51.100.1 dev wan src 198.51.100.8")
    network = host.surroundings().network
    assert network.addresses == (
        LocalAddress("wan", IPv4Interface("198.51.100.7/24")),
        LocalAddress("wan", IPv4Interface("198.51.100.8/24")),
    )
    assert network.default_route == DefaultRoute("wan", IPv4Address("198.51.100.1"))
    assert network.source == IPv4Address("198.51.100.8")
    sh("ip -6 address add 2001:db8:aaaa::2/64 dev wan nodad")
    sh("ip -6 route add default dev wan")
    assert host.surroundings().network.native_ipv6 is True
    assert host.surroundings().network.native_source == IPv6Address("2001:db8:aaaa::2")
    assert host.surroundings().network.native_interface == "wan"


def test_our_own_tunnel_is_not_native_ipv6(journal: Journal, tun: LinuxTun) -> None:
    applied(journal, HOME)
    sh(f"ip address add 10.1.1.1/24 dev {tun.name}")
    network = LinuxHost().surroundings().network
    assert (network.native_ipv6, network.addresses) == (False, ())


NETLINK_LIBRARY = """
import asyncio, sys
from tunnelmgr.host.linux.host import LinuxHost

host = LinuxHost()
host.surroundings().network
host.open_tun("tm-home").close()
print("pyroute2" in sys.modules)
asyncio.run(host.actual("tm-home"))
print("pyroute2" in sys.modules)
"""


def test_the_netlink_library_is_loaded_when_asked_for() -> None:
    done = subprocess.run([sys.executable, "-c", NETLINK_LIBRARY], capture_output=True, text=True, check=True)
    assert done.stdout == "False\nTrue\n"


def test_the_monitor_tells_of_a_new_address_once() -> None:
    async def watch() -> int:
        changes = 0
        told = asyncio.Event()

        def changed() -> None:
            nonlocal changes
            changes += 1
            told.set()

        watching = asyncio.create_task(LinuxHost().watch(changed))
        await asyncio.sleep(0)  # the task subscribes before it first waits
        add_link("wan")
        sh("ip address add 198.51.100.7/24 dev wan")
        await asyncio.wait_for(told.wait(), 10)
        watching.cancel()
        return changes

    assert asyncio.run(watch()) == 1


@pytest.mark.usefixtures("tun")
def test_forwarding_that_somebody_switches_off_is_noticed_and_switched_on_again(journal: Journal) -> None:
    switch = Path("/proc/sys/net/ipv6/conf/all/forwarding")
    add_link("wan")
    heed = Path("/proc/sys/net/ipv6/conf/wan/accept_ra")

    async def story(host: LinuxHost) -> None:
        configurator, noticed = Configurator(host, journal), asyncio.Event()
        await configurator.apply(replace(HOME, forwarding=Forwarding.ANSWERS))
        watching = asyncio.create_task(host.watch(noticed.set))
        await asyncio.sleep(1)  # until what we did ourselves has been told
        for somebody, path in (("0", switch), ("1", heed)):
            noticed.clear()
            path.write_text(somebody)
            await asyncio.wait_for(noticed.wait(), 15)
            await configurator.apply(replace(HOME, forwarding=Forwarding.ANSWERS))
            assert (switch.read_text(), heed.read_text()) == ("1\n", "2\n")
            assert configurator.disturbances.news()
        watching.cancel()

    on_this_machine(story)


def test_a_device_does_what_its_descriptor_says(tun: LinuxTun) -> None:
    assert socket.if_indextoname(tun.index) == tun.name == "tm-home"
    assert not os.get_inheritable(tun.fd)
    assert not os.get_blocking(tun.fd)
    tun.close()
    tun.close()
    assert not ip("link show type tun")


def test_without_python_pytun_the_device_is_the_same() -> None:
    tun = open_by_ioctl("tm-home", tun_module.CLONE_DEVICE)
    (link,) = ip("-d link show dev tm-home")
    assert (link["linkinfo"]["info_data"]["type"], link["linkinfo"]["info_data"]["pi"]) == ("tun", False)
    assert not os.get_inheritable(tun.fd)
    tun.close()
    assert not ip("link show type tun")


@pytest.mark.usefixtures("tun")
def test_who_holds_a_taken_name_is_told() -> None:
    with pytest.raises(TunnelError, match=rf"tm-home: .* exists already, held by process {os.getpid()} \(py"):
        LinuxHost().open_tun("tm-home")


def test_a_name_taken_by_something_else_is_told() -> None:
    sh("ip link add tm-home type veth peer name far")
    with pytest.raises(TunnelError, match=r"tm-home: an interface of this name exists already; ip link show tm-home"):
        LinuxHost().open_tun("tm-home")


def test_a_persistent_device_of_somebody_else_is_not_taken_over() -> None:
    sh("ip tuntap add dev tm-home mode tun")
    with pytest.raises(TunnelError, match="exists already"):
        LinuxHost().open_tun("tm-home")


def test_the_firewall_does_not_track_outer_datagrams(journal: Journal, tun: LinuxTun) -> None:
    applied(journal, HOME)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outer, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        outer.sendto(b"outer", peer.getsockname())
        assert peer.recv(10) == b"outer"
    assert Path("/proc/sys/net/netfilter/nf_conntrack_count").read_text() == "0\n"


def answered_for() -> set[str]:
    return {line.split()[0] for line in sh("ip -6 neighbour show proxy").splitlines()}


def test_neighbours_of_the_uplink_come_and_go_and_a_killed_process_leaves_none(journal: Journal, tun: LinuxTun) -> None:
    add_link("wan")
    sh("ip -6 neighbour add proxy 2001:db8:9::9 dev wan")  # somebody else's
    link = IPv6Network("2001:db8:9:0:7473:7000::/96")
    first, second = (ProxiedNeighbour("wan", link[number]) for number in (2, 3))
    broker = Desired(tun.name, destinations=(Destination(link, 1029),), forwarding=Forwarding.OPEN, proxied=(first, second))
    applied(journal, broker)
    assert answered_for() == {"2001:db8:9::9", str(first.address), str(second.address)}
    assert Path("/proc/sys/net/ipv6/conf/wan/proxy_ndp").read_text() == "1\n"
    assert applied(journal, broker) == []
    applied(journal, replace(broker, proxied=(second,)))
    assert answered_for() == {"2001:db8:9::9", str(second.address)}
    tun.close()  # as when its process is killed
    cleared(journal)
    assert answered_for() == {"2001:db8:9::9"}
    assert Path("/proc/sys/net/ipv6/conf/wan/proxy_ndp").read_text() == "0\n"


@pytest.mark.usefixtures("tun")
def test_another_tunnel_s_neighbours_are_left_alone(journal: Journal) -> None:
    add_link("wan")
    sh("ip -6 neighbour add proxy 2001:db8:9::9 dev wan protocol 116")
    applied(journal, HOME)
    applied(journal, replace(HOME, destinations=()))
    assert answered_for() == {"2001:db8:9::9"}
