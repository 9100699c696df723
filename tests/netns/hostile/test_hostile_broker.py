"""TSP brokers that offer what nobody may take."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

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


TAKEN = (str(tsp.CLIENT), str(tsp.SERVER))
"""What a fair offer puts on this host."""


def attempt(home: HostileHome, broker_ports: Iterable[int], how: tuple[str, str] = OVER_UDP) -> tuple[str, Path]:
    """Try brokers once; return what was said, and the file of what the kernel told."""
    brokers = ", ".join(f'"{HOSTILE}:{port}"' for port in broker_ports)
    profile = home.tunnelmgr.write_profile("home", PROFILE % (brokers, *how))
    with home.unharmed() as told:
        said = home.run("up", profile, "--timeout", "3").stderr
        home.run("down", "home")
    return said, told


def is_taken(home: HostileHome, port: int, how: tuple[str, str] = OVER_UDP) -> None:
    """The broker's fair words reach the host, and no others."""
    said, told = attempt(home, [port], how)
    assert foreign(told, *TAKEN) == [], said
    assert TAKEN[0] in told.read_text(), said


def is_refused(home: HostileHome, broker_ports: Sequence[int], how: tuple[str, str] = OVER_UDP) -> None:
    """Nothing reaches the host, sixteen brokers at a time, and a refusal is told."""
    for start in range(0, len(broker_ports), 16):
        said, told = attempt(home, broker_ports[start : start + 16], how)
        assert foreign(told) == [], said
        assert any(words in said for words in REFUSALS), said


def test_no_offer_beyond_what_was_asked_for_touches_the_host(home: HostileHome) -> None:
    is_refused(home, [ports.REFUSED + number for number, _ in enumerate(tsp.answers(HOSTILE))])


def test_of_streams_the_truth_alone_is_taken(home: HostileHome) -> None:
    truth, *lies = range(ports.STREAMS, ports.STREAMS + len(list(tsp_streams.talks(HOSTILE))))
    is_taken(home, truth, OVER_TCP)
    is_refused(home, lies, OVER_TCP)


def test_what_this_host_has_elsewhere_stays_its_own(home: HostileHome) -> None:
    home.host.run(["ip", "-6", "route", "add", "2001:db8:99:5::/64", "dev", "own"])
    for number in range(len(tsp.HELD_ELSEWHERE)):
        said, told = attempt(home, [ports.HELD + number], ("udp", "v6udpv4, prefix_length: 48"))
        assert foreign(told) == []
        assert re.search(r"but this host has (2001:db8:77::5/64 of own|the route to 2001:db8:99:5::/64 by own)", said), said
        assert f"broker {HOSTILE}:{ports.HELD + number} asks for " in said


def test_of_an_offer_with_oddities_only_the_sane_part_is_taken(home: HostileHome) -> None:
    for number in range(len(tsp.TAKEN_IN_PART)):
        is_taken(home, ports.PART + number)


def test_damaged_offers_change_nothing_that_is_not_the_tunnels(home: HostileHome) -> None:
    attempt(home, range(ports.MUTANTS, ports.MUTANTS + ports.MUTANTS_NUMBER))
