"""The tests against STUN servers: what is asked twice."""

from ipaddress import IPv4Address, IPv4Interface
from random import Random

import pytest

from tunnelmgr.api.datagrams import ChannelKind
from tunnelmgr.api.effects import OpenChannel
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.report import Filtering
from tunnelmgr.detect.inquiries import Inquiries, Inquiry, InquiryState
from tunnelmgr.detect.nat_probe import CONFIRMING, NatProbe
from tunnelmgr.detect.stun import BindingResponse

SERVER, ELSEWHERE = Endpoint(IPv4Address("192.0.2.5"), 3478), Endpoint(IPv4Address("192.0.2.6"), 3479)
MAPPED = Endpoint(IPv4Address("203.0.113.1"), 40000)


def answer(inquiry: Inquiry | None, source: Endpoint = SERVER) -> None:
    assert inquiry is not None
    inquiry.state, inquiry.answered_from = InquiryState.ANSWERED, source
    inquiry.answer = BindingResponse(b"", MAPPED, ELSEWHERE)


def exploring(outbox: Outbox, *own: IPv4Address) -> NatProbe:
    """Return one to whom an answer from another address has come in."""
    probe = NatProbe(Inquiries(outbox, Random(1)), outbox)
    probe.begin([SERVER], [IPv4Interface(one) for one in own], 0.0)
    answer(probe.servers[0])
    probe.advance(0.1)
    answer(probe.fence)
    answer(probe.from_other_address, ELSEWHERE)
    probe.advance(0.2)
    return probe


@pytest.mark.parametrize(
    ("state", "filtering"),
    [
        (InquiryState.ANSWERED, Filtering.ENDPOINT_INDEPENDENT),
        (InquiryState.WAITING, Filtering.ENDPOINT_INDEPENDENT),
        (InquiryState.SILENT, Filtering.ADDRESS_AND_PORT),
    ],
)
def test_a_nat_that_lets_everybody_in_is_believed_on_a_second_socket(state: InquiryState, filtering: Filtering) -> None:
    outbox = Outbox()
    probe = exploring(outbox)
    assert outbox.drain_events() == [OpenChannel(CONFIRMING, ChannelKind.UDP)]
    assert probe.confirmation is not None
    assert probe.confirmation.channel == CONFIRMING
    assert not probe.done
    probe.confirmation.state = state
    probe.advance(0.3)
    assert outbox.drain_events() == [], "once"
    assert probe.filtering() is filtering


def test_where_nothing_translates_nothing_is_confirmed() -> None:
    outbox = Outbox()
    probe = exploring(outbox, MAPPED.address)
    assert (probe.confirmation, outbox.drain_events()) == (None, [])
    assert probe.filtering() is Filtering.ENDPOINT_INDEPENDENT


def asked(own: str, mapped: Endpoint, other: Endpoint | None, server: Endpoint = SERVER) -> NatProbe:
    """Return one whose server has said this."""
    outbox = Outbox()
    probe = NatProbe(Inquiries(outbox, Random(1)), outbox)
    probe.begin([server], [IPv4Interface(own)], 0.0)
    (inquiry,) = probe.servers
    inquiry.state, inquiry.answered_from = InquiryState.ANSWERED, server
    inquiry.answer = BindingResponse(b"", mapped, other)
    probe.advance(0.1)
    return probe


@pytest.mark.parametrize(
    "claimed",
    ["127.0.0.1", "224.0.0.1", "255.255.255.255", "0.0.0.7", "240.0.0.1", "192.168.1.5", "100.64.0.1", "169.254.1.1"],
)
def test_a_server_on_the_internet_cannot_see_us_by_an_address_that_is_not_there(claimed: str) -> None:
    probe = asked("192.168.1.5/24", Endpoint(IPv4Address(claimed), 4000), ELSEWHERE)
    assert (probe.sightings(), probe.explored) == ([], None)


def test_a_server_of_the_same_private_network_sees_us_by_a_private_address() -> None:
    probe = asked("10.1.0.5/24", Endpoint(IPv4Address("10.1.0.5"), 4000), None, Endpoint(IPv4Address("10.2.0.9"), 3478))
    assert [one.mapped.address for one in probe.sightings()] == [IPv4Address("10.1.0.5")]


@pytest.mark.parametrize("other", ["192.168.1.1", "127.0.0.1", "224.0.0.5", "255.255.255.255", "0.0.0.7", "203.0.113.77"])
def test_no_server_makes_us_knock_inside_our_own_networks(other: str) -> None:
    probe = asked("203.0.113.5/24", Endpoint(IPv4Address("203.0.113.5"), 4000), Endpoint(IPv4Address(other), 3479))
    assert probe.elsewhere == []
