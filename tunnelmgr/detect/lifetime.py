"""How long a NAT keeps a mapping nobody uses (RFC 5780 section 4.6).

For each wait there is a socket that speaks once; when its time is over another socket asks the server to answer to the
mapping of the first (RESPONSE-PORT). A wait of no time at all is among them: a server that does not do so says nothing
about the NAT.
"""

from dataclasses import dataclass

from tunnelmgr.api.datagrams import ChannelKind
from tunnelmgr.api.effects import Effect, OpenChannel
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.tunnel import earliest
from tunnelmgr.detect.constants import LIFETIME_STEPS
from tunnelmgr.detect.inquiries import Inquiries, Inquiry, InquiryState, brisk

_ASKER = "lifetime"


@dataclass(slots=True, eq=False)
class _Wait:
    """One mapping that is left alone."""

    seconds: float
    channel: str
    mapping: Inquiry | None = None
    """The question that made it."""
    echo: Inquiry | None = None
    """The question whose answer comes in by it, if it is still there."""


class Lifetime:
    """Tries waits up to `limit` seconds; None asks nothing."""

    def __init__(self, limit: float | None, inquiries: Inquiries) -> None:
        steps = range(LIFETIME_STEPS + 1) if limit is not None else ()
        self._waits = [_Wait((limit or 0.0) * step / LIFETIME_STEPS, f"{_ASKER}-{step}") for step in steps]
        self._inquiries = inquiries
        self._server: Inquiry | None = None
        self.begun_at = 0.0
        self._given_up = False

    @property
    def done(self) -> bool:
        return self._given_up or all(wait.echo is not None and wait.echo.settled for wait in self._waits)

    @property
    def begun(self) -> bool:
        return self._server is not None

    @property
    def server(self) -> Endpoint | None:
        """Who is asked; None before it has begun."""
        return self._server.remote if self._server is not None else None

    @property
    def echoes(self) -> list[tuple[float, Inquiry]]:
        """The waits that are over, in seconds, each with what came of it."""
        return [(wait.seconds, wait.echo) for wait in self._waits if wait.echo is not None and wait.echo.settled]

    @property
    def kept(self) -> float | None:
        """Seconds after which a mapping was still there; None where that was not found out."""
        return max(self._seconds(InquiryState.ANSWERED)) if self.obeyed else None

    @property
    def lost(self) -> float | None:
        """Seconds after which it was gone."""
        kept = self.kept
        return (
            None if kept is None else min((gone for gone in self._seconds(InquiryState.SILENT) if gone > kept), default=None)
        )

    @property
    def obeyed(self) -> bool:
        """Whether the server answers where it is told to."""
        return 0.0 in self._seconds(InquiryState.ANSWERED)

    def channels(self) -> list[Effect]:
        names = [_ASKER, *(wait.channel for wait in self._waits)] if self._waits else []
        return [OpenChannel(name, ChannelKind.UDP) for name in names]

    def begin(self, heard: Inquiry, now: float) -> None:
        """Make the mappings, at a server that was heard."""
        if not self._waits:
            return
        self._server, self.begun_at = heard, now
        for wait in self._waits:
            wait.mapping = self._inquiries.ask_stun(wait.channel, heard.remote, brisk(heard), now)

    def give_up(self) -> None:
        """Nobody is left to ask, or nothing to be asked."""
        self._given_up = True

    def advance(self, now: float) -> None:
        """Ask for the answers that are due."""
        for wait in self._waits:
            due_at = _due_at(wait)
            if self._server and wait.echo is None and due_at is not None and now >= due_at:
                wait.echo = self._ask_for_echo(self._server, wait, now)
        mappings = [wait.mapping for wait in self._waits if wait.mapping is not None]
        first = self._waits[0].echo if self._waits else None
        unheard = any(one.settled and one.mapped is None for one in mappings)
        if unheard or (first is not None and first.settled and not self.obeyed):
            self.give_up()

    def next_timeout(self) -> float | None:
        return earliest(*(_due_at(wait) for wait in self._waits if wait.echo is None))

    def _ask_for_echo(self, server: Inquiry, wait: _Wait, now: float) -> Inquiry:
        mapped = wait.mapping.mapped if wait.mapping else None
        port = mapped.port if mapped else None
        return self._inquiries.ask_stun(
            _ASKER, server.remote, brisk(server), now, response_port=port, answered_on=wait.channel
        )

    def _seconds(self, state: InquiryState) -> list[float]:
        return [wait.seconds for wait in self._waits if wait.echo is not None and wait.echo.state is state]


def _due_at(wait: _Wait) -> float | None:
    """When the mapping has been left alone for long enough; None before it was made."""
    made = wait.mapping
    if made is None or made.mapped is None or made.round_trip is None:
        return None
    return made.sent_at + made.round_trip + wait.seconds
