"""The tests against STUN servers: what is asked twice."""

from ipaddress import IPv4Address
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
    probe.begin([SERVER], frozenset(own), 0.0)
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
