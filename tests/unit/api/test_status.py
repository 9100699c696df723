"""What a Tunnel tells about itself."""

import pytest

from tunnelmgr.api.status import TunnelStatus


@pytest.mark.parametrize("name", ["round trip", "round-trip", "path_MTU", "don't_fragment", "_s", "mtu_", ""])
def test_a_fact_that_is_not_named_in_snake_case_is_a_mistake_of_the_plugin(name: str) -> None:
    with pytest.raises(ValueError, match="snake_case"):
        TunnelStatus("up", {"server": None, name: 1})


def test_snake_case_and_units_pass() -> None:
    assert len(TunnelStatus("up", {"nat": None, "round_trip_s": 0.1, "path_mtu_bytes": 1454}).facts) == 3
