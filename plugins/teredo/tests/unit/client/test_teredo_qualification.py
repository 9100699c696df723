"""How a client gets its address and keeps it, verb by verb; whole stories are in the simulated tests."""

from ipaddress import IPv6Address, IPv6Interface, IPv6Network

import pytest
from tests.teredo_world.bench import (
    MAPPED,
    SERVER,
    Bench,
    advertisement,
    network,
)
from tests.teredo_world.clients import PRIMARY_ENDPOINT, SECONDARY_ENDPOINT, client_a, receive
from tests.teredo_world.vectors import CLIENT_A, CLIENT_A_MAPPED, NONCE, PACKETS

from tunnelmgr.api.effects import Failed, FailureCode, OpenChannel
from tunnelmgr.api.errors import ExitCode
from tunnelmgr.api.events import Down, Up
from tunnelmgr.api.packets.discovery import RouterAdvertisement, RouterSolicitation
from tunnelmgr.api.packets.discovery_options import LIFETIME_INFINITE, PrefixInformation, RouteInformation
from tunnelmgr.api.packets.icmpv6 import icmpv6_packet, parse_icmpv6
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr_teredo.client.settings import ClientSettings
from tunnelmgr_teredo.constants import CLIENT_LINK_LOCAL, SERVICE_PORTS, TEREDO_PREFIX
from tunnelmgr_teredo.wire.address import server_link_local
from tunnelmgr_teredo.wire.datagram import Authentication, OriginIndication, Payload

# -- the solicitation -------------------------------------------------------------------------------------------------


@pytest.mark.requirement("T-CL-004", "T-CL-005", "T-CL-006")
def test_both_addresses_are_solicited_with_the_bytes_of_the_vector() -> None:
    sent = client_a().sent()
    assert [datagram.remote for datagram in sent] == [PRIMARY_ENDPOINT, SECONDARY_ENDPOINT]
    assert [datagram.data for datagram in sent] == [PACKETS["rs-restricted-nonce"].payload] * 2
    assert {datagram.channel for datagram in sent} == {"service"}


@pytest.mark.requirement("T-CL-005")
def test_a_solicitation_is_one_as_rfc_4861_wants_it() -> None:
    packet = IPv6Packet.parse(Payload.parse(Bench().start().sent()[0].data).packet)
    assert (packet.source, packet.destination) == (CLIENT_LINK_LOCAL, IPv6Address("ff02::2"))
    assert packet.hop_limit == 255
    assert parse_icmpv6(packet) == RouterSolicitation()


@pytest.mark.requirement("T-CL-006", "T-CL-007")
def test_three_solicitations_four_seconds_apart_have_nonces_of_their_own() -> None:
    bench = Bench().start()
    began, sent = bench.now, bench.sent()
    times = [bench.now - began] * 2
    while bench.state != "offline":
        bench.wake()
        new = bench.sent()
        sent += new
        times += [bench.now - began] * len(new)
    assert times == [0, 0, 4, 4, 8, 8]
    assert bench.now - began == 12
    headers = [Payload.parse(datagram.data).authentication for datagram in sent]
    assert len({header.nonce for header in headers if header is not None}) == 6


@pytest.mark.requirement("T-CL-002")
def test_the_service_port_is_drawn_from_the_dynamic_ones_unless_it_is_given() -> None:
    def opened(**settings: object) -> int:
        bench = Bench(**settings)
        bench.client.start(0.0, network(), {})
        return bench.take_events(OpenChannel)[0].local.port

    assert opened(port=3545) == 3545
    assert opened(port=0) in SERVICE_PORTS


@pytest.mark.requirement("T-CL-002")
def test_a_random_port_that_is_taken_is_drawn_anew() -> None:
    bench = Bench(port=0)
    bench.client.start(bench.now, network(), {})
    (first,) = bench.take_events(OpenChannel)
    bench.answer(first, Failed(FailureCode.IN_USE, "UDP port taken"))
    (second,) = bench.take_events(OpenChannel)
    assert second.local.port != first.local.port


@pytest.mark.requirement("T-CL-002")
def test_a_given_port_that_is_taken_is_told_and_tried_again() -> None:
    bench = Bench()
    bench.client.start(bench.now, network(), {})
    (opening,) = bench.take_events(OpenChannel)
    bench.answer(opening, Failed(FailureCode.IN_USE, "UDP port 8192 is taken"))
    (down,) = bench.take_events(Down)
    assert "8192" in down.reason
    assert "`port`" in down.hint
    assert not down.permanent
    bench.wake()
    assert bench.take_events(OpenChannel)


# -- the advertisement ------------------------------------------------------------------------------------------------


REFUSED_ADVERTISEMENTS = {
    "neg-ra-wrong-nonce": "ra-unasked",
    "neg-ra-no-origin": "ra-origin",
    "neg-ra-no-prefix": "ra-prefix",
    "neg-ra-two-prefixes": "ra-prefix",
    "neg-ra-foreign-server-prefix": "ra-prefix",
    "neg-ra-not-teredo-prefix": "ra-prefix",
    "neg-ra-wrong-dst-ll": "ra-link",
    "neg-ra-mtu-1279": "ra-mtu",
    "neg-ra-hoplimit-254": "ra-link",
    "neg-ra-confirmation-1": "ra-key-refused",
    "neg-ra-wrong-port": "ra-unasked",
    "neg-ra-wrong-source": "ra-unasked",
    "neg-ra-private-origin": "ra-origin",
    "neg-ra-bad-icmp6-checksum": "ra-content",
    "ra-obsolete-prefix": "ra-prefix",
    "ra-origin-only": "ra-unasked",
    "ra-from-secondary": "ra-link",  # an answer to the cone link-local address, which we never ask from
    "neg-origin-before-auth": "malformed",
}


@pytest.mark.requirement("T-CL-008", "T-CL-009", "T-CL-010", "T-CL-011", "T-CL-012")
@pytest.mark.requirement("T-CL-013", "T-CL-014", "T-CL-015", "T-CL-016", "T-CL-031", "T-AD-011")
@pytest.mark.parametrize(("name", "reason"), list(REFUSED_ADVERTISEMENTS.items()))
def test_an_advertisement_that_must_not_qualify_does_not(name: str, reason: str) -> None:
    bench = client_a()
    receive(bench, name)
    assert bench.dropped(reason) == 1
    assert bench.take_events(Up) == []
    assert bench.delivered() == []
    if name != "neg-ra-confirmation-1":
        receive(bench, "ra-primary")
        receive(bench, "ra-secondary-same-mapping")
        assert bench.state == "qualified", "and a good one still does"


def test_there_is_a_reason_for_every_negative_advertisement_of_the_vectors() -> None:
    assert {name for name in PACKETS if name.startswith("neg-ra-")} <= REFUSED_ADVERTISEMENTS.keys()


@pytest.mark.requirement("T-CL-013", "T-CL-014")
@pytest.mark.parametrize(
    ("source", "prefix", "reason"),
    [
        (IPv6Address("2001:db8::1"), IPv6Network("2001:0:cb00:7178::/64"), "ra-link"),
        (server_link_local(SERVER), IPv6Network("2001:0:cb00:7178::/63"), "ra-prefix"),
        (server_link_local(SERVER), IPv6Network("2001:0:cb00:7178:1::/80"), "ra-prefix"),
    ],
    ids=["global source", "/63", "/80"],
)
def test_an_advertisement_from_a_global_address_or_of_another_length_is_refused(
    source: IPv6Address, prefix: IPv6Network, reason: str
) -> None:
    bench = client_a()
    message = RouterAdvertisement(options=(PrefixInformation(prefix, False, True, 1, 1),))
    packet = icmpv6_packet(message, source, CLIENT_LINK_LOCAL).serialize()
    payload = Payload(packet, Authentication(NONCE), OriginIndication(CLIENT_A_MAPPED))
    bench.receive(payload.serialize(), PRIMARY_ENDPOINT)
    assert bench.dropped(reason) == 1
    assert bench.state == "probing-primary"


@pytest.mark.requirement("T-CL-013", "T-CL-021", "T-CL-032")
def test_the_advertisement_of_the_vector_makes_the_address_of_the_vector() -> None:
    bench = client_a()
    receive(bench, "ra-primary")
    receive(bench, "ra-secondary-same-mapping")
    (up,) = bench.take_events(Up)
    assert up.config.addresses == (IPv6Interface(CLIENT_A),)
    assert up.config.routes == (TEREDO_PREFIX,)
    assert (up.config.default_route, up.config.mtu) == (True, 1280)
    assert up.details == {"server": str(SERVER), "nat": "port-restricted", "mapped": str(CLIENT_A_MAPPED)}


@pytest.mark.requirement("T-CL-015")
def test_an_advertisement_without_an_mtu_leaves_1280() -> None:
    bench = client_a()
    receive(bench, "ra-no-mtu-option")
    receive(bench, "ra-secondary-same-mapping")
    assert bench.take_events(Up)[0].config.mtu == 1280


@pytest.mark.requirement("T-CL-015", "T-PK-009")
@pytest.mark.parametrize(("cap", "mtu"), [({}, 1280), ({"mtu": 1400}, 1400), ({"mtu": 9000}, 1472)])
def test_a_larger_mtu_is_taken_up_to_the_cap(cap: dict[str, object], mtu: int) -> None:
    bench = Bench(**cap).start()
    for sent in bench.sent():
        header = Payload.parse(sent.data).authentication
        assert header is not None
        bench.receive(advertisement(header.nonce, MAPPED, mtu=1472), sent.remote)
    assert bench.take_events(Up)[0].config.mtu == mtu


@pytest.mark.requirement("T-CL-017")
def test_nothing_is_taken_for_an_advertisement_while_none_is_asked_for() -> None:
    bench = client_a()
    receive(bench, "ra-primary")
    receive(bench, "ra-secondary-same-mapping")
    bench.take_events(Up)
    receive(bench, "ra-secondary-other-mapping")
    receive(bench, "ra-primary")
    assert bench.dropped("ra-unasked") == 2
    assert bench.take_events(Up) == []


@pytest.mark.requirement("T-CL-010", "T-CL-016", "T-AD-010")
def test_a_private_mapping_qualifies_only_in_a_private_deployment_that_names_it() -> None:
    bench = client_a(private_deployment=["10.0.0.0/8"])
    receive(bench, "neg-ra-private-origin")
    assert bench.state == "probing-secondary"


# -- secure qualification ---------------------------------------------------------------------------------------------


SECURE = {"client_id": "alice", "secret": "correct horse battery"}


@pytest.mark.requirement("T-CL-024", "T-PK-016")
def test_secure_qualification_speaks_the_bytes_of_the_vectors() -> None:
    bench = client_a(secure=SECURE)
    assert bench.sent()[0].data == PACKETS["rs-secure-hmac-sha1"].payload
    receive(bench, "ra-secure-hmac-sha1")
    assert bench.state == "probing-secondary"


@pytest.mark.requirement("T-CL-024")
@pytest.mark.parametrize("name", ["ra-primary", "ra-no-mtu-option"])
def test_an_unsigned_advertisement_does_not_qualify_a_client_with_a_secret(name: str) -> None:
    bench = client_a(secure=SECURE)
    receive(bench, name)
    assert bench.dropped("ra-unsigned") == 1
    assert bench.state == "probing-primary"


@pytest.mark.requirement("T-CL-025")
def test_a_key_the_server_refuses_is_told_and_nothing_else_is_taken_from_the_answer() -> None:
    bench = client_a()
    receive(bench, "neg-ra-confirmation-1")
    (down,) = bench.take_events(Down)
    assert "key" in down.reason
    assert down.code is ExitCode.NO_PERMISSION
    assert bench.state == "offline"
    assert bench.dropped("ra-key-refused") == 1


def test_a_secret_is_not_shown() -> None:
    settings = ClientSettings.model_validate({"server": "192.0.2.1", "secure": SECURE})
    assert settings.secure is not None
    assert "battery" not in repr(settings) + repr(settings.secure.shared_secret)


@pytest.mark.parametrize(
    ("routes", "probe"),
    [
        (["2001:db8:2::1/128"], ["2001:db8:2::1"]),
        (["2001:db8::/32", "::/0"], []),
        (["fe80::1/128", "fd00::1/128", "ff02::1/128", "::1/128"], []),
        (["2001:0:c000:201:0:efff:3fff:fdfe/128"], []),
        (["fd00::1/128", "2001:db8:2::1/128", "2001:db8:2::2/128"], ["2001:db8:2::1"]),
    ],
)
def test_a_native_host_the_server_names_is_asked_if_packets_pass(routes: list[str], probe: list[str]) -> None:
    bench = Bench().start()
    for sent in bench.sent():
        header = Payload.parse(sent.data).authentication
        assert header is not None
        options = [RouteInformation(IPv6Network(route), LIFETIME_INFINITE) for route in routes]
        bench.receive(advertisement(header.nonce, MAPPED, options=tuple(options)), sent.remote)
    up = bench.take_events(Up)[-1]
    assert list(map(str, up.probe)) == probe
    assert up.config.routes == (TEREDO_PREFIX,), "nothing is routed by what a server says"
