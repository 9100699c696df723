"""What a router says of its ports and its address outside, and what of it is believed."""

from ipaddress import IPv4Address, IPv4Interface
from random import Random

import pytest

from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.network import DefaultRoute, Endpoint, LocalAddress, Network
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.packets.port_control import AnnounceResponse, ExternalAddressResponse, NatPmpResult, PcpResult
from tunnelmgr.detect.inquiries import Inquiries
from tunnelmgr.detect.router_probe import CHANNEL, NAT_PMP, PCP, RouterProbe

ROUTER = IPv4Address("192.168.1.1")
HOME = Network(
    addresses=(LocalAddress("eth0", IPv4Interface("192.168.1.5/24")),),
    default_route=DefaultRoute("eth0", ROUTER),
    source=IPv4Address("192.168.1.5"),
)


def heard(*answers: ExternalAddressResponse | AnnounceResponse) -> RouterProbe:
    inquiries = Inquiries(Outbox(), Random(1))
    probe = RouterProbe(inquiries)
    probe.begin(HOME, 0.0)
    for answer in answers:
        inquiries.receive(Datagram(CHANNEL, answer.serialize(), Endpoint(ROUTER, 5351)), 0.1)
    return probe


def outside(address: str, result: NatPmpResult = NatPmpResult.SUCCESS) -> ExternalAddressResponse:
    return ExternalAddressResponse(result, 7, IPv4Address(address))


@pytest.mark.parametrize("claimed", ["127.0.0.1", "224.0.0.1", "255.255.255.255", "0.0.0.7", "0.1.2.3", "250.1.1.1"])
def test_a_router_has_no_address_that_no_host_has(claimed: str) -> None:
    assert heard(outside(claimed)).external is None


@pytest.mark.parametrize("claimed", ["203.0.113.5", "100.64.0.9", "10.0.0.2"])
def test_a_router_may_be_behind_another_one(claimed: str) -> None:
    assert heard(outside(claimed)).external == IPv4Address(claimed)


def test_an_answer_that_tells_of_a_failure_tells_no_address() -> None:
    probe = heard(outside("203.0.113.5", NatPmpResult.NETWORK_FAILURE))
    assert (probe.external, probe.failure, probe.offers(NAT_PMP)) == (None, NatPmpResult.NETWORK_FAILURE, True)


@pytest.mark.parametrize(
    ("result", "offered"),
    [
        (NatPmpResult.SUCCESS, True),
        (NatPmpResult.OUT_OF_RESOURCES, True),
        (NatPmpResult.UNSUPPORTED_VERSION, False),
        (NatPmpResult.NOT_AUTHORISED, False),
        (NatPmpResult.UNSUPPORTED_OPCODE, False),
    ],
)
def test_a_nat_pmp_router_that_refuses_opens_no_ports(result: NatPmpResult, offered: bool) -> None:
    assert heard(outside("203.0.113.5", result)).offers(NAT_PMP) is offered


@pytest.mark.parametrize(
    ("result", "offered"),
    [
        (PcpResult.SUCCESS, True),
        (PcpResult.ADDRESS_MISMATCH, True),
        (PcpResult.NO_RESOURCES, True),
        (PcpResult.UNSUPP_VERSION, False),
        (PcpResult.NOT_AUTHORIZED, False),
        (PcpResult.UNSUPP_OPCODE, False),
    ],
)
def test_a_pcp_router_that_refuses_opens_no_ports(result: PcpResult, offered: bool) -> None:
    assert heard(AnnounceResponse(result, 0, 7)).offers(PCP) is offered
