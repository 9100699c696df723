"""The client against a broker that says what it should not (docs/protocols/tsp.md sections 8, 16 and 17)."""

import base64
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

import pytest
from tests.tsp_world.scripted import BROKER, CAPABILITY, CLIENT, OFFER, OK, OURS, SERVER, Desk, offered, refusal

from tunnelmgr.api.datagrams import ChannelFailed, IcmpReceived
from tunnelmgr.api.errors import ExitCode
from tunnelmgr.api.events import PathUp
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr_tsp.constants import BACKOFF_MAX, KEEPALIVE_INTERVAL_MAX, KEEPALIVE_TIMEOUT, RETRANSMISSION_TIMEOUT
from tunnelmgr_tsp.wire.capability import TunnelType
from tunnelmgr_tsp.wire.datagrams import ControlMessage
from tunnelmgr_tsp.wire.framing import Reply, Status
from tunnelmgr_tsp.wire.messages import KeepaliveWish, Referral

ALICE: dict[str, Any] = {"user": "alice", "password": "wonder"}
CHALLENGE = base64.b64encode(b'realm="r",nonce="n",qop="auth",charset=utf-8') + b"\r\n"
WRONG_RSPAUTH = base64.b64encode(b"rspauth=" + b"0" * 32) + b"\r\n"


@pytest.mark.requirement("TSP-07", "TSP-04")
def test_the_dialogue_is_that_of_the_specification() -> None:
    desk = Desk()
    assert [request.split(b"\r\n")[0] for request in desk.requests] == [
        b"VERSION=2.0.0",
        b"AUTHENTICATE ANONYMOUS",
        b"Content-length: 215",
        b"Content-length: 35",
    ]
    assert b'<address type="ipv4">203.0.113.5</address>' in desk.requests[2]
    (up,) = desk.ups
    assert str(up.config.addresses[0]) == f"{CLIENT}/128"
    assert up.probe == (SERVER,)
    (path,) = [event for event in desk.said if isinstance(event, PathUp)]
    assert (path.remote, path.local) == (BROKER, IPv6Network(CLIENT))
    assert IPv6Network(CLIENT) in path.ingress, "nobody outside speaks with our own address"


CODES = [
    (300, True, ExitCode.NO_PERMISSION, "refused anonymous users"),
    (301, False, ExitCode.REFUSED, "no free tunnel"),
    (302, True, ExitCode.PROTOCOL, "does not speak TSP 2.0"),
    (303, True, ExitCode.REFUSED, "does not offer this type"),
    (310, False, ExitCode.REFUSED, "internal error 310"),
    (500, True, ExitCode.PROTOCOL, "malformed"),
    (501, False, ExitCode.REFUSED, "does not accept our address"),
    (502, False, ExitCode.REFUSED, "does not accept our address"),
    (506, False, ExitCode.REFUSED, "has a tunnel for our address or account already"),
    (507, False, ExitCode.REFUSED, "cannot give a prefix"),
    (509, False, ExitCode.REFUSED, "cannot delegate reverse DNS"),
    (518, False, ExitCode.REFUSED, "cannot give a prefix"),
    (520, False, ExitCode.REFUSED, "cannot give a prefix"),
    (521, False, ExitCode.REFUSED, "still works on an earlier request"),
    (522, False, ExitCode.REFUSED, "users with an account only"),
    (530, False, ExitCode.REFUSED, "is busy"),
    (599, False, ExitCode.REFUSED, "lost patience"),
    (555, False, ExitCode.REFUSED, "code 555"),
]


@pytest.mark.parametrize(("code", "permanent", "exit_code", "words"), CODES)
def test_every_status_code_has_its_words_and_its_fate(code: int, permanent: bool, exit_code: ExitCode, words: str) -> None:
    desk = Desk({"create": refusal(code, "evil \x1b[31m words")})
    down = desk.downs[0]
    assert words in down.reason
    assert "\x1b" not in down.reason
    assert (down.permanent, down.code) == (permanent, exit_code)
    asked = desk.count(b"create")
    desk.run(BACKOFF_MAX - 1)
    assert (desk.count(b"create") == asked) is (permanent or code in {501, 502, 506})


@pytest.mark.requirement("TSP-13")
def test_a_code_nobody_knows_is_permanent_after_three_tries() -> None:
    desk = Desk({"create": refusal(444)})
    desk.run(3 * BACKOFF_MAX)
    assert desk.count(b"create") == 3
    assert [down.permanent for down in desk.downs] == [False, False, True]


@pytest.mark.parametrize("stage", ["VERSION", "AUTHENTICATE", "create", "accept"])
def test_a_refusal_at_any_stage_is_understood(stage: str) -> None:
    desk = Desk({stage: b"310 Server side error\r\n"})
    assert "internal error 310" in desk.downs[0].reason
    assert desk.ups == []


@pytest.mark.requirement("TSP-07")
def test_another_version_is_not_tried() -> None:
    desk = Desk({"VERSION": b"302 Unsupported client version\r\n"})
    desk.run(3 * BACKOFF_MAX)
    assert desk.requests == [b"VERSION=2.0.0\r\n"]
    assert desk.downs[-1].permanent


@pytest.mark.requirement("TSP-11")
def test_a_broker_that_cannot_choose_is_asked_for_udp_and_then_for_protocol_41() -> None:
    unable = offered(type=TunnelType.V6ANYV4)
    desk = Desk({"create": [unable, refusal(303), offered(type=TunnelType.V6V4)]})
    created = [request for request in desk.requests if b"create" in request]
    assert [request.partition(b'type="')[2].partition(b'"')[0] for request in created] == [b"v6anyv4", b"v6udpv4", b"v6v4"]
    assert desk.count(b"reject") == 1
    assert len(desk.ups) == 1


@pytest.mark.requirement("TSP-15", "TSP-16")
def test_the_broker_decides_how_often_it_is_asked_for_life() -> None:
    desk = Desk({"create": offered(keepalive=KeepaliveWish(100, SERVER))}, keepalive=10)
    desk.run(3000)
    waits = [after - before for before, after in zip(desk.echoes, desk.echoes[1:], strict=False)]
    assert all(75 <= wait <= 100 for wait in waits)
    assert len({round(wait) for wait in waits}) > 5, "spread over the interval"


@pytest.mark.requirement("TSP-12")
def test_without_a_wish_for_keepalives_the_nat_is_kept_open_and_silence_is_no_failure() -> None:
    desk = Desk({"create": offered(keepalive=None)})
    desk.echo_works = False
    desk.run(20 * 30)
    assert 20 <= len(desk.echoes) <= 28
    assert desk.count(b"VERSION") == 1
    assert desk.downs == []


@pytest.mark.requirement("TSP-17")
def test_three_lost_echoes_make_a_new_session_and_a_minute_later_the_tunnel_is_down() -> None:
    desk = Desk()
    desk.run(30)
    desk.echo_works = False
    desk.answers["VERSION"] = None
    desk.run(30 + 3 * 5)
    assert "tsp.reconnecting" in desk.notices
    assert desk.downs == []
    desk.run(60)
    assert "no answer through the tunnel" in desk.downs[0].reason


@pytest.mark.requirement("TSP-17")
def test_a_busy_tunnel_whose_echoes_are_lost_does_not_flap() -> None:
    desk = Desk()
    desk.echo_works = False
    for _ in range(100):
        desk.hear(IPv6Packet(IPv6Address("2001:db8:6::1"), CLIENT, IpProtocol.UDP, bytes(8)).serialize())
        desk.run(KEEPALIVE_TIMEOUT / 2)
    assert desk.count(b"VERSION") == 1
    assert len(desk.client.outbox.drain_packets()) == 100


@pytest.mark.parametrize(
    "changes",
    [
        {"client_ipv6": IPv6Address("::")},
        {"client_ipv6": IPv6Address("::1")},
        {"client_ipv6": IPv6Address("fe80::1")},
        {"client_ipv6": IPv6Address("ff02::1")},
        {"client_ipv6": IPv6Address("::ffff:192.0.2.1")},
        {"client_ipv6": SERVER},
        {"server_ipv6": IPv6Address("ff02::1")},
        {"client_ipv6": IPv6Address("fec0::1")},
        {"client_ipv6": IPv6Address("64:ff9b::1")},
        {"prefix": IPv6Network("::/0")},
        {"prefix": IPv6Network("2000::/8")},
        {"prefix": IPv6Network("2002::/16")},
        {"prefix": IPv6Network("2001:db8:9::/56")},
        {"prefix": IPv6Network("2001:db8:9::/65")},
        {"prefix": IPv6Network("fe80::/64")},
        {"prefix": IPv6Network("2001:db8:1::/48")},
        {"type": TunnelType.V4V6},
    ],
)
def test_an_offer_that_fails_a_check_is_rejected_and_never_configured(changes: dict[str, object]) -> None:
    desk = Desk({"create": offered(**changes)})
    assert desk.ups == []
    assert desk.count(b"reject") == 1
    assert "unusable" in desk.downs[0].reason


@pytest.mark.parametrize("length", [32, 48, 55])
def test_a_prefix_larger_than_asked_for_is_refused_with_the_way_to_have_it(length: int) -> None:
    prefix = IPv6Network(("2001:db8::", length))
    desk = Desk({"create": offered(prefix=prefix)}, prefix_length=56)
    assert desk.ups == []
    assert f"the prefix {prefix} is larger than the /56 asked for; change `prefix_length`" in desk.downs[0].reason


@pytest.mark.parametrize("where", ["client", "server", "dns", "prefix", "keepalive"])
def test_an_address_with_a_scope_id_is_none_whatever_stands_behind_it(where: str) -> None:
    fair = offered(
        client_ipv6=IPv6Address("2001:db8:1::c"),
        server_ipv6=IPv6Address("2001:db8:1::5"),
        dns=(IPv6Address("2001:db8:1::d"),),
        prefix=IPv6Network("2001:db8:2::/56"),
        keepalive=KeepaliveWish(30, IPv6Address("2001:db8:1::e")),
    )
    last = {"client": "1::c", "server": "1::5", "dns": "1::d", "prefix": "2::", "keepalive": "1::e"}[where]
    written = IPv6Address(f"2001:db8:{last}").exploded.encode()
    assert fair.count(written) >= 1
    desk = Desk({"create": fair.replace(written, b"fe80::1%$(reboot)".ljust(len(written)))}, prefix_length=56)
    assert desk.ups == []
    assert "bad" in desk.downs[0].reason


def test_a_keepalive_address_elsewhere_is_pinged_and_not_routed() -> None:
    desk = Desk({"create": offered(keepalive=KeepaliveWish(30, IPv6Address("2001:4860:4860::8888")))})
    assert desk.ups[0].config.routes == ()
    desk = Desk({"create": offered(keepalive=KeepaliveWish(30, SERVER))})
    assert desk.ups[0].config.routes == (IPv6Network(SERVER),)
    assert desk.ups[0].config.far_end == "broker 192.0.2.1"


@pytest.mark.parametrize("claimed", ["127.0.0.1", "224.0.0.1", "255.255.255.255", "192.168.1.5", "100.64.0.1"])
def test_a_broker_on_the_internet_cannot_see_us_by_an_address_that_is_not_there(claimed: str) -> None:
    desk = Desk({"create": offered(client_ipv4=IPv4Address(claimed))})
    assert desk.client.status(desk.now).facts["seen_as"] is None


def test_resolvers_that_cannot_be_are_left_out() -> None:
    told = ("2001:db8::53", "::1", "fe80::1", "ff02::1", "127.0.0.1", "224.0.0.1", "169.254.1.1", "192.0.2.53")
    desk = Desk({"create": offered(dns=tuple(map(ip_address, told)))})
    assert desk.ups[0].config.dns == (IPv6Address("2001:db8::53"), IPv4Address("192.0.2.53"))


NO_OTHERS = ("127.0.0.1", "224.0.0.1", "255.255.255.255", "0.0.0.0", str(OURS), "203.0.113.255")  # noqa: S104
"""The last is the broadcast address of our link."""


@pytest.mark.parametrize("server", NO_OTHERS)
def test_protocol_41_to_no_other_host_is_refused(server: str) -> None:
    desk = Desk({"create": offered(type=TunnelType.V6V4, server_ipv4=IPv4Address(server))})
    assert desk.ups == []
    assert "cannot be the server's IPv4 address" in desk.downs[0].reason


def test_a_tunnel_of_a_type_not_asked_for_is_refused() -> None:
    desk = Desk({"create": offered(type=TunnelType.V6V4)}, tunnel="v6udpv4")
    assert desk.ups == []
    assert "type v6v4, asked for v6udpv4" in desk.downs[0].reason


@pytest.mark.parametrize("interval", [1, 10**9])
@pytest.mark.parametrize("lifetime", [0, 10**9, None])
def test_numbers_beyond_reason_are_brought_within(interval: int, lifetime: int | None) -> None:
    answer = offered(keepalive=KeepaliveWish(interval, IPv6Address("fe80::1")), lifetime=lifetime or 0)
    desk = Desk({"create": answer if lifetime is not None else answer.replace(b' lifetime="0"', b" " * 13)})
    desk.run(2 * KEEPALIVE_INTERVAL_MAX)
    assert len(desk.ups) == 1
    assert 2 <= len(desk.echoes) < 400
    assert desk.downs == []


def test_no_prefix_although_one_was_asked_for_is_a_warning() -> None:
    desk = Desk(prefix_length=56, **ALICE, auth="plain")
    desk.answers |= {"\0alice": OK, "AUTHENTICATE": b""}
    desk.run(RETRANSMISSION_TIMEOUT)
    assert len(desk.ups) == 1
    assert "tsp.no-prefix" in desk.notices


@pytest.mark.parametrize(
    "proof", [OK, WRONG_RSPAUTH, b"\r\n", b"not base64 at all\r\n", base64.b64encode(b"rspauth=") + b"\r\n"]
)
def test_a_broker_that_cannot_prove_itself_is_left_at_once(proof: bytes) -> None:
    desk = Desk({"AUTHENTICATE": CHALLENGE, "Y2hh": proof}, **ALICE)
    assert desk.ups == []
    assert desk.count(b"create") == 0
    desk.run(BACKOFF_MAX)
    assert desk.count(b"wonder") == 0
    if proof != OK:
        assert "possible impostor" in desk.downs[0].reason
        assert desk.downs[0].permanent


@pytest.mark.parametrize("challenge", [OK, b"!!!\r\n", b"\r\n", base64.b64encode(b'realm="x"') + b"\r\n", b"\xff" * 3000])
def test_a_challenge_that_makes_no_sense_ends_the_session(challenge: bytes) -> None:
    desk = Desk({"AUTHENTICATE": challenge}, **ALICE)
    assert desk.ups == []
    assert "broke the protocol" in desk.downs[0].reason


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense",
        b"Content-length: 0\r\n",
        b"Content-length: -1\r\nx",
        b"Content-length: 18446744073709551616\r\n",
        b"Content-length: 99\r\n200 OK\r\n",
        b"Content-length: 13\r\n200 Success\r\n",
        offered().replace(b"200", b"2\x0000"),
        offered()[:-40],
        b"1301 full\r\n",
        b"1301 full\r\n<tunnel><broker></broker></tunnel>",
        b"\0" * 60000,
    ],
)
def test_an_answer_that_makes_no_sense_ends_the_session_and_not_the_client(answer: bytes) -> None:
    desk = Desk({"create": answer})
    assert desk.ups == []
    assert desk.downs
    desk.answers["create"] = offered()
    desk.run(BACKOFF_MAX)
    assert len(desk.ups) == 1


@pytest.mark.parametrize(
    "capability", [b"CAPABILITY\r\n", b"\r\n", b"200 Success\r\n", b"CAPABILITY AUTH=\r\n", b"CAPABILITY " + b"X=Y " * 9999]
)
def test_a_broker_that_offers_nothing_gives_nothing(capability: bytes) -> None:
    desk = Desk({"VERSION": capability})
    assert desk.ups == []
    assert desk.downs


def test_a_capability_in_lower_case_without_line_end_is_understood() -> None:
    assert len(Desk({"VERSION": CAPABILITY.lower().strip()}).ups) == 1


@pytest.mark.requirement("TSP-18")
def test_a_thousand_brokers_are_not_all_asked() -> None:
    many = Referral(tuple(f"198.51.100.{number}" for number in range(1, 200)))
    listing = b"1200 Go\r\n" + many.serialize()
    desk = Desk({"VERSION": listing})
    assert desk.count(b"VERSION") <= 2 * (1 + 5 * 16), "twice, since the first retry comes at once"
    assert desk.downs


@pytest.mark.parametrize(
    "data",
    [b"", b"\xf0", b"\xf0\0\0\xf0\0\0\0", b"\x45" + bytes(40), b"\xff" * 65507, b"\x60" + bytes(39), b"\x60" + bytes(10)],
)
def test_strange_datagrams_are_dropped_in_every_state(data: bytes) -> None:
    for answers in ({}, {"VERSION": None}, {"create": None}, {"accept": None}):
        desk = Desk(answers)  # type: ignore[arg-type]
        before = len(desk.ups)
        desk.hear(data)
        desk.hear(data, remote=Endpoint(IPv4Address("198.51.100.66"), 1))
        desk.hear(data, channel="no-such-channel")
        assert len(desk.ups) == before
        assert desk.client.outbox.drain_packets() == []


def test_an_answer_to_another_request_or_from_elsewhere_changes_nothing() -> None:
    desk = Desk({"VERSION": None})
    desk.hear(ControlMessage(239, 0, CAPABILITY).serialize())
    desk.hear(ControlMessage(240, 0, CAPABILITY).serialize(), remote=Endpoint(BROKER.address, 9))
    assert desk.count(b"AUTHENTICATE") == 0
    desk.hear(ControlMessage(240, 0, CAPABILITY).serialize())
    desk.hear(ControlMessage(240, 0, CAPABILITY).serialize())
    assert desk.count(b"AUTHENTICATE") == 1
    assert len(desk.ups) == 1


@pytest.mark.parametrize("source", [CLIENT, IPv6Address("fe80::1"), IPv6Address("ff02::1"), IPv6Address("::1")])
def test_packets_with_sources_that_cannot_be_are_dropped(source: IPv6Address) -> None:
    desk = Desk()
    desk.hear(IPv6Packet(source, CLIENT, IpProtocol.FRAGMENT, bytes(16)).serialize())
    desk.hear(IPv6Packet(SERVER, IPv6Address("2001:db8::99"), IpProtocol.FRAGMENT, bytes(16)).serialize())
    assert desk.client.outbox.drain_packets() == []


def test_a_fragment_for_us_arrives_and_one_of_ours_leaves_from_our_address_only() -> None:
    desk = Desk()
    fragment = IPv6Packet(IPv6Address("2001:db8:6::1"), CLIENT, IpProtocol.FRAGMENT, bytes(16)).serialize()
    desk.hear(fragment)
    assert desk.client.outbox.drain_packets() == [fragment]
    desk.client.receive_packet(fragment, desk.now)
    assert desk.client.outbox.drain_datagrams() == [], "no loop for what the default route brings back"
    ours = IPv6Packet(CLIENT, IPv6Address("2001:db8:6::1"), IpProtocol.FRAGMENT, bytes(16)).serialize()
    desk.client.receive_packet(ours, desk.now)
    assert [datagram.data for datagram in desk.client.outbox.drain_datagrams()] == [ours]


def test_a_closed_port_ends_the_waiting_and_a_closed_broker_the_tunnel() -> None:
    desk = Desk({"VERSION": None})
    desk.client.channel_changed(IcmpReceived("tsp-1", 3, 3, 0, None, BROKER, b""), desk.now)
    desk.turn()
    assert "does not answer" in desk.downs[0].reason
    desk = Desk()
    desk.client.channel_changed(IcmpReceived("tsp-1", 3, 3, 0, None, BROKER, b""), desk.now)
    desk.turn()
    assert desk.count(b"VERSION") == 2
    desk.client.channel_changed(ChannelFailed("tsp-1", 101), desk.now)
    desk.turn()
    assert desk.downs == []


@pytest.mark.requirement("TSP-03")
def test_a_silent_broker_is_given_up_after_five_sends() -> None:
    desk = Desk({"VERSION": None})
    desk.run(30.9)
    assert desk.count(b"VERSION") == 5
    assert desk.downs == []
    desk.run(0.2)
    assert desk.downs[0].code is ExitCode.NO_ANSWER


def test_what_a_broker_gives_is_told_to_the_user() -> None:
    desk = Desk({"create": offered(client_ipv4=IPv4Address("198.51.100.9"), name="me.example")})
    facts = desk.client.status(desk.now).facts
    assert facts["broker"] == "192.0.2.1"
    assert facts["seen_as"] == "198.51.100.9"
    assert facts["name"] == "me.example"
    assert facts["encrypted"] is False
    assert OFFER.client_ipv4 == OURS


def test_an_unframed_refusal_of_create_is_read() -> None:
    assert "is busy" in Desk({"create": Reply(Status(530, "x")).status.serialize()}).downs[0].reason
