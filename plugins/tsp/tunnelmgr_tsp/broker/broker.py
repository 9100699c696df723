"""The TSP broker: sets tunnels up over UDP and TCP, and carries their packets (docs/protocols/tsp.md section 18).

Channels are bound to the address that clients ask, so that answers come from there: their NATs let nothing else in. A
tunnel moves to another place only by a new session. A packet from elsewhere moves nothing, or anyone could take a tunnel.
"""

from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import cast

from tunnelmgr.api.datagrams import Accepted, ChannelEvent, ChannelFailed, ChannelKind, Closed, Datagram
from tunnelmgr.api.effects import Ask, CloseChannel, Done, Effect, EffectResult, Failed, OpenChannel
from tunnelmgr.api.errors import TunnelError
from tunnelmgr.api.events import Down, Notice, Stopped
from tunnelmgr.api.limits import TokenBucket
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.api.status import Fact, PathUse, TunnelStatus
from tunnelmgr.api.texts import printable
from tunnelmgr.api.tunnel import Tunnel, earliest
from tunnelmgr_tsp.broker import report as broker_report
from tunnelmgr_tsp.broker.conversations import TCP, UDP, ClientRequest, Conversations
from tunnelmgr_tsp.broker.dialogue import BrokerAnswer, BrokerStage, Policy, Wants
from tunnelmgr_tsp.broker.grants import PROTOCOL41, Grants
from tunnelmgr_tsp.broker.host_wish import HostWish
from tunnelmgr_tsp.broker.leasing import Lease, LeaseClaim, ListLeases
from tunnelmgr_tsp.broker.sessions import ClientSession
from tunnelmgr_tsp.broker.settings import TspBrokerSettings
from tunnelmgr_tsp.constants import (
    REFUSED_LOGINS_TOLD_BURST,
    REFUSED_LOGINS_TOLD_PER_SECOND,
    REOPEN_INTERVAL,
    SILENCE,
    SWEEP_INTERVAL,
    USER_SHOWN_MAX,
)
from tunnelmgr_tsp.wire.capability import TunnelType
from tunnelmgr_tsp.wire.datagrams import Kind
from tunnelmgr_tsp.wire.framing import SUCCESS, Reply, Status


class TspBroker(Tunnel):
    """The Tunnel. Owns the reception where clients speak, what was granted to them, and the wish for its host."""

    def __init__(self, settings: TspBrokerSettings, random: Random) -> None:
        super().__init__()
        self._settings = settings
        self._policy = Policy(settings)
        self._conversations = Conversations(self._policy, random, self.outbox)
        self._grants = Grants(self._policy, self.outbox)
        self._host = HostWish(self._policy, self._grants, self.outbox)
        self._refused_logins_told = TokenBucket(REFUSED_LOGINS_TOLD_BURST, REFUSED_LOGINS_TOLD_PER_SECOND)
        self._is_located = True
        self._loaded = False
        self._opening: dict[str, OpenChannel] = {}
        self._open: set[str] = set()
        self._sweep_at: float | None = None
        self._retry_at: float | None = None
        self._draining = False
        self._ready = False

    # -- verbs ------------------------------------------------------------------------------------------------------------

    def start(self, now: float, network: Network, memory: Mapping[str, bytes]) -> None:
        self._sweep_at = now + SWEEP_INTERVAL
        self._locate(network)
        self._open_all()

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        kind = Kind.of(datagram.data)
        if datagram.channel.startswith(f"{TCP}/") or (datagram.channel == UDP and kind is Kind.CONTROL):
            self._serve(self._conversations.hear(datagram, now), now)
        elif datagram.channel == PROTOCOL41 or kind is Kind.IPV6:
            self._grants.receive(datagram, now)
        else:
            self.outbox.count("dropped-unknown")

    def receive_packet(self, packet: bytes, now: float) -> None:
        self._grants.tunnels.transmit(packet, now)

    def channel_changed(self, event: ChannelEvent, now: float) -> None:
        if isinstance(event, Accepted):
            self._conversations.welcome(event, now)
        elif isinstance(event, Closed | ChannelFailed) and event.channel.startswith(f"{TCP}/"):
            self._conversations.hung_up(event.channel)
            self._settle(now)

    def network_changed(self, network: Network, now: float) -> None:
        """Follow the link of `prefix: on-link`. A lost IPv4 address needs nothing here: its channels cannot be opened."""
        self.outbox.count("network-changes")
        if self._sweep_at is not None:  # None: we are stopping
            self._locate(network)
            self._say_ready(now)

    def paths_used(self, uses: Sequence[PathUse], now: float) -> None:
        self._grants.tunnels.paths_used(uses)

    def effect_done(self, effect: Effect, result: EffectResult, now: float) -> None:
        if isinstance(effect, OpenChannel):
            self._opened(effect, result, now)
        elif isinstance(effect, Ask) and (asked := self._grants.answers(effect)) is not None:
            self._told(*asked, result, now)

    def handle_timeout(self, now: float) -> None:
        if self._retry_at is not None and now >= self._retry_at:
            self._retry_at = None
            self._open_all()
        self._conversations.end_pauses(now)
        if self._sweep_at is not None and now >= self._sweep_at:
            self._sweep_at = now + SWEEP_INTERVAL
            self._grants.sweep(now)
            self._conversations.close_idle(now)
        self._settle(now)

    def next_timeout(self) -> float | None:
        return earliest(self._retry_at, self._sweep_at, self._conversations.pause_ends_at, self._host.tell_at)

    def status(self, now: float) -> TunnelStatus:
        state = "draining" if self._draining else "listening" if self._ready else "not listening"
        tunnels = self._grants.tunnels
        facts = broker_report.facts(self._policy, self._grants, len(self._conversations.sessions))
        peers = tuple(tunnels.peers(now))
        return TunnelStatus(state, facts, peers, len(tunnels), dict(self.outbox.counters), self._grants.complaints(now))

    def command(self, name: str, arguments: Mapping[str, Fact], now: float) -> Mapping[str, object]:
        match name:
            case "users":
                return {"users": broker_report.user_rows(self._policy, self._grants)}
            case "leases":
                return {"leases": broker_report.lease_rows(self._policy, self._grants)}
            case "drain":
                self._draining = True
                return {"tunnels": len(self._grants.tunnels)}
        raise TunnelError(f"a TSP broker has no command {name!r}", hint="it has users, leases and drain")

    def stop(self, now: float) -> None:
        """End. TSP has no good-bye: clients notice by their keepalives, and get the same addresses again (section 12)."""
        self._grants.tunnels.clear()
        for session in self._conversations.sessions:
            self._conversations.sessions.remove(session)
        for channel in (*self._opening, *self._open):
            self.outbox.say(CloseChannel(channel))
        self._sweep_at = self._retry_at = None
        self.outbox.say(Stopped())

    # -- opening ----------------------------------------------------------------------------------------------------------

    def _open_all(self) -> None:
        address, port = self._settings.address, self._settings.port
        wanted = {UDP: (ChannelKind.UDP, port), TCP: (ChannelKind.TCP_LISTEN, port)}
        if TunnelType.V6V4 in self._policy.tunnels:
            wanted[PROTOCOL41] = (ChannelKind.RAW41, 0)
        for channel, (kind, local_port) in wanted.items():
            if channel not in self._open and channel not in self._opening:
                self._opening[channel] = wish = OpenChannel(channel, kind, Endpoint(address, local_port))
                self.outbox.say(wish)
        if not self._loaded:
            self._grants.ask_for_list()

    def _opened(self, wish: OpenChannel, result: EffectResult, now: float) -> None:
        if self._opening.pop(wish.channel, None) is not wish:
            return
        if isinstance(result, Done):
            self._open.add(wish.channel)
            self._say_ready(now)
        else:
            self._not_ready(result.text, now)

    def _not_ready(self, reason: str, now: float) -> None:
        self._retry_at = now + REOPEN_INTERVAL
        self.outbox.say(Down(reason, "check `address`, `port` and `leases` in the profile"))

    def _locate(self, network: Network) -> None:
        """Look for the link of `prefix: on-link`."""
        was, self._is_located = self._is_located, self._host.locate(network)
        if was and not self._is_located:
            self._ready = False
            hint = "`prefix: on-link` gives addresses of this host's own /64; it needs one, and a default route"
            self.outbox.say(Down("this host has no IPv6 address that leads to the internet", hint))

    def _say_ready(self, now: float) -> None:
        if self._opening or not self._loaded or not self._is_located or self._retry_at is not None:
            return
        if not self._ready:
            self._ready = True
            self._host.begin()
            broker = self._settings.address
            self.outbox.say(Notice("tsp.client-profile", f"clients use `method: {{type: tsp, broker: {broker}}}`"))
        self._settle(now)

    # -- answering --------------------------------------------------------------------------------------------------------

    def _serve(self, requests: Iterable[ClientRequest], now: float) -> None:
        for session, text in requests:
            self._step(session, text, now)
        self._settle(now)

    def _settle(self, now: float) -> None:
        """Take back what ended sessions were offered, and tell the host what changed."""
        for session in self._conversations.take_left():
            if session.dialogue.stage is BrokerStage.OFFERED:
                self._grants.abandon(session.dialogue, now)
        if self._ready:
            self._host.tell(now, len(self._conversations.sessions))

    def _step(self, session: ClientSession, text: bytes, now: float) -> None:
        dialogue = session.dialogue
        if dialogue.silenced:
            return
        if dialogue.stage is BrokerStage.HELLO and (refusal := self._turned_away()) is not None:
            dialogue.stage = BrokerStage.SILENCED
            self._conversations.answer(session, BrokerAnswer(refusal, close=True), now)
            return
        failures = dialogue.failures
        outcome = dialogue.receive(text)
        if dialogue.failures > failures:
            self._note_refused_login(session, now)
        answer = outcome if isinstance(outcome, BrokerAnswer) else self._act(session, outcome, now)
        if answer is not None:
            self._conversations.answer(session, answer, now)
        if dialogue.silenced:
            session.silenced_until = now + SILENCE

    def _note_refused_login(self, session: ClientSession, now: float) -> None:
        self.outbox.count("logins-refused")
        if self._refused_logins_told.take(now):
            who = printable(session.dialogue.claimed_user[:USER_SHOWN_MAX]) or "without a name"
            self.outbox.say(Notice("tsp.login-refused", f"refused the login of {who} at {session.remote}"))

    def _act(self, session: ClientSession, wants: Wants, now: float) -> BrokerAnswer | None:
        """Do what a dialogue wants. Returns None when the answer comes later, or never."""
        dialogue = session.dialogue
        match wants:
            case Wants.LEASE if not self._is_located:
                return dialogue.refuse(Reply(Status(310, "No IPv6 here")))
            case Wants.LEASE:
                refusal = self._grants.want(session, self._conversations.sessions.half_open(), now)
                return dialogue.refuse(refusal) if refusal is not None else None
            case Wants.TUNNEL:
                if not self._grants.install(session, now):
                    return None
                self._conversations.sessions.settle(session)
                return BrokerAnswer(b"")
            case Wants.REJECTION:
                self._grants.abandon(dialogue, now)
                return BrokerAnswer(b"")
            case Wants.DELETION:
                self._grants.delete(session)
                return BrokerAnswer(Reply(SUCCESS).serialize())

    def _turned_away(self) -> bytes | None:
        if not self._draining:
            return None
        reply = self._policy.referral(200, "Redirection") if self._settings.redirect else Reply(Status(530, "Going away"))
        return reply.status.serialize() + (reply.document + b"\r\n" if reply.document else b"")

    def _told(self, request: object, session: ClientSession | None, result: EffectResult, now: float) -> None:
        """Take the answer of the lease service."""
        match request:
            case ListLeases() if isinstance(result, Done):
                self._grants.take_leases(cast("tuple[Lease, ...]", result.value), now)
                self._loaded = True
                self._say_ready(now)
            case ListLeases() if isinstance(result, Failed):
                self._not_ready(result.text, now)
            case LeaseClaim(owner) if session is not None:
                is_here = self._conversations.is_here(session)
                answer = self._grants.claimed(owner, session, result, now, is_here=is_here)
                if is_here:
                    self._conversations.answer(session, answer, now)
                    self._serve(self._conversations.resume(session, now), now)
