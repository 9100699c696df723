"""What the second port of the interval determination takes, and from whom (teredo.md section 4.12)."""

from ipaddress import IPv4Address, IPv6Address
from random import Random

import pytest
from tests.teredo_world.bench import LOCAL, MAPPED, SERVER, advertisement, udp_packet

from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.effects import CloseChannel, Done, OpenChannel
from tunnelmgr.api.errors import WireError
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.outbox import Outbox
from tunnelmgr_teredo.client.errands import Errands
from tunnelmgr_teredo.client.identity import Identity
from tunnelmgr_teredo.client.refresh_interval import SECOND, RefreshInterval, SecondPortPhase
from tunnelmgr_teredo.client.servers import ConfiguredServer
from tunnelmgr_teredo.constants import INTERVAL_FIRST_GUESS, REFRESH_INTERVAL
from tunnelmgr_teredo.wire.address import GlobalUnicast, TeredoAddress
from tunnelmgr_teredo.wire.datagram import Payload, bubble

pytestmark = pytest.mark.requirement("T-MA-010")

OURS = TeredoAddress(SERVER, 0, MAPPED)
SECOND_MAPPED = Endpoint(MAPPED.address, 8193)
SERVER_ENDPOINT = Endpoint(SERVER, 3544)
STRANGER = Endpoint(IPv4Address("198.51.100.66"), 3544)


class Port:
    """A determination and its second port."""

    def __init__(self) -> None:
        self.outbox = Outbox()
        server = ConfiguredServer(str(SERVER)).at(SERVER)
        identity = Identity(OURS.ipv6, OURS, server, LOCAL, 1280)
        self.interval = RefreshInterval(identity, GlobalUnicast(), None, Random(1), self.outbox)
        self.now = 0.0
        self.interval.begin(self.now)
        (asked,) = self.outbox.drain_datagrams()
        header = Payload.parse(asked.data).authentication
        assert header is not None
        self.nonce = header.nonce

    def receive(self, data: bytes, remote: Endpoint = SERVER_ENDPOINT) -> None:
        self.interval.receive(Datagram(SECOND, data, remote), self.now)

    def idle(self) -> "Port":
        """Let the server say where it sees the second port."""
        self.receive(advertisement(self.nonce, SECOND_MAPPED))
        return self

    def knocking(self) -> bytes:
        """Wait until the second port is knocked at; return the bubble."""
        self.now = INTERVAL_FIRST_GUESS
        self.interval.handle_timeout(self.now)
        knock, _ = self.outbox.drain_datagrams()
        return knock.data


def test_only_the_server_s_answer_to_the_question_qualifies_the_second_port() -> None:
    port = Port()
    for data, remote in (
        (advertisement(port.nonce, SECOND_MAPPED), STRANGER),
        (advertisement(bytes(8), SECOND_MAPPED), SERVER_ENDPOINT),
        (bubble(OURS.ipv6, OURS.ipv6), SERVER_ENDPOINT),
    ):
        with pytest.raises(WireError):
            port.receive(data, remote)
        assert port.interval.phase is SecondPortPhase.QUALIFYING
    assert port.idle().interval.phase is SecondPortPhase.IDLING


def test_an_answer_that_comes_twice_counts_once() -> None:
    port = Port().idle()
    with pytest.raises(WireError):
        port.idle()


def test_nothing_but_our_own_bubble_has_come_through() -> None:
    knock = Port().idle().knocking()
    second = Payload.parse(knock).packet[24:40]
    port = Port().idle()
    port.knocking()
    ours, theirs = OURS.ipv6, TeredoAddress(SERVER, 1, MAPPED).ipv6
    for data in (
        bubble(theirs, IPv6Address(second)),
        bubble(ours, theirs),
        udp_packet(ours, IPv6Address(second)),
    ):
        with pytest.raises(WireError):
            port.receive(data, STRANGER)
        assert port.interval.interval == REFRESH_INTERVAL
    port.receive(knock, STRANGER)
    assert port.interval.interval == INTERVAL_FIRST_GUESS, "from wherever it came: it has passed the NAT"


def test_a_bubble_before_it_was_knocked_proves_nothing() -> None:
    knock = Port().idle().knocking()
    port = Port().idle()
    with pytest.raises(WireError):
        port.receive(knock)
    assert port.interval.interval == REFRESH_INTERVAL


def test_at_the_end_the_port_is_given_back_once_and_nothing_is_taken_any_more() -> None:
    port = Port()
    errands = Errands(LOCAL.address, Random(1), port.outbox)
    errands.run(port.interval)
    (opening,) = port.outbox.drain_events()
    assert isinstance(opening, OpenChannel)
    errands.effect_done(opening, Done(opening.local), port.now)
    for _ in range(2):
        errands.end()
    assert port.outbox.drain_events() == [CloseChannel(SECOND)]
    assert errands.next_timeout() is None
    with pytest.raises(WireError):
        errands.receive(Datagram(SECOND, advertisement(port.nonce, SECOND_MAPPED), SERVER_ENDPOINT), port.now)
