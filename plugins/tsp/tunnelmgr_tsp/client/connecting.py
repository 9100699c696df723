"""One round of attempts: asks brokers in order, over UDP and TCP, follows referrals, until one tunnel is accepted.

    resolve -> open -> dialogue -> [open protocol 41] -> accept -> Agreement
       ^         ^         |
       |         |         +-- silent over UDP: the same broker over TCP (TSP-02)
       |         +------------ refused a part of the wish: the same broker without it
       +---------------------- anything else: the next address, or the next broker; Exhausted after the last

What a broker does not give (a prefix, reverse DNS, a type of tunnel) is left out of the wish for the rest of the round.
The result is an `Agreement`, or `Exhausted` with everything that went wrong.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from random import Random
from typing import cast

from tunnelmgr.api.addresses import is_seen_by
from tunnelmgr.api.datagrams import ChannelEvent, ChannelKind, Connected, Datagram, IcmpReceived
from tunnelmgr.api.effects import Cancel, CloseChannel, Done, Effect, EffectResult, Failed, FailureCode, OpenChannel, Resolve
from tunnelmgr.api.errors import ExitCode, WireError
from tunnelmgr.api.events import Notice
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.api.outbox import Outbox
from tunnelmgr_tsp.client import troubles
from tunnelmgr_tsp.client.attempt import Attempt
from tunnelmgr_tsp.client.candidates import Broker, Candidates
from tunnelmgr_tsp.client.dialogue import ClientDialogue, Outcome, Referred, Settled
from tunnelmgr_tsp.client.settings import Signalling, TspClientSettings
from tunnelmgr_tsp.client.terms import Agreement, Terms
from tunnelmgr_tsp.client.troubles import Remedy, Trouble
from tunnelmgr_tsp.constants import SENDS_MAX, SENDS_MAX_BEFORE_TCP
from tunnelmgr_tsp.wire.capability import Mechanism, TunnelType
from tunnelmgr_tsp.wire.datagrams import Kind
from tunnelmgr_tsp.wire.framing import Medium
from tunnelmgr_tsp.wire.messages import Action, Offer

_UNREACHABLE = 3  # ICMPv4 type; RFC 792


_LOCAL_FAULTS = {
    FailureCode.NO_PERMISSION: ExitCode.NO_PERMISSION,
    FailureCode.NOT_FOUND: ExitCode.FAILED,  # the local address
    FailureCode.IN_USE: ExitCode.FAILED,
}


@dataclass(frozen=True, slots=True)
class Exhausted:
    """Every broker was asked in vain."""

    troubles: tuple[Trouble, ...]

    @property
    def worst(self) -> Trouble:
        """The one to tell the user: what stops us, else what came last."""
        return next((one for one in self.troubles if one.remedy is Remedy.STOP), self.troubles[-1])

    @property
    def permanent(self) -> bool:
        """True if asking again cannot help."""
        return all(one.remedy in {Remedy.STOP, Remedy.OTHER_TYPE} for one in self.troubles)


class Connecting:
    """One round. Made anew for each."""

    def __init__(
        self,
        settings: TspClientSettings,
        wish: TspClientSettings,
        brokers: list[Broker],
        network: Callable[[], Network],
        numbers: Iterator[int],
        action: Action,
        random: Random,
        outbox: Outbox,
    ) -> None:
        """`network` tells where we are, which may change; `numbers` tell channels of the client's life apart."""
        self.wish = wish
        """What is asked for, less what turned out impossible."""
        self.result: Agreement | Exhausted | Settled | None = None
        self._settings = settings
        self._network = network
        self._numbers = numbers
        self._action = action
        self._random = random
        self._outbox = outbox
        self._candidates = Candidates(brokers, settings.trusted if Mechanism.PLAIN in wish.mechanisms else None)
        self._addresses: deque[IPv4Address] = deque()
        """Further addresses of the broker being asked."""
        self._broker = brokers[0]
        self._attempt: Attempt | None = None
        self._waiting: Effect | None = None
        self._offered: tuple[Terms, Offer] | None = None
        self._raw_channel = ""
        self._troubles: list[Trouble] = []

    @property
    def local(self) -> IPv4Address | None:
        """The address being spoken from."""
        return self._attempt.local if self._attempt is not None else None

    # -- verbs ----------------------------------------------------------------------------------------------------------

    def begin(self, now: float) -> None:
        """Ask the first broker."""
        self._ask_next(now)

    def abandon(self) -> None:
        """End without a result: close what is open."""
        if self._waiting is not None:
            self._outbox.say(Cancel(self._waiting))
            self._waiting = None
        self._close_attempt()
        self._close_raw()

    def receive(self, datagram: Datagram, now: float) -> bool:
        """Take a datagram when it belongs to this round; False otherwise."""
        attempt = self._attempt
        if attempt is None or datagram.channel != attempt.channel:
            return False
        if attempt.medium is Medium.UDP and datagram.remote != attempt.endpoint:
            self._outbox.count("dropped-not-the-broker")
        elif attempt.medium is Medium.UDP and Kind.of(datagram.data) is not Kind.CONTROL:
            self._outbox.count("dropped-before-accept")  # data may overtake the acknowledgement of accept
        else:
            self._react(attempt, attempt.receive(datagram.data, now), now)
        return True

    def channel_changed(self, event: ChannelEvent, now: float) -> None:
        attempt = self._attempt
        if attempt is None or event.channel != attempt.channel:
            return
        if isinstance(event, Connected):
            attempt.begin(event.local.address, now)
        elif attempt.medium is Medium.TCP or (_is_unreachable(event) and attempt.round_trip is None):
            # ICMP errors are easily forged. Once the broker has answered, only its silence counts (section 16).
            self._fail(attempt.ended(), now)

    def effect_done(self, effect: Effect, result: EffectResult, now: float) -> None:
        if effect is not self._waiting:
            return
        self._waiting = None
        if isinstance(effect, Resolve):
            self._resolved(result, now)
        elif isinstance(effect, OpenChannel) and effect.kind is ChannelKind.RAW41:
            self._raw_opened(result, now)
        elif isinstance(result, Failed):
            code = _LOCAL_FAULTS.get(result.code, ExitCode.NO_ANSWER)
            self._fail(Trouble(result.text, Remedy.RETRY, "", code), now)
        elif self._attempt is not None and self._attempt.medium is Medium.UDP and isinstance(effect, OpenChannel):
            self._attempt.begin(effect.local.address, now)

    def handle_timeout(self, now: float) -> None:
        if (attempt := self._attempt) is not None:
            self._react(attempt, attempt.handle_timeout(now), now)

    def next_timeout(self) -> float | None:
        return self._attempt.next_timeout() if self._attempt is not None else None

    # -- the next broker ----------------------------------------------------------------------------------------------------

    def _ask_next(self, now: float) -> None:
        if self._addresses:
            self._ask(self._addresses.popleft(), now)
            return
        broker = self._candidates.next()
        if broker is None:
            self.result = Exhausted(tuple(self._troubles))
            return
        self._broker = broker
        if broker.address is not None:
            self._ask(broker.address, now)
        else:
            self._waiting = Resolve(broker.host)
            self._outbox.say(self._waiting)

    def _resolved(self, result: EffectResult, now: float) -> None:
        if isinstance(result, Done):
            self._addresses = deque(cast("tuple[IPv4Address, ...]", result.value))  # what Resolve promises
        else:
            self._troubles.append(troubles.UNRESOLVED.of(self._broker))
        self._ask_next(now)

    def _ask(self, address: IPv4Address, now: float) -> None:
        endpoint = Endpoint(address, self._broker.port)
        if not self._candidates.claim(endpoint):
            self._fail(troubles.BAD_REFERRAL.of(self._broker, reason="it was asked already"), now)
            return
        medium = Medium.TCP if self._settings.signalling is Signalling.TCP else Medium.UDP
        self._open(endpoint, medium, now)

    def _open(self, endpoint: Endpoint, medium: Medium, now: float) -> None:
        source = _source(endpoint.address, self._network(), self._settings.bind)
        if source is None:
            text = f"no IPv4 address of this host leads to {endpoint.address}"
            self._fail(Trouble(text, Remedy.RETRY, "check the IPv4 network", ExitCode.NO_ANSWER), now)
            return
        channel = f"tsp-{next(self._numbers)}"
        dialogue = ClientDialogue(self._broker, medium, self.wish, self._action, self._random)
        # Where TCP is left to try, now or in the next round, a blocked UDP port must not cost half a minute.
        sends_max = SENDS_MAX_BEFORE_TCP if self._settings.may_use_tcp else SENDS_MAX
        kind = ChannelKind.UDP if medium is Medium.UDP else ChannelKind.TCP_CONNECT
        remote = None if medium is Medium.UDP else endpoint
        self._attempt = Attempt(channel, medium, endpoint, dialogue, sends_max, self._outbox, now)
        self._waiting = OpenChannel(channel, kind, Endpoint(source, 0), remote)
        self._outbox.say(self._waiting)

    # -- what it says -----------------------------------------------------------------------------------------------------

    def _react(self, attempt: Attempt, outcome: Outcome | None, now: float) -> None:
        match outcome:
            case None:
                pass
            case Offer() as offer:
                self._consider(attempt, offer, now)
            case Settled.ACCEPTED:
                self._establish(attempt)
            case Settled.DELETED:
                self._close_attempt()
                self.result = outcome
            case Referred(trouble, brokers):
                self._refer(trouble, brokers, now)
            case Trouble():
                self._fail(outcome, now)

    def _consider(self, attempt: Attempt, offer: Offer, now: float) -> None:
        try:
            terms = self._terms(attempt, offer)
        except WireError as error:
            attempt.reject(now)  # frees the address at once; the broker would hold it for 30 s
            trouble = troubles.UNUSABLE_OFFER.of(self._broker, reason=error)
            if offer.type is TunnelType.V6ANYV4:
                trouble = replace(trouble, remedy=Remedy.OTHER_TYPE)
            self._fail(trouble, now)
            return
        self._offered = terms, offer
        if terms.type is TunnelType.V6UDPV4:
            self._accept(attempt, now)
            return
        # Before accept: without the privilege for raw sockets a tunnel over UDP must still be possible.
        self._raw_channel = f"p41-{next(self._numbers)}"
        self._waiting = OpenChannel(
            self._raw_channel, ChannelKind.RAW41, Endpoint(attempt.local, 0), Endpoint(terms.remote.address, 0)
        )
        self._outbox.say(self._waiting)

    def _terms(self, attempt: Attempt, offer: Offer) -> Terms:
        terms = Terms.of(offer, self.wish, attempt.endpoint, self._network())
        if terms.type is TunnelType.V6UDPV4 and attempt.medium is Medium.TCP:
            raise WireError("a tunnel over UDP, which knows nothing of the signalling over TCP")
        return terms

    def _raw_opened(self, result: EffectResult, now: float) -> None:
        attempt = self._attempt
        if attempt is None:
            return
        if isinstance(result, Failed):
            attempt.reject(now)
            hint = "use `tunnel: v6udpv4`, which needs no protocol 41"
            self._fail(Trouble(result.text, Remedy.OTHER_TYPE, hint, ExitCode.NO_PERMISSION), now)
        else:
            self._accept(attempt, now)

    def _accept(self, attempt: Attempt, now: float) -> None:
        self._react(attempt, attempt.accept(now), now)

    def _establish(self, attempt: Attempt) -> None:
        if self._offered is None:
            return
        terms, offer = self._offered
        channel = attempt.channel
        if terms.type is TunnelType.V6V4:
            channel, self._raw_channel = self._raw_channel, ""
            self._close_attempt()
        self._attempt = None
        seen = offer.client_ipv4
        seen_as = seen if seen is not None and is_seen_by(seen, attempt.endpoint.address) else None
        self.result = Agreement(terms, self._broker, channel, attempt.local, seen_as, attempt.mechanism, attempt.round_trip)

    def _refer(self, trouble: Trouble, texts: tuple[str, ...], now: float) -> None:
        try:
            brokers = self._candidates.refer(texts)
        except WireError as error:
            self._fail(replace(troubles.BAD_REFERRAL.of(self._broker, reason=error), hint=trouble.text), now)
            return
        text = f"{trouble.text}; it sends us to {', '.join(map(str, brokers))}"
        self._outbox.say(Notice("tsp.redirected", text))
        self._fail(trouble, now)

    # -- what went wrong --------------------------------------------------------------------------------------------------

    def _fail(self, trouble: Trouble, now: float) -> None:
        attempt, self._offered = self._attempt, None
        self._close_attempt()
        self._close_raw()
        if attempt is None or not self._remedied(trouble, attempt, now):
            self._troubles.append(trouble)
            self._ask_next(now)

    def _remedied(self, trouble: Trouble, attempt: Attempt, now: float) -> bool:
        """Ask the same broker for something else, if the trouble allows it."""
        if trouble.remedy is Remedy.OTHER_MEDIUM:
            if attempt.medium is Medium.UDP and self.wish.may_use_tcp:
                self._open(attempt.endpoint, Medium.TCP, now)
                return True
            return False
        less = self.wish.less(trouble.remedy, is_type_free=self._settings.type is TunnelType.V6ANYV4)
        if less is None:
            return False
        self.wish = less
        self._outbox.say(Notice("tsp.asking-for-less", trouble.text))
        self._candidates.ask_again(self._broker, attempt.endpoint)
        self._addresses.clear()
        self._ask_next(now)
        return True

    # -- channels ---------------------------------------------------------------------------------------------------------

    def _close_attempt(self) -> None:
        if self._attempt is not None:
            self._outbox.say(CloseChannel(self._attempt.channel))
            self._attempt = None

    def _close_raw(self) -> None:
        if self._raw_channel:
            self._outbox.say(CloseChannel(self._raw_channel))
            self._raw_channel = ""


def _is_unreachable(event: ChannelEvent) -> bool:
    return isinstance(event, IcmpReceived) and event.type == _UNREACHABLE


def _source(broker: IPv4Address, network: Network, bind: IPv4Address) -> IPv4Address | None:
    """Return our address towards a broker: we bind to it, and tell it, so that the broker can see a NAT (section 9)."""
    if int(bind):
        return bind
    held = [one.address for one in network.addresses]
    on_link = next((one.ip for one in held if broker in one.network), None)
    return on_link or network.source or next((one.ip for one in held if not one.ip.is_loopback), None)
