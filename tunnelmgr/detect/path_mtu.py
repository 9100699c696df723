"""How large packets may be on the way out: questions of several sizes side by side, none of which may be fragmented.

A STUN server answers questions of any size. Where there is none, a port without a listener does, at a far end: its host says
so (ICMP port unreachable), unless a firewall keeps it from doing so.
"""

from collections.abc import Callable
from random import Random

from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.network import Endpoint
from tunnelmgr.detect.constants import HOPS, MTUS, TRACEROUTE_PORT, UDP_HEADERS
from tunnelmgr.detect.inquiries import FRAGMENTATION_NEEDED, Answer, Inquiries, Inquiry, InquiryState, brisk
from tunnelmgr.detect.stun import TRANSACTION_ID_LENGTH, BindingRequest, answer_to

CHANNEL = "path-mtu"


class PathMtuProbe:
    """Asks once."""

    def __init__(self, random: Random, inquiries: Inquiries) -> None:
        self._random = random
        self._inquiries = inquiries
        self.asked: dict[int, Inquiry] = {}
        """By bytes of IPv4 packet."""

    @property
    def done(self) -> bool:
        return all(inquiry.settled for inquiry in self.asked.values())

    def ask_stun(self, heard: Inquiry, now: float) -> None:
        """Ask a STUN server that was heard."""
        for mtu in MTUS:
            request = BindingRequest(self._random.randbytes(TRANSACTION_ID_LENGTH), length=mtu - UDP_HEADERS)
            self._ask(mtu, heard.remote, request.serialize(), answer_to(request.transaction_id), heard, now)

    def ask_closed_port(self, heard: Inquiry, now: float) -> None:
        """Ask a port without a listener, at a far end that was heard. The port tells the sizes apart."""
        for number, mtu in enumerate(MTUS):
            remote = Endpoint(heard.remote.address, TRACEROUTE_PORT + HOPS + number)
            self._ask(mtu, remote, bytes(mtu - UDP_HEADERS), lambda _: None, heard, now)

    @property
    def passed(self) -> int | None:
        """Bytes of the largest packet that passed; None where none did."""
        passed = [mtu for mtu, one in self.asked.items() if one.state is InquiryState.ANSWERED or one.refused_there]
        return max(passed, default=None)

    @property
    def mtu(self) -> int | None:
        """Bytes of the largest packet that passed, or of the largest a router says would."""
        if (passed := self.passed) is None:
            return None
        told = [one.icmp.mtu for one in self.asked.values() if one.icmp and one.icmp.code == FRAGMENTATION_NEEDED]
        # The next size did not pass: so a router is believed up to there, and no further.
        too_large = min((mtu for mtu in self.asked if mtu > passed), default=0)
        return max([passed, *(mtu for mtu in told if mtu < too_large)])

    def _ask(
        self,
        mtu: int,
        remote: Endpoint,
        request: bytes,
        understand: Callable[[Datagram], Answer | None],
        heard: Inquiry,
        now: float,
    ) -> None:
        schedule = brisk(heard.round_trip or 0.0)
        self.asked[mtu] = self._inquiries.ask(CHANNEL, remote, request, understand, schedule, now)
