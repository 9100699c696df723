"""How names become names."""

import pytest

from tunnelmgr.host.device_name import device_name, is_ours, nft_table, route_table


@pytest.mark.parametrize(
    ("profile", "device"),
    [
        ("home", "tm-home"),
        ("exactlytwelv", "tm-exactlytwelv"),
        ("thirteenchars", "tm-thirtee-e7da"),
        ("teredo-home-with-a-long-name", "tm-teredo--2712"),
        ("my home", "tm-my-home-0c07"),
        ("a/b", "tm-a-b-c14c"),
    ],
)
def test_a_device_is_named_after_its_profile(profile: str, device: str) -> None:
    assert device_name(profile) == device
    assert len(device) <= 15
    assert is_ours(device)


def test_long_names_with_the_same_beginning_differ() -> None:
    assert device_name("a-very-long-name-1") != device_name("a-very-long-name-2")


def test_another_interface_is_not_ours() -> None:
    assert not is_ours("eth0")


@pytest.mark.parametrize(("device", "table"), [("tm-home", "tunnelmgr_home"), ("tm-a.b", "tunnelmgr_a_b_d3ea")])
def test_a_table_is_named_after_its_device(device: str, table: str) -> None:
    assert nft_table(device) == table


def test_devices_that_differ_in_what_nft_refuses_have_tables_of_their_own() -> None:
    assert len({nft_table(device) for device in ("tm-a.b", "tm-a_b", "tm-a-b", "a-b")}) == 4


def test_a_routing_table_is_ours_alone() -> None:
    assert route_table("tm-home") != route_table("tm-work")
    assert 0x746D_0000 <= route_table("tm-home") <= 0x746D_FFFF
