"""The TSP client: finds a broker, keeps a tunnel, and looks for a new one when it falls silent.

    connecting ---accepted---> carrying <--accepted-- reconnecting
      |    ^                      |                      ^   |
    no broker  back-off           +--silence, new address+   +--GRACE over--> connecting or waiting
      v    |
     waiting                      stopped follows any state

While `reconnecting` the addresses stay configured for a while, and a new offer is compared with them: the host changes
only when the offer differs. Users miss this most in gogoc, which takes all down (docs/protocols/tsp.md section 12).
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from itertools import count
from random import Random

from tunnelmgr.api.datagrams import ChannelEvent, Datagram, IcmpReceived
from tunnelmgr.api.effects import CloseChannel, Effect, EffectResult
from tunnelmgr.api.errors import ExitCode
from tunnelmgr.api.events import EVERYWHERE, Down, Notice, PathDown, Stopped, Up
from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.api.network import Network
from tunnelmgr.api.status import Fact, PathUse, TunnelStatus
from tunnelmgr.api.tunnel import Tunnel, earliest
from tunnelmgr_tsp.client.candidates import Broker
from tunnelmgr_tsp.client.carrying import Carrying
from tunnelmgr_tsp.client.connecting import Connecting, Exhausted
from tunnelmgr_tsp.client.recollection import Recollection
from tunnelmgr_tsp.client.retries import RetryPace
from tunnelmgr_tsp.client.settings import TspClientSettings, TunnelWish
from tunnelmgr_tsp.client.terms import Agreement, Terms
from tunnelmgr_tsp.client.troubles import Remedy
from tunnelmgr_tsp.constants import BACKOFF_MAX, GIVING_BACK_TIMEOUT, GRACE, UNKNOWN_CODES_MAX
from tunnelmgr_tsp.wire.capability import TunnelType
from tunnelmgr_tsp.wire.datagrams import Kind
from tunnelmgr_tsp.wire.messages import Action

_PORT_UNREACHABLE = (3, 3)  # ICMPv4 type and code; RFC 792


class ClientState(Enum):
    """Drawn in the module's docstring."""

    CONNECTING = "connecting"
    CARRYING = "carrying"
    RECONNECTING = "reconnecting"
    WAITING = "waiting"
    STOPPED = "stopped"


class TspClient(Tunnel):
    """The Tunnel."""

    def __init__(self, settings: TspClientSettings, random: Random) -> None:
        super().__init__()
        self._settings = settings
        self._random = random
        self._numbers = count(1)
        """Of channels: an old one is closed while the next is open already."""
        self._wish = settings
        """What is asked for, less what turned out impossible."""
        self._network = Network()
        self._recollection = Recollection(settings, self.outbox)
        self._round: Connecting | None = None
        self._carrying: Carrying | None = None
        self._configured: HostConfig | None = None
        self._pace = RetryPace(random)
        self._unknown = 0
        """Number of rounds that ended with an unknown code."""
        self._retry_at: float | None = None
        self._give_up_at: float | None = None
        """When a silent tunnel's configuration is taken back."""
        self._stop_at: float | None = None
        self._stopped = False

    # -- verbs --------------------------------------------------------------------------------------------------------------

    def start(self, now: float, network: Network, memory: Mapping[str, bytes]) -> None:
        self._network = network
        self._recollection.recall(memory)
        if self._recollection.lacks_protocol41(network):
            self._without_protocol41()
        self._begin(now)

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        if self._round is not None and self._round.receive(datagram, now):
            self._look(now)
        elif self._carrying is None or datagram.channel != self._carrying.channel:
            self.outbox.count("dropped-unexpected")
        elif Kind.of(datagram.data) is not Kind.IPV6:
            self.outbox.count("dropped-late-control")
        else:
            self._carrying.receive(datagram, now)
        self._note_life()

    def receive_packet(self, packet: bytes, now: float) -> None:
        if self._carrying is not None:
            self._carrying.transmit(packet, now)

    def channel_changed(self, event: ChannelEvent, now: float) -> None:
        if self._round is not None:
            self._round.channel_changed(event, now)
            self._look(now)
        # This ICMP error may be forged. It costs no more than a new session: the tunnel stays until another is accepted.
        if (
            isinstance(event, IcmpReceived)
            and (event.type, event.code) == _PORT_UNREACHABLE
            and self._carrying is not None
            and event.channel == self._carrying.channel
            and self._round is None
            and self._retry_at is None
        ):
            self._reconnect("the broker's port is closed", now)

    def network_changed(self, network: Network, now: float) -> None:
        self._network = network
        if self._stopped:
            return
        held = {one.address.ip for one in network.addresses}
        spoken = self._round.local if self._round is not None else None
        # The broker learns a new address only by a new session, and a NAT forgets a host that sleeps (section 12).
        if self._carrying is not None and (network.resumed or self._carrying.agreement.local not in held):
            self._pace.start_over()
            self._wish = self._settings  # the new network may pass what the old one did not, such as protocol 41
            self._reconnect("the host slept" if network.resumed else f"{self._carrying.agreement.local} is gone", now)
        elif self._retry_at is not None or (spoken is not None and int(spoken) and spoken not in held):
            self._begin(now)

    def paths_used(self, uses: Sequence[PathUse], now: float) -> None:
        for use in uses:
            if self._carrying is not None and use.prefix == EVERYWHERE:
                if use.received_at is not None:  # any packet is a sign of life: a busy tunnel may lose echoes (TSP-17)
                    self._carrying.watch.heard(use.received_at)
                self._carrying.sent_at = use.sent_at
        self._note_life()

    def effect_done(self, effect: Effect, result: EffectResult, now: float) -> None:
        if self._round is not None:
            self._round.effect_done(effect, result, now)
            self._look(now)

    def handle_timeout(self, now: float) -> None:
        if self._stopped:
            if self._stop_at is not None and now >= self._stop_at:
                self._end()
            return
        if self._round is not None:
            self._round.handle_timeout(now)
            self._look(now)
        if self._carrying is not None:
            self._watch(self._carrying, now)
        if self._retry_at is not None and now >= self._retry_at:
            self._begin(now)
        if self._give_up_at is not None and now >= self._give_up_at:
            self._fall_down(now)

    def next_timeout(self) -> float | None:
        carrying = self._carrying
        timers = [self._retry_at, self._give_up_at, self._stop_at]
        timers += [self._round.next_timeout() if self._round is not None else None]
        if carrying is not None and not self._stopped:
            timers += [carrying.watch.next_timeout()]
            timers += [carrying.renew_at if self._round is None and self._retry_at is None else None]
        return earliest(*timers)

    def status(self, now: float) -> TunnelStatus:
        peers = (self._carrying.peer_status(now),) if self._carrying is not None else ()
        return TunnelStatus(self.state.value, self._facts(now), peers, len(peers), dict(self.outbox.counters))

    def stop(self, now: float) -> None:
        """End, by default without a word: TSP has no good-bye, and the account keeps its address (TSP-22)."""
        if self._round is not None:
            self._round.abandon()
        self._round, self._retry_at, self._give_up_at, self._stopped = None, None, None, True
        carrying = self._carrying
        self._drop_carrying()
        if carrying is None or not self._settings.delete_on_stop:
            self._end()
            return
        self._stop_at = now + GIVING_BACK_TIMEOUT
        self._round = self._new_round([carrying.agreement.broker], Action.DELETE)
        self._round.begin(now)

    @property
    def state(self) -> ClientState:
        """The state, for `status`."""
        if self._stopped:
            return ClientState.STOPPED
        if self._carrying is not None:
            return ClientState.RECONNECTING if self._give_up_at is not None else ClientState.CARRYING
        return ClientState.CONNECTING if self._round is not None else ClientState.WAITING

    # -- finding a broker ---------------------------------------------------------------------------------------------------

    def _begin(self, now: float) -> None:
        if self._round is not None:
            self._round.abandon()
        self._retry_at = None
        configured = [Broker.parse(text) for text in self._settings.broker]
        good = self._recollection.good_broker  # first: each broker has an address space of its own (section 11)
        self._round = self._new_round([*([good] if good else []), *configured], Action.CREATE)
        self._round.begin(now)
        self._look(now)

    def _new_round(self, brokers: list[Broker], action: Action) -> Connecting:
        settings = self._settings
        network = lambda: self._network  # noqa: E731 - it may change meanwhile
        return Connecting(settings, self._wish, brokers, network, self._numbers, action, self._random, self.outbox)

    def _look(self, now: float) -> None:
        """Go on when the round has a result."""
        if self._round is None or (result := self._round.result) is None:
            return
        asked, self._wish = self._wish, self._round.wish
        self._round = None
        if self._stopped:
            self._end()
        elif isinstance(result, Agreement):
            self._take(result, now)
        elif isinstance(result, Exhausted):
            self._wish = self._settings
            # What a network or a broker did not give before says little about now: all ways are tried before we give up.
            if asked.type is not self._wish.type and not result.permanent:
                self._begin(now)
            else:
                self._fail(result, now)

    def _take(self, agreement: Agreement, now: float) -> None:
        """Switch to a new tunnel."""
        old = self._carrying
        self._carrying = new = Carrying(agreement, self.outbox, self._random, now)
        self._give_up_at, self._unknown = None, 0
        # The new path replaces the old one in the forwarding table: no packet is without a path in between.
        self.outbox.say(new.path())
        if old is not None:
            self.outbox.say(CloseChannel(old.channel))
        self._recollection.note_broker(agreement.broker)
        self.outbox.say(*_news(agreement, old.terms if old is not None else None, self._settings.prefix_length))
        config = new.terms.host_config(agreement.broker)
        if config != self._configured:
            self._configured = config
            probe = (new.terms.keepalive_address,) if new.terms.keepalive_address is not None else ()
            facts = {name: str(fact) for name, fact in self._facts(now).items() if isinstance(fact, str)}
            self.outbox.say(Up(config, facts, probe))

    def _fail(self, exhausted: Exhausted, now: float) -> None:
        """Nobody gave a tunnel: try again later, or never."""
        trouble = exhausted.worst
        self._unknown += any(one.remedy is Remedy.RETRY_THEN_STOP for one in exhausted.troubles)
        permanent = exhausted.permanent or self._unknown >= UNKNOWN_CODES_MAX
        # Only a renewal failed, and the tunnel still carries. Brokers disagree on the unit of lifetimes (TSP-19).
        if self._carrying is not None and self._give_up_at is None:
            self._carrying.renew_at = now + BACKOFF_MAX
            self._notice("tsp.not-renewed", trouble.text)
            return
        if permanent:
            self._drop_carrying()
            self._give_up_at = None
            self.outbox.say(Down(trouble.text, trouble.hint, trouble.code, permanent=True))
            return
        self._retry_at = now + self._pace.next_delay(trouble.remedy)
        words = f"{trouble.text}; next try in {self._retry_at - now:.0f} s"
        if self._carrying is not None:
            self._notice("tsp.retrying", words)
        else:
            self.outbox.say(Down(words, trouble.hint, trouble.code))

    # -- keeping the tunnel -------------------------------------------------------------------------------------------------

    def _watch(self, carrying: Carrying, now: float) -> None:
        carrying.handle_timeout(now)
        if self._round is not None or self._retry_at is not None:
            return
        if carrying.watch.lost:
            if carrying.is_protocol41_blocked and self._wish.type is TunnelType.V6ANYV4:
                self._protocol41_blocked()
            self._reconnect(f"no answer through the tunnel for {carrying.silent_for(now):.0f} s", now)
        elif now >= carrying.renew_at:
            self._begin(now)

    def _reconnect(self, reason: str, now: float) -> None:
        """Look for a new tunnel. The addresses stay for GRACE: most brokers give the same ones again."""
        self._notice("tsp.reconnecting", f"{reason}; reconnecting")
        if self._give_up_at is None:
            self._give_up_at = now + GRACE
        delay = self._pace.next_delay()
        if delay:
            self._retry_at = now + delay
        else:
            self._begin(now)

    def _fall_down(self, now: float) -> None:
        """Take the configuration back: no new tunnel came within GRACE."""
        carrying, self._give_up_at = self._carrying, None
        if carrying is not None:
            silence = carrying.silent_for(now)
            self._drop_carrying()
            self.outbox.say(Down(f"no answer through the tunnel for {silence:.0f} s", code=ExitCode.NO_ANSWER))

    def _note_life(self) -> None:
        """Act on packets that came through the tunnel."""
        carrying = self._carrying
        if carrying is None or not carrying.watch.alive:
            return
        heard_at = carrying.watch.heard_at
        if self._give_up_at is not None and heard_at is not None and heard_at > self._give_up_at - GRACE:
            # It was an outage: the tunnel carries again. A session that has begun goes on, and costs nothing if it fails.
            self._give_up_at = self._retry_at = None
            self._notice("tsp.recovered", "the tunnel carries again")
        # Accepting is cheap for a broker that then carries nothing: only packets prove a tunnel and end the back-off.
        if self._give_up_at is None:
            self._pace.start_over()
            if carrying.terms.type is TunnelType.V6V4:
                self._recollection.note_protocol41_passes()

    def _drop_carrying(self) -> None:
        if self._carrying is not None:
            self.outbox.say(PathDown(EVERYWHERE), CloseChannel(self._carrying.channel))
        self._carrying = self._configured = None

    def _protocol41_blocked(self) -> None:
        self._without_protocol41()
        if self._recollection.note_protocol41_lacking(self._network):
            self._notice("tsp.protocol-41-blocked", "nothing comes through over protocol 41; asking for UDP")
            self._pace.start_over()

    def _without_protocol41(self) -> None:
        """Ask for UDP in the next round."""
        if self._wish.type is TunnelType.V6ANYV4:
            self._wish = self._wish.model_copy(update={"tunnel": TunnelWish.V6UDPV4})

    def _end(self) -> None:
        if self._round is not None:
            self._round.abandon()
        self._round = self._stop_at = None
        self.outbox.say(Stopped())

    # -- what others are told -----------------------------------------------------------------------------------------------

    def _notice(self, code: str, text: str) -> None:
        self.outbox.say(Notice(code, text))

    def _facts(self, now: float) -> dict[str, Fact]:
        facts: dict[str, Fact] = {"broker": ", ".join(self._settings.broker), "user": self._settings.user}
        if self._carrying is not None:
            facts |= self._carrying.facts(now)
        return {**facts, "encrypted": False}


def _news(agreement: Agreement, old: Terms | None, prefix_length: int | None) -> Iterator[Notice]:
    """Yield what is new with a tunnel, `old` being the terms of the one before and `prefix_length` what was asked for."""
    terms, seen = agreement.terms, agreement.seen_as or agreement.local
    nat = "" if seen == agreement.local else f", behind a NAT as {seen}"
    yield Notice("tsp.accepted", f"broker {agreement.broker} gives a {terms.type.value} tunnel{nat}")
    if prefix_length is not None and terms.prefix is None:
        yield Notice("tsp.no-prefix", f"no /{prefix_length} prefix was given; going on without")
    if old is not None and (old.address, old.prefix) != (terms.address, terms.prefix):
        yield Notice("tsp.renumbered", f"new {terms.prefix or terms.address} (was {old.prefix or old.address})")
