"""How large packets may be on the way out: questions of several sizes side by side, none of which may be fragmented.

A STUN server answers questions of any size. Where there is none, a port without a listener does, at a far end: its host says
so (ICMP port unreachable), unless a firewall keeps it from doing so.
"""

from tunnelmgr.api.network import Endpoint
from tunnelmgr.detect.constants import HOPS, MTUS, TRACEROUTE_PORT, UDP_HEADERS
from tunnelmgr.detect.inquiries import FRAGMENTATION_NEEDED, Inquiries, Inquiry, InquiryState, brisk

CHANNEL = "path-mtu"


class PathMtuProbe:
    """Asks once."""

    def __init__(self, inquiries: Inquiries) -> None:
        self._inquiries = inquiries
        self.asked: dict[int, Inquiry] = {}
        """By bytes of IPv4 packet."""

    @property
    def done(self) -> bool:
        return all(inquiry.settled for inquiry in self.asked.values())

    def ask_stun(self, heard: Inquiry, now: float) -> None:
        """Ask a STUN server that was heard."""
        for mtu in MTUS:
            length = mtu - UDP_HEADERS
            self.asked[mtu] = self._inquiries.ask_stun(CHANNEL, heard.remote, brisk(heard), now, length=length)

    def ask_closed_port(self, heard: Inquiry, now: float) -> None:
        """Ask a port without a listener, at a far end that was heard. The port tells the sizes apart."""
        for number, mtu in enumerate(MTUS):
            remote = Endpoint(heard.remote.address, TRACEROUTE_PORT + HOPS + number)
            request = bytes(mtu - UDP_HEADERS)
            self.asked[mtu] = self._inquiries.ask(CHANNEL, remote, request, lambda _: None, brisk(heard), now)

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
