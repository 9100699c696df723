"""The server, check by check (docs/protocols/teredo.md section 6), on the vectors where there is one."""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

import pytest
from pydantic import ValidationError
from tests.teredo_world import vectors
from tests.teredo_world.bench import udp_packet
from tests.teredo_world.served_bench import (
    NETWORK,
    SERVER_1,
    SERVER_2,
    ServedBench,
    a_server,
    echo_request,
    knock,
    objects_of,
    second_server,
    server_bench,
)
from tests.teredo_world.vectors import CLIENT_A, CLIENT_A_MAPPED, NATIVE_HOST, PACKETS, RELAY

from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.effects import CloseChannel, Done, Failed, FailureCode, OpenChannel
from tunnelmgr.api.events import Down, Notice, Stopped, Up
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets import (
    DestinationUnreachable,
    EchoReply,
    EchoRequest,
    IPv6Packet,
    MtuOption,
    OtherIcmpv6,
    PrefixInformation,
    RouterAdvertisement,
    RouterSolicitation,
    UnreachableCode,
    icmpv6_packet,
    parse_icmpv6,
)
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr_teredo.address import TeredoAddress, server_link_local
from tunnelmgr_teredo.constants import ALL_ROUTERS, CLIENT_LINK_LOCAL, GUESTS_MAX, TEREDO_PREFIX
from tunnelmgr_teredo.guests import Signatories
from tunnelmgr_teredo.server_settings import ServerSettings
from tunnelmgr_teredo.wire import Authentication, OriginIndication, Payload

STRANGER = Endpoint(IPv4Address("198.51.100.77"), 40000)
SECRET = {"client_id": "alice", "secret": "correct horse battery"}
SOLICITATION = PACKETS["rs-restricted-nonce"]


def client_of(server: IPv4Address, mapped: Endpoint) -> IPv6Address:
    return TeredoAddress(server, 0, mapped).ipv6


OUR_CLIENT = client_of(vectors.SERVER_1, Endpoint(IPv4Address("192.0.2.50"), 5000))


def own_client_at(address: str, port: int = 5000) -> IPv6Address:
    return client_of(vectors.SERVER_1, Endpoint(IPv4Address(address), port))


def refused(bench: ServedBench, payload: bytes, remote: Endpoint = CLIENT_A_MAPPED) -> dict[str, int]:
    """Give the server a datagram that must have no effect; return what was counted."""
    before = bench.dropped()
    assert bench.take(payload, remote) == []
    assert bench.delivered() == []
    counted = bench.dropped()
    return {reason: count - before.get(reason, 0) for reason, count in counted.items() if count != before.get(reason)}


# -- answering solicitations -----------------------------------------------------------------------------------------------


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
    [answer] = server_bench().take_vector(PACKETS[asked])
    assert answer == Datagram(channel, PACKETS[answered].payload, PACKETS[answered].destination)


@pytest.mark.requirement("T-SV-017")
def test_a_cone_solicitation_to_the_secondary_address_is_answered_from_the_primary() -> None:
    [answer] = server_bench().take(PACKETS["rs-cone"].payload, CLIENT_A_MAPPED, "secondary")
    assert answer.channel == "primary"
    assert answer.data == PACKETS["ra-from-secondary"].payload, "the prefix is of the primary address all the same"


@pytest.mark.requirement("T-SV-015")
def test_the_secondary_address_advertises_the_primary_one() -> None:
    [answer] = server_bench().take(SOLICITATION.payload, CLIENT_A_MAPPED, "secondary")
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
        pytest.param(icmpv6_packet(OtherIcmpv6(133, 1, bytes(4)), CLIENT_LINK_LOCAL, ALL_ROUTERS).serialize(), id="code 1"),
        pytest.param(icmpv6_packet(OtherIcmpv6(133, 0, bytes(3)), CLIENT_LINK_LOCAL, ALL_ROUTERS).serialize(), id="7 bytes"),
        pytest.param(icmpv6_packet(RouterSolicitation(), CLIENT_A, ALL_ROUTERS).serialize(), id="a source beyond the link"),
        pytest.param(icmpv6_packet(EchoRequest(1, 1), CLIENT_LINK_LOCAL, ALL_ROUTERS).serialize(), id="an echo request"),
        pytest.param(icmpv6_packet(RouterAdvertisement(), CLIENT_LINK_LOCAL, ALL_ROUTERS).serialize(), id="an RA"),
    ],
)
def test_a_solicitation_rfc_4861_refuses_is_not_answered(packet: bytes) -> None:
    assert refused(server_bench(), packet) == {"solicitation": 1}


@pytest.mark.requirement("T-SV-019", "T-PK-016")
def test_with_secure_qualification_the_answer_is_signed() -> None:
    [answer] = server_bench(secure=[SECRET]).take_vector(PACKETS["rs-secure-hmac-sha1"])
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


# -- what is not taken -----------------------------------------------------------------------------------------------------


@pytest.mark.requirement("T-SV-003", "T-PK-001")
@pytest.mark.parametrize("name", ["neg-auth-truncated", "neg-origin-before-auth", "neg-empty", "neg-data-version4"])
def test_payloads_that_are_no_teredo_are_dropped(name: str) -> None:
    assert refused(server_bench(), PACKETS[name].payload) == {"malformed": 1}


@pytest.mark.requirement("T-SV-004")
def test_data_does_not_go_through_a_server() -> None:
    assert refused(second_server(), PACKETS["neg-server-data"].payload) == {"protocol": 1}


@pytest.mark.requirement("T-SV-004")
def test_no_next_header_with_something_behind_it_is_no_bubble() -> None:
    packet = IPv6Packet(CLIENT_A, OUR_CLIENT, IpProtocol.NO_NEXT_HEADER, b"data").serialize()
    assert refused(server_bench(), packet) == {"protocol": 1}


@pytest.mark.requirement("T-SV-005", "T-AD-007")
@pytest.mark.parametrize("remote", ["192.168.1.10", "10.0.0.1", "127.0.0.1", "169.254.1.1", "224.0.0.1", "255.255.255.255"])
def test_nobody_asks_from_an_address_that_is_not_global(remote: str) -> None:
    assert refused(server_bench(), SOLICITATION.payload, Endpoint(IPv4Address(remote), 4096)) == {"outer-source": 1}
    assert refused(server_bench(), SOLICITATION.payload, Endpoint(STRANGER.address, 0)) == {"outer-source": 1}


@pytest.mark.requirement("T-SV-005", "T-AD-010")
def test_a_private_deployment_serves_private_clients() -> None:
    vector = PACKETS["neg-server-rs-private-src"]
    assert server_bench().take_vector(vector) == []
    assert server_bench(private_deployment=["192.168.0.0/16"]).take_vector(vector)


@pytest.mark.requirement("T-SV-020")
@pytest.mark.parametrize("address", [vectors.SERVER_1, vectors.SERVER_1_SECONDARY])
def test_what_comes_from_the_server_itself_goes_in_no_circle(address: IPv4Address) -> None:
    bench = server_bench()
    assert refused(bench, SOLICITATION.payload, Endpoint(address, 3544)) == {"loop": 1}
    assert refused(bench, knock(CLIENT_A, own_client_at(str(address))), CLIENT_A_MAPPED) == {"loop": 1}
    assert refused(second_server(), PACKETS["neg-server-self-loop"].payload) == {"loop": 1}


@pytest.mark.requirement("T-SV-020")
def test_two_servers_pass_a_bubble_on_once_and_no_more() -> None:
    """The bubble's destination embeds the first server's own address and port."""
    [forwarded] = second_server().take_vector(PACKETS["neg-server-server-loop"])
    assert forwarded.remote == SERVER_1
    assert refused(server_bench(), forwarded.data, SERVER_2) == {"mismatch": 1}


@pytest.mark.requirement("T-SV-007")
def test_a_client_speaks_for_itself_only() -> None:
    assert refused(second_server(), PACKETS["neg-server-spoofed-teredo-src"].payload, STRANGER) == {"mismatch": 1}
    same_address = Endpoint(CLIENT_A_MAPPED.address, CLIENT_A_MAPPED.port + 1)
    assert refused(server_bench(), knock(CLIENT_A, OUR_CLIENT), same_address) == {"mismatch": 1}


@pytest.mark.requirement("T-SV-008")
@pytest.mark.parametrize("name", ["bubble-relay", "bubble-relay-linklocal"])
def test_a_relay_knocks_at_our_clients(name: str) -> None:
    vector = PACKETS[name]
    [forwarded] = second_server().take_vector(vector)
    payload = Payload.parse(forwarded.data)
    assert payload.origin == OriginIndication(RELAY)
    assert payload.packet == Payload.parse(vector.payload).packet


@pytest.mark.requirement("T-SV-008")
def test_a_relay_knocks_at_nobody_elses_clients() -> None:
    assert refused(server_bench(), PACKETS["neg-server-foreign-client"].payload, RELAY) == {"foreign-client": 1}
    assert refused(server_bench(), knock(NATIVE_HOST, IPv6Address("2001:db8::1")), RELAY) == {"foreign-client": 1}


@pytest.mark.requirement("T-SV-008", "T-SV-009")
@pytest.mark.parametrize("source", ["::", "::1", "::ffff:192.0.2.1", "ff02::1", "fc00::1", "2001:db8:2::53"])
def test_nobody_knocks_from_a_source_that_cannot_be(source: str) -> None:
    """The last one is from the server's own link: nobody outside is there."""
    bench = server_bench()
    assert NETWORK.native_source is not None
    assert refused(bench, knock(IPv6Address(source), OUR_CLIENT), STRANGER) == {"inner-source": 1}


@pytest.mark.requirement("T-SV-008")
def test_a_link_local_source_may_send_bubbles_and_nothing_else() -> None:
    link_local = IPv6Address("fe80::1234")
    assert server_bench().take(knock(link_local, OUR_CLIENT), STRANGER)
    assert refused(server_bench(), echo_request(link_local, OUR_CLIENT), STRANGER) == {"inner-source": 1}


@pytest.mark.requirement("T-SV-010")
@pytest.mark.parametrize(
    "destination",
    ["::", "::1", "fe80::1", "ff02::1", "ff0e::1", "fc00::1", "fd12::1", "::ffff:192.0.2.1", "2002:c0a8:101::1"],
)
def test_nothing_goes_to_a_destination_that_is_not_global(destination: str) -> None:
    packet = echo_request(CLIENT_A, IPv6Address(destination))
    assert refused(server_bench(), packet) == {"scope": 1}


@pytest.mark.requirement("T-SV-011")
@pytest.mark.parametrize("name", ["neg-server-private-dst", "neg-server-multicast-dst"])
def test_no_bubble_goes_to_an_address_that_is_not_global(name: str) -> None:
    assert refused(second_server(), PACKETS[name].payload) == {"destination": 1}


@pytest.mark.requirement("T-SV-011")
def test_no_bubble_goes_to_port_0() -> None:
    assert refused(server_bench(), knock(CLIENT_A, own_client_at("192.0.2.50", 0))) == {"destination": 1}


# -- what is passed on -----------------------------------------------------------------------------------------------------


@pytest.mark.requirement("T-SV-012", "T-SV-013", "T-SV-014")
def test_a_bubble_is_passed_on_with_its_origin_and_its_trailers() -> None:
    [forwarded] = second_server().take_vector(PACKETS["bubble-indirect-nonce"])
    assert forwarded == Datagram("primary", PACKETS["bubble-origin"].payload, vectors.CLIENT_B_MAPPED)


@pytest.mark.requirement("T-SV-012")
def test_what_came_to_the_secondary_address_leaves_from_the_primary() -> None:
    vector = PACKETS["bubble-indirect-nonce"]
    [forwarded] = second_server().take(vector.payload, vector.source, "secondary")
    assert forwarded.channel == "primary"


@pytest.mark.requirement("T-SV-014")
@pytest.mark.parametrize("behind", ["0104a1b2c3d4", "4100", "01", "ff" * 40])
def test_trailers_are_passed_on_whatever_they_say(behind: str) -> None:
    [forwarded] = server_bench().take(knock(CLIENT_A, OUR_CLIENT) + bytes.fromhex(behind), CLIENT_A_MAPPED)
    assert Payload.parse(forwarded.data).behind == bytes.fromhex(behind)


@pytest.mark.requirement("T-SV-013")
def test_clients_of_other_servers_are_told_no_origin() -> None:
    destination = client_of(vectors.SERVER_2, Endpoint(IPv4Address("192.0.2.50"), 5000))
    [forwarded] = server_bench().take(knock(CLIENT_A, destination), CLIENT_A_MAPPED)
    assert forwarded.data == knock(CLIENT_A, destination)


def test_an_authentication_header_goes_no_further() -> None:
    payload = Payload(knock(CLIENT_A, OUR_CLIENT), Authentication(vectors.NONCE)).serialize()
    [forwarded] = server_bench().take(payload, CLIENT_A_MAPPED)
    assert Payload.parse(forwarded.data).authentication is None


@pytest.mark.requirement("T-SV-022")
def test_icmpv6_of_88_bytes_is_passed_on_and_of_89_not() -> None:
    [forwarded] = server_bench().take(echo_request(CLIENT_A, OUR_CLIENT, 80), CLIENT_A_MAPPED)
    assert len(Payload.parse(forwarded.data).packet) == 40 + 88
    assert refused(server_bench(), echo_request(CLIENT_A, OUR_CLIENT, 81)) == {"too-big": 1}
    assert refused(second_server(), PACKETS["neg-server-large-icmp"].payload) == {"too-big": 1}


@pytest.mark.requirement("T-SV-009")
@pytest.mark.parametrize("kind", [0, 5, 130, 133, 134, 135, 136, 137, 143, 255])
def test_of_icmpv6_only_echoes_and_errors_are_passed_on(kind: int) -> None:
    packet = icmpv6_packet(OtherIcmpv6(kind, 0, bytes(20)), CLIENT_A, OUR_CLIENT).serialize()
    assert refused(server_bench(), packet) == {"icmp-type": 1}


def test_errors_are_passed_on() -> None:
    error = DestinationUnreachable(UnreachableCode.ADDRESS_UNREACHABLE, knock(OUR_CLIENT, CLIENT_A))
    assert server_bench().take(icmpv6_packet(error, CLIENT_A, OUR_CLIENT).serialize(), CLIENT_A_MAPPED)


@pytest.mark.requirement("T-SV-023")
def test_an_echo_test_is_let_out_as_it_came() -> None:
    bench = server_bench()
    vector = PACKETS["echo-test-request"]
    assert bench.take_vector(vector) == []
    assert bench.delivered() == [vector.payload], "the source stays the client's"


@pytest.mark.requirement("T-SV-023")
def test_bubbles_are_not_let_out() -> None:
    assert refused(server_bench(), knock(CLIENT_A, NATIVE_HOST)) == {"scope": 1}


@pytest.mark.requirement("T-SV-021")
def test_an_echo_request_to_the_servers_own_address_is_answered() -> None:
    server = server_link_local(vectors.SERVER_1)
    [answer] = server_bench().take(echo_request(CLIENT_A, server), CLIENT_A_MAPPED, "secondary")
    assert (answer.channel, answer.remote) == ("secondary", CLIENT_A_MAPPED)
    packet = IPv6Packet.parse(answer.data)
    assert (packet.source, packet.destination) == (server, CLIENT_A)
    assert parse_icmpv6(packet) == EchoReply(7, 1, bytes(16))
    assert refused(server_bench(), knock(CLIENT_A, server)) == {"icmp-type": 1}


# -- limits ----------------------------------------------------------------------------------------------------------------


def sources(count: int, first: str = "198.51.100.0") -> list[Endpoint]:
    return [Endpoint(IPv4Address(first) + number, 40000) for number in range(count)]


def flood(bench: ServedBench, remotes: list[Endpoint], each: int, payload: Callable[[Endpoint], bytes]) -> int:
    """Send `each` datagrams from each source at one instant; return how many were answered or passed on."""
    return sum(len(bench.take(payload(remote), remote)) for remote in remotes for _ in range(each))


def solicitation(_: Endpoint) -> bytes:
    return SOLICITATION.payload


@pytest.mark.requirement("T-SV-025")
def test_one_address_is_answered_eight_times_and_four_times_a_second_from_then_on() -> None:
    bench = server_bench()
    assert flood(bench, [STRANGER], 20, solicitation) == 8
    bench.now += 1
    assert flood(bench, [STRANGER], 20, solicitation) == 4
    assert bench.dropped() == {"solicitation-limit": 28}


@pytest.mark.requirement("T-SV-025")
def test_a_network_under_fire_gets_no_more_than_its_share() -> None:
    """100,000 solicitations a second from one /24, a tenth of a second of them: the victim sees the burst and the rate."""
    bench = server_bench()
    assert flood(bench, sources(250), 40, solicitation) == 128
    bench.now += 1
    assert flood(bench, sources(250), 4, solicitation) == 64
    assert bench.take(SOLICITATION.payload, CLIENT_A_MAPPED), "other networks are answered all the while"


@pytest.mark.requirement("T-SV-025")
def test_there_is_a_limit_in_all() -> None:
    bench = server_bench()
    spread = [Endpoint(IPv4Address("1.0.0.1") + (number << 8), 40000) for number in range(6000)]
    assert flood(bench, spread, 1, solicitation) == 5000


@pytest.mark.requirement("T-SV-025")
def test_bubbles_to_one_address_are_limited_whoever_sends_them() -> None:
    """Thousands of Teredo addresses name the same victim."""
    bench = server_bench()

    def bubble_to_victim(remote: Endpoint) -> bytes:
        return knock(client_of(vectors.SERVER_2, remote), own_client_at("192.0.2.50", 1024 + int(remote.address) % 256))

    assert flood(bench, sources(200), 1, bubble_to_victim) == 64
    assert bench.dropped() == {"forward-limit": 136}
    assert bench.take(knock(CLIENT_A, own_client_at("192.0.2.51")), CLIENT_A_MAPPED)


@pytest.mark.requirement("T-SV-025")
def test_echo_tests_of_one_client_are_limited() -> None:
    bench = server_bench()
    for number in range(100):
        bench.take(echo_request(CLIENT_A, NATIVE_HOST + number), CLIENT_A_MAPPED)
    assert len(bench.delivered()) == 64
    assert bench.dropped() == {"echo-limit": 36}


@pytest.mark.requirement("T-SV-026")
def test_a_server_remembers_nobody_but_for_its_limits() -> None:
    """They keep 16,384 addresses: what holds no more after 24,000 than after 18,000 holds no more after a million."""
    bench = server_bench()

    def meet(first: int, count: int) -> int:
        for number in range(first, first + count):
            # Each in a network of its own.
            bench.take(SOLICITATION.payload, Endpoint(IPv4Address(0x10000001 + (number << 8)), 40000))
        return objects_of(bench.tunnel)

    after_18_000 = meet(0, 18_000)
    assert meet(18_000, 6_000) <= after_18_000 + 10


def test_limits_can_be_off_for_benchmarks() -> None:
    bench = server_bench(limits="off")
    assert flood(bench, [STRANGER], 100, solicitation) == 100
    assert bench.tunnel.status(0).facts["limits"] == "off"


# -- coming up -------------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("T-SV-001")
def test_it_listens_on_both_addresses_and_is_up_then() -> None:
    bench = server_bench()
    assert list(bench.channels) == [SERVER_1, Endpoint(vectors.SERVER_1_SECONDARY, 3544)]
    [up] = bench.take_events(Up)
    assert (up.config.listening, up.config.forwarding, up.config.routes) == (True, True, ())
    [notice] = bench.take_events(Notice)
    assert notice.text == "clients use `method: {type: teredo, server: 203.0.113.120}`"


def test_behind_a_translating_provider_it_binds_the_hosts_own_addresses() -> None:
    bench = server_bench([vectors.SERVER_1], bind=["10.1.2.3"])
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
    bench.wait(6)
    assert bench.open().take_events(Up)
    assert bench.tunnel.status(bench.now).state == "listening"


@pytest.mark.requirement("T-SV-002")
def test_a_server_has_public_addresses() -> None:
    with pytest.raises(ValidationError, match=r"192\.168\.1\.1 is not a public address; list its prefix"):
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


# -- with a relay beside it ------------------------------------------------------------------------------------------------


def far_end(**settings: object) -> ServedBench:
    return server_bench([vectors.SERVER_1, vectors.SERVER_1_SECONDARY], relay=True, **settings)


def test_the_relay_has_a_port_of_its_own() -> None:
    bench = far_end()
    assert bench.channels[Endpoint(vectors.SERVER_1, 3545)] == "relay"
    [up] = bench.take_events(Up)
    assert (up.config.routes, up.config.translate) == ((TEREDO_PREFIX,), ())


def test_with_nat66_the_clients_sources_are_translated_and_status_says_what_that_means() -> None:
    bench = far_end(exit="nat66")
    [up] = bench.take_events(Up)
    assert up.config.translate == (TEREDO_PREFIX,)
    assert up.details["exit"] == "nat66: outgoing only, clients appear as this host"
    assert bench.tunnel.status(0).facts["exit"] == up.details["exit"]


def test_the_relay_asks_our_own_clients_without_going_through_the_network() -> None:
    bench = far_end()
    [asked] = bench.send(udp_packet(NATIVE_HOST, CLIENT_A))
    assert (asked.channel, asked.remote) == ("primary", CLIENT_A_MAPPED)
    payload = Payload.parse(asked.data)
    assert payload.origin == OriginIndication(Endpoint(vectors.SERVER_1, 3545))
    bubble = IPv6Packet.parse(payload.packet)
    answer = knock(CLIENT_A, bubble.source)
    [sent] = bench.take(answer, CLIENT_A_MAPPED, "relay")
    assert (sent.channel, sent.remote) == ("relay", CLIENT_A_MAPPED)
    assert bench.take(udp_packet(CLIENT_A, NATIVE_HOST), CLIENT_A_MAPPED, "relay") == []
    assert len(bench.delivered()) == 1


def test_behind_a_translating_provider_the_relay_names_its_public_address() -> None:
    bench = server_bench([vectors.SERVER_1], bind=["10.1.2.3"], relay=True)
    assert Endpoint(IPv4Address("10.1.2.3"), 3545) in bench.channels
    [asked] = bench.send(udp_packet(NATIVE_HOST, CLIENT_A))
    assert Payload.parse(asked.data).origin == OriginIndication(Endpoint(vectors.SERVER_1, 3545))


def test_the_relay_asks_clients_of_other_servers_through_these() -> None:
    [asked] = far_end().send(udp_packet(NATIVE_HOST, vectors.CLIENT_B))
    assert (asked.channel, asked.remote) == ("relay", SERVER_2)


def test_the_relays_own_questions_are_limited_like_everybody_elses() -> None:
    bench = far_end(peers_max=4096)
    asked = [bench.send(udp_packet(NATIVE_HOST, own_client_at("192.0.2.50", 1024 + number))) for number in range(100)]
    assert sum(map(len, asked)) == 64
    assert bench.count("dropped-forward-limit") == 36


def test_status_counts_both_apart() -> None:
    bench = far_end()
    bench.take_vector(SOLICITATION)
    bench.take(knock(CLIENT_A, OUR_CLIENT), CLIENT_A_MAPPED, "relay")
    assert bench.count("datagrams-received") == bench.count("relay-datagrams-received") == 1
    assert bench.count("relay-dropped-no-entry") == 1
    bench.send(udp_packet(NATIVE_HOST, CLIENT_A))
    assert bench.tunnel.status(bench.now).peers_total == 1


def test_a_far_end_with_secrets_carries_nothing_for_strangers() -> None:
    """Whoever makes up an address of his own needs no advertisement to use it."""
    bench = far_end(secure=[SECRET])
    assert refused(bench, PACKETS["echo-test-request"].payload) == {"unsigned": 1}
    assert bench.send(udp_packet(NATIVE_HOST, CLIENT_A)) == []
    bench.take_vector(PACKETS["rs-secure-hmac-sha1"])
    bench.take_vector(PACKETS["echo-test-request"])
    assert len([packet for packet in bench.delivered() if packet == PACKETS["echo-test-request"].payload]) == 1
    assert len(bench.send(udp_packet(NATIVE_HOST, CLIENT_A))) == 1
    bench.now += 3601
    assert bench.send(udp_packet(NATIVE_HOST, CLIENT_A)) == []


def test_strangers_may_knock_at_the_clients_of_a_far_end_with_secrets() -> None:
    assert len(far_end(secure=[SECRET]).take(knock(CLIENT_A, OUR_CLIENT), CLIENT_A_MAPPED)) == 1


def test_mappings_of_clients_with_secrets_are_bounded() -> None:
    guests = Signatories()
    for number in range(GUESTS_MAX + 1):
        guests.welcome(Endpoint(IPv4Address(number), 1), 0.0)
        if number == 1:
            guests.welcome(Endpoint(IPv4Address(0), 1), 0.0)
    assert guests.admits(Endpoint(IPv4Address(0), 1), 1.0)
    assert not guests.admits(Endpoint(IPv4Address(1), 1), 1.0)
