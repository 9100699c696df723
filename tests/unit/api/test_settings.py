"""Settings are strict where pydantic is not."""

from ipaddress import IPv4Address, IPv6Address, IPv6Interface, IPv6Network

import pytest
from pydantic import ValidationError

from tunnelmgr.api.settings import Settings


class Wishes(Settings):
    address: IPv4Address | None = None
    prefixes: tuple[IPv6Network, ...] = ()
    limit: int | IPv4Address = 0


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        Wishes.model_validate({"adress": "192.0.2.1"})


@pytest.mark.parametrize("wrong", [{"address": 1}, {"address": True}, {"prefixes": ["2001:db8::/32", 5]}])
def test_a_number_is_no_address(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="expected an address, not a number"):
        Wishes.model_validate(wrong)


def test_a_number_may_stand_where_a_number_is_expected() -> None:
    assert Wishes.model_validate({"limit": 5}).limit == 5


class Links(Settings):
    one: IPv6Address | None = None
    end: IPv6Interface | None = None
    nets: tuple[IPv6Network, ...] = ()


@pytest.mark.parametrize(
    "wrong",
    [{"one": "fe80::1%eth0"}, {"one": "2001:db8::1%\n;"}, {"end": "2001:db8::1%a/64"}, {"nets": ["2001:db8::%x/48"]}],
)
def test_no_address_has_a_scope_id(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="has a scope id: write it without"):
        Links.model_validate(wrong)
