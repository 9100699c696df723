"""The broker against clients that say what they should not, and those that spell things their own way."""

import base64
import itertools
import tracemalloc
from ipaddress import IPv4Address

import pytest
from tests.tsp_world.broker_desk import CLIENT, BrokerDesk
from tests.tsp_world.internets import broker_settings
from tests.tsp_world.talking import ACCEPT, ANONYMOUS, OURS, VERSION, challenged, create, log_in, set_up

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.api.events import Down, PathDown, Up
from tunnelmgr.api.network import Endpoint
from tunnelmgr_tsp.broker.dialogue import tunnel_type
from tunnelmgr_tsp.constants import (
    REOPEN_INTERVAL,
    REQUESTS_BURST,
    RSPAUTH_PAUSE,
    SESSION_TIMEOUT,
    SESSIONS_MAX,
    SESSIONS_PER_ADDRESS_MAX,
    SWEEP_INTERVAL,
)
from tunnelmgr_tsp.wire.capability import TunnelType
from tunnelmgr_tsp.wire.digest import DigestChallenge, DigestSecret, prove
from tunnelmgr_tsp.wire.framing import Medium, framed
from tunnelmgr_tsp.wire.messages import Action, BareRequest, Create, Offer

NAT = IPv4Address("203.0.113.5")


def test_a_session_of_gogoc_with_its_nul_and_its_version() -> None:
    desk = BrokerDesk(anonymous=True)
    assert desk.say(b"VERSION=2.0.2\r\n", 240) == [
        b"CAPABILITY TUNNEL=V6V4 TUNNEL=V6UDPV4 AUTH=ANONYMOUS AUTH=DIGEST-MD5\r\n"
    ]
    assert desk.say(b"AUTHENTICATE ANONYMOUS\r\n\0", 241) == [b"200 Success\r\n"]
    (offer,) = desk.say(create(), 242)
    header, _, body = offer.partition(b"\r\n")
    assert header == b"Content-length: %d" % len(body)
    assert b"<dns_server>\r\n" in body
    assert b">2001:0db8:0100:0000:0000:0000:0000:0002<" in body
    assert desk.paths == [], "nothing is configured before the offer is accepted"
    assert desk.say(ACCEPT, 243) == [b""]
    assert desk.paths == ["2001:db8:100::2/128"]


def test_a_repeated_request_is_answered_again_with_its_new_timestamp_and_done_once() -> None:
    desk = BrokerDesk()
    set_up(desk)
    for sequence, text in ((240, VERSION), (241, ANONYMOUS), (242, create()), (243, ACCEPT)):
        desk.say(text, sequence, timestamp=77)
    assert desk.counter("tunnels-set-up") == 1
    assert desk.counter("requests-repeated") == 4
    assert len(desk.broker.command("leases", {}, 0.0)["leases"]) == 1  # type: ignore[arg-type]


def test_a_request_repeated_while_the_database_thinks_is_answered_once_with_the_latest_timestamp() -> None:
    desk = BrokerDesk()
    log_in(desk)
    desk.held = []
    assert desk.say(create(), 242, timestamp=1) == []
    assert desk.say(create(), 242, timestamp=2) == []
    assert desk.say(create(), 243) == [], "nothing is pipelined"
    desk.release()
    (answer,) = desk.take()
    assert answer.data[:8].hex() == "f00000f200000002"


def test_a_database_that_fails_is_said_to_the_client_and_the_next_one_is_served() -> None:
    desk = BrokerDesk()
    log_in(desk)
    desk.leases_work = False
    for sequence in (242, 243):
        assert b"310 Server side error" in desk.say(create(), sequence)[0]
    assert [one.text for one in desk.broker.status(0.0).complaints] == ["no database"]
    assert desk.notices("tsp.leases-failed") == ["no database"], "said once"
    desk.leases_work = True
    assert b"200 Success" in desk.say(create(), 244)[0]
    assert desk.broker.status(0.0).complaints == ()


def test_a_broker_without_its_database_is_down_and_tries_again() -> None:
    desk = BrokerDesk(leases_work=False)
    assert desk.broker.status(0.0).state == "not listening"
    desk.leases_work = True
    desk.run(REOPEN_INTERVAL)
    assert [type(event) for event in desk.said if isinstance(event, Up | Down)] == [Down, Up]
    assert desk.broker.status(0.0).state == "listening"


@pytest.mark.parametrize(
    ("asked", "declared", "medium", "given"),
    [
        (TunnelType.V6ANYV4, NAT, Medium.UDP, TunnelType.V6V4),
        (TunnelType.V6ANYV4, NAT, Medium.TCP, TunnelType.V6V4),
        (TunnelType.V6ANYV4, OURS, Medium.UDP, TunnelType.V6UDPV4),
        (TunnelType.V6ANYV4, OURS, Medium.TCP, None),
        (TunnelType.V6V4, NAT, Medium.UDP, TunnelType.V6V4),
        (TunnelType.V6V4, OURS, Medium.UDP, None),
        (TunnelType.V6UDPV4, NAT, Medium.UDP, TunnelType.V6UDPV4),
        (TunnelType.V6UDPV4, OURS, Medium.UDP, TunnelType.V6UDPV4),
        (TunnelType.V6UDPV4, OURS, Medium.TCP, None),
        (TunnelType.V4V6, NAT, Medium.UDP, None),
    ],
)
@pytest.mark.requirement("TSP-01")
def test_the_tunnel_given_is_that_of_the_table(
    asked: TunnelType, declared: IPv4Address, medium: Medium, given: TunnelType | None
) -> None:
    offered = frozenset({TunnelType.V6V4, TunnelType.V6UDPV4})
    assert tunnel_type(Create(asked, declared), NAT, medium, offered) is given
    assert tunnel_type(Create(asked, declared, proxy=True), NAT, medium, offered) is None


@pytest.mark.requirement("TSP-07")
@pytest.mark.parametrize(
    ("version", "known"), [("2.0.0", True), ("2.0.7", True), ("1.0.1", False), ("2.1.0", False), ("", False)]
)
def test_any_2_0_is_spoken_and_nothing_else(version: str, known: bool) -> None:
    (answer,) = BrokerDesk().say(f"VERSION={version}\r\n".encode(), 240)
    assert answer.startswith(b"CAPABILITY" if known else b"302 ")


def test_an_echo_request_is_answered_without_a_session() -> None:
    desk = BrokerDesk()
    assert desk.say(b"ECHO REQUEST", 7) == [b"200 Success\r\n"]
    assert desk.broker.status(0.0).facts["sessions"] == 0


def try_password(desk: BrokerDesk, name: str, password: str, sequence: int = 241) -> bytes:
    """Answer a challenge; return what the broker says to that."""
    (line,) = desk.say(b"AUTHENTICATE DIGEST-MD5\r\n", sequence)
    proof, _ = prove(DigestChallenge.parse(line), name, password, "broker.example.net", b"c")
    return desk.say(proof.serialize(), sequence + 1)[0]


@pytest.mark.parametrize(("name", "password"), [("alice", "blunder"), ("mallory", "wonder"), ("", "")])
def test_a_wrong_password_and_an_unknown_user_are_answered_alike(name: str, password: str) -> None:
    desk = BrokerDesk()
    desk.say(VERSION, 240)
    assert try_password(desk, name, password) == b"300 Authentication failed\r\n"
    assert desk.notices("tsp.login-refused") == [f"refused the login of {name or 'without a name'} at {CLIENT}"]
    assert desk.counter("logins-refused") == 1


def test_refused_logins_are_all_counted_and_not_all_told_and_a_name_is_shown_clean_and_short() -> None:
    desk = BrokerDesk()
    for number in range(100):
        remote = Endpoint(CLIENT.address + number, 5)
        desk.say(VERSION, 240, remote)
        (line,) = desk.say(b"AUTHENTICATE DIGEST-MD5\r\n", 241, remote)
        proof, _ = prove(DigestChallenge.parse(line), "evil\x1b[8m" + "m" * 500, "x", "broker.example.net", b"c")
        assert desk.say(proof.serialize(), 242, remote)[0].startswith(b"300")
    assert desk.counter("logins-refused") == 100
    told = desk.notices("tsp.login-refused")
    assert 1 <= len(told) <= 10
    assert all(text.isprintable() and len(text) < 150 for text in told)


def test_three_failures_end_in_silence_for_ten_seconds() -> None:
    desk = BrokerDesk()
    desk.say(VERSION, 240)
    for attempt in range(3):
        assert try_password(desk, "alice", "blunder", 241 + 2 * attempt).startswith(b"300")
    assert desk.say(b"AUTHENTICATE DIGEST-MD5\r\n", 250) == []
    desk.run(9.9)
    assert desk.say(b"VERSION=2.0.1\r\n", 251) == []
    desk.run(0.2)
    assert desk.say(b"VERSION=2.0.2\r\n", 252) != []


def test_a_proof_is_good_for_one_challenge_only() -> None:
    desk, other = BrokerDesk(), Endpoint(CLIENT.address, 40001)
    proof, _ = prove(challenged(desk), "alice", "wonder", "b", b"c")
    challenged(desk, other)
    assert desk.say(proof.serialize(), 242, other)[0].startswith(b"300")


@pytest.mark.requirement("TSP-09")
def test_whatever_name_the_client_has_for_the_broker_is_hashed() -> None:
    desk = BrokerDesk()
    proof, expected = prove(challenged(desk), "alice", "wonder", "[2001:db8::1]:3653", b"c")
    assert expected in base64.b64decode(desk.say(proof.serialize(), 242)[0])


@pytest.mark.requirement("TSP-10")
def test_names_and_passwords_in_latin_1_are_those_in_utf_8() -> None:
    secret = DigestSecret.of("zoë".encode(), b"tunnelmgr", "café".encode()).hash.hex()
    desk = BrokerDesk(users=f"zoë:{secret}", plain=True)
    for sequence, encoding in ((240, "utf-8"), (250, "latin-1")):
        remote = Endpoint(CLIENT.address, sequence)
        desk.say(VERSION, sequence, remote)
        assert desk.say(b"AUTHENTICATE PLAIN\r\n", sequence + 1, remote) == [b""]
        credentials = b"\0" + "zoë".encode(encoding) + b"\0" + "café".encode(encoding) + b"\r\n"
        assert desk.say(credentials, sequence + 2, remote) == [b"200 Success\r\n"]


def test_over_tcp_rspauth_and_200_leave_apart_and_accept_is_not_answered() -> None:
    desk = BrokerDesk()
    channel = desk.connect(1)
    desk.hear(VERSION, channel=channel)
    desk.take()
    desk.hear(b"AUTHENTICATE DIGEST-MD5\r\n\0", channel=channel)
    (line,) = [one.data for one in desk.take()]
    proof, _ = prove(DigestChallenge.parse(line), "alice", "wonder", "b", b"c")
    desk.hear(proof.serialize(), channel=channel)
    assert len(desk.take()) == 1
    desk.run(RSPAUTH_PAUSE - 0.01)
    assert desk.take() == []
    desk.run(0.02)
    assert [one.data for one in desk.take()] == [b"200 Success\r\n"]
    desk.hear(create(TunnelType.V6V4, NAT), channel=channel)
    assert len(desk.take()) == 1
    desk.hear(ACCEPT, channel=channel)
    assert desk.take() == []
    assert desk.paths == ["2001:db8:100::2/128"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xf0",
        b"\xf0" * 7,
        b"\x60" + bytes(60),
        b"\x45" * 100,
        b"\xf0" + b"\xff" * 60000,
        b"\xf0\0\0\x01\0\0\0\0AUTHENTICATE X",
    ],
)
def test_garbage_from_strangers_is_not_answered(data: bytes) -> None:
    desk = BrokerDesk()
    desk.hear(data)
    assert desk.take() == []
    assert desk.broker.status(0.0).facts["sessions"] == 0


BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><tunnel action="create">&b;</tunnel>'


@pytest.mark.parametrize(
    "request_text",
    [
        b"",
        b"nonsense",
        framed(BOMB),
        framed(b"<a>" * 3000),
        b"Content-length: 999999\r\n",
        framed(b"<tunnel/>"),
        framed(b"\xff\xfe"),
    ],
)
def test_a_request_that_makes_no_sense_is_answered_with_500_and_the_session_goes_on(request_text: bytes) -> None:
    desk = BrokerDesk()
    log_in(desk)
    assert b"500 Invalid request format" in desk.say(request_text, 242)[0]
    assert b"200 Success" in desk.say(create(), 243)[0]


@pytest.mark.parametrize("stream", [b"x" * 20000, b"Content-length: 99999\r\n", b"\n" * 100 + b"y" * 20000])
def test_a_stream_without_end_is_closed(stream: bytes) -> None:
    desk = BrokerDesk()
    channel = desk.connect(1)
    desk.hear(stream, channel=channel)
    desk.run(0.1)
    assert desk.closed == [channel]


def stranger(number: int) -> Endpoint:
    """A place nobody else speaks from, few of an address."""
    return Endpoint(IPv4Address(0x0A000000 + number // 4), 1024 + number)


def test_half_open_sessions_are_bounded_and_forgotten() -> None:
    desk = BrokerDesk()
    for number in range(5000):
        desk.now += 0.002
        desk.say(VERSION, 240, stranger(number))
    assert desk.broker.status(0.0).facts["sessions"] == SESSIONS_MAX
    assert desk.counter("sessions-given-up") == 5000 - SESSIONS_MAX
    desk.run(SESSION_TIMEOUT + SWEEP_INTERVAL)
    assert desk.broker.status(0.0).facts["sessions"] == 0


def test_others_are_served_while_strangers_begin_sessions_by_the_thousand() -> None:
    desk, numbers = BrokerDesk(), itertools.count()

    def flood() -> None:
        for _ in range(SESSIONS_MAX - 10):
            desk.now += 0.0005
            desk.say(VERSION, 240, stranger(next(numbers)))

    flood()
    for sequence, text in enumerate((VERSION, ANONYMOUS, create(), ACCEPT), 240):
        assert desk.say(text, sequence) != []
        flood()
    assert desk.counter("tunnels-set-up") == 1


def test_sessions_that_went_on_make_no_room_for_new_ones() -> None:
    desk = BrokerDesk()
    for number in range(SESSIONS_MAX):
        desk.now += 0.002
        log_in(desk, stranger(number))
    assert desk.say(VERSION, 240) == []
    assert desk.counter("dropped-no-room") == 1


def test_half_said_things_are_bounded_in_memory() -> None:
    desk = BrokerDesk()
    tracemalloc.start()
    for number in range(SESSIONS_MAX):
        desk.now += 0.1
        desk.say(VERSION, 240, stranger(number))
        for sequence in range(241, 260):
            desk.say(framed(b"x" * 60000), sequence, stranger(number))
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < 40_000_000


def test_a_stream_of_single_bytes_is_closed_all_the_same() -> None:
    desk = BrokerDesk()
    channel = desk.connect(1)
    for _ in range(int(SESSION_TIMEOUT + SWEEP_INTERVAL)):
        desk.hear(b"V", channel=channel)
        desk.run(1)
    assert desk.closed == [channel]


def test_nothing_is_done_of_what_a_closed_stream_still_said() -> None:
    desk = BrokerDesk()
    desk.hear(VERSION * 10, channel=desk.connect(1))
    assert desk.take() == []


def test_sessions_whose_tunnels_are_up_take_nobody_s_place() -> None:
    desk = BrokerDesk(tunnels_max=5000)
    for number in range(SESSIONS_MAX + 100):
        desk.now += 0.001
        set_up(desk, Endpoint(IPv4Address(0x0A000000 + number), 1024))
    assert desk.broker.status(0.0).peers_total == SESSIONS_MAX + 100
    assert desk.counter("dropped-no-room") == 0


def test_one_address_cannot_take_all_sessions() -> None:
    desk = BrokerDesk()
    for port in range(1, 21):
        desk.say(VERSION, 240, Endpoint(CLIENT.address, port))
    assert desk.broker.status(0.0).facts["sessions"] == SESSIONS_PER_ADDRESS_MAX
    desk.connect(1)
    desk.run(0.1)
    assert desk.closed == ["tsp-tcp/1"]


def test_one_address_cannot_have_all_answers() -> None:
    desk = BrokerDesk()
    answers = [desk.say(b"ECHO REQUEST", 1) for _ in range(2 * int(REQUESTS_BURST))]
    assert sum(map(len, answers)) == REQUESTS_BURST
    desk.run(1)
    assert desk.say(b"ECHO REQUEST", 1) != []


def test_one_address_cannot_take_all_tunnels() -> None:
    desk = BrokerDesk(tunnels_per_address=2)
    for port in (1, 2):
        set_up(desk, Endpoint(CLIENT.address, port))
    third = Endpoint(CLIENT.address, 3)
    log_in(desk, third)
    assert b"301 No more tunnels" in desk.say(create(), 242, third)[0]


@pytest.mark.requirement("TSP-20")
def test_a_new_session_from_the_place_of_a_tunnel_replaces_it_when_it_is_accepted() -> None:
    desk = BrokerDesk()
    set_up(desk)
    desk.run(SESSION_TIMEOUT + SWEEP_INTERVAL)
    desk.say(VERSION, 240)
    assert not any(isinstance(event, PathDown) for event in desk.said)
    desk.say(ANONYMOUS, 241)
    desk.say(create(), 242)
    desk.say(ACCEPT, 243)
    assert desk.counter("tunnels-set-up") == 2
    assert desk.broker.status(0.0).peers_total == 1


def test_a_rejected_offer_gives_the_address_back() -> None:
    desk = BrokerDesk()
    log_in(desk)
    desk.say(create(), 242)
    desk.say(BareRequest(Action.REJECT).serialize(), 243)
    desk.run(SWEEP_INTERVAL)
    assert desk.broker.command("leases", {}, desk.now) == {"leases": []}


def test_info_tells_the_offer_and_delete_takes_the_tunnel_back() -> None:
    desk = BrokerDesk()
    set_up(desk)
    (told,) = desk.say(BareRequest(Action.INFO).serialize(), 244)
    assert str(Offer.parse(told.partition(b"\r\n")[2].partition(b"\r\n")[2]).client_ipv6) == "2001:db8:100::2"
    assert b"200" in desk.say(BareRequest(Action.DELETE).serialize(), 245)[0]
    assert b"310" in desk.say(BareRequest(Action.INFO).serialize(), 246)[0]
    assert desk.broker.status(0.0).peers_total == 0
    assert desk.broker.command("leases", {}, desk.now) == {"leases": []}


def test_the_second_protocol_41_tunnel_of_an_address_is_refused() -> None:
    desk, other = BrokerDesk(), Endpoint(CLIENT.address, 2)
    log_in(desk)
    desk.say(create(TunnelType.V6V4, NAT), 242)
    desk.say(ACCEPT, 243)
    proof, _ = prove(challenged(desk, other), "alice", "wonder", "b", b"c")
    desk.say(proof.serialize(), 242, other)
    desk.say(b"", 243, other)
    assert b"506" in desk.say(create(TunnelType.V6V4, NAT), 244, other)[0]


def test_no_secret_is_told_anywhere() -> None:
    desk = BrokerDesk()
    told = repr((desk.said, desk.broker.status(0.0), desk.broker.command("users", {}, 0.0)))
    assert DigestSecret.of(b"alice", b"tunnelmgr", b"wonder").hash.hex() not in told
    assert "**" in repr(broker_settings().users)


def test_a_command_it_does_not_know_is_named() -> None:
    with pytest.raises(TunnelError, match="'dance'"):
        BrokerDesk().broker.command("dance", {}, 0.0)
