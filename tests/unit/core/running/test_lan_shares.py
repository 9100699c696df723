"""Who gets which prefix."""

from ipaddress import IPv6Interface, IPv6Network

import pytest
from pydantic import ValidationError

from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.core.profiles.profile import LanSettings, LanShare
from tunnelmgr.core.running.lan_shares import LanStatus, shares

LINKS = {"lan0": 1500, "lan1": 1500, "eth0": 1500, "narrow": 1279}
UNIQUE_LOCAL = IPv6Network("fd12:3456:789a::/48")
ADDRESS = IPv6Interface("2001:db8:41::2/64")


def shared(
    *delegated: str,
    interfaces: tuple[str, ...] = ("lan0", "lan1"),
    share: LanShare = LanShare.PREFIX,
    address: IPv6Interface = ADDRESS,
) -> tuple[LanStatus, ...]:
    settings = LanSettings(interfaces=interfaces, share=share)
    config = HostConfig(addresses=(address,), delegated=tuple(map(IPv6Network, delegated)))
    return shares(settings, config, UNIQUE_LOCAL if settings.may_translate else None, LINKS, {"eth0"})


def prefixes(found: tuple[LanStatus, ...]) -> list[str | None]:
    return [str(share.prefix) if share.prefix else None for share in found]


@pytest.mark.parametrize(
    ("delegated", "expected"),
    [
        (["2001:db8:5::/48"], ["2001:db8:5::/64", "2001:db8:5:1::/64"]),
        (["2001:db8:5:ff00::/56"], ["2001:db8:5:ff00::/64", "2001:db8:5:ff01::/64"]),
        (["2001:db8:5::/64", "2001:db8:9::/64"], ["2001:db8:5::/64", "2001:db8:9::/64"]),
        (["2001:db8:5::/80", "2001:db8:9::/63"], ["2001:db8:9::/64", "2001:db8:9:1::/64"]),
    ],
)
def test_prefixes_are_dealt_out_in_order(delegated: list[str], expected: list[str]) -> None:
    assert prefixes(shared(*delegated)) == expected


def test_the_prefix_the_tunnel_itself_lives_in_is_left_out() -> None:
    assert prefixes(shared("2001:db8:41::/48")) == ["2001:db8:41:1::/64", "2001:db8:41:2::/64"]


def test_a_tunnel_that_takes_one_address_leaves_the_64_around_it_to_the_last_interface() -> None:
    address = IPv6Interface("2001:db8:5::1/128")
    assert prefixes(shared("2001:db8:5::/63", address=address)) == ["2001:db8:5:1::/64", "2001:db8:5::/64"]
    first, second = shared("2001:db8:5::/64", address=address)
    assert first.prefix == IPv6Network("2001:db8:5::/64")
    assert second.prefix is None


def test_a_tunnel_that_takes_the_only_64_is_named_as_the_reason() -> None:
    first, _ = shared("2001:db8:41::/64")
    reason = "since every interface takes a /64, and so does the tunnel"
    assert first.trouble == f"lan0 gets no prefix: 2001:db8:41::/64 is not enough for it, {reason}"


def test_an_interface_that_is_not_there_keeps_its_prefix_for_when_it_is() -> None:
    absent, present = shared("2001:db8:5::/48", interfaces=("lan9", "lan1"))
    assert absent == LanStatus(
        "lan9",
        trouble="there is no interface lan9",
        hint="it will be served when it appears; `ip link` shows those there are",
    )
    assert present.prefix == IPv6Network("2001:db8:5:1::/64")


def test_one_64_serves_one_interface_and_the_other_is_told_what_to_do() -> None:
    first, second = shared("2001:db8:5::/64")
    assert first.prefix == IPv6Network("2001:db8:5::/64")
    assert second.trouble == ("lan1 gets no prefix: 2001:db8:5::/64 is not enough for it, since every interface takes a /64")
    assert second.hint == "ask for a shorter prefix, or write `lan: {share: nat66}`"


def test_translation_steps_in_where_prefixes_end() -> None:
    first, second = shared("2001:db8:5::/64", share=LanShare.NAT66)
    assert not first.translated
    assert second == LanStatus("lan1", IPv6Network("fd12:3456:789a:1::/64"), translated=True)


def test_a_translated_interface_keeps_its_prefix_when_the_method_changes() -> None:
    assert shared("2001:db8:5::/64", share=LanShare.NAT66)[1] == shared(share=LanShare.NAT66)[1]


def test_the_way_to_the_internet_is_no_lan() -> None:
    [share] = shared("2001:db8:5::/48", interfaces=("eth0",))
    assert share.prefix is None
    assert share.trouble == "eth0 leads to the internet: whoever is there is none of the LAN"


def test_an_interface_too_narrow_for_ipv6_is_none_either() -> None:
    [share] = shared("2001:db8:5::/48", interfaces=("narrow",))
    assert share.trouble == "narrow has an MTU of 1279, and IPv6 needs 1280"


@pytest.mark.parametrize(
    ("interfaces", "complaint"),
    [
        (["lan0", "lan0"], "lan0 is in the list twice"),
        (["lan0; }"], "is not the name of an interface"),
        (["a-name-of-more-than-15"], "is not the name of an interface"),
    ],
)
def test_names_that_cannot_be_are_refused(interfaces: list[str], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        LanSettings.model_validate({"interfaces": interfaces})
