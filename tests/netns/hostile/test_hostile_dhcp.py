"""DHCP servers that offer 6rd domains which no provider has."""

from ipaddress import IPv4Address

from tests.hostile import dhcp, ports
from tests.netns.hostile.home import HostileHome, foreign

PROFILE = """\
name: home
method: {type: 6rd, learn: dhcp, local: %s, keepalive: null}
"""


def learn(home: HostileHome, local: IPv4Address) -> str:
    """Ask from one of home's addresses; return what was said."""
    profile = home.tunnelmgr.write_profile("home", PROFILE % local)
    return home.run("up", profile, "--timeout", "10").stderr


def test_of_what_a_dhcp_server_says_only_the_truth_is_believed(home: HostileHome) -> None:
    with home.unharmed() as told:
        said = learn(home, dhcp.TRUTH)
        tunnel = home.tunnelmgr.tunnel()
        home.run("down", "home")
    assert [tunnel["facts"][name] for name in ("prefix", "relay")] == ["2001:db8:6d02::/48", str(dhcp.RELAY)]
    assert foreign(told, "2001:db8:6d0") == [], said
    assert tunnel["counters"]["dropped-dhcp"] >= len(list(dhcp.lies(bytes(300), dhcp.usual(ports.ROUTER), dhcp.TRUTH)))


def test_a_domain_around_what_somebody_has_is_refused_by_name(home: HostileHome) -> None:
    for local, reason in (
        (dhcp.HELD, "but this host has 2001:db8:77::5/64 of own"),
        (dhcp.PROTOCOLS, "more than anybody is given"),
    ):
        home.host.run(["ip", "address", "add", f"{local}/24", "dev", "eth0"])
        with home.unharmed() as told:
            said = learn(home, local)
            home.run("down", "home")
        assert reason in said
        assert "the DHCP server 192.168.1.1 asks for" in said
        assert foreign(told) == []


def test_damaged_answers_change_nothing_that_is_not_the_tunnels(home: HostileHome) -> None:
    home.host.run(["ip", "address", "add", f"{dhcp.DAMAGED}/24", "dev", "eth0"])
    with home.unharmed():
        learn(home, dhcp.DAMAGED)
        home.run("down", "home")
