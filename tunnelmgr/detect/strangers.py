"""Whether the NAT lets in packets from addresses this host has not sent to, where no STUN server with two addresses tells.

Some far ends answer from another address when asked to (`ReachProbe.stranger`). Each is asked on a socket of its own, once
it is known to answer at all: then silence is the filter's.
"""

from collections.abc import Iterable

from tunnelmgr.api.datagrams import ChannelKind
from tunnelmgr.api.effects import OpenChannel
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.reach import ReachProbe
from tunnelmgr.detect.far_ends import FarEnds
from tunnelmgr.detect.inquiries import Inquiries, Inquiry, InquiryState, brisk

_CHANNEL = "stranger"


class Strangers:
    """Asks once."""

    def __init__(self, probes: Iterable[ReachProbe], inquiries: Inquiries, outbox: Outbox) -> None:
        self._waiting = list(probes)
        self._inquiries = inquiries
        self._outbox = outbox
        self.asked: list[tuple[ReachProbe, Inquiry]] = []

    @property
    def done(self) -> bool:
        return all(inquiry.settled for _, inquiry in self.asked)

    @property
    def let_in(self) -> bool | None:
        """Whether one came in. None: nobody was asked, or they answer from where they are asked."""
        answers = [came_in(inquiry) for _, inquiry in self.asked]
        return True if True in answers else False if False in answers else None

    def begin(self, far_ends: FarEnds, now: float) -> None:
        """Ask those that are heard by now."""
        for probe in list(self._waiting):
            heard = next((one for one in far_ends.heard() if one.probe.target == probe.target), None)
            if heard is not None and heard.inquiry is not None:
                self._waiting.remove(probe)
                self._ask(probe, heard.inquiry, now)

    def _ask(self, probe: ReachProbe, heard: Inquiry, now: float) -> None:
        channel = f"{_CHANNEL}-{len(self.asked)}"
        self._outbox.say(OpenChannel(channel, ChannelKind.UDP))
        inquiry = self._inquiries.ask(
            channel, heard.remote, probe.request, lambda datagram: probe.understand(datagram.data), brisk(heard), now
        )
        self.asked.append((probe, inquiry))


def came_in(inquiry: Inquiry) -> bool | None:
    """Return whether the answer came from elsewhere and got in; None where that is not known."""
    if inquiry.state is InquiryState.SILENT:
        return False
    if inquiry.state is not InquiryState.ANSWERED or inquiry.answered_from is None:
        return None
    return True if inquiry.answered_from.address != inquiry.remote.address else None
