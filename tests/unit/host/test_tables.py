"""What becomes of our nft tables can be told from what nft lists."""

import re
from dataclasses import replace
from ipaddress import IPv6Network

import pytest

from tunnelmgr.host.firewall import exit_rules, inbound_rules, lan_rules
from tunnelmgr.host.items import Purpose, Table
from tunnelmgr.host.items.tables import mark_in

TABLE = Table.of("tm-home", Purpose.INBOUND, inbound_rules("tm-home", ("input", "forward")))
MARK = f'comment "{TABLE.mark}"'
LISTING = f"""\
table ip6 tunnelmgr_home {{
	chain input {{
		type filter hook input priority filter; policy accept;
		iifname != "tm-home" accept {MARK}
		ct state established,related accept {MARK}
		icmpv6 type {{ destination-unreachable, packet-too-big, time-exceeded, echo-request }} accept {MARK}
		counter drop {MARK}
	}}

	chain forward {{
		type filter hook forward priority filter; policy accept;
		iifname != "tm-home" accept {MARK}
		ct state established,related accept {MARK}
		icmpv6 type {{ destination-unreachable, packet-too-big, time-exceeded, echo-request }} accept {MARK}
		counter drop {MARK}
	}}
}}
"""
FLUSHED = re.sub(rf"\t\t.*{re.escape(MARK)}\n", "", LISTING)
DELETED = LISTING.replace(f"\t\tcounter drop {MARK}\n", "", 1)


@pytest.mark.parametrize("listing", [FLUSHED, DELETED, LISTING + LISTING, ""])
def test_where_a_rule_is_missing_there_is_no_mark(listing: str) -> None:
    assert mark_in(listing) == ""


def test_a_mark_is_that_of_all_rules() -> None:
    assert mark_in(LISTING) == TABLE.mark
    assert mark_in(LISTING.replace(TABLE.mark, "tunnelmgr 00000000/8", 1)) == ""


def test_other_rules_are_another_table() -> None:
    assert replace(TABLE, rules=()) == TABLE
    assert Table.of("tm-home", Purpose.INBOUND, inbound_rules("tm-home", ("input",))) != TABLE
    sizes = [Table.of("tm-home", Purpose.LAN, lan_rules("tm-home", size, ())) for size in (1220, 1420)]
    assert sizes[0] != sizes[1]
    assert sizes[0].key == sizes[1].key
    prefixes = [(IPv6Network("2001::/32"),), (IPv6Network("2001:db8::/32"),)]
    assert len({Table.of("tm-home", Purpose.EXIT, exit_rules("tm-home", one)) for one in prefixes}) == 2


def test_each_rule_bears_the_mark() -> None:
    rules = [line for line in TABLE.add_lines() if line.startswith("nft add rule")]
    assert len(rules) == 8
    assert all(line.endswith(f" {MARK}") for line in rules)


def test_a_table_somebody_changed_is_made_anew() -> None:
    paths = Table.of("tm-home", Purpose.PATHS, ["counter dropped-source", "chain input {}", "rule input counter drop"])
    assert paths.change_lines(replace(paths, mark="")) == paths.add_lines()


def test_what_is_counted_goes_on_being_counted() -> None:
    before = Table.of("tm-home", Purpose.PATHS, ["counter dropped-source", "chain input {}", "rule input accept"])
    after = Table.of("tm-home", Purpose.PATHS, ["counter dropped-source", "chain input {}", "rule input drop"])
    assert after.change_lines(before) == [
        "nft flush table ip6 tunnelmgr_home_paths",
        f'nft add rule ip6 tunnelmgr_home_paths input drop comment "{after.mark}"',
    ]


def test_no_way_back_leads_to_a_table_without_rules() -> None:
    found = Table("tm-home", Purpose.INBOUND, "tunnelmgr 00000000/8")
    assert found.change_lines(TABLE) == []
    assert found.add_lines() == []
