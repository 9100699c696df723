"""The nft tables beside protocol 41 do what they say, where the situation has to be forged: this kernel may lack `sit`.

tests/vm shows the same with a kernel that has it.
"""

import contextlib
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from pathlib import Path

import pytest

from tests.netns.capture import Capture, capturing
from tests.netns.program import Tunnelmgr
from tunnelmgr.api.events import EVERYWHERE, PathUp
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets.icmpv4 import Icmpv4Error, Icmpv4Type, icmpv4_packet
from tunnelmgr.api.packets.ipv4 import IPv4Packet, IPv4Quote
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.api.packets.udp import UdpDatagram
from tunnelmgr.host.guards import let_in, outer_header
from tunnelmgr.host.items import Purpose, Table
from tunnelmgr.host.linux.host import LinuxHost
from tunnelmgr.host.linux.tun import open_tun
from tunnelmgr.host.plan import Step
from tunnelmgr.lab.namespaces import Host, NamespaceInternet
from tunnelmgr.lab.waiting import wait_for

HOME, FAR = IPv4Address("203.0.113.1"), IPv4Address("192.0.2.80")
HOME6, FAR6, SITE = IPv6Address("2001:db8:41::2"), IPv6Address("2001:db8:41::1"), IPv6Network("2001:db8:77::/48")
PROFILE = """\
name: home
method: {type: 6in4, remote: 192.0.2.80, address: 2001:db8:41::2/64}
firewall: {inbound: open}
"""
PORT = 4242


@pytest.mark.requirement("S-DE-002")
def test_errors_about_protocol_41_stay_here_and_all_others_leave(internet: NamespaceInternet, tmp_path: Path) -> None:
    """The errors are made by hand: the kernel makes them where tunnel4 is loaded."""
    home = Tunnelmgr(internet.host("home", HOME), tmp_path, PROFILE)
    far = internet.host("far", FAR)
    home.run("up", home.profile, "--timeout", "1", "--keep", check=False)
    others = [error(IpProtocol.UDP), error(IpProtocol.IPV6, code=2), error(IpProtocol.IPV6, about=FAR)]
    with capturing(far, "eth0") as capture:
        with home.host.enter(), socket.socket(socket.AF_INET, socket.SOCK_RAW, IpProtocol.ICMPV4) as kernel:
            kernel.setblocking(False)
            for message in (error(IpProtocol.IPV6), *others):
                with contextlib.suppress(PermissionError):  # what the sender of a packet is told that a rule dropped
                    kernel.sendto(message, (str(FAR), 0))
        wait_for("the others", lambda: errors_in(capture) == others or None)
    table = home.host.run(["nft", "list", "table", "ip", "tunnelmgr_home_errors"]).stdout
    assert "counter packets 1 " in table
    home.run("down", "home")
    assert home.traces() == []


def error(protocol: IpProtocol, code: int = 3, about: IPv4Address = HOME) -> bytes:
    """An ICMPv4 error to the far end about a packet it sent."""
    quote = IPv4Quote.of(IPv4Packet(FAR, about, protocol, bytes(8)))
    return icmpv4_packet(Icmpv4Error(Icmpv4Type.DESTINATION_UNREACHABLE, code, quote), HOME, FAR).payload


def errors_in(capture: Capture) -> list[bytes]:
    return [packet.payload for packet in capture.ipv4(IpProtocol.ICMPV4) if packet.source == HOME]


def load(host: Host, step: Step) -> None:
    host.run(["nft", "-f", "-"], stdin="\n".join(line.removeprefix("nft ") for line in step.lines()))


def paths_table(rules: list[str]) -> Table:
    return Table.of("tm-home", Purpose.PATHS, rules)


@contextmanager
def tun_with(host: Host, rules: list[str]) -> Iterator[int]:
    """The descriptor of a device behind a table of paths."""
    load(host, Step(None, paths_table(rules)))
    with host.enter():
        tun = open_tun("tm-home")
    for words in (["link", "set", "tm-home", "up"], ["address", "add", f"{HOME6}/64", "dev", "tm-home", "nodad"]):
        host.run(["ip", *words])
    # The kernel takes packets for an address a moment after it was added.
    wait_for("the address", lambda: "local " in host.run(["ip", "route", "get", str(HOME6)], check=False).stdout or None)
    try:
        yield tun.fd
    finally:
        tun.close()


def udp(source: str, destination: IPv6Address = HOME6) -> bytes:
    """A datagram that says where it is from."""
    sender = IPv6Address(source)
    data = UdpDatagram(9, PORT, source.encode()).serialize(sender, destination)
    return IPv6Packet(sender, destination, IpProtocol.UDP, data).serialize()


@pytest.mark.requirement("S-DE-005", "S-DE-006", "S-DE-007", "S-DE-009", "S-DE-011")
def test_out_of_a_kernel_tunnel_comes_what_its_paths_authorise(internet: NamespaceInternet) -> None:
    host = internet.host("home", HOME)
    path = PathUp(EVERYWHERE, Endpoint(FAR, 0), "raw41", None, local=IPv6Network(HOME6), local_also=(SITE,))
    own = IPv6Network("2001:db8:41::/64")
    never = IPv6Network("2002:a00::/24")
    paths = [
        PathUp(IPv6Network(FAR6), path.remote, path.channel, None, local=path.local),
        PathUp(EVERYWHERE, path.remote, path.channel, None, (own, SITE), path.local, local_also=(SITE,)),
        PathUp(IPv6Network("2002::/16"), path.remote, path.channel, None, (own, SITE, never), path.local),
    ]
    good = ["2001:db8:6::1", str(FAR6), "2002:cb00:7101::1", "fe80::1"]
    bad = [str(HOME6), "2001:db8:41::99", "2001:db8:77::5", "2002:a00:1::1", "::1", "::192.0.2.9", "ff02::1"]
    with tun_with(host, let_in("tm-home", paths)) as device, host.enter():
        receiver = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        receiver.bind(("::", PORT))
        receiver.settimeout(5)
        for source in (*bad, *good):
            os.write(device, udp(source))
        os.write(device, udp("2001:db8:6::2", IPv6Address("2001:db8:88::1")))
        os.write(device, nested(4))
        heard = [receiver.recv(100).decode() for _ in good]
        receiver.settimeout(0.2)
        with pytest.raises(TimeoutError):
            receiver.recv(100)
        receiver.close()
    assert heard == good
    # The kernel itself has dropped ::1 and ff02::1, before any table.
    drops = {"dropped-ingress": 4, "dropped-source": 1, "dropped-destination": 1, "dropped-nested": 1}
    assert barred(host) == drops
    load(host, Step(paths_table(let_in("tm-home", paths)), paths_table(let_in("tm-home", paths[:1]))))
    assert barred(host) == drops, "other rules count on"
    host.run(["nft", "delete", "table", "ip6", "tunnelmgr_home_paths"])
    assert barred(host) == {}


def barred(host: Host) -> Mapping[str, int]:
    """What `status` will hear."""
    with host.enter():
        return LinuxHost().barred("tm-home")


def nested(levels: int) -> bytes:
    packet = udp("2001:db8:6::1")
    for _ in range(levels):
        packet = IPv6Packet(IPv6Address("2001:db8:6::1"), HOME6, IpProtocol.IPV6, packet).serialize()
    return packet


@pytest.mark.requirement("S-EC-001", "S-MT-003")
def test_what_is_written_unasked_into_the_outer_header_is_cleared_and_for_this_far_end_only(
    internet: NamespaceInternet,
) -> None:
    home, others = internet.host("home", HOME), [internet.host("far", FAR), internet.host("other", "198.51.100.9")]
    rules = outer_header(HOME, FAR, clear_ecn=True, clear_df=True)
    load(home, Step(None, Table.of("tm-home", Purpose.OUTER, rules)))
    seen: list[IPv4Packet] = []
    for other in others:
        with capturing(other, "eth0") as capture:
            with home.enter(), socket.socket(socket.AF_INET, socket.SOCK_RAW, IpProtocol.IPV6) as sender:
                sender.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0x2B)
                sender.setsockopt(socket.IPPROTO_IP, 10, 2)  # IP_MTU_DISCOVER, IP_PMTUDISC_DO: DF
                sender.sendto(bytes(40), (str(other.ipv4), 0))
            wait_for("the packet", partial(protocol41, capture))
        seen += protocol41(capture)
    assert [(packet.tos, packet.dont_fragment) for packet in seen] == [(0x28, False), (0x2B, True)]


def protocol41(capture: Capture) -> list[IPv4Packet]:
    return list(capture.ipv4(IpProtocol.IPV6))
