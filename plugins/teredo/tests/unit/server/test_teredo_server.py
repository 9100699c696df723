"""The server, check by check (docs/protocols/teredo.md section 6), on the vectors where there is one."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from pydantic import ValidationError
from tests.teredo_world import vectors
from tests.teredo_world.around_server import OUR_CLIENT, SECRET, SOLICITATION, refused
from tests.teredo_world.bench import udp_packet
from tests.teredo_world.served_bench import (
    AS_MIREDO,
    RELAY_NATIVE,
    SERVER_1,
    ServedBench,
    a_server,
    knock,
    server_bench,
)
from tests.teredo_world.vectors import CLIENT_A, CLIENT_A_MAPPED, NATIVE_HOST, PACKETS

from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.effects import CloseChannel, Done, Failed, FailureCode, OpenChannel
from tunnelmgr.api.events import Down, Notice, Stopped, Up
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.api.packets.discovery import RouterAdvertisement, RouterSolicitation
from tunnelmgr.api.packets.discovery_options import MtuOption, PrefixInformation
from tunnelmgr.api.packets.icmp import EchoRequest, OtherIcmp
from tunnelmgr.api.packets.icmpv6 import icmpv6_packet, parse_icmpv6
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr_teredo.constants import ALL_ROUTERS, CLIENT_LINK_LOCAL, RESTART_DELAY
from tunnelmgr_teredo.server.settings import ServerSettings
from tunnelmgr_teredo.wire.datagram import Payload

# -- answering solicitations ------------------------------------------------------------------------------------------


@pytest.mark.requirement("T-SV-006", "T-SV-015", "T-SV-016", "T-SV-017", "T-SV-018")
@pytest.mark.parametrize(
    ("asked", "channel", "answered"),
    [
        ("rs-restricted-nonce", "primary", "ra-primary"),
        ("rs-restricted-plain", "primary", "ra-origin-only"),
        ("rs-cone", "secondary", "ra-from-secondary"),
    ],
)
def test_the_answer_is_the_one_miredo_gives_byte_for_byte(asked: str, channel: str, answered: str) -> None:
    [answer] = server_bench(network=AS_MIREDO).take_vector(PACKETS[asked])
    assert answer == Datagram(channel, PACKETS[answered].payload, PACKETS[answered].destination)


@pytest.mark.requirement("T-SV-017")
def test_a_cone_solicitation_to_the_secondary_address_is_answered_from_the_primary() -> None:
    [answer] = server_bench(network=AS_MIREDO).take(PACKETS["rs-cone"].payload, CLIENT_A_MAPPED, "secondary")
    assert answer.channel == "primary"
    assert answer.data == PACKETS["ra-from-secondary"].payload, "the prefix is of the primary address all the same"


@pytest.mark.requirement("T-SV-015")
def test_the_secondary_address_advertises_the_primary_one() -> None:
    [answer] = server_bench(network=AS_MIREDO).take(SOLICITATION.payload, CLIENT_A_MAPPED, "secondary")
    assert answer.channel == "secondary"
    assert answer.data == PACKETS["ra-primary"].payload


@pytest.mark.requirement("T-SV-001")
def test_a_server_with_one_address_answers_all_but_the_cone_solicitation() -> None:
    bench = server_bench([vectors.SERVER_1])
    assert list(bench.channels) == [SERVER_1]
    assert [answer.channel for answer in bench.take_vector(SOLICITATION)] == ["primary"]
    assert refused(bench, PACKETS["rs-cone"].payload) == {"no-secondary": 1}


@pytest.mark.requirement("T-SV-016")
def test_whatever_link_local_address_asked_is_answered() -> None:
    vector = PACKETS["rs-windows-ll"]
    [answer] = server_bench().take_vector(vector)
    packet = IPv6Packet.parse(Payload.parse(answer.data).packet)
    assert packet.destination == IPv6Packet.parse(Payload.parse(vector.payload).packet).source


@pytest.mark.requirement("T-SV-018")
def test_nothing_of_one_client_shows_in_the_answer_to_the_next() -> None:
    bench = server_bench()
    bench.take_vector(SOLICITATION)
    [answer] = bench.take_vector(PACKETS["rs-restricted-plain"])
    assert vectors.NONCE not in answer.data
    assert Payload.parse(answer.data).authentication is None


@pytest.mark.requirement("T-SV-027")
def test_the_mtu_told_to_clients_is_the_one_of_the_profile() -> None:
    [answer] = server_bench(mtu=1400).take_vector(SOLICITATION)
    message = parse_icmpv6(IPv6Packet.parse(Payload.parse(answer.data).packet))
    assert isinstance(message, RouterAdvertisement)
    assert MtuOption(1400) in message.options
    assert [option.prefix.prefixlen for option in message.options if isinstance(option, PrefixInformation)] == [64]
    with pytest.raises(ValidationError, match="greater than or equal to 1280"):
        ServerSettings.model_validate({"addresses": ["192.0.2.1"], "mtu": 1279})


@pytest.mark.requirement("T-SV-028")
def test_a_server_names_its_native_address_to_be_asked_through_the_tunnel() -> None:
    bench = server_bench()

    def routes() -> list[str]:
        [answer] = bench.take_vector(SOLICITATION)
        message = parse_icmpv6(IPv6Packet.parse(Payload.parse(answer.data).packet))
        assert isinstance(message, RouterAdvertisement)
        return [str(route.prefix) for route in message.routes]

    assert routes() == [f"{RELAY_NATIVE}/128"]
    bench.tunnel.network_changed(Network(native_ipv6=True, native_source=IPv6Address("2001:db8:2::2")), bench.now)
    assert routes() == ["2001:db8:2::2/128"]
    bench.tunnel.network_changed(Network(native_source=IPv6Address("fd00::1")), bench.now)
    assert routes() == [], "nobody reaches that through a relay"


def _solicitation(**changes: int) -> bytes:
    return icmpv6_packet(RouterSolicitation(), CLIENT_LINK_LOCAL, ALL_ROUTERS, **changes).serialize()


def _without_checksum() -> bytes:
    packet = bytearray(_solicitation())
    packet[42] ^= 0xFF
    return bytes(packet)


@pytest.mark.requirement("T-SV-024", "T-SV-006", "T-SV-009")
@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(_solicitation(hop_limit=254), id="hop limit 254"),
        pytest.param(_without_checksum(), id="a wrong checksum"),
        pytest.param(icmpv6_packet(OtherIcmp(133, 1, bytes(4)), CLIENT_LINK_LOCAL, ALL_ROUTERS).serialize(), id="code 1"),
        pytest.param(icmpv6_packet(OtherIcmp(133, 0, bytes(3)), CLIENT_LINK_LOCAL, ALL_ROUTERS).serialize(), id="7 bytes"),
        pytest.param(icmpv6_packet(RouterSolicitation(), CLIENT_A, ALL_ROUTERS).serialize(), id="a source beyond the link"),
        pytest.param(icmpv6_packet(EchoRequest(1, 1), CLIENT_LINK_LOCAL, ALL_ROUTERS).serialize(), id="an echo request"),
        pytest.param(icmpv6_packet(RouterAdvertisement(), CLIENT_LINK_LOCAL, ALL_ROUTERS).serialize(), id="an RA"),
    ],
)
def test_a_solicitation_rfc_4861_refuses_is_not_answered(packet: bytes) -> None:
    assert refused(server_bench(), packet) == {"solicitation": 1}


@pytest.mark.requirement("T-SV-019", "T-PK-016")
def test_with_secure_qualification_the_answer_is_signed() -> None:
    [answer] = server_bench(network=AS_MIREDO, secure=[SECRET]).take_vector(PACKETS["rs-secure-hmac-sha1"])
    assert answer.data == PACKETS["ra-secure-hmac-sha1"].payload


@pytest.mark.requirement("T-SV-019")
@pytest.mark.parametrize("name", ["rs-restricted-nonce", "rs-restricted-plain"])
def test_with_secure_qualification_strangers_get_no_answer(name: str) -> None:
    assert refused(server_bench(secure=[SECRET]), PACKETS[name].payload) == {"unsigned": 1}


@pytest.mark.requirement("T-SV-019")
@pytest.mark.parametrize("changed", [4, 12, -1], ids=["identifier", "value", "packet"])
def test_a_changed_byte_breaks_the_signature(changed: int) -> None:
    payload = bytearray(PACKETS["rs-secure-hmac-sha1"].payload)
    payload[changed] ^= 1
    counted = refused(server_bench(secure=[SECRET]), bytes(payload))
    assert counted in ({"unsigned": 1}, {"solicitation": 1})


def test_each_client_has_a_secret_of_its_own() -> None:
    bench = server_bench(secure=[SECRET, {"client_id": "bob", "secret": "another", "algorithm": "sha256"}])
    assert bench.take_vector(PACKETS["rs-secure-hmac-sha1"])
    with pytest.raises(ValidationError, match="same `client_id`"):
        server_bench(secure=[SECRET, SECRET])


# -- coming up --------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("T-SV-001")
def test_it_listens_on_both_addresses_and_is_up_then() -> None:
    bench = server_bench()
    assert list(bench.channels) == [SERVER_1, Endpoint(vectors.SERVER_1_SECONDARY, 3544)]
    [up] = bench.take_events(Up)
    assert (up.config.listening, up.config.forwarding, up.config.routes) == (True, True, ())
    [notice] = bench.take_events(Notice)
    assert notice.text == "clients use `method: {type: teredo, server: 203.0.113.120}`"


def test_behind_a_translating_provider_it_binds_the_hosts_own_addresses() -> None:
    bench = server_bench([vectors.SERVER_1], AS_MIREDO, bind=["10.1.2.3"])
    assert list(bench.channels) == [Endpoint(IPv4Address("10.1.2.3"), 3544)]
    assert bench.take(SOLICITATION.payload, CLIENT_A_MAPPED)[0].data == PACKETS["ra-primary"].payload
    with pytest.raises(ValidationError, match="`bind` has 1 addresses, `addresses` 2"):
        server_bench(bind=["10.1.2.3"])


def test_a_port_that_cannot_be_had_is_asked_for_again_and_the_other_given_back() -> None:
    bench = ServedBench(a_server([vectors.SERVER_1, vectors.SERVER_1_SECONDARY]))
    first, second = bench.take_events(OpenChannel)
    bench.answer(first, Failed(FailureCode.IN_USE, "udp 203.0.113.120:3544: address already in use"))
    bench.answer(second, Done(second.local))
    [down] = bench.take_events(Down)
    assert down.reason == "no UDP port: udp 203.0.113.120:3544: address already in use"
    assert "another Teredo server" in down.hint
    assert [closing.channel for closing in bench.take_events(CloseChannel)] == ["secondary"]
    assert bench.tunnel.status(bench.now).state == "not listening"
    bench.wait(RESTART_DELAY)
    assert bench.open().take_events(Up)
    assert bench.tunnel.status(bench.now).state == "listening"


@pytest.mark.requirement("T-SV-002")
def test_a_server_has_public_addresses() -> None:
    with pytest.raises(ValidationError, match=r"has 192\.168\.1\.1, which is not public; list its prefix"):
        server_bench([IPv4Address("192.168.1.1")])
    assert server_bench([IPv4Address("192.168.1.1")], private_deployment=["192.168.0.0/16"]).channels


def test_the_same_address_twice_is_refused() -> None:
    with pytest.raises(ValidationError, match="stands twice"):
        server_bench([vectors.SERVER_1, vectors.SERVER_1])


def test_without_a_relay_packets_of_the_host_go_nowhere() -> None:
    bench = server_bench()
    assert bench.send(udp_packet(NATIVE_HOST, CLIENT_A)) == []
    assert bench.dropped() == {"destination": 1}


@pytest.mark.requirement("T-SE-006")
def test_what_was_done_is_counted() -> None:
    bench = server_bench()
    bench.take_vector(SOLICITATION)
    bench.take(knock(CLIENT_A, OUR_CLIENT), CLIENT_A_MAPPED)
    bench.take_vector(PACKETS["echo-test-request"])
    names = ("datagrams-received", "advertisements-sent", "packets-forwarded", "packets-delivered")
    assert [bench.count(name) for name in names] == [3, 1, 1, 1]


def test_it_stops_at_once() -> None:
    bench = server_bench()
    bench.tunnel.stop(bench.now)
    assert bench.take_events(Stopped)
    assert bench.tunnel.next_timeout() is None
