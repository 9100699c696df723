"""Reading what the kernel says of the network. Texts from Linux 6.18 on a little-endian machine."""

import sys
from ipaddress import IPv4Address, IPv4Interface, IPv6Address

import pytest

from tunnelmgr.api.network import DefaultRoute
from tunnelmgr.host.linux.facts import default_route, native_ipv6, native_source, parse_address

HEADER = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT"
VIA_ETH0 = "eth0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0"
VIA_WLAN0 = "wlan0\t00000000\t01030A0A\t0003\t0\t0\t600\t00000000\t0\t0\t0"
ON_PPP0 = "ppp0\t00000000\t00000000\t0001\t0\t0\t50\t00000000\t0\t0\t0"
LINK = "eth0\t0002A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0"
REJECT = "*\t00000000\t00000000\t0201\t0\t0\t0\t00000000\t0\t0\t0"
HALF = "tun0\t00000000\t0100080A\t0003\t0\t0\t0\t00000080\t0\t0\t0"  # 0.0.0.0/1, as some VPNs route

little_endian = pytest.mark.skipif(sys.byteorder != "little", reason="/proc/net/route is in the machine's byte order")


@little_endian
@pytest.mark.parametrize(
    ("lines", "route"),
    [
        ([LINK, VIA_WLAN0, VIA_ETH0], DefaultRoute("eth0", IPv4Address("192.168.2.1"))),
        ([VIA_ETH0, ON_PPP0], DefaultRoute("ppp0", None)),
        ([REJECT, HALF, LINK], None),
        ([], None),
    ],
)
def test_the_default_route_is_the_one_with_the_lowest_metric(lines: list[str], route: DefaultRoute | None) -> None:
    assert default_route([HEADER, *lines]) == route


def test_without_a_file_there_is_no_default_route() -> None:
    assert default_route(None) is None


ZERO = "0" * 32
NATIVE = f"{ZERO} 00 {ZERO} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0"
OURS = f"{ZERO} 00 {ZERO} 00 {ZERO} 00000405 00000001 00000000 00000001  tm-home"
UNREACHABLE = f"{ZERO} 00 {ZERO} 00 {ZERO} ffffffff 00000001 00000000 00200200       lo"
GLOBAL = f"20000000000000000000000000000000 03 {ZERO} 00 {ZERO} 00000400 00000001 00000000 00000003     eth0"


@pytest.mark.parametrize(
    ("lines", "native"),
    [
        ([UNREACHABLE, NATIVE], True),
        ([UNREACHABLE, OURS], False),
        ([UNREACHABLE, GLOBAL], False),
        ([], False),
        (None, None),
    ],
)
def test_native_ipv6_is_a_default_route_on_another_interface(lines: list[str] | None, native: bool | None) -> None:
    assert native_ipv6(lines) is native


@little_endian
@pytest.mark.parametrize(
    ("message", "interface", "valid_for"),
    [
        # eth0 192.168.2.15/24: IFA_ADDRESS, IFA_LOCAL, IFA_LABEL
        ("02180000 02000000 08000100c0a8020f 08000200c0a8020f 090003006574683000000000", "192.168.2.15/24", None),
        # A point-to-point link: IFA_ADDRESS is the far end, 10.0.0.1
        ("02200000 02000000 080001000a000001 080002000a000002", "10.0.0.2/32", None),
        ("02080000 02000000 080001007f000001", "127.0.0.1/8", None),
        # With IFA_CACHEINFO: preferred for 1800 seconds, valid for 3600; and for ever
        ("02180000 02000000 08000100c0a8020f 14000600 08070000 100e0000 00000000 00000000", "192.168.2.15/24", 3600.0),
        ("02180000 02000000 08000100c0a8020f 14000600 ffffffff ffffffff 00000000 00000000", "192.168.2.15/24", None),
    ],
)
def test_an_address_is_the_near_end_of_its_link(message: str, interface: str, valid_for: float | None) -> None:
    assert parse_address(bytes.fromhex(message)) == (2, IPv4Interface(interface), valid_for)


ADDRESSES = [
    "20010db8000100000000000000000001 02 40 00 80     eth0",
    "200100000c0002010000efff3ffffdfe 03 80 00 80  tm-home",
]


@pytest.mark.parametrize(
    ("source", "native"),
    [
        ("2001:db8:1::1", "2001:db8:1::1"),
        ("2001:0:c00:201:0:efff:3fff:fdfe", None),  # our own tunnel's
        ("2001:db8:1::2", None),
        (None, None),
    ],
)
def test_the_native_source_is_an_address_of_another_interface(source: str | None, native: str | None) -> None:
    chosen = IPv6Address(source) if source else None
    assert native_source(ADDRESSES, chosen) == ((IPv6Address(native), "eth0") if native else None)


def test_without_a_list_of_addresses_there_is_no_native_source() -> None:
    assert native_source(None, IPv6Address("2001:db8:1::1")) is None
