"""What radvd is told to tell."""

from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network

import pytest

from tunnelmgr.host.advertising import AdvertisedLink, AdvertisedPrefix, radvd_config

NEW = AdvertisedPrefix(IPv6Network("2001:db8:5::/64"))
OLD = AdvertisedPrefix(IPv6Network("2001:db8:9::/64"), in_use=False)


def test_a_prefix_in_use_and_one_that_is_to_be_forgotten() -> None:
    link = AdvertisedLink("br-lan", 1480, (NEW, OLD), (IPv6Address("2001:db8::53"), IPv6Address("2001:db8::54")))
    assert (
        radvd_config("tm-home", (link,), 0.0)
        == """\
# Written by tunnelmgr for tm-home, and written anew when something changes.
interface br-lan {
    AdvSendAdvert on;
    IgnoreIfMissing on;
    MinRtrAdvInterval 20;
    MaxRtrAdvInterval 60;
    AdvDefaultLifetime 180;
    AdvLinkMTU 1480;
    prefix 2001:db8:5::/64 {
        AdvPreferredLifetime 1800;
        AdvValidLifetime 7200;
        DeprecatePrefix on;
    };
    prefix 2001:db8:9::/64 {
        AdvPreferredLifetime 0;
        AdvValidLifetime 7200;
        DeprecatePrefix on;
    };
    RDNSS 2001:db8::53 2001:db8::54 {
        AdvRDNSSLifetime 180;
    };
};
"""
    )


@pytest.mark.requirement("S-SR-009")
@pytest.mark.parametrize(
    ("left", "preferred", "valid", "counts_down"),
    [
        (None, 1800, 7200, False),
        (86400, 1800, 7200, False),
        (3600, 1800, 3600, True),
        (600, 600, 600, True),
        (0, 1, 1, True),
    ],
)
def test_a_prefix_lives_no_longer_than_what_it_is_made_of(
    left: float | None, preferred: int, valid: int, counts_down: bool
) -> None:
    ends_at = None if left is None else 1000.0 + left
    made_of = [replace(prefix, ends_at=ends_at) for prefix in (NEW, OLD)]
    text = radvd_config("tm-home", (AdvertisedLink("br-lan", 1480, tuple(made_of)),), 1000.0)
    used, gone = text.split("prefix ")[1:]
    assert f"AdvPreferredLifetime {preferred};" in used
    assert "AdvPreferredLifetime 0;" in gone
    for words in (used, gone):
        assert f"AdvValidLifetime {valid};" in words
        assert ("DecrementLifetimes on;" in words) is counts_down


def test_without_a_prefix_in_use_this_host_is_no_way_out_and_its_resolvers_are_none() -> None:
    text = radvd_config("tm-home", (AdvertisedLink("br-lan", None, (OLD,), (IPv6Address("2001:db8::53"),)),), 0.0)
    assert "AdvDefaultLifetime 0;" in text
    assert "AdvRDNSSLifetime 0;" in text
    assert "AdvLinkMTU" not in text
