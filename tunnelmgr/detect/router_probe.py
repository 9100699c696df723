"""Whether this host's own router opens ports on request, and which address it has outside: PCP, NAT-PMP and UPnP."""

from collections.abc import Callable
from ipaddress import IPv4Address
from typing import TypeVar

from tunnelmgr.api.addresses import is_never_a_host
from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.errors import WireError
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.api.packets.port_control import (
    PORT_CONTROL_PORT,
    AnnounceRequest,
    AnnounceResponse,
    ExternalAddressRequest,
    ExternalAddressResponse,
    NatPmpResult,
    PcpResult,
)
from tunnelmgr.detect.constants import ROUTER_ASKED_AT, ROUTER_GIVE_UP
from tunnelmgr.detect.inquiries import Answer, Inquiries, Inquiry, InquiryState, Schedule
from tunnelmgr.detect.upnp import SSDP_PORT, GatewayFound, GatewaySearch

CHANNEL = "router"
NAT_PMP, PCP, UPNP = "NAT-PMP", "PCP", "UPnP"
_SCHEDULE = Schedule(ROUTER_ASKED_AT, ROUTER_GIVE_UP)
_REFUSALS = {
    NatPmpResult.UNSUPPORTED_VERSION,
    NatPmpResult.NOT_AUTHORISED,
    NatPmpResult.UNSUPPORTED_OPCODE,
    PcpResult.UNSUPP_VERSION,
    PcpResult.NOT_AUTHORIZED,
    PcpResult.UNSUPP_OPCODE,
    PcpResult.UNSUPP_PROTOCOL,
}
"""Answers of a router that speaks the protocol and opens no ports by it. Other failures pass, or concern one request."""

A = TypeVar("A", ExternalAddressResponse, AnnounceResponse, GatewayFound)


class RouterProbe:
    """Asks once, by each protocol."""

    def __init__(self, inquiries: Inquiries) -> None:
        self._inquiries = inquiries
        self.asked: dict[str, Inquiry] = {}
        """By the name of the protocol.

        NAT-PMP is asked for the external address, the others for a sign of life: PCP tells no address without a mapping,
        and UPnP only over HTTP, which nobody encrypts.
        """

    @property
    def done(self) -> bool:
        return all(inquiry.settled for inquiry in self.asked.values())

    def begin(self, network: Network, now: float) -> None:
        """Ask the gateway, if there is one."""
        route, source = network.default_route, network.source
        if route is None or route.gateway is None or source is None:
            return
        control, ssdp = Endpoint(route.gateway, PORT_CONTROL_PORT), Endpoint(route.gateway, SSDP_PORT)
        self._ask(NAT_PMP, control, ExternalAddressRequest().serialize(), ExternalAddressResponse.parse, now)
        self._ask(PCP, control, AnnounceRequest(source).serialize(), AnnounceResponse.parse, now)
        self._ask(UPNP, ssdp, GatewaySearch(route.gateway).serialize(), GatewayFound.parse, now)

    @property
    def external(self) -> IPv4Address | None:
        """The router's address outside; None where it did not say, or has none."""
        return None if self.claimed is None or is_never_a_host(self.claimed) else self.claimed

    @property
    def claimed(self) -> IPv4Address | None:
        """What the router calls its address outside; None where it calls nothing so."""
        answer = self._about_outside
        return (
            answer.address if answer is not None and answer.result is NatPmpResult.SUCCESS and int(answer.address) else None
        )

    @property
    def failure(self) -> NatPmpResult | None:
        """Why the router tells no address; None where it does, or was not heard."""
        answer = self._about_outside
        return answer.result if answer is not None and answer.result is not NatPmpResult.SUCCESS else None

    @property
    def _about_outside(self) -> ExternalAddressResponse | None:
        answer = self._answer(NAT_PMP)
        return answer if isinstance(answer, ExternalAddressResponse) else None

    @property
    def behind_a_nat(self) -> bool:
        """Whether the router sees our packets come from another address than we send them from."""
        answer = self._answer(PCP)
        return isinstance(answer, AnnounceResponse) and answer.result is PcpResult.ADDRESS_MISMATCH

    def offers(self, name: str) -> bool | None:
        """Return whether the router would open ports by a protocol; None where it kept silent, or was not asked."""
        inquiry = self.asked.get(name)
        if inquiry is None or not inquiry.settled or inquiry.state is InquiryState.SILENT:
            return None
        if isinstance(inquiry.answer, AnnounceResponse | ExternalAddressResponse):
            return inquiry.answer.result not in _REFUSALS
        return inquiry.state is InquiryState.ANSWERED

    def _answer(self, name: str) -> Answer | None:
        return self.asked[name].answer if name in self.asked else None

    def _ask(self, name: str, router: Endpoint, request: bytes, parse: Callable[[bytes], A], now: float) -> None:
        def understand(datagram: Datagram) -> A | None:
            # No protocol of these numbers its questions: what comes from elsewhere is no answer (RFC 6886 section 3.1).
            # Only UPnP may answer from another port.
            if datagram.remote != router and (datagram.remote.address != router.address or router.port != SSDP_PORT):
                return None
            try:
                return parse(datagram.data)
            except WireError:
                return None

        self.asked[name] = self._inquiries.ask(CHANNEL, router, request, understand, _SCHEDULE, now)
