from collections import Counter
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address
from random import Random

import pytest
from tests.teredo_world import vectors

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.network import Endpoint, LocalAddress, Network
from tunnelmgr_teredo.constants import NOT_GLOBAL_UNICAST
from tunnelmgr_teredo.wire.address import GlobalUnicast, TeredoAddress, is_teredo, link_local_identifier, server_link_local

SERVER = IPv4Address("203.0.113.120")
MAPPED = Endpoint(IPv4Address("192.0.2.1"), 4096)


@pytest.mark.requirement("T-AD-001", "T-AD-011")
@pytest.mark.parametrize("vector", vectors.ADDRESSES, ids=lambda vector: vector["address"])
def test_every_vector_decodes_and_encodes_again(vector: dict[str, str | int]) -> None:
    address = IPv6Address(str(vector["address"]))
    if str(vector["prefix"]).startswith("fe80"):
        identifier = link_local_identifier(address)
        assert identifier is not None
        assert identifier.serialize() == address.packed[8:]
        flags, mapped, cone = identifier.flags, identifier.mapped, identifier.cone
    else:
        decoded = TeredoAddress.decode(address)
        assert decoded is not None
        assert decoded.ipv6 == address
        assert str(decoded.server) == vector["server_ipv4"]
        assert decoded.random_bits == (vector["random1"], vector["random2"])
        flags, mapped, cone = decoded.flags, decoded.mapped, decoded.cone
    assert flags == int(str(vector["flags"]), 16)
    assert cone == bool(vector["cone"])
    assert (str(mapped.address), mapped.port) == (vector["client_ipv4"], vector["port"])


@pytest.mark.requirement("T-AD-011")
def test_the_obsolete_prefix_is_decoded_for_display_only() -> None:
    old = IPv6Address("3ffe:831f:8ac3:9ddd:0:3650:ba0c:d759")
    decoded = TeredoAddress.decode(old)
    assert decoded is not None
    assert decoded.mapped == Endpoint(IPv4Address("69.243.40.166"), 51631)
    assert not is_teredo(old)
    with pytest.raises(WireError):
        TeredoAddress.parse(old)


@pytest.mark.requirement("T-AD-002", "T-AD-003", "T-AD-004")
def test_flags_are_twelve_random_bits_and_nothing_else() -> None:
    random = Random(7)
    builds = [TeredoAddress.build(SERVER, MAPPED, random).flags for _ in range(10_000)]
    assert not any(flags & ~0x3CFF for flags in builds), "cone, z, U and G are never set"
    for bit in (0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13):
        ones = sum(flags >> bit & 1 for flags in builds)
        # Chi-square with one degree of freedom, at the 0.01 percent level.
        assert (2 * ones - len(builds)) ** 2 / len(builds) < 15.1, f"bit {bit} is set {ones} times in {len(builds)}"
    values = Counter(builds)
    chi_square = sum((values[flags] - 10_000 / 4096) ** 2 for flags in range(0x4000) if not flags & ~0x3CFF) / (
        10_000 / 4096
    )
    assert chi_square < 4095 + 4 * (2 * 4095) ** 0.5, "some combinations of bits come more often than chance allows"


@pytest.mark.requirement("T-AD-005")
@pytest.mark.parametrize("flags", [0x0000, 0x8000, 0x4000, 0x0300, 0xFFFF])
def test_the_flags_of_a_peer_make_no_difference(flags: int) -> None:
    address = TeredoAddress(SERVER, flags, MAPPED)
    assert TeredoAddress.parse(address.ipv6) == address
    assert GlobalUnicast().has_client(address)


@pytest.mark.requirement("T-AD-007", "T-AD-009")
@pytest.mark.parametrize("block", NOT_GLOBAL_UNICAST, ids=str)
def test_every_refused_block_is_refused_from_its_first_to_its_last_address(block: IPv4Network) -> None:
    unicast = GlobalUnicast()
    for address in (block.network_address, block.broadcast_address):
        assert address not in unicast
    for beside in (int(block.network_address) - 1, int(block.broadcast_address) + 1):
        if 0 <= beside < 1 << 32 and not any(IPv4Address(beside) in other for other in NOT_GLOBAL_UNICAST):
            assert IPv4Address(beside) in unicast


@pytest.mark.requirement("T-AD-009")
@pytest.mark.parametrize("address", ["192.0.2.1", "198.51.100.1", "203.0.113.1", "8.8.8.8", "100.63.255.255", "198.20.0.0"])
def test_documentation_and_ordinary_addresses_pass(address: str) -> None:
    assert IPv4Address(address) in GlobalUnicast()


@pytest.mark.requirement("T-AD-009")
def test_port_0_is_nobodys() -> None:
    assert not GlobalUnicast().has_endpoint(Endpoint(IPv4Address("192.0.2.1"), 0))


@pytest.mark.requirement("T-AD-008")
def test_directed_broadcast_addresses_are_refused_as_long_as_this_host_is_on_their_link() -> None:
    unicast = GlobalUnicast()
    broadcast = IPv4Address("198.51.100.63")
    assert broadcast in unicast
    unicast.network_changed(Network((LocalAddress("eth0", IPv4Interface("198.51.100.33/27")),)))
    assert broadcast not in unicast
    assert IPv4Address("198.51.100.62") in unicast
    unicast.network_changed(Network((LocalAddress("eth0", IPv4Interface("198.51.100.33/32")),)))
    assert broadcast in unicast


@pytest.mark.requirement("T-AD-010", "T-AD-007")
def test_a_private_deployment_may_use_the_prefixes_it_names_and_no_others() -> None:
    unicast = GlobalUnicast([IPv4Network("10.1.0.0/16")])
    assert IPv4Address("10.1.2.3") in unicast
    assert IPv4Address("10.2.0.1") not in unicast


@pytest.mark.requirement("T-AD-012")
def test_a_client_whose_server_is_not_public_is_refused() -> None:
    assert not GlobalUnicast().has_client(TeredoAddress(IPv4Address("10.0.0.1"), 0, MAPPED))
    assert GlobalUnicast().has_client(TeredoAddress(SERVER, 0, MAPPED))


def test_a_server_advertises_itself_with_its_own_address_in_its_link_local() -> None:
    assert server_link_local(SERVER) == IPv6Address("fe80::8000:f227:34ff:8e87")
