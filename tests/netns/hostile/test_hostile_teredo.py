"""A Teredo server and relays that lie, behind whose lies is the truth: that alone is believed."""

from tests.hostile.ports import BEHIND_LIES, DAMAGED
from tests.hostile.teredo import LIES, NATIVE
from tests.netns.hostile.home import HostileHome, foreign
from tests.netns.program import ping
from tunnelmgr_teredo.wire.address import server_prefix

PROFILE = """\
name: home
method: {type: teredo, server: %s}
firewall: {inbound: open}
"""


def test_of_what_a_server_and_a_relay_say_only_the_truth_is_believed(home: HostileHome) -> None:
    profile = home.tunnelmgr.write_profile("home", PROFILE % BEHIND_LIES)
    with home.unharmed() as told:
        home.run("up", profile, "--timeout", "10")
        assert ping(home.host, NATIVE, 3) == 3
        status = home.tunnelmgr.running()
        [address] = status["addresses"]
        home.run("down", "home")
    assert address.startswith(str(server_prefix(BEHIND_LIES).network_address).rstrip(":"))
    assert foreign(told, address, "2001::/32 dev tm-home") == []
    assert status["traffic"]["packets_received"] == 3, "nothing but the truth"
    refused = {reason: times for reason, times in status["tunnel"]["counters"].items() if reason.startswith("dropped-ra-")}
    assert sum(refused.values()) >= len(LIES), refused


def test_a_damaged_server_and_relay_change_nothing_that_is_not_the_tunnels(home: HostileHome) -> None:
    profile = home.tunnelmgr.write_profile("home", PROFILE % DAMAGED)
    with home.unharmed() as told:
        home.run("up", profile, "--timeout", "10")
        ping(home.host, NATIVE, 3)
        assert home.tunnelmgr.tunnel()["counters"]
        home.run("down", "home")
    assert foreign(told, str(server_prefix(DAMAGED).network_address).rstrip(":"), "2001::/32 dev tm-home") == []
