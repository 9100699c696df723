"""What a provider's DHCP server says of 6rd, asked by DHCPINFORM: the address itself is the business of another client.

Nothing is asked unless the profile says `learn: dhcp` (RFC 5969 section 7.1.1). The port of DHCP clients is borrowed for as
long as a question is open.
"""

from ipaddress import IPv4Address
from random import Random

from tunnelmgr.api.datagrams import ChannelKind, Datagram
from tunnelmgr.api.effects import CloseChannel, Effect, EffectResult, Failed, OpenChannel
from tunnelmgr.api.errors import WireError
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.api.outbox import Outbox
from tunnelmgr_sixinfour.constants import DHCP_IDENTIFIER_LENGTH, DHCP_TIMEOUTS, LEARN_INTERVAL, LEARN_REFUSALS, LEARN_RETRY
from tunnelmgr_sixinfour.derived.dhcp import BROADCAST, CLIENT_PORT, SERVER_PORT, Ack, Inform
from tunnelmgr_sixinfour.derived.domain import Domain
from tunnelmgr_sixinfour.derived.sixrd import OPTION_6RD, SixRdOption, check_domain
from tunnelmgr_sixinfour.drops import Drop
from tunnelmgr_sixinfour.protocol41.diagnosis import Diagnosis

_PORT_HINT = "see which program has it with `ss -lunp sport = :68`; or write `prefix`, `mask_length`, `border_relay` instead"
_HINT = "ask your provider whether there is 6rd; what it says on paper goes into `prefix`, `mask_length`, `border_relay`"


class Learner:
    """Asks at every new address, and once an hour. What was learnt at one address holds until there is news."""

    def __init__(self, gateway_echo: float | None, random: Random, outbox: Outbox) -> None:
        self.domain: Domain | None = None
        """None while it is not known."""
        self.trouble: Diagnosis | None = None
        """Why it is not known."""
        self._gateway_echo = gateway_echo
        self._learnt: SixRdOption | None = None
        self._random = random
        self._outbox = outbox
        self._network = Network()
        self._local: IPv4Address | None = None
        self._number = 0
        self._opening: OpenChannel | None = None
        self._question: Inform | None = None
        self._tries = 0
        self._refusal: Diagnosis | None = None
        """What a server said that knows no 6rd; another one may know it."""
        self._refusals = 0
        """Questions that ended so since one was answered."""
        self._due: float | None = None

    def next_timeout(self) -> float | None:
        return self._due

    @property
    def _channel(self) -> str:
        return f"dhcp/{self._number}"

    def want(self, network: Network, local: IPv4Address | None, now: float) -> None:
        """Be told of the network and of the address this host has in it, which may be another one."""
        self._network = network
        if local != self._local:
            self._local, self._learnt, self.domain, self.trouble = local, None, None, None
            self.ask(now)

    def ask(self, now: float) -> None:
        """Ask anew."""
        self._rest(None)
        if self._local is not None:
            self._number += 1
            here = Endpoint(self._local, CLIENT_PORT)
            self._opening = OpenChannel(self._channel, ChannelKind.UDP, here, broadcast=True)
            self._outbox.say(self._opening)

    def effect_done(self, effect: Effect, result: EffectResult, now: float) -> bool:
        """Take the answer to an effect; return whether it was ours and there is news."""
        if effect is not self._opening:
            return False
        if isinstance(result, Failed):
            return self._fails(Diagnosis(result.text, _PORT_HINT), now)
        client = self._random.randbytes(DHCP_IDENTIFIER_LENGTH)
        self._question = Inform(self._random.getrandbits(32), self._opening.local.address, client, (OPTION_6RD,))
        self._tries, self._refusal = 0, None
        self._send(self._question, now)
        return False

    def handle_timeout(self, now: float) -> bool:
        """Ask again, or give up for a while; return whether there is news."""
        if self._due is None or now < self._due:
            return False
        if self._question is None:
            self.ask(now)
            return False
        if self._refusal is not None:
            return self._is_refused(self._refusal, now)
        if self._tries < len(DHCP_TIMEOUTS):
            self._send(self._question, now)
            return False
        return self._fails(Diagnosis(f"no DHCP server answers ({self._tries} requests)", _HINT), now)

    def receive(self, datagram: Datagram, now: float) -> bool | None:
        """Take what arrived; return whether there is news, None for what is not for us."""
        if datagram.channel != self._channel or self._question is None:
            return None
        try:
            answer = Ack.parse(datagram.data)
        except WireError:
            answer = None
        if answer is None or answer.transaction != self._question.transaction or datagram.remote.port != SERVER_PORT:
            self._outbox.drop(Drop.DHCP)
            return False
        value = answer.options.get(OPTION_6RD)
        if value is None:
            self._refusal = Diagnosis(f"the DHCP server {answer.server} offers no 6rd (option {OPTION_6RD})", _HINT)
            return False
        try:
            learnt = _usable(SixRdOption.parse(value), self._network)
        except WireError as error:
            self._outbox.drop(Drop.DHCP)
            self._refusal = Diagnosis(f"the DHCP server {answer.server} offers nonsense: {error}", _HINT)
            return False
        self._rest(now + LEARN_INTERVAL)
        self._refusals = 0
        if learnt == self._learnt:
            return False
        self._learnt, self.trouble = learnt, None
        self.domain = Domain(learnt.prefix, learnt.mask_length, learnt.border_relays[0], self._gateway_echo)
        self.domain.told_by = f"the DHCP server {answer.server}"
        return True

    def close(self) -> None:
        """Ask no more."""
        self._local = None
        self._rest(None)

    def _send(self, question: Inform, now: float) -> None:
        self._due = now + DHCP_TIMEOUTS[self._tries]
        self._tries += 1
        self._outbox.send(Datagram(self._channel, question.serialize(), Endpoint(BROADCAST, SERVER_PORT)))

    def _is_refused(self, diagnosis: Diagnosis, now: float) -> bool:
        """Believe what is said again and again, even of what was known."""
        self._refusals += 1
        if self._refusals >= LEARN_REFUSALS:
            self.domain = self._learnt = None
        return self._fails(diagnosis, now)

    def _fails(self, diagnosis: Diagnosis, now: float) -> bool:
        """Let what was known stand: a server that is away for a while takes no prefix away."""
        self._rest(now + LEARN_RETRY)
        if self.domain is not None or diagnosis == self.trouble:
            return False
        self.trouble = diagnosis
        return True

    def _rest(self, due: float | None) -> None:
        """Give the port back, and be silent until then."""
        if self._opening is not None:
            self._outbox.say(CloseChannel(self._channel))
        self._opening, self._question, self._due = None, None, due


def _usable(option: SixRdOption, network: Network) -> SixRdOption:
    """Return an option whose prefix may be routed and whose relay is elsewhere; raise WireError for others.

    Anyone on the link can send DHCP answers.
    """
    try:
        check_domain(option.prefix, option.mask_length)
    except ValueError as error:
        raise WireError(str(error)) from None
    if not network.is_elsewhere(option.border_relays[0]):
        raise WireError(f"border relay {option.border_relays[0]} is not an address that another host can have")
    return option
