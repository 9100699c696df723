"""What a server takes, and what it passes on to whom."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from tests.teredo_world import vectors
from tests.teredo_world.around_server import OUR_CLIENT, SOLICITATION, STRANGER, refused
from tests.teredo_world.served_bench import (
    NETWORK,
    SERVER_1,
    SERVER_2,
    echo_request,
    knock,
    second_server,
    server_bench,
)
from tests.teredo_world.vectors import CLIENT_A, CLIENT_A_MAPPED, NATIVE_HOST, PACKETS, RELAY, client_at

from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets.icmp import EchoReply, OtherIcmp
from tunnelmgr.api.packets.icmpv6 import icmpv6_packet, parse_icmpv6
from tunnelmgr.api.packets.icmpv6_errors import DestinationUnreachable, UnreachableCode
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr_teredo.wire.address import server_link_local
from tunnelmgr_teredo.wire.datagram import Authentication, OriginIndication, Payload

# -- what is not taken ------------------------------------------------------------------------------------------------

NEIGHBOUR = Endpoint(CLIENT_A_MAPPED.address, CLIENT_A_MAPPED.port + 1)
LINK_LOCAL = IPv6Address("fe80::1234")
BUBBLE_WITH_DATA = IPv6Packet(CLIENT_A, OUR_CLIENT, IpProtocol.NO_NEXT_HEADER, b"data").serialize()
NOT_GLOBAL = ["::", "::1", "fe80::1", "ff02::1", "ff0e::1", "fc00::1", "fd12::1", "::ffff:192.0.2.1", "2002:c0a8:101::1"]
NOT_PASSED_ON = [0, 5, 130, 133, 134, 135, 136, 137, 143, 255]
"""ICMPv6 types that are neither echoes nor errors."""
TO_FIRST = [
    pytest.param(BUBBLE_WITH_DATA, CLIENT_A_MAPPED, "protocol", id="a bubble with something in it"),
    pytest.param(knock(CLIENT_A, OUR_CLIENT), NEIGHBOUR, "mismatch", id="from another port of the client's address"),
    pytest.param(knock(NATIVE_HOST, IPv6Address("2001:db8::1")), RELAY, "foreign-client", id="from native to native"),
    pytest.param(PACKETS["neg-server-foreign-client"].payload, RELAY, "foreign-client", id="to a client of another server"),
    pytest.param(echo_request(LINK_LOCAL, OUR_CLIENT), STRANGER, "inner-source", id="more than a bubble from link-local"),
    pytest.param(knock(CLIENT_A, client_at("192.0.2.50", 0)), CLIENT_A_MAPPED, "destination", id="to port 0"),
    pytest.param(knock(CLIENT_A, NATIVE_HOST), CLIENT_A_MAPPED, "scope", id="a bubble to a native host"),
    *(pytest.param(echo_request(CLIENT_A, IPv6Address(to)), CLIENT_A_MAPPED, "scope", id=f"to {to}") for to in NOT_GLOBAL),
    *(
        pytest.param(
            icmpv6_packet(OtherIcmp(kind, 0, bytes(20)), CLIENT_A, OUR_CLIENT).serialize(),
            CLIENT_A_MAPPED,
            "icmp-type",
            id=f"ICMPv6 {kind}",
        )
        for kind in NOT_PASSED_ON
    ),
]
TO_SECOND = {
    "neg-auth-truncated": "malformed",
    "neg-origin-before-auth": "malformed",
    "neg-empty": "malformed",
    "neg-data-version4": "malformed",
    "neg-server-data": "protocol",
    "neg-server-spoofed-teredo-src": "mismatch",
    "neg-server-private-dst": "destination",
    "neg-server-multicast-dst": "destination",
    "neg-server-self-loop": "loop",
    "neg-server-large-icmp": "too-big",
}
"""Vectors by the reason the second server drops them for."""


@pytest.mark.requirement("T-SV-004", "T-SV-007", "T-SV-008", "T-SV-009", "T-SV-010", "T-SV-011", "T-SV-023")
@pytest.mark.parametrize(("payload", "remote", "reason"), TO_FIRST)
def test_what_a_server_must_not_take_is_dropped_for_its_reason(payload: bytes, remote: Endpoint, reason: str) -> None:
    assert refused(server_bench(), payload, remote) == {reason: 1}


@pytest.mark.requirement("T-SV-003", "T-PK-001", "T-SV-004", "T-SV-007", "T-SV-011", "T-SV-020", "T-SV-022")
@pytest.mark.parametrize(("name", "reason"), TO_SECOND.items())
def test_every_vector_a_server_must_not_take_is_dropped_for_its_reason(name: str, reason: str) -> None:
    remote = STRANGER if "spoofed" in name else PACKETS[name].source
    assert refused(second_server(), PACKETS[name].payload, remote) == {reason: 1}


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
    assert refused(bench, knock(CLIENT_A, client_at(str(address))), CLIENT_A_MAPPED) == {"loop": 1}


@pytest.mark.requirement("T-SV-020")
def test_two_servers_pass_a_bubble_on_once_and_no_more() -> None:
    """The bubble's destination embeds the first server's own address and port."""
    [forwarded] = second_server().take_vector(PACKETS["neg-server-server-loop"])
    assert forwarded.remote == SERVER_1
    assert refused(server_bench(), forwarded.data, SERVER_2) == {"mismatch": 1}


@pytest.mark.requirement("T-SV-008")
@pytest.mark.parametrize("name", ["bubble-relay", "bubble-relay-linklocal"])
def test_a_relay_knocks_at_our_clients(name: str) -> None:
    vector = PACKETS[name]
    [forwarded] = second_server().take_vector(vector)
    payload = Payload.parse(forwarded.data)
    assert payload.origin == OriginIndication(RELAY)
    assert payload.packet == Payload.parse(vector.payload).packet


@pytest.mark.requirement("T-SV-008", "T-SV-009")
@pytest.mark.parametrize("source", ["::", "::1", "::ffff:192.0.2.1", "ff02::1", "fc00::1", "2001:db8:2::53"])
def test_nobody_knocks_from_a_source_that_cannot_be(source: str) -> None:
    """The last one is from the server's own link: nobody outside is there."""
    bench = server_bench()
    assert NETWORK.native_source is not None
    assert refused(bench, knock(IPv6Address(source), OUR_CLIENT), STRANGER) == {"inner-source": 1}
    assert bench.take(knock(IPv6Address("2001:db8:77::53"), OUR_CLIENT), STRANGER), "from elsewhere somebody may"


# -- what is passed on ------------------------------------------------------------------------------------------------


@pytest.mark.requirement("T-SV-012", "T-SV-013", "T-SV-014")
def test_a_bubble_is_passed_on_with_its_origin_and_its_trailers() -> None:
    vector = PACKETS["bubble-indirect-nonce"]
    signed = Authentication(vectors.NONCE).serialize() + vector.payload
    for payload, channel in ((vector.payload, "primary"), (vector.payload, "secondary"), (signed, "primary")):
        [forwarded] = second_server().take(payload, vector.source, channel)
        assert forwarded == Datagram("primary", PACKETS["bubble-origin"].payload, vectors.CLIENT_B_MAPPED)


@pytest.mark.requirement("T-SV-014")
@pytest.mark.parametrize("behind", ["0104a1b2c3d4", "4100", "01", "ff" * 40])
def test_trailers_are_passed_on_whatever_they_say(behind: str) -> None:
    [forwarded] = server_bench().take(knock(CLIENT_A, OUR_CLIENT) + bytes.fromhex(behind), CLIENT_A_MAPPED)
    assert Payload.parse(forwarded.data).behind == bytes.fromhex(behind)


@pytest.mark.requirement("T-SV-013")
def test_clients_of_other_servers_are_told_no_origin() -> None:
    destination = client_at("192.0.2.50", server=vectors.SERVER_2)
    [forwarded] = server_bench().take(knock(CLIENT_A, destination), CLIENT_A_MAPPED)
    assert forwarded.data == knock(CLIENT_A, destination)


@pytest.mark.requirement("T-SV-022")
def test_icmpv6_of_88_bytes_is_passed_on_and_of_89_not() -> None:
    [forwarded] = server_bench().take(echo_request(CLIENT_A, OUR_CLIENT, 80), CLIENT_A_MAPPED)
    assert len(Payload.parse(forwarded.data).packet) == 40 + 88
    assert refused(server_bench(), echo_request(CLIENT_A, OUR_CLIENT, 81)) == {"too-big": 1}


@pytest.mark.requirement("T-SV-009")
def test_errors_are_passed_on() -> None:
    error = DestinationUnreachable(UnreachableCode.ADDRESS_UNREACHABLE, knock(OUR_CLIENT, CLIENT_A))
    assert server_bench().take(icmpv6_packet(error, CLIENT_A, OUR_CLIENT).serialize(), CLIENT_A_MAPPED)


@pytest.mark.requirement("T-SV-023")
def test_an_echo_test_is_let_out_as_it_came() -> None:
    bench = server_bench()
    vector = PACKETS["echo-test-request"]
    assert bench.take_vector(vector) == []
    assert bench.delivered() == [vector.payload], "the source stays the client's"


@pytest.mark.requirement("T-SV-021")
def test_an_echo_request_to_the_servers_own_address_is_answered() -> None:
    server = server_link_local(vectors.SERVER_1)
    [answer] = server_bench().take(echo_request(CLIENT_A, server), CLIENT_A_MAPPED, "secondary")
    assert (answer.channel, answer.remote) == ("secondary", CLIENT_A_MAPPED)
    packet = IPv6Packet.parse(answer.data)
    assert (packet.source, packet.destination) == (server, CLIENT_A)
    assert parse_icmpv6(packet) == EchoReply(7, 1, bytes(16))
    assert refused(server_bench(), knock(CLIENT_A, server)) == {"icmp-type": 1}
