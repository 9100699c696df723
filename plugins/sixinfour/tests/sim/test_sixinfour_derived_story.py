"""Sites of 6to4 and customers of a 6rd domain on the simulated internet."""

import pytest

from tunnelmgr.lab.simulated import Internet
from tunnelmgr_sixinfour.sixrd import SixRdSettings
from tunnelmgr_sixinfour.sixtofour import SixToFourSettings
from tunnelmgr_sixinfour.transport import SixRdTransport, SixToFourTransport


@pytest.mark.parametrize("data_plane", [True, False])
def test_two_6to4_sites_reach_each_other(data_plane: bool) -> None:
    internet = Internet(data_plane=data_plane)
    sites = [internet.add(SixToFourTransport("site", SixToFourSettings()).tunnel) for _ in range(2)]
    internet.run(1)
    pings = [site.send_ping(to=other) for site in sites for other in sites if site is not other]
    internet.run(1)
    assert all(ping.answered for ping in pings)


def test_customers_of_a_6rd_domain_reach_each_other_and_follow_their_addresses() -> None:
    internet = Internet()
    settings = SixRdSettings.model_validate({"prefix": "2001:db8::/32", "mask_length": 8, "border_relay": "10.0.0.1"})
    transport = SixRdTransport("customer", settings)
    one, two = (internet.add(transport.tunnel, address=f"10.100.100.{number}") for number in (1, 2))
    internet.run(1)
    assert str(one.ipv6_address) == "2001:db8:6464:100::1"
    ping = one.send_ping(to=two)
    internet.run(1)
    assert ping.answered
    two.change_address("10.100.100.9")
    internet.run(1)
    assert str(two.ipv6_address) == "2001:db8:6464:900::1"
    ping = one.send_ping(to=two)
    internet.run(1)
    assert ping.answered
