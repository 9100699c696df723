"""Reading what the kernel says of the network. Messages from Linux 6.18 on a little-endian machine."""

import sys
from ipaddress import IPv4Address, IPv4Interface, IPv6Address

import pytest

from tunnelmgr.host.linux.facts import Lookup, parse_address, parse_route

little_endian = pytest.mark.skipif(sys.byteorder != "little", reason="netlink is in the machine's byte order")

HOP6, SOURCE6 = IPv6Address("2001:db8::1"), IPv6Address("2001:db8::2")
HOP, SOURCE = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")


@little_endian
@pytest.mark.parametrize(
    ("message", "lookup"),
    [
        # RTA_TABLE, RTA_DST 198.41.0.4, RTA_OIF, RTA_PREFSRC, RTA_GATEWAY
        (
            "02200000fe000001 00020000 08000f00fe000000 08000100c6290004 0800040004000000 08000700c0000202 08000500c0000201",
            Lookup(4, HOP, SOURCE),
        ),
        # RTA_VIA in place of RTA_GATEWAY: an IPv6 gateway
        (
            "02200000fe000001 00020000 0800040004000000 08000700c0000202 160012000a00fe800000000000000000000000000009",
            Lookup(4, None, SOURCE),
        ),
        (
            f"0a808000fe030001 00000000 0800040004000000 14000700{SOURCE6.packed.hex()} 14000500{HOP6.packed.hex()}",
            Lookup(4, HOP6, SOURCE6),
        ),
        # 127.0.0.1: of type RTN_LOCAL
        ("02200000fe000002 00020080 08000f00fe000000 080001007f000001 0800040001000000 080007007f000001", None),
    ],
)
def test_a_lookup_tells_interface_gateway_and_source(message: str, lookup: Lookup | None) -> None:
    assert parse_route(bytes.fromhex(message)) == lookup


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
