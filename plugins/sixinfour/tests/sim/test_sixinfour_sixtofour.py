"""Sites of 6to4 on the simulated internet."""

import pytest

from tunnelmgr.lab.simulated import Internet
from tunnelmgr_sixinfour.derived.sixtofour import SixToFourSettings
from tunnelmgr_sixinfour.transport import SixToFourTransport


@pytest.mark.parametrize("data_plane", [True, False])
def test_two_6to4_sites_reach_each_other(data_plane: bool) -> None:
    internet = Internet(data_plane=data_plane)
    sites = [internet.add(SixToFourTransport("site", SixToFourSettings()).tunnel) for _ in range(2)]
    internet.run(1)
    pings = [site.send_ping(to=other) for site in sites for other in sites if site is not other]
    internet.run(1)
    assert all(ping.answered for ping in pings)
