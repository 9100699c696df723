"""The client's part of one TSP session, over UDP or TCP (docs/protocols/tsp.md sections 5, 6, 7 and 13).

    VERSION --ANONYMOUS, or PLAIN over TCP---------> VERDICT -> COMMAND -> ACCEPT -> OVER
        |-----DIGEST-MD5--> CHALLENGE -> PROOF --------^
        '-----PLAIN over UDP--> CREDENTIALS -----------'

Over UDP every message is answered, if only by an empty one; over TCP silence is the same as an empty answer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address
from random import Random

from tunnelmgr.api.errors import WireError
from tunnelmgr_tsp.client import troubles
from tunnelmgr_tsp.client.candidates import Broker
from tunnelmgr_tsp.client.settings import TspClientSettings
from tunnelmgr_tsp.client.troubles import Trouble
from tunnelmgr_tsp.constants import NONCE_BITS, VERSION
from tunnelmgr_tsp.wire.capability import Capability, Mechanism
from tunnelmgr_tsp.wire.digest import DigestChallenge, is_rspauth, prove
from tunnelmgr_tsp.wire.framing import BLANK, CRLF, Medium, Reply, is_framed, is_status
from tunnelmgr_tsp.wire.messages import Action, BareRequest, Create, Offer, Referral


class ClientStage(Enum):
    """What the client waits for."""

    VERSION = "version"
    CHALLENGE = "challenge"
    PROOF = "proof"
    CREDENTIALS = "credentials"
    VERDICT = "verdict"
    COMMAND = "command"
    ACCEPT = "accept"
    OVER = "over"


class Settled(Enum):
    """What the broker has done at our request."""

    ACCEPTED = "accepted"
    """It knows that its offer was taken."""
    DELETED = "deleted"
    """It removed the tunnel, or had none."""


@dataclass(frozen=True, slots=True)
class Referred:
    """The broker sends us to others, for the reason in `trouble`."""

    trouble: Trouble
    brokers: tuple[str, ...]


Messages = tuple[bytes, ...]
"""For the broker, whose answer to the last is awaited."""
Outcome = Offer | Settled | Referred | Trouble
"""The end of a step. An offer is to be accepted or rejected."""


class ClientDialogue:
    """One session with one broker."""

    def __init__(self, broker: Broker, medium: Medium, wish: TspClientSettings, action: Action, random: Random) -> None:
        """`action` is CREATE or DELETE."""
        self.broker = broker
        self._medium = medium
        self._wish = wish
        self._password = wish.password.reveal() if wish.password is not None else ""
        self._action = action
        self._random = random
        self._stage = ClientStage.VERSION
        self._local = IPv4Address(0)
        self._rspauth = b""
        self.mechanism: Mechanism | None = None
        """How we authenticated, once that is known."""

    def begin(self, local: IPv4Address) -> bytes:
        """Open the session from this address, which the broker is told."""
        self._local = local
        return f"VERSION={VERSION}".encode() + CRLF

    def receive(self, message: bytes) -> Messages | Outcome:
        """Take the answer to the last message. Returns no messages to wait for more."""
        try:
            return self._receive(message)
        except WireError as error:
            self._stage = ClientStage.OVER
            return troubles.PROTOCOL_ERROR.of(self.broker, what=error)

    def accept(self) -> bytes:
        """Return the message that takes the offer."""
        self._stage = ClientStage.ACCEPT
        return BareRequest(Action.ACCEPT).serialize()

    def reject(self) -> bytes:
        """Return the message that refuses the offer; the session is over."""
        self._stage = ClientStage.OVER
        return BareRequest(Action.REJECT).serialize()

    def _receive(self, message: bytes) -> Messages | Outcome:
        if self._stage in {
            ClientStage.VERSION,
            ClientStage.CHALLENGE,
            ClientStage.PROOF,
            ClientStage.CREDENTIALS,
        } and is_status(message):
            if Reply.parse(message).status.is_success:  # it would spare a false broker the proof (section 16)
                raise WireError("success before its time")
            return self._refused(message)
        steps: dict[ClientStage, Callable[[bytes], Messages | Outcome]] = {
            ClientStage.VERSION: self._authenticate,
            ClientStage.CHALLENGE: self._prove,
            ClientStage.PROOF: self._verify,
            ClientStage.CREDENTIALS: lambda _: (self._credentials(),),
            ClientStage.VERDICT: self._judged,
            ClientStage.COMMAND: self._answered,
            ClientStage.ACCEPT: self._accepted,
            ClientStage.OVER: lambda _: (),
        }
        return steps[self._stage](message)

    def _authenticate(self, message: bytes) -> Messages | Trouble:
        capability = Capability.parse(message)
        if not capability.offers(self._wish.type):
            return troubles.TYPE_NOT_OFFERED.of(self.broker, wanted=self._wish.type.value)
        self.mechanism = capability.strongest(self._wish.mechanisms)
        if self.mechanism is None:
            offered, allowed = (
                ", ".join(sorted(one.value for one in some)) for some in (capability.mechanisms, self._wish.mechanisms)
            )
            return troubles.NO_MECHANISM.of(self.broker, offered=offered or "of no kind", allowed=allowed)
        line = f"AUTHENTICATE {self.mechanism.value}".encode() + CRLF
        match self.mechanism:
            case Mechanism.ANONYMOUS:
                self._stage = ClientStage.VERDICT
            case Mechanism.DIGEST_MD5:
                self._stage = ClientStage.CHALLENGE
            case Mechanism.PLAIN if self._medium is Medium.TCP:
                # Brokers say nothing between the two over TCP: section 6.2.
                return line, self._credentials()
            case Mechanism.PLAIN:
                self._stage = ClientStage.CREDENTIALS
        return (line,)

    def _credentials(self) -> bytes:
        self._stage = ClientStage.VERDICT
        return f"\0{self._wish.user}\0{self._password}".encode() + CRLF

    def _prove(self, message: bytes) -> Messages:
        challenge = DigestChallenge.parse(message)
        self._stage = ClientStage.PROOF
        cnonce = f"{self._random.getrandbits(NONCE_BITS):032x}".encode()
        user = self._wish.user or ""
        # The host without its port: TSP-09.
        proof, self._rspauth = prove(challenge, user, self._password, self.broker.host, cnonce)
        return (proof.serialize(),)

    def _verify(self, message: bytes) -> Messages | Outcome:
        # One broker glues its final status to rspauth: section 15.
        line, _, glued = message.lstrip(BLANK).partition(b"\n")
        try:
            proven = is_rspauth(line, self._rspauth)
        except WireError:
            proven = False
        if not proven:
            self._stage = ClientStage.OVER
            return troubles.IMPOSTOR.of(self.broker)
        self._stage = ClientStage.VERDICT
        if glued.strip(BLANK):
            return self._judged(glued)
        return (b"",) if self._medium is Medium.UDP else ()

    def _judged(self, message: bytes) -> Messages | Outcome:
        if not Reply.parse(message).status.is_success:
            return self._refused(message)
        self._stage = ClientStage.COMMAND
        if self._action is Action.DELETE:
            return (BareRequest(Action.DELETE).serialize(),)
        wish = self._wish
        servers = wish.name_servers if wish.prefix_length is not None else ()
        return (Create(wish.type, self._local, wish.keepalive, wish.prefix_length, servers).serialize(),)

    def _answered(self, message: bytes) -> Outcome:
        if self._action is Action.DELETE:
            self._stage = ClientStage.OVER
            return Settled.DELETED  # a broker without `delete` lets the tunnel expire: its refusal is harmless (section 7.2)
        if not is_framed(message) and not is_status(message):
            raise WireError("an answer to create without a status")
        reply = Reply.parse(message)
        if not reply.status.is_success:
            return self._refused(message)
        return Offer.parse(reply.document)

    def _accepted(self, message: bytes) -> Outcome:
        self._stage = ClientStage.OVER
        if message.strip(BLANK) and not Reply.parse(message).status.is_success:
            return self._refused(message)
        return Settled.ACCEPTED

    def _refused(self, message: bytes) -> Referred | Trouble:
        self._stage = ClientStage.OVER
        reply = Reply.parse(message)
        user = self._wish.user if self.mechanism is not Mechanism.ANONYMOUS else None
        trouble = troubles.refused(self.broker, reply.status, user)
        if not reply.status.refers:
            return trouble
        if not reply.document:
            return troubles.BAD_REFERRAL.of(self.broker, reason="it names none")
        return Referred(trouble, Referral.parse(reply.document).brokers)
