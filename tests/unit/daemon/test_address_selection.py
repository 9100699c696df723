"""What RFC 6724 makes of tunnel addresses."""

from ipaddress import IPv6Address

import pytest

from tunnelmgr.daemon.address_selection import lines_for_ipv6_first, ranked_below_ipv4

TEREDO, SIXTOFOUR, NATIVE = map(IPv6Address, ("2001:0:c000:201::1", "2002:c000:201::1", "2001:db8::1"))


@pytest.mark.parametrize(
    ("addresses", "kind"),
    [([TEREDO], "Teredo"), ([SIXTOFOUR], "6to4"), ([NATIVE], None), ([TEREDO, NATIVE], None), ([], None)],
)
def test_some_addresses_lose_against_ipv4(addresses: list[IPv6Address], kind: str | None) -> None:
    assert ranked_below_ipv4(addresses) == kind


@pytest.mark.parametrize(("address", "prefix"), [(TEREDO, "2001::/32"), (SIXTOFOUR, "2002::/16")])
def test_the_lines_are_the_whole_table_but_for_the_addresses_own(address: IPv6Address, prefix: str) -> None:
    lines = lines_for_ipv6_first([address])
    assert len(lines) == 7
    assert not [line for line in lines if prefix in line]
