"""The broker's part of one TSP session, over UDP or TCP (docs/protocols/tsp.md sections 5, 6, 7, 9 and 18).

HELLO -> AUTHENTICATE -> [CREDENTIALS | PROOF -> PROVEN] -> COMMAND -> CLAIMING -> OFFERED -> UP
             ^------------------ a refusal ----------------'
SILENCED can follow any stage: the broker says nothing more.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Network
from random import Random

from tunnelmgr.api.errors import WireError
from tunnelmgr_tsp.broker.leasing import Lease
from tunnelmgr_tsp.broker.plan import AddressPlan
from tunnelmgr_tsp.broker.settings import TspBrokerSettings
from tunnelmgr_tsp.broker.users import Users
from tunnelmgr_tsp.constants import (
    AUTHENTICATIONS_MAX,
    BROKER_KEEPALIVE_MAX,
    BROKER_KEEPALIVE_MIN,
    NONCE_BITS,
    PREFIX_LENGTH_MAX,
)
from tunnelmgr_tsp.wire.capability import Capability, Mechanism, TunnelType
from tunnelmgr_tsp.wire.digest import DigestChallenge, DigestResponse, is_same, rspauth_line
from tunnelmgr_tsp.wire.framing import BLANK, SUCCESS, Medium, Reply, Status
from tunnelmgr_tsp.wire.messages import UNSPECIFIED, Action, Create, KeepaliveWish, Offer, Referral, parse_request

_REFUSED = Status(300, "Authentication failed")
_MALFORMED = Status(500, "Invalid request format")
_VERSION = b"VERSION=2.0."


class BrokerStage(Enum):
    """Drawn in the module's docstring."""

    HELLO = "hello"
    AUTHENTICATE = "authenticate"
    CREDENTIALS = "credentials"
    PROOF = "proof"
    PROVEN = "proven"
    COMMAND = "command"
    CLAIMING = "claiming"
    OFFERED = "offered"
    UP = "up"
    SILENCED = "silenced"


@dataclass(frozen=True, slots=True)
class BrokerAnswer:
    """What to say. Over UDP an empty text acknowledges; over TCP it means to say nothing."""

    text: bytes
    later: bytes = b""
    """Over TCP: to be said after a pause, so that it arrives apart: gogoc takes one read for one answer (section 15)."""
    close: bool = False


class Wants(Enum):
    """What the owner of the dialogue must do before there is an answer."""

    LEASE = "lease"
    """Call `offer` with a lease."""
    TUNNEL = "tunnel"
    """The offer was accepted: configure it, then answer with nothing."""
    REJECTION = "rejection"
    """The offer was refused."""
    DELETION = "deletion"
    """Remove the tunnel."""


class Policy:
    """What all sessions of one broker share."""

    def __init__(self, settings: TspBrokerSettings) -> None:
        self.settings = settings
        self.plan: AddressPlan = settings.plan()
        self.users: Users = settings.accounts()
        self.tunnels = frozenset(TunnelType(one.value) for one in settings.tunnels)
        mechanisms = {Mechanism.ANONYMOUS} if settings.anonymous else set()
        if self.users.names:
            mechanisms |= {Mechanism.DIGEST_MD5} | ({Mechanism.PLAIN} if settings.plain else set())
        self.capability = Capability(self.tunnels, frozenset(mechanisms))

    def referral(self, code: int, text: str) -> Reply:
        """Return a refusal, with the list of other brokers where there is one."""
        if not self.settings.redirect:
            return Reply(Status(code, text))
        return Reply(Status(1000 + code, text), Referral(self.settings.redirect).serialize())


class BrokerDialogue:
    """One session. `user` is None for anonymous clients."""

    def __init__(self, policy: Policy, seen: IPv4Address, medium: Medium, random: Random) -> None:
        """`seen` is the address the client comes from."""
        self.stage = BrokerStage.HELLO
        self.user: str | None = None
        self.create: Create | None = None
        """The request a lease is wanted for."""
        self.type: TunnelType | None = None
        """What that request gets."""
        self.offered: Offer | None = None
        self.lease: Lease | None = None
        self.failures = 0
        """Authentications that failed."""
        self.claimed_user = ""
        """Who the last one said to be, not believed yet."""
        self._policy = policy
        self._seen = seen
        self._medium = medium
        self._random = random
        self._challenge: DigestChallenge | None = None

    @property
    def silenced(self) -> bool:
        """True if the broker says nothing more to this client."""
        return self.stage is BrokerStage.SILENCED

    def receive(self, text: bytes) -> BrokerAnswer | Wants:
        """Take a request."""
        steps: dict[BrokerStage, Callable[[bytes], BrokerAnswer | Wants]] = {
            BrokerStage.HELLO: self._hello,
            BrokerStage.AUTHENTICATE: self._authenticate,
            BrokerStage.CREDENTIALS: self._plain,
            BrokerStage.PROOF: self._prove,
            BrokerStage.PROVEN: self._proven,
            BrokerStage.COMMAND: self._command,
            BrokerStage.OFFERED: self._command,
            BrokerStage.UP: self._command,
        }
        step = steps.get(self.stage)
        if step is None:
            return BrokerAnswer(b"")
        try:
            return step(text)
        except WireError:
            return _reply(_MALFORMED)

    def offer(self, lease: Lease | None) -> BrokerAnswer:
        """Answer `Wants.LEASE`; None: there is no free lease."""
        self.stage = BrokerStage.COMMAND
        create, policy = self.create, self._policy
        if create is None or self.type is None:
            return _reply(_MALFORMED)
        if lease is None:
            return BrokerAnswer(policy.referral(301, "No more tunnels available").serialize())
        plan, settings = policy.plan, policy.settings
        wish = create.keepalive
        interval = settings.keepalive if wish is None else min(max(wish, BROKER_KEEPALIVE_MIN), BROKER_KEEPALIVE_MAX)
        # Protocol 41 needs keepalives only where the client wishes for them. A NAT forgets a silent UDP tunnel (section 18).
        is_watched = wish is not None or self.type is TunnelType.V6UDPV4
        length, slot = create.prefix_length, lease.prefix_slot
        self.offered = Offer(
            self.type,
            settings.address,
            plan.server,
            self._seen,
            plan.client(lease.slot),
            settings.lifetime,
            dns=settings.dns or (UNSPECIFIED,),  # gogoc dies of a missing one: section 15
            prefix=_first_of(plan.prefix(slot), length) if length is not None and slot is not None else None,
            keepalive=KeepaliveWish(interval, plan.server) if is_watched else None,
        )
        self.lease, self.stage = lease, BrokerStage.OFFERED
        return _reply(SUCCESS, self.offered.serialize())

    def refuse(self, reply: Reply) -> BrokerAnswer:
        """Answer `Wants.LEASE` with a refusal; the client may ask for something else."""
        self.stage = BrokerStage.COMMAND
        return BrokerAnswer(reply.serialize())

    # -- steps ----------------------------------------------------------------------------------------------------------

    def _hello(self, text: bytes) -> BrokerAnswer:
        if not text.strip(BLANK).upper().startswith(_VERSION):
            self.stage = BrokerStage.SILENCED
            return BrokerAnswer(Status(302, "Unsupported client version").serialize(), close=True)
        self.stage = BrokerStage.AUTHENTICATE
        return BrokerAnswer(self._policy.capability.serialize())

    def _authenticate(self, text: bytes) -> BrokerAnswer:
        words = text.strip(BLANK).decode("latin-1").upper().split()
        mechanism = next((one for one in self._policy.capability.mechanisms if words == ["AUTHENTICATE", one.value]), None)
        match mechanism:
            case None:
                return self._refuse_authentication()
            case Mechanism.ANONYMOUS:
                return self._authenticated(None)
            case Mechanism.PLAIN:
                self.stage = BrokerStage.CREDENTIALS
                return BrokerAnswer(b"")
            case Mechanism.DIGEST_MD5:
                nonce = f"{self._random.getrandbits(NONCE_BITS):032x}".encode()
                self._challenge = DigestChallenge(self._policy.users.realm.encode(), nonce)
                self.stage = BrokerStage.PROOF
                return BrokerAnswer(self._challenge.serialize())

    def _plain(self, text: bytes) -> BrokerAnswer:
        # The empty authzid's NUL may have been taken for the one gogoc ends AUTHENTICATE with.
        *_, name, password = [b"", *text.rstrip(b"\r\n").lstrip(b"\0").split(b"\0")]
        self.claimed_user = name.decode(errors="replace")
        user = self._policy.users.check(name, password)
        return self._authenticated(user) if user is not None else self._refuse_authentication()

    def _prove(self, text: bytes) -> BrokerAnswer:
        try:
            proof = DigestResponse.parse(text)
        except WireError:
            return self._refuse_authentication()
        # An unknown user goes through the same steps, so that time and answer do not tell which names exist (section 18).
        self.claimed_user = proof.username.decode(errors="replace")
        user = self._policy.users.find(proof.username)
        secret = self._policy.users.secret(user, self._random)
        is_right = is_same(proof.response, secret.response(proof.nonce, proof.cnonce, proof.uri))
        challenge, self._challenge = self._challenge, None  # a nonce serves once, or a proof could be said again
        if not is_right or user is None or challenge is None or challenge.nonce != proof.nonce:
            return self._refuse_authentication()
        self.user, self.stage = user, BrokerStage.PROVEN
        line = rspauth_line(secret.rspauth(proof.nonce, proof.cnonce, proof.uri))
        if self._medium is Medium.UDP:
            return BrokerAnswer(line)  # the client asks for the verdict with an empty datagram (section 3)
        return BrokerAnswer(line, later=self._authenticated(user).text)

    def _proven(self, text: bytes) -> BrokerAnswer:
        return self._authenticated(self.user)

    def _authenticated(self, user: str | None) -> BrokerAnswer:
        self.user, self.stage = user, BrokerStage.COMMAND
        return BrokerAnswer(SUCCESS.serialize())

    def _refuse_authentication(self) -> BrokerAnswer:
        self.failures += 1
        self.stage = BrokerStage.SILENCED if self.failures >= AUTHENTICATIONS_MAX else BrokerStage.AUTHENTICATE
        return BrokerAnswer(_REFUSED.serialize())

    def _command(self, text: bytes) -> BrokerAnswer | Wants:
        request = parse_request(text)
        if isinstance(request, Create):
            return self._created(request)
        match request.action:
            case Action.ACCEPT if self.stage is BrokerStage.OFFERED:
                return Wants.TUNNEL
            case Action.ACCEPT if self.stage is BrokerStage.UP:  # again, under a new sequence number
                return BrokerAnswer(b"")
            case Action.REJECT if self.stage is BrokerStage.OFFERED:
                self.stage = BrokerStage.COMMAND
                return Wants.REJECTION
            case Action.DELETE:
                return Wants.DELETION
            case Action.INFO:
                return self._inform()
            case _:
                return _reply(_MALFORMED)

    def _created(self, create: Create) -> BrokerAnswer | Wants:
        given = tunnel_type(create, self._seen, self._medium, self._policy.tunnels)
        if given is None:
            return _reply(Status(303, "Unsupported tunnel type"))
        if create.prefix_length is not None and self.user is None:
            return _reply(Status(522, "Prefix needs a user account"))
        if create.prefix_length is not None and not self._policy.plan.prefix_slots:
            return _reply(Status(507, "No prefixes here"))
        self.create, self.type, self.stage = create, given, BrokerStage.CLAIMING
        return Wants.LEASE

    def _inform(self) -> BrokerAnswer:
        return _reply(SUCCESS, self.offered.serialize()) if self.offered is not None else _reply(Status(310, "No tunnel"))


def _reply(status: Status, document: bytes = b"") -> BrokerAnswer:
    return BrokerAnswer(Reply(status, document).serialize())


def tunnel_type(create: Create, seen: IPv4Address, medium: Medium, offered: frozenset[TunnelType]) -> TunnelType | None:
    """Return the type of tunnel a request gets (section 9); None for 303.

    A request for another host (`proxy`) is refused: it would let a client aim our packets at any address.
    """
    if create.proxy:
        return None
    possible = set(offered)
    if create.address != seen:  # there is a NAT, and few pass protocol 41
        possible.discard(TunnelType.V6V4)
    if medium is Medium.TCP:  # no NAT has opened a UDP port for us
        possible.discard(TunnelType.V6UDPV4)
    wanted = (create.type,) if create.type is not TunnelType.V6ANYV4 else (TunnelType.V6V4, TunnelType.V6UDPV4)
    return next((one for one in wanted if one in possible), None)


def _first_of(prefix: IPv6Network, length: int) -> IPv6Network:
    """Return what a client gets of the prefix that is its own: all of it, or as much as it asks for."""
    return IPv6Network((prefix.network_address, min(max(length, prefix.prefixlen), PREFIX_LENGTH_MAX)))
