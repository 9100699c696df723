"""Whether this host's own router lets ports be mapped on request, and which address it has outside (RFC 6886, RFC 6887)."""

from collections.abc import Callable
from ipaddress import IPv4Address
from typing import TypeVar

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
from tunnelmgr.detect.inquiries import Inquiries, Inquiry, Outcome, Schedule

CHANNEL = "router"
_SCHEDULE = Schedule(ROUTER_ASKED_AT, ROUTER_GIVE_UP)

A = TypeVar("A", ExternalAddressResponse, AnnounceResponse)


class RouterProbe:
    """Asks once, by both protocols."""

    def __init__(self, inquiries: Inquiries) -> None:
        self._inquiries = inquiries
        self.nat_pmp: Inquiry | None = None
        """The question for the external address."""
        self.pcp: Inquiry | None = None
        """The question for a sign of life: without a mapping PCP tells no address."""

    @property
    def done(self) -> bool:
        return all(inquiry.settled for inquiry in (self.nat_pmp, self.pcp) if inquiry is not None)

    def begin(self, network: Network, now: float) -> None:
        """Ask the gateway, if there is one."""
        route, source = network.default_route, network.source
        if route is None or route.gateway is None or source is None:
            return
        router = Endpoint(route.gateway, PORT_CONTROL_PORT)
        self.nat_pmp = self._ask(router, ExternalAddressRequest().serialize(), ExternalAddressResponse.parse, now)
        self.pcp = self._ask(router, AnnounceRequest(source).serialize(), AnnounceResponse.parse, now)

    @property
    def external(self) -> IPv4Address | None:
        """The router's address outside; None where it did not say, or has none."""
        answer = self._about_outside
        if answer is None or answer.result is not NatPmpResult.SUCCESS or not int(answer.address):
            return None
        return answer.address

    @property
    def failure(self) -> NatPmpResult | None:
        """Why the router tells no address; None where it does, or was not heard."""
        answer = self._about_outside
        return answer.result if answer is not None and answer.result is not NatPmpResult.SUCCESS else None

    @property
    def _about_outside(self) -> ExternalAddressResponse | None:
        answer = self.nat_pmp.answer if self.nat_pmp is not None else None
        return answer if isinstance(answer, ExternalAddressResponse) else None

    @property
    def behind_a_nat(self) -> bool:
        """Whether the router sees our packets come from another address than we send them from."""
        answer = self.pcp.answer if self.pcp is not None else None
        return isinstance(answer, AnnounceResponse) and answer.result is PcpResult.ADDRESS_MISMATCH

    def _ask(self, router: Endpoint, request: bytes, parse: Callable[[bytes], A], now: float) -> Inquiry:
        def understand(datagram: Datagram) -> A | None:
            # Neither protocol numbers its questions: what comes from elsewhere is no answer (RFC 6886 section 3.1).
            if datagram.remote != router:
                return None
            try:
                return parse(datagram.data)
            except WireError:
                return None

        return self._inquiries.ask(CHANNEL, router, request, understand, _SCHEDULE, now)


def offered(inquiry: Inquiry | None) -> bool | None:
    """Return whether the router speaks the protocol of this question; None where it kept silent, or was not asked."""
    if inquiry is None or not inquiry.settled or inquiry.outcome is Outcome.SILENT:
        return None
    answer = inquiry.answer
    if isinstance(answer, AnnounceResponse):
        return answer.result is not PcpResult.UNSUPP_VERSION
    return inquiry.outcome is Outcome.ANSWERED
