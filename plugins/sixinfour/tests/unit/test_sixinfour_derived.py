"""6to4 and 6rd: arithmetic by the tables, checks both ways by the vectors, and what is switched off."""

import json
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.sixinfour_world import vectors
from tests.sixinfour_world.bench import Driven, network
from tests.sixinfour_world.vectors import CLIENT, SERVER, TABLES

from tunnelmgr.api.datagrams import Datagram, IcmpReceived
from tunnelmgr.api.effects import Failed, FailureCode, OpenChannel
from tunnelmgr.api.errors import ExitCode, WireError
from tunnelmgr.api.events import Down, PathDown, PathUp, Stopped, Up
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets.icmpv6 import parse_icmpv6
from tunnelmgr.api.packets.icmpv6_errors import DestinationUnreachable
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.api.report import NetworkReport
from tunnelmgr.api.transport import Fit
from tunnelmgr_sixinfour.constants import REOPEN_INTERVAL
from tunnelmgr_sixinfour.derived.sixrd import SixRdOption, SixRdSettings
from tunnelmgr_sixinfour.derived.sixtofour import SixToFour, SixToFourSettings
from tunnelmgr_sixinfour.derived.tunnel import DerivedTunnel
from tunnelmgr_sixinfour.transport import SixRdTransport, SixToFourTransport

OPTION = json.loads(vectors._FILE.read_text())["tables"]["dhcp_option_6rd"]["hex"][4:]  # its value
RELAY = IPv4Address("198.51.100.1")
NATIVE = IPv6Address("2001:db8:cafe::1")


def sixtofour(source: IPv4Address = SERVER, **settings: Any) -> Driven:
    chosen = SixToFourSettings.model_validate(settings)
    return Driven(DerivedTunnel(chosen, "6to4", Random(1), SixToFour(chosen)), network(source))


SIXRD = {"prefix": "2001:db8::/32", "mask_length": 8, "border_relay": "10.0.0.1"}
CE = IPv4Address("10.100.100.1")


def sixrd(**settings: Any) -> Driven:
    """Without questions to the border relay, unless the test is about them."""
    return Driven(customer(**{"keepalive": None, **settings}), network(CE))


def customer(**settings: Any) -> DerivedTunnel:
    tunnel = SixRdTransport("customer", SixRdSettings.model_validate(SIXRD | settings)).tunnel(Random(1))
    assert isinstance(tunnel, DerivedTunnel)
    return tunnel


def arriving(source: str, destination: str, outer: str, local: IPv4Address) -> Datagram:
    packet = IPv6Packet(IPv6Address(source), IPv6Address(destination), IpProtocol.UDP, bytes(8)).serialize()
    return Datagram("raw41/1", packet, Endpoint(IPv4Address(outer), 0), Endpoint(local, 0))


def packet(source: str, destination: str) -> IPv6Packet:
    return IPv6Packet(IPv6Address(source), IPv6Address(destination), IpProtocol.UDP, bytes(8))


@pytest.mark.parametrize("row", TABLES["sixtofour"], ids=lambda row: str(row["ipv4"]))
def test_a_6to4_prefix_is_made_of_the_address(row: dict[str, str]) -> None:
    domain = SixToFour(SixToFourSettings())
    assert domain.prefix_of(IPv4Address(row["ipv4"])) == IPv6Network(row["prefix"])


@pytest.mark.parametrize("row", TABLES["sixrd"], ids=lambda row: str(row["ce_ipv4"]))
@pytest.mark.requirement("S-SR-003")
def test_a_6rd_prefix_is_made_of_the_providers_and_the_address(row: dict[str, Any]) -> None:
    ours, delegated = IPv4Address(row["ce_ipv4"]), IPv6Network(row["delegated"])
    written = {"prefix": f"{row['prefix']}/{row['prefix_len']}", "mask_length": row["ipv4_mask_len"]}
    made = SixRdSettings.model_validate(written | {"border_relay": "10.0.0.1"}).domain
    assert made is not None
    site = made.site(ours)
    assert site is not None
    assert site.prefix == delegated
    assert made.site_of(site.address) == (delegated, ours), "and back"


@pytest.mark.requirement("S-SR-004")
def test_option_212_is_read_and_written() -> None:
    option = SixRdOption.parse(bytes.fromhex(OPTION))
    assert option == SixRdOption(8, IPv6Network("2001:db8::/32"), (IPv4Address("10.0.0.1"),))
    assert option.serialize().hex() == OPTION


@pytest.mark.parametrize(
    "wrong",
    [
        OPTION[:-2],
        OPTION + "00",
        OPTION[:-8],
        "21" + OPTION[2:],
        OPTION[:2] + "81" + OPTION[4:],
        "0079" + OPTION[4:],
        "",
    ],
)
@pytest.mark.requirement("S-SR-004")
def test_an_option_that_cannot_be_is_refused(wrong: str) -> None:
    with pytest.raises(WireError):
        SixRdOption.parse(bytes.fromhex(wrong))


@given(st.one_of(st.binary(max_size=60), st.binary(min_size=22, max_size=22)))
@pytest.mark.requirement("S-SR-004")
def test_arbitrary_bytes_are_an_option_or_a_wire_error(data: bytes) -> None:
    try:
        option = SixRdOption.parse(data)
    except WireError:
        return
    assert SixRdOption.parse(option.serialize()) == option


@pytest.mark.requirement("S-SR-001")
def test_6to4_runs_only_where_asked_for_and_never_by_the_anycast_relay() -> None:
    with pytest.raises(ValidationError, match="anycast"):
        SixToFourSettings.model_validate({"relay": "192.88.99.1"})
    (up,) = sixtofour().said_of(Up)
    assert not up.config.default_route, "without a relay direct peers alone are reached"


@pytest.mark.requirement("S-SR-002")
def test_a_direct_peer_is_heard_and_reached() -> None:
    bench = sixtofour()
    assert bench.take(vectors.datagram("sixtofour-direct")) == [vectors.outer("sixtofour-direct").payload]
    answer = packet("2002:cb00:7104::1", "2002:c000:201::1")
    (datagram,) = bench.send(answer)
    assert datagram.remote == Endpoint(CLIENT, 0)
    (path,) = bench.said_of(PathUp)
    assert (str(path.prefix), path.remote) == ("2002:c000:201::/48", Endpoint(CLIENT, 0))


@pytest.mark.parametrize(("name", "drop"), [("neg-sixtofour-src-mismatch", "embedded"), ("neg-sixtofour-private", "source")])
@pytest.mark.requirement("S-SR-002")
def test_6to4_vectors_that_must_not_pass_are_dropped(name: str, drop: str) -> None:
    bench = sixtofour()
    assert bench.take(vectors.datagram(name)) == []
    assert bench.drops == {f"dropped-{drop}": 1}


OURS = "2002:cb00:7104::1"


@pytest.mark.parametrize(
    ("source", "destination", "outer", "drop"),
    [
        ("2002:c000:201::1", OURS, "192.0.2.1", None),
        (str(NATIVE), OURS, str(RELAY), None),
        (str(NATIVE), OURS, "192.0.2.1", "embedded"),
        ("2002:c000:201::1", OURS, str(RELAY), "embedded"),
        ("2002:c000:201::1", str(NATIVE), "192.0.2.1", "destination"),
        ("2002:c000:201::1", "2002:c000:202::1", "192.0.2.1", "destination"),
        (OURS, OURS, str(SERVER), "embedded"),
        ("2002:c000:201::1", OURS, "10.0.0.1", "outer-source"),
        ("fe80::1", OURS, "192.0.2.1", "source"),
        ("fec0::1", OURS, "192.0.2.1", "source"),
        ("ff02::1", OURS, "192.0.2.1", "source"),
        ("2002:e000:1::1", OURS, "192.0.2.1", "source"),
    ],
)
@pytest.mark.requirement("S-SR-002")
def test_6to4_takes_what_belongs_together(source: str, destination: str, outer: str, drop: str | None) -> None:
    bench = sixtofour(relay=str(RELAY))
    delivered = bench.take(arriving(source, destination, outer, SERVER))
    assert bool(delivered) is (drop is None)
    assert bench.drops == ({f"dropped-{drop}": 1} if drop else {})


@pytest.mark.parametrize(
    ("source", "destination", "drop"),
    [
        (str(NATIVE), "2002:c000:201::1", "source"),
        (OURS, "2002:a00:1::1", "embedded"),
        (OURS, "2002:cb00:7104:9::1", "destination"),
        (OURS, str(NATIVE), "no-remote"),
        (OURS, "ff02::1", "destination"),
    ],
)
@pytest.mark.requirement("S-SR-002")
def test_6to4_sends_what_belongs_together(source: str, destination: str, drop: str) -> None:
    bench = sixtofour()
    assert bench.send(packet(source, destination)) == []
    assert bench.drops == {f"dropped-{drop}": 1}


def test_a_private_address_makes_no_6to4_prefix() -> None:
    bench = sixtofour(IPv4Address("192.168.1.2"))
    (down,) = bench.said_of(Down)
    assert down.reason == "6to4 needs a public IPv4 address, and this host has 192.168.1.2"
    report = NetworkReport(network(IPv4Address("192.168.1.2")))
    assert SixToFourTransport("site", SixToFourSettings()).suits(report).fit is Fit.UNSUITABLE


def test_another_address_is_another_prefix() -> None:
    bench = sixtofour(relay=str(RELAY))
    bench.send(packet(OURS, "2002:c000:201::1"))
    bench.move(network(IPv4Address("203.0.113.5")))
    assert [str(up.config.addresses[0]) for up in bench.said_of(Up)] == ["2002:cb00:7104::1/128", "2002:cb00:7105::1/128"]
    assert [str(path.prefix) for path in bench.said_of(PathDown)] == ["2002:c000:201::/48", "2002::/16", "::/0"]


@pytest.mark.requirement("S-SR-006")
@pytest.mark.parametrize(
    ("source", "outer", "drop"),
    [
        ("2001:db8:6464:200::1", "10.100.100.2", None),
        ("2001:db8:6464:200::1", "10.100.100.3", "embedded"),
        ("2001:db8:6464:200::1", "10.0.0.1", "embedded"),
        (str(IPv6Address("2001:db9::1")), "10.0.0.1", None),
        (str(IPv6Address("2001:db9::1")), "10.100.100.2", "embedded"),
        ("2001:db8:6464:100::9", "10.100.100.1", "embedded"),
    ],
)
def test_6rd_takes_from_customers_their_own_and_the_rest_from_the_border_relay(
    source: str, outer: str, drop: str | None
) -> None:
    bench = sixrd()
    delivered = bench.take(arriving(source, "2001:db8:6464:100::1", outer, CE))
    assert bool(delivered) is (drop is None)
    assert bench.drops == ({f"dropped-{drop}": 1} if drop else {})


@pytest.mark.requirement("S-SR-007")
def test_6rd_drops_what_is_not_for_the_delegated_prefix() -> None:
    bench = sixrd()
    assert bench.take(arriving("2001:db8:6464:200::1", "2001:db8:6464:300::1", "10.100.100.2", CE)) == []
    assert bench.drops == {"dropped-destination": 1}


@pytest.mark.requirement("S-SR-008")
def test_what_nobody_has_in_the_delegated_prefix_goes_nowhere() -> None:
    bench = sixrd()
    assert bench.send(packet("2001:db8:6464:100::1", "2001:db8:6464:1ff::1")) == []
    (answer,) = bench.delivered
    assert isinstance(parse_icmpv6(IPv6Packet.parse(answer)), DestinationUnreachable)


@pytest.mark.parametrize("nobody", ["0.0.0.1", "127.0.0.1", "224.0.0.5", "255.255.255.255"])
def test_6rd_sends_to_nobody_that_is_no_host(nobody: str) -> None:
    bench = sixrd(mask_length=0)
    target = IPv6Address(int(IPv6Address("2001:db8::1")) | int(IPv4Address(nobody)) << 64)
    bench.said.clear()
    assert bench.send(packet("2001:db8:a64:6401::1", str(target))) == []
    assert bench.take(arriving(str(target), "2001:db8:a64:6401::1", nobody, CE)) == []
    assert bench.drops == {"dropped-embedded": 2}
    assert bench.said_of(PathUp) == []


def test_an_icmp_error_reaches_who_sent_and_nobody_whom_a_forger_names() -> None:
    bench = sixrd()
    for source in ("2001:db8:6464:100::7", str(NATIVE)):
        quote = packet(source, "2001:db8:6464:200::1").serialize()
        error = IcmpReceived("raw41/1", 3, 1, 0, None, Endpoint(IPv4Address("10.100.100.2"), 0), quote)
        bench.change(error)
    bench.change(replace(error, quote=quote[:20]))
    (answer,) = bench.delivered
    assert str(IPv6Packet.parse(answer).destination) == "2001:db8:6464:100::7"
    assert bench.tunnel.status(0.0).counters["icmp-unreachable"] == 3


def test_6rd_sends_to_customers_directly_and_the_rest_to_the_border_relay() -> None:
    bench = sixrd()
    (direct,) = bench.send(packet("2001:db8:6464:100::1", "2001:db8:6464:200::1"))
    (beyond,) = bench.send(packet("2001:db8:6464:100::1", "2001:db9::1"))
    assert [str(sent.remote.address) for sent in (direct, beyond)] == ["10.100.100.2", "10.0.0.1"]
    everywhere, kept, customer = bench.said_of(PathUp)
    assert (str(kept.prefix), kept.valid_for) == ("2001:db8::/32", 0.0), "never by the border relay"
    assert (str(everywhere.prefix), everywhere.valid_for) == ("::/0", None)
    assert (str(customer.prefix), customer.valid_for) == ("2001:db8:6464:200::/56", 60.0)
    assert "2001:db8::/32" in {str(prefix) for prefix in everywhere.ingress}


@pytest.mark.requirement("S-EC-004")
def test_6rd_copies_the_traffic_class_by_default() -> None:
    marked = replace(packet("2001:db8:6464:100::1", "2001:db9::1"), traffic_class=0xBB)
    assert [sent.tos for sent in sixrd().send(marked)] == [0xBB]
    assert [sent.tos for sent in sixrd(dscp_model="pipe", ecn="compat").send(marked)] == [0]


def test_6rd_wishes_the_domain_on_the_link_and_the_default_route() -> None:
    (up,) = sixrd().said_of(Up)
    assert [str(address) for address in up.config.addresses] == ["2001:db8:6464:100::1/128"]
    assert [str(prefix) for prefix in up.config.routes] == ["2001:db8::/32"]
    assert [str(prefix) for prefix in up.config.delegated] == ["2001:db8:6464:100::/56"]
    assert up.config.default_route
    assert up.config.mtu == 1280


@pytest.mark.parametrize("prefix", ["::/0", "fe80::/10", "ff00::/16", "2000::/3", "::/96", "2002::/16"])
def test_a_prefix_no_provider_has_is_refused(prefix: str) -> None:
    with pytest.raises(ValidationError, match="is not a provider's 6rd prefix"):
        SixRdSettings.model_validate(SIXRD | {"prefix": prefix, "mask_length": 32})


@pytest.mark.parametrize("nobody", ["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255"])  # noqa: S104 - nobody binds it
def test_a_relay_that_is_no_host_is_refused(nobody: str) -> None:
    with pytest.raises(ValidationError, match=f"{nobody} is not an address that a host can have"):
        SixRdSettings.model_validate(SIXRD | {"border_relay": nobody})
    with pytest.raises(ValidationError, match=f"{nobody} is not an address that a host can have"):
        SixToFourSettings.model_validate({"relay": nobody})


def test_a_delegated_prefix_longer_than_64_is_refused() -> None:
    with pytest.raises(ValidationError, match="/68"):
        SixRdSettings.model_validate(SIXRD | {"prefix": "2001:db8::/44"})


def test_paths_to_other_sites_are_bounded_and_said_again_while_used() -> None:
    bench = sixrd()
    for number in range(1100):
        bench.send(packet("2001:db8:6464:100::1", str(IPv6Address("2001:db8:1::1") + (number << 72))))
    assert len(bench.said_of(PathDown)) == 1100 - 1024
    bench.said.clear()
    last = packet("2001:db8:6464:100::1", str(IPv6Address("2001:db8:1::1") + (1099 << 72)))
    bench.now = 10.0
    bench.send(last)
    assert bench.said == []
    bench.now = 31.0
    bench.send(last)
    assert len(bench.said_of(PathUp)) == 1


def test_without_the_privilege_it_gives_up() -> None:
    bench = Driven(customer(), network(CE), refused=Failed(FailureCode.NO_PERMISSION, "not permitted"))
    (down,) = bench.said_of(Down)
    assert (down.permanent, down.code) == (True, ExitCode.NO_PERMISSION)


def test_a_channel_that_cannot_be_had_is_complained_of_once_and_asked_for_again() -> None:
    refused = Failed(FailureCode.NOT_FOUND, "10.9.9.9: no such address")
    bench = Driven(customer(local="10.9.9.9"), network(CE), refused)
    bench.wake_until(12 * REOPEN_INTERVAL)
    (down,) = bench.said_of(Down)
    assert (down.reason, down.permanent) == ("10.9.9.9: no such address", False)
    assert down.hint == "check `local`: 10.9.9.9 must be an address of this host"
    assert len(bench.said_of(OpenChannel)) > 3


def test_paths_go_by_the_channel_that_was_had_in_the_end() -> None:
    bench = Driven(customer(keepalive=None), network(CE), refused=Failed(FailureCode.NOT_FOUND, "no such address"))
    bench.refused = None
    bench.wake_until(REOPEN_INTERVAL)
    bench.send(packet("2001:db8:6464:100::1", "2001:db8:6464:200::1"))
    opened, paths = bench.said_of(OpenChannel)[-1], bench.said_of(PathUp)
    assert {path.channel for path in paths} == {opened.channel}
    assert len(paths) == 3


def test_after_the_stop_nothing_is_delivered() -> None:
    bench = sixrd()
    bench.tunnel.stop(1.0)
    assert bench.take(arriving("2001:db8:6464:200::1", "2001:db8:6464:100::1", "10.100.100.2", CE)) == []


def test_stopping_ends_it() -> None:
    bench = sixrd()
    bench.tunnel.stop(1.0)
    bench.turn()
    assert bench.said[-1] == Stopped()


def test_the_transports_say_what_they_do() -> None:
    assert SixToFourTransport("site", SixToFourSettings(relay=RELAY)).describe() == "relay 198.51.100.1"
    assert SixToFourTransport("site", SixToFourSettings()).describe() == "direct peers"
    transport = SixRdTransport("customer", SixRdSettings.model_validate(SIXRD))
    assert transport.describe() == "border relay 10.0.0.1"
    assert transport.suits(NetworkReport(network(CE))).fit is Fit.POSSIBLE
    assert transport.suits(NetworkReport()).fit is Fit.UNSUITABLE
    assert transport.suits(NetworkReport(network(CE), protocol41=False)).fit is Fit.UNSUITABLE
