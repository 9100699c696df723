"""What radvd is told to tell."""

from ipaddress import IPv6Address, IPv6Network

import pytest

from tunnelmgr.host.advertising import AdvertisedLink, radvd_config

NEW, OLD = IPv6Network("2001:db8:5::/64"), IPv6Network("2001:db8:9::/64")


def test_a_prefix_in_use_and_one_that_is_to_be_forgotten() -> None:
    link = AdvertisedLink("br-lan", 1480, (NEW,), (OLD,), (IPv6Address("2001:db8::53"), IPv6Address("2001:db8::54")))
    assert (
        radvd_config("tm-home", (link,))
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
    ("valid_for", "preferred", "valid", "counts_down"),
    [(None, 1800, 7200, False), (86400, 1800, 7200, False), (3600, 1800, 3600, True), (600, 600, 600, True)],
)
def test_a_prefix_lives_no_longer_than_what_it_is_made_of(
    valid_for: int | None, preferred: int, valid: int, counts_down: bool
) -> None:
    text = radvd_config("tm-home", (AdvertisedLink("br-lan", 1480, (NEW,), (OLD,), (), valid_for),))
    used, forgotten = text.split("prefix ")[1:]
    assert f"AdvPreferredLifetime {preferred};" in used
    assert f"AdvValidLifetime {valid};" in used
    assert ("DecrementLifetimes on;" in used) is counts_down
    assert "AdvValidLifetime 7200;" in forgotten


def test_without_a_prefix_in_use_this_host_is_no_way_out_and_its_resolvers_are_none() -> None:
    text = radvd_config("tm-home", (AdvertisedLink("br-lan", None, (), (OLD,), (IPv6Address("2001:db8::53"),)),))
    assert "AdvDefaultLifetime 0;" in text
    assert "AdvRDNSSLifetime 0;" in text
    assert "AdvLinkMTU" not in text
