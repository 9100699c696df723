"""6rd by DHCP: the messages, what is believed of them, and who is asked when."""

import json
from ipaddress import IPv4Address, IPv6Network
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.sixinfour_world import vectors
from tests.sixinfour_world.bench import Driven, network

from tunnelmgr.api.datagrams import ChannelKind, Datagram
from tunnelmgr.api.effects import CloseChannel, Done, Failed, FailureCode, OpenChannel
from tunnelmgr.api.errors import WireError
from tunnelmgr.api.events import Down, PeerSilent, Up
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr_sixinfour.constants import DHCP_TIMEOUTS, LEARN_INTERVAL, LEARN_REFUSALS, LEARN_RETRY
from tunnelmgr_sixinfour.derived.dhcp import Ack, Inform
from tunnelmgr_sixinfour.derived.sixrd import SixRdOption, SixRdSettings
from tunnelmgr_sixinfour.transport import SixRdTransport

HERE, SERVER, RELAY = IPv4Address("10.100.100.1"), IPv4Address("10.0.0.9"), IPv4Address("10.0.0.1")
OPTION = bytes.fromhex(json.loads(vectors._FILE.read_text())["tables"]["dhcp_option_6rd"]["hex"])
ACK, NAK, SERVER_OPTION, END = b"\x35\x01\x05", b"\x35\x01\x06", b"\x36\x04" + SERVER.packed, b"\xff"
HINT = "ask your provider whether there is 6rd; what it says on paper goes into `prefix`, `mask_length`, `border_relay`"

NO_RELAYS = ("224.0.0.1", "127.0.0.1", "255.255.255.255", str(HERE), "10.100.100.255")  # the last: the broadcast of our link
NO_PREFIX = "is not a provider's 6rd prefix; write the one of yours, such as 2001:db8::/32"
WRONG_LENGTH = "`prefix` or `mask_length` is wrong"


def answer(transaction: int, *options: bytes, name: bytes = b"", file: bytes = b"") -> bytes:
    """Return a BOOTREPLY with these options, each with code and length."""
    head = b"\x02\x01\x00\x00" + transaction.to_bytes(4, "big") + bytes(4) + HERE.packed + bytes(12) + bytes(16)
    return head + name.ljust(64, b"\0") + file.ljust(128, b"\0") + bytes.fromhex("63825363") + b"".join(options) + END


def option(described: SixRdOption) -> bytes:
    value = described.serialize()
    return bytes((212, len(value))) + value


class Learning(Driven):
    """A customer that asks."""

    def __init__(self, source: IPv4Address | None = HERE) -> None:
        tunnel = SixRdTransport("customer", SixRdSettings(learn="dhcp", keepalive=None)).tunnel(Random(1))
        super().__init__(tunnel, network(source) if source else Network())

    def result_of(self, effect: OpenChannel | CloseChannel) -> Done[object] | Failed:
        asks = isinstance(effect, OpenChannel) and effect.kind is ChannelKind.UDP
        return super().result_of(effect) if asks else Done(effect.local if isinstance(effect, OpenChannel) else None)

    def hear(self, *options: bytes, port: int = 67, transaction: int | None = None, **fields: bytes) -> None:
        """Let a server answer the latest question."""
        question = self.sent[-1]
        number = int.from_bytes(question.data[4:8], "big") if transaction is None else transaction
        data = answer(number, *options, **fields)
        self.take(Datagram(question.channel, data, Endpoint(SERVER, port), Endpoint(HERE, 68)))


@pytest.mark.requirement("S-SR-005")
def test_the_question_is_a_dhcpinform_for_option_212() -> None:
    learning = Learning()
    (opened,) = learning.said_of(OpenChannel)
    assert (opened.kind, opened.local, opened.broadcast) == (ChannelKind.UDP, Endpoint(HERE, 68), True)
    (question,) = learning.sent
    assert str(question.remote) == "255.255.255.255:67"
    assert question.data[:4] == b"\x01\x01\x00\x00"
    assert question.data[12:16] == HERE.packed, "ciaddr: the answer comes by unicast"
    assert bytes.fromhex("638253633501083d0900") in question.data
    assert b"\x37\x01\xd4" in question.data
    assert len(question.data) >= 300


@pytest.mark.requirement("S-SR-005")
def test_what_the_server_says_is_done() -> None:
    learning = Learning()
    learning.hear(ACK, SERVER_OPTION, OPTION)
    (up,) = learning.said_of(Up)
    assert str(up.config.addresses[0]) == "2001:db8:6464:100::1/128"
    assert up.details["relay"] == str(RELAY)
    assert learning.said_of(CloseChannel)[0].channel == learning.sent[0].channel, "the port is given back"


@pytest.mark.requirement("S-SR-005")
def test_unless_the_profile_says_so_nobody_is_asked_and_no_option_is_heeded() -> None:
    written = SixRdSettings.model_validate({"prefix": "2001:db8:77::/48", "mask_length": 16, "border_relay": "10.0.0.2"})
    tunnel = SixRdTransport("customer", written).tunnel(Random(1))
    tunnel.start(0.0, network(HERE), {})
    assert [event.kind for event in tunnel.outbox.drain_events() if isinstance(event, OpenChannel)] == [ChannelKind.RAW41]
    assert tunnel.outbox.drain_datagrams() == []
    unasked = answer(1, ACK, SERVER_OPTION, OPTION)
    tunnel.receive_datagram(Datagram("dhcp/1", unasked, Endpoint(SERVER, 67), Endpoint(HERE, 68)), 0.0)
    assert tunnel.status(0.0).facts["prefix"] == "2001:db8:77:6401::/64"


def test_a_silent_network_is_asked_four_times_and_then_every_five_minutes() -> None:
    learning = Learning()
    learning.wake_until(sum(DHCP_TIMEOUTS) - 0.1)
    assert len(learning.sent) == 4
    assert learning.said_of(Down) == []
    learning.wake_until(sum(DHCP_TIMEOUTS))
    assert learning.said_of(Down) == [Down("no DHCP server answers (4 requests)", HINT)]
    learning.wake_until(12 * LEARN_RETRY)
    assert len(learning.sent) <= 4 * 13
    assert len(learning.said_of(Down)) == 1, "said once"
    assert len({datagram.data[4:8] for datagram in learning.sent}) == len(learning.sent) / 4, "a new number each round"


def test_an_answer_after_a_while_brings_it_up() -> None:
    learning = Learning()
    learning.wake_until(sum(DHCP_TIMEOUTS) + LEARN_RETRY + 1.0)
    learning.hear(ACK, SERVER_OPTION, OPTION)
    assert [type(event) for event in learning.said if isinstance(event, Up | Down)] == [Down, Up]


def test_a_server_without_6rd_is_named() -> None:
    learning = Learning()
    learning.hear(ACK, SERVER_OPTION)
    assert learning.said_of(Down) == [], "another server may know it"
    learning.wake_until(1.0)
    assert learning.said_of(Down) == [Down("the DHCP server 10.0.0.9 offers no 6rd (option 212)", HINT)]
    assert len(learning.sent) == 1


def test_of_two_servers_the_one_that_knows_is_heard_whoever_is_first() -> None:
    learning = Learning()
    learning.hear(ACK, SERVER_OPTION)
    learning.hear(ACK, SERVER_OPTION, OPTION)
    assert (len(learning.said_of(Up)), learning.said_of(Down)) == (1, [])


def test_a_server_that_offers_it_no_more_is_believed_when_it_says_so_again_and_again() -> None:
    learning = Learning()
    learning.hear(ACK, SERVER_OPTION, OPTION)
    learning.wake_until(LEARN_INTERVAL)
    for number in range(LEARN_REFUSALS):
        assert learning.said_of(Down) == [], number
        learning.hear(ACK, SERVER_OPTION)
        learning.wake_until(learning.now + LEARN_RETRY + 1.0)
    (down,) = learning.said_of(Down)
    assert down.reason == "the DHCP server 10.0.0.9 offers no 6rd (option 212)"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "6rd option of 0 bytes"),
        ({"prefix": "fe80::/32"}, f"`prefix` fe80::/32 {NO_PREFIX}"),
        ({"prefix": "::/0"}, f"`prefix` ::/0 {NO_PREFIX}"),
        ({"prefix": "2000::/3"}, f"`prefix` 2000::/3 {NO_PREFIX}"),
        ({"prefix": "2002::/16"}, f"`prefix` 2002::/16 {NO_PREFIX}"),
        ({"mask_length": "0", "prefix": "2001:db8::/64"}, f"the delegated prefix would be a /96; {WRONG_LENGTH}"),
        *(({"relay": relay}, f"border relay {relay} is not an address that another host can have") for relay in NO_RELAYS),
    ],
)
def test_nonsense_is_not_believed_whoever_says_it(changes: dict[str, str], words: str) -> None:
    learning = Learning()
    prefix, relay = changes.get("prefix", "2001:db8::/32"), changes.get("relay", str(RELAY))
    mask_length = int(changes.get("mask_length", "8"))
    nonsense = option(SixRdOption(mask_length, IPv6Network(prefix), (IPv4Address(relay),))) if changes else b"\xd4\x00"
    learning.hear(ACK, SERVER_OPTION, nonsense)
    learning.wake_until(1.0)
    (down,) = learning.said_of(Down)
    assert down.reason == f"the DHCP server 10.0.0.9 offers nonsense: {words}"


@pytest.mark.parametrize(
    "forged",
    [
        {"transaction": 1},
        {"port": 68},
        {"options": (NAK, SERVER_OPTION, OPTION)},
        {"options": (ACK, OPTION)},
        {"options": (ACK, SERVER_OPTION, OPTION[:9])},
    ],
)
def test_what_does_not_answer_the_question_is_counted_and_passed_over(forged: dict[str, Any]) -> None:
    learning = Learning()
    learning.hear(*forged.pop("options", (ACK, SERVER_OPTION, OPTION)), **forged)
    assert learning.said_of(Up) == learning.said_of(Down) == []
    assert learning.tunnel.status(learning.now).counters["dropped-dhcp"] == 1
    learning.hear(ACK, SERVER_OPTION, OPTION)
    assert len(learning.said_of(Up)) == 1


def test_another_address_is_asked_for_anew() -> None:
    learning = Learning()
    learning.hear(ACK, SERVER_OPTION, OPTION)
    learning.move(network(IPv4Address("10.100.100.2")))
    assert len(learning.sent) == 2
    (silent,) = learning.said_of(PeerSilent)
    assert silent.reason == "this host is at 10.100.100.2 now, and whether there is 6rd is being asked"
    learning.hear(ACK, SERVER_OPTION, OPTION)
    assert str(learning.said_of(Up)[-1].config.addresses[0]) == "2001:db8:6464:200::1/128"


def test_news_within_the_hour_are_followed_and_a_server_that_went_away_takes_nothing() -> None:
    learning = Learning()
    learning.hear(ACK, SERVER_OPTION, OPTION)
    learning.wake_until(LEARN_INTERVAL)
    assert len(learning.sent) == 2
    learning.wake_until(2 * LEARN_INTERVAL - 200.0)
    assert learning.said_of(Down) == []
    moved = option(SixRdOption(8, IPv6Network("2001:db8::/32"), (IPv4Address("10.0.0.3"),)))
    while learning.tunnel.next_timeout() is not None and len(learning.said_of(Up)) == 1:
        due = learning.tunnel.next_timeout()
        assert due is not None
        learning.wake_until(due)
        learning.hear(ACK, SERVER_OPTION, moved)
    assert learning.said_of(Up)[-1].details["relay"] == "10.0.0.3"


def test_a_port_that_cannot_be_had_is_named() -> None:
    learning = Learning(source=None)
    learning.refused = Failed(FailureCode.IN_USE, "UDP port 68 of 10.100.100.1 is in use")
    learning.move(network(HERE))
    down = learning.said_of(Down)[-1]
    assert (down.reason, "sport = :68" in down.hint) == ("UDP port 68 of 10.100.100.1 is in use", True)


def test_stopping_gives_the_port_back() -> None:
    learning = Learning()
    learning.tunnel.stop(1.0)
    learning.turn()
    assert learning.said_of(CloseChannel)[0].channel == learning.sent[0].channel


def test_a_profile_says_it_once() -> None:
    with pytest.raises(ValidationError, match="leave one out"):
        SixRdSettings.model_validate({"learn": "dhcp", "prefix": "2001:db8::/32"})
    with pytest.raises(ValidationError, match="learn: dhcp"):
        SixRdSettings.model_validate({"prefix": "2001:db8::/32"})


def test_options_in_pieces_and_in_the_fields_of_bootp_are_whole_again() -> None:
    pieces = b"\xd4\x0a" + OPTION[2:12], b"\x00\x00\xd4\x0c" + OPTION[12:]
    assert Ack.parse(answer(7, ACK, SERVER_OPTION, *pieces)).options[212] == OPTION[2:]
    overload = b"\x34\x01\x03"
    spread = answer(7, ACK, SERVER_OPTION, overload, file=pieces[0] + END, name=pieces[1] + END)
    assert Ack.parse(spread).options[212] == OPTION[2:]


@given(st.one_of(st.binary(max_size=400), st.binary(max_size=100).map(lambda options: answer(7, options))))
def test_arbitrary_bytes_are_an_answer_or_a_wire_error(data: bytes) -> None:
    try:
        Ack.parse(data)
    except WireError:
        return


def test_a_question_fits_one_datagram_of_every_network() -> None:
    assert len(Inform(1, HERE, bytes(8), (212,)).serialize()) <= 548


def test_packets_before_anything_is_known_go_nowhere() -> None:
    learning = Learning()
    learning.tunnel.receive_packet(IPv6Packet.parse(vectors.outer("sixrd-br-probe").payload).serialize(), 0.0)
    assert learning.tunnel.status(0.0).counters["dropped-not-open"] == 1
