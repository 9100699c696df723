"""The TSP broker: sets tunnels up over UDP and TCP, and carries their packets (docs/protocols/tsp.md section 18).

Every answer over UDP leaves from the address that was asked, because channels are bound to it: the client's NAT lets
nothing else in. A tunnel moves to another place by a new session only, never because a packet came from there.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from ipaddress import IPv6Interface, IPv6Network
from random import Random
from typing import cast

from tunnelmgr.api.datagrams import Accepted, ChannelEvent, ChannelFailed, ChannelKind, Closed, Datagram
from tunnelmgr.api.effects import Ask, CloseChannel, Done, Effect, EffectResult, OpenChannel
from tunnelmgr.api.errors import TunnelError, WireError
from tunnelmgr.api.events import Down, Event, Notice, Stopped, Up
from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.api.status import Fact, PathUse, TunnelStatus
from tunnelmgr_tsp.broker_dialogue import Answer, BrokerDialogue, Policy, Stage, Wants
from tunnelmgr_tsp.broker_settings import BrokerSettings, Exit
from tunnelmgr_tsp.capability import TunnelType
from tunnelmgr_tsp.constants import (
    ANONYMOUS_GRACE,
    MTU_UDP,
    REQUESTS_BURST,
    REQUESTS_PER_SECOND,
    RSPAUTH_PAUSE,
    SILENCE,
    SWEEP_INTERVAL,
)
from tunnelmgr_tsp.dialogue import Medium
from tunnelmgr_tsp.framing import BLANK, Reply, Status
from tunnelmgr_tsp.header import ControlMessage, Kind
from tunnelmgr_tsp.leasing import Claim, Lease, ListLeases, Release
from tunnelmgr_tsp.outbox import Outbox
from tunnelmgr_tsp.served import Served, Tunnels
from tunnelmgr_tsp.sessions import Session, Sessions
from tunnelmgr_tsp.token_buckets import TokenBuckets

UDP, TCP, PROTOCOL41 = "tsp", "tsp-tcp", "p41"
LEASES = "leases"
_REOPEN_INTERVAL = 5.0  # seconds until what could not be opened is tried again
_ECHO = b"ECHO REQUEST"
_VERSION = b"VERSION="
_WAITING_MAX = 4  # messages of one stream that may wait for an answer to the one before


class TspBroker:
    """The Tunnel. Owns the sessions, the tunnels, and what it knows of the leases."""

    def __init__(self, settings: BrokerSettings, random: Random) -> None:
        self._settings = settings
        self._random = random
        self._policy = Policy(settings)
        self._outbox = Outbox()
        self._sessions = Sessions()
        self._tunnels = Tunnels(self._outbox)
        self._leases: dict[str, Lease] = {}
        self._loaded = False
        self._opening: dict[str, OpenChannel] = {}
        self._open: set[str] = set()
        self._asked: dict[int, tuple[Ask, Session | None]] = {}
        """By identity: equal requests are different ones."""
        self._requests = TokenBuckets(REQUESTS_PER_SECOND, REQUESTS_BURST)
        self._release_at: dict[str, float] = {}
        """Owners of anonymous leases that carry nothing, and when those are taken back."""
        self._sweep_at: float | None = None
        self._retry_at: float | None = None
        self._pausing: deque[Session] = deque()
        """Streams on which something more is to be said."""
        self._draining = False
        self._ready = False

    # -- verbs ------------------------------------------------------------------------------------------------------------

    def start(self, now: float, network: Network, memory: Mapping[str, bytes]) -> None:
        self._sweep_at = now + SWEEP_INTERVAL
        self._open_all()

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        if datagram.channel.startswith(f"{TCP}/"):
            self._receive_stream(datagram, now)
        elif datagram.channel == PROTOCOL41 or Kind.of(datagram.data) is Kind.IPV6:
            self._tunnels.receive(datagram, now)
        elif Kind.of(datagram.data) is Kind.CONTROL:
            self._receive_control(datagram, now)
        else:
            self._outbox.count("dropped-unknown")

    def receive_packet(self, packet: bytes, now: float) -> None:
        self._tunnels.transmit(packet, now)

    def channel_changed(self, event: ChannelEvent, now: float) -> None:
        if isinstance(event, Accepted):
            self._welcome(event, now)
        elif isinstance(event, Closed | ChannelFailed) and event.channel.startswith(f"{TCP}/"):
            for session in self._sessions:
                if session.channel == event.channel:
                    self._forget(session, now)

    def network_changed(self, network: Network, now: float) -> None:
        """Clients find us by our address; that it is gone shows in what can be opened."""
        self._outbox.count("network-changes")

    def paths_used(self, uses: Sequence[PathUse], now: float) -> None:
        self._tunnels.paths_used(uses)

    def effect_done(self, effect: Effect, result: EffectResult, now: float) -> None:
        if isinstance(effect, OpenChannel):
            self._opened(effect, result, now)
        elif isinstance(effect, Ask) and id(effect) in self._asked:
            self._told(*self._asked.pop(id(effect)), result, now)

    def handle_timeout(self, now: float) -> None:
        self._outbox.close_due()
        if self._retry_at is not None and now >= self._retry_at:
            self._retry_at = None
            self._open_all()
        self._end_pauses(now)
        if self._sweep_at is not None and now >= self._sweep_at:
            self._sweep_at = now + SWEEP_INTERVAL
            self._sweep(now)

    def next_timeout(self) -> float | None:
        pause_at = self._pausing[0].later_at if self._pausing else None  # all pauses are as long: the first ends first
        timers = [self._retry_at, self._sweep_at, self._outbox.closing_at, pause_at]
        return min((at for at in timers if at is not None), default=None)

    def datagrams_to_send(self) -> list[Datagram]:
        return self._outbox.drain_datagrams()

    def packets_to_deliver(self) -> list[bytes]:
        return self._outbox.drain_packets()

    def events(self) -> list[Event]:
        return self._outbox.drain_events()

    def status(self, now: float) -> TunnelStatus:
        state = "draining" if self._draining else "listening" if self._ready else "not listening"
        peers = tuple(self._tunnels.peers(now))
        return TunnelStatus(state, self._facts(), peers, len(self._tunnels), dict(self._outbox.counters))

    def command(self, name: str, arguments: Mapping[str, Fact], now: float) -> Mapping[str, object]:
        match name:
            case "users":
                return {"users": [self._user_row(user) for user in self._policy.users.names]}
            case "leases":
                return {"leases": [self._lease_row(lease) for lease in self._leases.values()]}
            case "drain":
                self._draining = True
                return {"tunnels": len(self._tunnels)}
        raise TunnelError(f"a TSP broker has no command {name!r}", hint="it has users, leases and drain")

    def stop(self, now: float) -> None:
        """There is no good-bye: clients notice by their keepalives, and get the same addresses again."""
        self._tunnels.clear()
        for session in self._sessions:
            self._sessions.remove(session)
        for channel in (*self._opening, *self._open):
            self._outbox.say(CloseChannel(channel))
        self._sweep_at = self._retry_at = None
        self._outbox.say(Stopped())

    # -- opening ----------------------------------------------------------------------------------------------------------

    def _open_all(self) -> None:
        address, port = self._settings.address, self._settings.port
        wanted = {UDP: (ChannelKind.UDP, port), TCP: (ChannelKind.TCP_LISTEN, port)}
        if TunnelType.V6V4 in self._policy.tunnels:
            wanted[PROTOCOL41] = (ChannelKind.RAW41, 0)
        for channel, (kind, local_port) in wanted.items():
            if channel not in self._open and channel not in self._opening:
                self._opening[channel] = wish = OpenChannel(channel, kind, Endpoint(address, local_port))
                self._outbox.say(wish)
        if not self._loaded:
            self._ask(ListLeases(), None)

    def _opened(self, wish: OpenChannel, result: EffectResult, now: float) -> None:
        if self._opening.pop(wish.channel, None) is not wish:
            return
        if isinstance(result, Done):
            self._open.add(wish.channel)
            self._say_ready()
        else:
            self._not_ready(result.text, now)

    def _not_ready(self, reason: str, now: float) -> None:
        self._retry_at = now + _REOPEN_INTERVAL
        self._outbox.say(Down(reason, "check `address`, `port` and `leases` in the profile"))

    def _say_ready(self) -> None:
        if self._opening or not self._loaded or self._ready or self._retry_at is not None:
            return
        self._ready = True
        plan = self._policy.plan
        config = HostConfig(
            addresses=(IPv6Interface(plan.server),),
            routes=plan.routed,
            mtu=MTU_UDP,
            listening=True,
            forwarding=True,
            translate=plan.routed if self._settings.exit is Exit.NAT66 else (),
        )
        facts = {name: str(fact) for name, fact in self._facts().items() if isinstance(fact, str)}
        self._outbox.say(Up(config, facts))
        broker = self._settings.address
        self._outbox.say(Notice("tsp.client-profile", f"clients use `method: {{type: tsp, broker: {broker}}}`"))

    # -- hearing clients --------------------------------------------------------------------------------------------------

    def _receive_control(self, datagram: Datagram, now: float) -> None:
        try:
            message = ControlMessage.parse(datagram.data)
        except WireError:
            self._outbox.count("dropped-malformed")
            return
        if not self._requests.take(datagram.remote.address, now):
            self._outbox.count("dropped-too-many")
            return
        if message.text.startswith(_ECHO):
            self._reply(datagram.remote, message.sequence, message.timestamp, Status(200, "Success").serialize())
            return
        session = self._session_of(datagram, message, now)
        if session is None:
            self._outbox.count("dropped-no-session")
            return
        session.heard_at = now
        if (known := session.answered.get(message.sequence)) is not None and known.text == message.text:
            known.timestamp = message.timestamp
            self._outbox.count("requests-repeated")
            if known.answer is not None:
                self._reply(session.remote, message.sequence, message.timestamp, known.answer)
            return
        if session.dialogue.stage is Stage.CLAIMING:
            return  # never pipelined: the client has to wait for what it asked before
        session.remember(message.sequence, message.text, message.timestamp)
        self._outbox.count("requests")
        self._step(session, message.text, now)

    def _session_of(self, datagram: Datagram, message: ControlMessage, now: float) -> Session | None:
        """Return the session a message belongs to, a new one for VERSION."""
        session = self._sessions.get(UDP, datagram.remote)
        begins = message.text.strip(BLANK).upper().startswith(_VERSION)
        if session is not None and begins:
            known = session.answered.get(message.sequence)
            if known is not None and known.text == message.text:
                return session
        if not begins or (session is not None and session.is_silenced(now)):
            return session
        if session is None and not self._sessions.has_room_for(datagram.remote.address):
            self._outbox.count("dropped-no-room")
            return None
        return self._new_session(UDP, datagram.remote, Medium.UDP, now)

    def _new_session(self, channel: str, remote: Endpoint, medium: Medium, now: float) -> Session:
        dialogue = BrokerDialogue(self._policy, remote.address, medium, self._random)
        session = Session(channel, remote, medium, dialogue, now)
        self._sessions.add(session)
        return session

    def _welcome(self, event: Accepted, now: float) -> None:
        if self._sessions.has_room_for(event.remote.address) and self._requests.take(event.remote.address, now):
            self._new_session(event.connection, event.remote, Medium.TCP, now)
        else:
            self._outbox.count("dropped-no-room")
            self._outbox.say(CloseChannel(event.connection))

    def _receive_stream(self, datagram: Datagram, now: float) -> None:
        session = self._sessions.get(datagram.channel, datagram.remote)
        if session is None:
            return
        session.heard_at = now
        try:
            session.waiting += session.reader.feed(datagram.data)
        except WireError:
            session.waiting = []
            self._outbox.send(Datagram(session.channel, Status(500, "Invalid request format").serialize(), session.remote))
            self._close(session, now)
            return
        if len(session.waiting) > _WAITING_MAX:
            self._close(session, now)
        self._next_of_stream(session, now)

    def _next_of_stream(self, session: Session, now: float) -> None:
        while session.waiting and session.dialogue.stage is not Stage.CLAIMING:
            if not self._requests.take(session.remote.address, now):
                self._close(session, now)
                return
            self._outbox.count("requests")
            self._step(session, session.waiting.pop(0), now)

    # -- answering --------------------------------------------------------------------------------------------------------

    def _step(self, session: Session, text: bytes, now: float) -> None:
        dialogue = session.dialogue
        if dialogue.silenced:
            return
        if dialogue.stage is Stage.HELLO and (refusal := self._turned_away()) is not None:
            dialogue.stage = Stage.SILENCED
            self._answer(session, Answer(refusal, close=True), now)
            return
        outcome = dialogue.receive(text)
        match outcome:
            case Answer():
                self._answer(session, outcome, now)
            case Wants.LEASE:
                self._want_lease(session, now)
            case Wants.TUNNEL:
                self._install(session, now)
            case Wants.REJECTION:
                self._abandon(session, now)
                self._answer(session, Answer(b""), now)
            case Wants.DELETION:
                self._delete(session, now)
            case Wants.INFORMATION:
                self._inform(session, now)
        if dialogue.silenced:
            session.silenced_until = now + SILENCE

    def _turned_away(self) -> bytes | None:
        if not self._draining:
            return None
        reply = self._policy.referral(200, "Redirection") if self._settings.redirect else Reply(Status(530, "Going away"))
        return reply.status.serialize() + (reply.document + b"\r\n" if reply.document else b"")

    def _answer(self, session: Session, answer: Answer, now: float) -> None:
        if session.medium is Medium.UDP:
            known = session.answered.get(session.sequence)
            if known is not None:
                known.answer = answer.text
                self._reply(session.remote, session.sequence, known.timestamp, answer.text)
            return
        if answer.text:
            self._outbox.send(Datagram(session.channel, answer.text, session.remote))
        if answer.later:
            session.later, session.later_at = answer.later, now + RSPAUTH_PAUSE
            self._pausing.append(session)
        if answer.close:
            self._close(session, now)

    def _end_pauses(self, now: float) -> None:
        while self._pausing and (self._pausing[0].later_at or 0.0) <= now:
            session = self._pausing.popleft()
            if self._sessions.get(session.channel, session.remote) is session:
                self._outbox.send(Datagram(session.channel, session.later, session.remote))
            session.later, session.later_at = b"", None

    def _reply(self, remote: Endpoint, sequence: int, timestamp: int, text: bytes) -> None:
        self._outbox.send(Datagram(UDP, ControlMessage(sequence, timestamp, text).serialize(), remote))

    # -- leases and tunnels -----------------------------------------------------------------------------------------------

    def _want_lease(self, session: Session, now: float) -> None:
        dialogue, address = session.dialogue, session.remote.address
        owner = self._owner(session)
        current = self._tunnels.of(owner)
        if dialogue.type is TunnelType.V6V4:
            there = self._tunnels.at(PROTOCOL41, Endpoint(address, 0))
            if there is not None and there.owner != owner:
                self._answer(session, dialogue.refuse(Reply(Status(506, "IPv4 address in use"))), now)
                return
        if current is None and self._is_full_for(session):
            refusal = self._policy.referral(301, "No more tunnels available")
            self._answer(session, dialogue.refuse(refusal), now)
            return
        wants_prefix = dialogue.create is not None and dialogue.create.prefix_length is not None
        self._release_at.pop(owner, None)
        self._ask(Claim(owner, dialogue.user is None, wants_prefix), session)

    def _is_full_for(self, session: Session) -> bool:
        """Whether one more tunnel would be too many; those on offer count."""
        address = session.remote.address
        promised = [
            one.remote.address
            for one in self._sessions.half_open()
            if one is not session and one.dialogue.stage in {Stage.CLAIMING, Stage.OFFERED}
        ]
        return (
            len(self._tunnels) + len(promised) >= self._settings.tunnels_max
            or self._tunnels.count_at(address) + promised.count(address) >= self._settings.tunnels_per_address
        )

    def _told(self, ask: Ask, session: Session | None, result: EffectResult, now: float) -> None:
        """Take the answer of the lease service."""
        match ask.request:
            case ListLeases():
                self._take_list(result, now)
            case Claim(owner) if session is not None:
                lease = cast("Lease | None", result.value) if isinstance(result, Done) else None
                if lease is not None:
                    self._leases[owner] = lease
                if isinstance(result, Done):
                    answer = session.dialogue.offer(lease)
                else:
                    self._outbox.count("leases-failed")
                    answer = session.dialogue.refuse(Reply(Status(310, "Server side error")))
                if self._sessions.get(session.channel, session.remote) is session:
                    self._answer(session, answer, now)
                    self._next_of_stream(session, now)
                elif lease is not None and lease.anonymous and self._tunnels.of(owner) is None:
                    self._release_at[owner] = now + ANONYMOUS_GRACE

    def _take_list(self, result: EffectResult, now: float) -> None:
        if not isinstance(result, Done):
            self._not_ready(result.text, now)
            return
        leases = cast("tuple[Lease, ...]", result.value)
        self._leases = {lease.owner: lease for lease in leases}
        self._loaded = True
        for lease in leases:  # whoever they were given to may still be there, and come back
            if lease.anonymous and lease.broker == self.name:
                self._release_at[lease.owner] = now + ANONYMOUS_GRACE
        self._say_ready()

    def _install(self, session: Session, now: float) -> None:
        """The offer was accepted: carry."""
        dialogue = session.dialogue
        lease, offered = dialogue.lease, dialogue.offered
        if lease is None or offered is None or offered.client_ipv6 is None:
            return
        is_udp = offered.type is TunnelType.V6UDPV4
        networks = (IPv6Network(offered.client_ipv6), *((offered.prefix,) if offered.prefix else ()))
        interval = float(offered.keepalive.interval if offered.keepalive else self._settings.keepalive)
        remote = session.remote if is_udp else Endpoint(session.remote.address, 0)
        tunnel = Served(lease.owner, offered.type, UDP if is_udp else PROTOCOL41, remote, networks, interval, now)
        self._release_at.pop(lease.owner, None)
        displaced = self._tunnels.at(tunnel.channel, tunnel.remote)
        self._tunnels.install(tunnel)
        if displaced is not None and displaced.owner != tunnel.owner:
            self._ended(displaced, now)
        dialogue.stage = Stage.UP
        self._sessions.settle(session)
        self._outbox.count("tunnels-set-up")
        self._outbox.say(Notice("tsp.tunnel-up", f"{lease.owner} at {remote}: {offered.type.value}, {networks[0]}"))
        self._answer(session, Answer(b""), now)

    def _delete(self, session: Session, now: float) -> None:
        owner = self._owner(session)
        self._tunnels.remove(self._tunnels.of(owner))
        if self._leases.pop(owner, None) is not None:
            self._ask(Release(owner), None)
        self._release_at.pop(owner, None)
        session.dialogue.stage = Stage.COMMAND
        self._answer(session, Answer(Reply(Status(200, "Success")).serialize()), now)

    def _inform(self, session: Session, now: float) -> None:
        offered = session.dialogue.offered
        reply = Reply(Status(310, "No tunnel")) if offered is None else Reply(Status(200, "Success"), offered.serialize())
        self._answer(session, Answer(reply.serialize()), now)

    def _owner(self, session: Session) -> str:
        """Return whose lease it is: a user's, or that of a place."""
        user, remote = session.dialogue.user, session.remote
        if user is not None:
            return f"user {user}"
        is_udp = session.dialogue.type is TunnelType.V6UDPV4
        return f"anonymous {remote}" if is_udp else f"anonymous {remote.address}"

    def _abandon(self, session: Session, now: float) -> None:
        """The offer came to nothing: an anonymous lease is not needed."""
        lease = session.dialogue.lease
        if lease is not None and lease.anonymous and self._tunnels.of(lease.owner) is None:
            self._release_at[lease.owner] = now

    def _ended(self, tunnel: Served, now: float) -> None:
        self._outbox.say(Notice("tsp.tunnel-down", f"{tunnel.owner} at {tunnel.remote}"))
        lease = self._leases.get(tunnel.owner)
        if lease is not None and lease.anonymous:
            self._release_at[tunnel.owner] = now + ANONYMOUS_GRACE

    def _ask(self, request: object, session: Session | None) -> None:
        ask = Ask(LEASES, request)
        self._asked[id(ask)] = (ask, session)
        self._outbox.say(ask)

    # -- tidying ----------------------------------------------------------------------------------------------------------

    def _sweep(self, now: float) -> None:
        for tunnel in self._tunnels.silent(now):
            self._tunnels.remove(tunnel)
            self._ended(tunnel, now)
        for session in self._sessions.idle(now):
            self._close(session, now)
        for owner in [owner for owner, at in self._release_at.items() if now >= at]:
            del self._release_at[owner]
            self._leases.pop(owner, None)
            self._ask(Release(owner), None)

    def _close(self, session: Session, now: float) -> None:
        self._forget(session, now)
        if session.medium is Medium.TCP:
            self._outbox.close(session.channel)

    def _forget(self, session: Session, now: float) -> None:
        if session.dialogue.stage is Stage.OFFERED:
            self._abandon(session, now)
        self._sessions.remove(session)

    # -- what others are told ---------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """How leases say who gave them."""
        return str(self._settings.address)

    def _facts(self) -> dict[str, Fact]:
        settings, plan = self._settings, self._policy.plan
        return {
            "broker": f"{settings.address}:{settings.port}",
            "tunnels": ", ".join(sorted(one.value for one in self._policy.tunnels)),
            "link": str(plan.link),
            "prefixes": f"/{plan.delegated_length} of {plan.pool}" if plan.delegated_length else None,
            "users": len(self._policy.users.names),
            "anonymous": settings.anonymous,
            "exit": settings.exit.value,
            "sessions": len(self._sessions),
            "leases": len(self._leases),
            "encrypted": False,
        }

    def _user_row(self, user: str) -> Mapping[str, Fact]:
        return {"user": user, **self._lease_facts(f"user {user}")}

    def _lease_row(self, lease: Lease) -> Mapping[str, Fact]:
        return {"owner": lease.owner, "anonymous": lease.anonymous, **self._lease_facts(lease.owner)}

    def _lease_facts(self, owner: str) -> Mapping[str, Fact]:
        plan, lease, tunnel = self._policy.plan, self._leases.get(owner), self._tunnels.of(owner)
        slot, prefix_slot = (lease.slot, lease.prefix_slot) if lease is not None else (None, None)
        return {
            "address": str(plan.client(slot)) if slot is not None else None,
            "prefix": str(plan.prefix(prefix_slot)) if prefix_slot is not None else None,
            "tunnel": tunnel.type.value if tunnel is not None else None,
            "endpoint": str(tunnel.remote) if tunnel is not None else None,
        }
