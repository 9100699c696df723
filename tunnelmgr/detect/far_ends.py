"""Whether the far ends of a profile's methods can be reached: by UDP, TCP or protocol 41, as each transport asks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Final

from tunnelmgr.api.datagrams import ChannelEvent, ChannelFailed, ChannelKind, Connected, Datagram, IcmpReceived
from tunnelmgr.api.effects import Failed, FailureCode, OpenChannel
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.reach import Heard, ReachProbe
from tunnelmgr.detect.behaviour import Sighting
from tunnelmgr.detect.inquiries import PATIENT, Inquiries, Inquiry, InquiryState

ADDRESSES_MAX: Final = 4  # of one name; ours
ANOTHER: Final = ", at "
"""Stands between what a probe calls its far end and another address of the same name."""


@dataclass(slots=True, eq=False)
class FarEnd:
    """One far end and what is known of it."""

    method: str
    probe: ReachProbe
    channel: str
    remote: Endpoint | None = None
    """None while its name is not resolved."""
    inquiry: Inquiry | None = None
    begun_at: float = 0.0
    connected: bool | None = None
    """TCP only."""
    connecting_took: float | None = None
    trouble: str = ""
    """Why it could not be asked, or what the network said."""

    @property
    def kind(self) -> ChannelKind:
        return self.probe.kind

    @property
    def settled(self) -> bool:
        if self.trouble:
            return True
        if self.kind is ChannelKind.TCP_CONNECT:
            return self.connected is not None
        return self.inquiry is not None and self.inquiry.settled

    @property
    def reached(self) -> bool | None:
        """Whether it answered; None where it was not asked, or not to the end."""
        if self.kind is ChannelKind.TCP_CONNECT:
            return self.connected
        if self.inquiry is None or not self.inquiry.settled:
            return None
        return self.inquiry.state is InquiryState.ANSWERED

    @property
    def round_trip(self) -> float | None:
        return self.connecting_took if self.inquiry is None else self.inquiry.round_trip

    @property
    def mapped(self) -> Endpoint | None:
        """Where it sees us, if it says so; of UDP only."""
        return self.inquiry.mapped if self.inquiry is not None and self.kind is ChannelKind.UDP else None


class FarEnds:
    """Asks all of them side by side. Those of UDP are asked on a socket that others use too."""

    def __init__(
        self, probes: tuple[tuple[str, ReachProbe], ...], inquiries: Inquiries, udp_channel: str, outbox: Outbox
    ) -> None:
        self._inquiries = inquiries
        self._outbox = outbox
        self.all = [
            FarEnd(method, probe, udp_channel if probe.kind is ChannelKind.UDP else f"far-end-{number}")
            for number, (method, probe) in enumerate(probes)
        ]

    @property
    def done(self) -> bool:
        return all(far_end.settled for far_end in self.all)

    def resolved(self, target: str, addresses: Sequence[IPv4Address], now: float) -> None:
        """Begin with the far ends of this name: one at each of its addresses, as `up` tries them, up to ADDRESSES_MAX."""
        for far_end in self._of(target):
            self._begin(far_end, addresses[0], now)
            for address in addresses[1:ADDRESSES_MAX]:
                self._begin(self._at_another_address(far_end, address), address, now)

    def _at_another_address(self, far_end: FarEnd, address: IPv4Address) -> FarEnd:
        probe = replace(far_end.probe, what=f"{far_end.probe.what}{ANOTHER}{address}")
        channel = far_end.channel if far_end.kind is ChannelKind.UDP else f"far-end-{len(self.all)}"
        self.all.append(FarEnd(far_end.method, probe, channel))
        return self.all[-1]

    def _begin(self, far_end: FarEnd, address: IPv4Address, now: float) -> None:
        far_end.remote = Endpoint(address + far_end.probe.offset, far_end.probe.port)
        far_end.begun_at = now
        if far_end.kind is ChannelKind.UDP:
            self._ask(far_end, now)
        else:
            self._outbox.say(OpenChannel(far_end.channel, far_end.kind, remote=far_end.remote))

    def unresolved(self, target: str, why: str) -> None:
        for far_end in self._of(target):
            far_end.trouble = why

    def channel_opened(self, effect: OpenChannel, result: object, now: float) -> None:
        """Ask on a channel of its own, or take note that there is none."""
        for far_end in self.all:
            if far_end.channel != effect.channel or far_end.kind is ChannelKind.UDP:
                continue
            if isinstance(result, Failed):
                not_allowed = result.code is FailureCode.NO_PERMISSION
                far_end.trouble = "not tried: that takes root" if not_allowed else result.text
            elif far_end.kind is ChannelKind.RAW41:
                self._ask(far_end, now)

    def channel_changed(self, event: ChannelEvent, now: float) -> None:
        """Note whether connecting succeeded."""
        for far_end in self.all:
            if far_end.channel != event.channel or far_end.kind is not ChannelKind.TCP_CONNECT or far_end.settled:
                continue
            if isinstance(event, Connected):
                far_end.connected, far_end.connecting_took = True, now - far_end.begun_at
            elif isinstance(event, ChannelFailed | IcmpReceived):
                far_end.connected = False

    def give_up(self) -> None:
        """End what still waits: time is over."""
        for far_end in self.all:
            if far_end.kind is ChannelKind.TCP_CONNECT and far_end.connected is None and not far_end.trouble:
                far_end.connected = False

    def sightings(self) -> list[Sighting]:
        """Return who saw the UDP socket where."""
        return [Sighting(one.remote, one.mapped) for one in self.all if one.remote is not None and one.mapped is not None]

    def heard(self) -> list[FarEnd]:
        """Return those that answered by UDP."""
        return [one for one in self.all if one.kind is ChannelKind.UDP and one.reached]

    def first_heard(self) -> Inquiry | None:
        """Return the question to one of these; None while there is none."""
        return next((one.inquiry for one in self.heard()), None)

    def _of(self, target: str) -> list[FarEnd]:
        return [far_end for far_end in self.all if far_end.probe.target == target]

    def _ask(self, far_end: FarEnd, now: float) -> None:
        assert far_end.remote is not None  # noqa: S101 - both callers have just set it
        probe, remote = far_end.probe, far_end.remote

        def understand(datagram: Datagram) -> Heard | None:
            return probe.understand(datagram.data) if datagram.remote == remote else None

        far_end.inquiry = self._inquiries.ask(far_end.channel, remote, probe.request, understand, PATIENT, now)
