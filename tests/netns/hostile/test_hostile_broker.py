"""TSP brokers that offer what nobody may take."""

import re

from tests.hostile import ports, tsp, tsp_streams
from tests.hostile.ports import HOSTILE
from tests.netns.hostile.home import HostileHome, foreign

PROFILE = """\
name: home
method: {type: tsp, broker: [%s], signalling: %s, tunnel: %s}
network: {dns: true, default_route: if-no-native}
detect: {stun: ["192.0.2.33"]}
"""
OVER_UDP, OVER_TCP = ("udp", "v6udpv4"), ("tcp", "v6v4")
REFUSALS = ("is unusable: ", "broke the protocol: ", "refused", "does not answer", "fell silent")


def meet(
    home: HostileHome, *broker_ports: int, how: tuple[str, str] = OVER_UDP, known: tuple[str, ...] = (), timeout: int = 3
) -> str:
    """Try brokers once; return what was said. The kernel hears of the first of `known` and of nothing that is not there."""
    brokers = ", ".join(f'"{HOSTILE}:{port}"' for port in broker_ports)
    profile = home.tunnelmgr.write_profile("home", PROFILE % (brokers, *how))
    with home.unharmed() as told:
        said = home.run("up", profile, "--timeout", str(timeout)).stderr
        home.run("down", "home")
    assert foreign(told, *known) == [], said
    assert all(one in told.read_text() for one in known[:1]), said
    return said


def test_no_offer_beyond_what_was_asked_for_touches_the_host(home: HostileHome) -> None:
    refused = [ports.REFUSED + number for number, _ in enumerate(tsp.answers(HOSTILE))]
    for start in range(0, len(refused), 16):
        said = meet(home, *refused[start : start + 16])
        assert any(words in said for words in REFUSALS), said


def test_of_streams_the_truth_alone_is_taken(home: HostileHome) -> None:
    truth, *lies = range(ports.STREAMS, ports.STREAMS + len(list(tsp_streams.talks(HOSTILE))))
    meet(home, truth, how=OVER_TCP, known=("2001:db8:1::2", "2001:db8:1::1"), timeout=2)
    for start in range(0, len(lies), 16):
        said = meet(home, *lies[start : start + 16], how=OVER_TCP)
        assert any(words in said for words in REFUSALS), said


def test_what_this_host_has_elsewhere_stays_its_own(home: HostileHome) -> None:
    home.host.run(["ip", "-6", "route", "add", "2001:db8:99:5::/64", "dev", "own"])
    for number in range(len(tsp.HELD_ELSEWHERE)):
        said = meet(home, ports.HELD + number, how=("udp", "v6udpv4, prefix_length: 48"))
        assert re.search(r"but this host has (2001:db8:77::5/64 of own|the route to 2001:db8:99:5::/64 by own)", said), said
        assert f"broker {HOSTILE}:{ports.HELD + number}" in said


def test_of_an_offer_with_oddities_only_the_sane_part_is_taken(home: HostileHome) -> None:
    for number in range(len(tsp.TAKEN_IN_PART)):
        meet(home, ports.PART + number, known=("2001:db8:1::2", "2001:db8:1::1"), timeout=2)


def test_damaged_offers_change_nothing_that_is_not_the_tunnels(home: HostileHome) -> None:
    mutants = range(ports.MUTANTS, ports.MUTANTS + ports.MUTANTS_NUMBER)
    brokers = ", ".join(f'"{HOSTILE}:{port}"' for port in mutants)
    profile = home.tunnelmgr.write_profile("home", PROFILE % (brokers, *OVER_UDP))
    with home.unharmed():
        home.run("up", profile, "--timeout", "3")
        home.run("down", "home")
