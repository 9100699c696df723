"""The LAN of a profile on a fake host: what it is told while packets flow, while they do not, and by the next method."""

import asyncio
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, IPv6Interface, IPv6Network
from pathlib import Path

import pytest

from tests.process.stage import ADDRESS, TARGET, Stage, living, until
from tests.process.virtual_time import run
from tunnelmgr.api.errors import ExitCode
from tunnelmgr.api.events import Down, PeerSilent, Up
from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.api.network import DefaultRoute, Network
from tunnelmgr.core.condition import State
from tunnelmgr.core.profiles.profile import LanSettings, LanShare
from tunnelmgr.core.running.lan_shares import LanStatus
from tunnelmgr.daemon.health import Severity, symptoms
from tunnelmgr.host.constants import FORWARDING
from tunnelmgr.host.fake import FakeHost
from tunnelmgr.host.firewall import inbound_rules, lan_rules
from tunnelmgr.host.items import Address, Advertisement, Purpose, Sysctl, Table, Unreachable

PREFIX = IPv6Network("2001:db8:5::/48")
OTHER = IPv6Network("2001:db8:9::/48")
OUTER = IPv4Address("203.0.113.1")
LAN = LanSettings(interfaces=("br-lan",))
TRANSLATED = LanSettings(interfaces=("br-lan",), share=LanShare.NAT66)
WITHDRAWN = "AdvDefaultLifetime 0;"


def up(*delegated: IPv6Network, dns: tuple[IPv4Address | IPv6Address, ...] = ()) -> Up:
    return Up(HostConfig(addresses=(ADDRESS,), default_route=True, mtu=1400, delegated=delegated, dns=dns))


def host() -> FakeHost:
    made = FakeHost(items=[Sysctl("net/ipv6/conf/br-lan/mtu", "1500")])
    made.lan = {"br-lan": 1500, "eth0": 1500}
    return made


def told(stage: Stage) -> str:
    """The configuration of the radvd that runs; empty when none does."""
    found = [item for item in stage.host.items.values() if isinstance(item, Advertisement)]
    return found[0].config if found else ""


def valid(stage: Stage) -> int:
    """Seconds the first prefix is said to be valid for."""
    return int(told(stage).partition("AdvValidLifetime ")[2].partition(";")[0])


def status(stage: Stage) -> LanStatus:
    """How the LAN stands; while the tunnel is not up, nothing is said of it."""
    return next(iter(stage.running.lan), LanStatus(""))


def test_the_lan_is_told_when_packets_flow_and_not_before(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path, probe=(TARGET,), lan=LAN, host=host()) as stage:
            stage.say(up(PREFIX))
            await until(lambda: stage.has(Address, device="br-lan", interface=IPv6Interface("2001:db8:5::1/64")))
            await until(lambda: stage.prober.asked)
            assert told(stage) == ""
            stage.prober.results.put_nowait(True)
            await until(lambda: "prefix 2001:db8:5::/64" in told(stage))
            assert "AdvLinkMTU 1400;" in told(stage)
            assert WITHDRAWN not in told(stage)
            assert stage.has(Table, mark=Table.of("tm-home", Purpose.LAN, lan_rules("tm-home", 1340, ())).mark)
            assert stage.has(Unreachable, prefix=PREFIX)
            assert stage.has(Sysctl, path=FORWARDING, value="1")
            assert stage.has(Sysctl, path="net/ipv6/conf/br-lan/mtu", value="1400")
            assert stage.has(
                Table, mark=Table.of("tm-home", Purpose.INBOUND, inbound_rules("tm-home", ("input", "forward"))).mark
            )
            await until(lambda: "LAN br-lan: 2001:db8:5::/64 advertised" in stage.story)

    run(story())


def test_silence_withdraws_it_with_the_default_route_and_packets_bring_it_back(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path, lan=LAN, host=host()) as stage:
            stage.say(up(PREFIX))
            await until(lambda: status(stage).advertised)
            stage.say(PeerSilent("nobody answers"))
            await until(lambda: WITHDRAWN in told(stage))
            assert "AdvPreferredLifetime 0;" in told(stage)
            assert stage.has(Address, device="br-lan"), "what is on its way still arrives"
            assert status(stage).words == "2001:db8:5::/64 withdrawn while no packets flow"
            assert not stage.default_route
            stage.say(up(PREFIX))
            await until(lambda: WITHDRAWN not in told(stage))
            assert stage.story.count("LAN br-lan: 2001:db8:5::/64 advertised") == 1, "it is said once"

    run(story())


def test_another_prefix_takes_over_and_the_old_one_is_deprecated(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path, lan=LAN, host=host()) as stage:
            stage.say(up(PREFIX))
            await until(lambda: status(stage).advertised)
            stage.say(up(OTHER))
            await until(lambda: "2001:db8:9::/64" in told(stage))
            new, old = told(stage).split("prefix ")[1:]
            assert "2001:db8:9::/64" in new
            assert "AdvPreferredLifetime 1800;" in new
            assert "2001:db8:5::/64" in old
            assert "AdvPreferredLifetime 0;" in old
            await until(lambda: not stage.has(Unreachable, prefix=PREFIX))
            assert not stage.has(Address, interface=IPv6Interface("2001:db8:5::1/64"))

    run(story())


@pytest.mark.requirement("S-SR-009")
def test_a_prefix_made_of_a_leased_address_is_told_for_as_long_and_again_when_it_is_renewed(tmp_path: Path) -> None:
    async def story() -> None:
        machine = host()
        machine.leased = {OUTER: 600.0}
        async with living(tmp_path, lan=LAN, host=machine) as stage:
            made_of = replace(up(PREFIX).config, delegated_with=OUTER)
            stage.say(Up(made_of))
            await until(lambda: "AdvValidLifetime 600;" in told(stage))
            await asyncio.sleep(100)
            machine.leased = {OUTER: 499.0}  # the kernel counts whole seconds
            machine.watchers[0]()
            await asyncio.sleep(10)
            assert "AdvValidLifetime 600;" in told(stage), "radvd counts down by itself: nothing new is to be said"
            machine.leased = {OUTER: 490.0}
            stage.say(Up(replace(made_of, mtu=1300)))
            await until(lambda: "AdvLinkMTU 1300;" in told(stage))
            assert valid(stage) in range(485, 491), "what radvd reads it begins anew"
            machine.leased = {OUTER: 1200.0}
            machine.watchers[0]()
            await until(lambda: "AdvValidLifetime 1200;" in told(stage))
            await asyncio.sleep(200)
            stage.say(PeerSilent("nobody answers"))
            await until(lambda: WITHDRAWN in told(stage))
            assert "AdvPreferredLifetime 0;" in told(stage)
            assert valid(stage) in range(990, 1001), "gone, and still not to be used beyond the lease"
            machine.leased = {}
            stage.say(Up(made_of))
            await until(lambda: "AdvValidLifetime 7200;" in told(stage))

    run(story())


def test_a_tunnel_that_goes_down_is_forgotten_by_its_lan(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path, lan=LAN, host=host()) as stage:
            stage.say(up(PREFIX))
            await until(lambda: status(stage).advertised)
            stage.say(Down("the far end went away"))
            await until(lambda: WITHDRAWN in told(stage))
            assert "2001:db8:5::/64" in told(stage)
            await until(lambda: not stage.has(Address, device="br-lan"))
            assert stage.running.lan == ()

    run(story())


def test_the_next_method_translates_where_the_first_one_brought_a_prefix(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path, lan=TRANSLATED, host=host(), methods=2) as stage:
            first, second = stage.tunnels
            stage.say(up(PREFIX), tunnel=first)
            await until(lambda: str(status(stage).prefix) == "2001:db8:5::/64")
            stage.say(Down("gone", permanent=True, code=ExitCode.FAILED), tunnel=first)
            await until(lambda: second.networks)
            stage.say(up(), tunnel=second)
            await until(lambda: status(stage).translated)
            assert "2001:db8:5::/64" in told(stage), "and it is deprecated"
            assert "AdvPreferredLifetime 0;" in told(stage)

    run(story())


def test_translation_is_said_and_its_prefix_stays_the_same(tmp_path: Path) -> None:
    prefixes = []

    async def story() -> None:
        async with living(tmp_path, lan=TRANSLATED, host=host()) as stage:
            stage.say(up())
            await until(lambda: status(stage).advertised)
            prefixes.append(prefix := IPv6Network(status(stage).prefix or ""))
            assert prefix.subnet_of(IPv6Network("fd00::/8"))
            assert any(f"ip6 saddr {prefix} " in line and "masquerade" in line for line in stage.host.history)
            await until(lambda: "its hosts can call out, not be called" in stage.story[-1])

    run(story())
    run(story())
    assert prefixes[0] == prefixes[1]


def _trouble(tmp_path: Path, lan: LanSettings, machine: FakeHost, event: Up) -> LanStatus:
    """Bring a tunnel up whose LAN cannot be served; it is up all the same."""

    async def story() -> LanStatus:
        async with living(tmp_path, lan=lan, host=machine) as stage:
            stage.host.outer = replace(stage.host.outer, default_route=DefaultRoute("eth0", None))
            stage.say(event)
            await until(lambda: stage.states[-1:] == [State.UP])
            assert not status(stage).advertised
            [symptom] = [one for one in symptoms(stage.life.snapshot()) if one.severity is not Severity.NOTE]
            assert symptom.severity is Severity.WARNING
            assert symptom.text == f"LAN {lan.interfaces[0]}: {status(stage).trouble}"
            assert f"{symptom.text}; {symptom.hint}" in stage.story
            return status(stage)

    return run(story())


def test_a_method_without_prefixes_leads_to_translation(tmp_path: Path) -> None:
    link = _trouble(tmp_path, LAN, host(), up())
    assert link.trouble == "br-lan gets no prefix: this method brings none"
    assert "share: nat66" in link.hint


def test_the_way_to_the_internet_is_no_lan(tmp_path: Path) -> None:
    link = _trouble(tmp_path, LanSettings(interfaces=("eth0",)), host(), up(PREFIX))
    assert link.trouble.startswith("eth0 leads to the internet")


def test_a_missing_radvd_is_named(tmp_path: Path) -> None:
    machine = host()
    machine.has_radvd = False
    link = _trouble(tmp_path, LAN, machine, up(PREFIX))
    assert (link.trouble, link.hint) == (
        "the LAN hears nothing of the tunnel: radvd is missing",
        "install the package radvd",
    )


def test_an_address_the_kernel_refuses_is_no_reason_to_be_without_a_tunnel(tmp_path: Path) -> None:
    machine = host()
    machine.failures = {"ip -6 address add 2001:db8:5::1/64 dev br-lan": 13}
    link = _trouble(tmp_path, LAN, machine, up(PREFIX))
    assert link.trouble.startswith("ip -6 address add 2001:db8:5::1/64 dev br-lan nodad: ")


def test_an_interface_that_appears_later_is_served_then_and_one_that_vanishes_waits(tmp_path: Path) -> None:
    async def story() -> None:
        machine = host()
        del machine.lan["br-lan"]
        async with living(tmp_path, lan=LAN, host=machine) as stage:
            stage.say(up(PREFIX))
            await until(lambda: stage.states[-1:] == [State.UP])
            assert status(stage).trouble == "there is no interface br-lan"
            machine.lan["br-lan"] = 1500
            machine.change_network(Network())
            await until(lambda: status(stage).advertised)
            del machine.lan["br-lan"]
            machine.change_network(Network())
            await until(lambda: status(stage).trouble)

    run(story())


@pytest.mark.parametrize(
    ("dns", "expected"),
    [
        ("offered", "RDNSS 2001:db8::53 {"),
        ((IPv6Address("2001:db8:7::53"),), "RDNSS 2001:db8:7::53 {"),
        ((), ""),
    ],
)
def test_resolvers_are_told_as_the_profile_wishes(tmp_path: Path, dns: object, expected: str) -> None:
    async def story() -> None:
        lan = LanSettings.model_validate({"interfaces": ("br-lan",), "dns": dns})
        async with living(tmp_path, lan=lan, host=host()) as stage:
            stage.say(up(PREFIX, dns=(IPv4Address("192.0.2.53"), IPv6Address("2001:db8::53"))))
            await until(lambda: status(stage).advertised)
            assert expected in told(stage)
            assert ("RDNSS" in told(stage)) is bool(expected)

    run(story())
