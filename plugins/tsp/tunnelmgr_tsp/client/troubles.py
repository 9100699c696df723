"""What can go wrong with a broker, in words for the user, and what to do about it.

Codes: docs/protocols/tsp.md section 8; words: section 17.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Self

from tunnelmgr.api.errors import ExitCode
from tunnelmgr_tsp.client.candidates import Broker
from tunnelmgr_tsp.wire.framing import Status, quoted


class Remedy(Enum):
    """What the client does next."""

    STOP = "stop"
    RETRY = "retry"
    RETRY_SLOWLY = "retry slowly"
    RETRY_THEN_STOP = "retry, then stop"
    """For unknown codes: a few tries tell if the trouble passes (TSP-13)."""
    OTHER_MEDIUM = "other medium"
    """TCP where UDP was silent, UDP where TCP cannot carry the tunnel; else as RETRY."""
    OTHER_TYPE = "other type"
    WITHOUT_PREFIX = "without prefix"
    WITHOUT_NAME_SERVERS = "without name servers"
    OTHER_ADDRESS = "other address"


@dataclass(frozen=True, slots=True)
class Trouble:
    """One failure. Those below are said `of` a broker: `{said}` stands for its own words, `{name}` for the user."""

    text: str
    remedy: Remedy
    hint: str = ""
    code: ExitCode = ExitCode.REFUSED

    def of(self, broker: Broker, **words: object) -> Self:
        """Return the failure in words about this broker."""
        return replace(self, text=self.text.format(broker=broker, **words))


SILENT = Trouble(
    "broker {broker} does not answer on UDP or TCP port {broker.port}",
    Remedy.OTHER_MEDIUM,
    "check the name, and whether a firewall is in the way",
    ExitCode.NO_ANSWER,
)
FELL_SILENT = Trouble("broker {broker} stopped answering in the middle of the session", Remedy.RETRY, "", ExitCode.NO_ANSWER)
UNRESOLVED = Trouble("cannot resolve {broker.host}", Remedy.RETRY, "check the name or your DNS")
PROTOCOL_ERROR = Trouble("broker {broker} broke the protocol: {what}", Remedy.RETRY, "", ExitCode.PROTOCOL)
IMPOSTOR = Trouble(
    "broker {broker} could not prove that it knows the password; possible impostor",
    Remedy.STOP,
    "check the broker's name; nothing secret was sent",
    ExitCode.PROTOCOL,
)
NO_MECHANISM = Trouble(
    "broker {broker} offers authentication {offered}; the profile allows {allowed}",
    Remedy.STOP,
    "see `auth`, `user` and `allow_plain` in the profile",
    ExitCode.NO_PERMISSION,
)
TYPE_NOT_OFFERED = Trouble(
    "broker {broker} does not offer {wanted} here", Remedy.OTHER_TYPE, "behind a NAT use `tunnel: v6udpv4`"
)
UNUSABLE_OFFER = Trouble(
    "the offer of broker {broker} is unusable: {reason}",
    Remedy.RETRY,
    "tell the broker's owner, or use another broker",
    ExitCode.PROTOCOL,
)
BAD_REFERRAL = Trouble("broker {broker} sends us to other brokers: {reason}", Remedy.RETRY)

_UNKNOWN = Trouble("refused with code {code} {said}", Remedy.RETRY_THEN_STOP)
_NO_SUCH_PREFIX = Trouble("cannot give a prefix of this length", Remedy.WITHOUT_PREFIX, "change `prefix_length`")
_BAD_ADDRESS = Trouble("does not accept our address: {said}", Remedy.OTHER_ADDRESS, "another network may help")
_MEANINGS = {
    300: Trouble(
        "refused {name}: {said}",
        Remedy.STOP,
        "check user and password; the mechanism may not be allowed either",
        ExitCode.NO_PERMISSION,
    ),
    301: Trouble("has no free tunnel", Remedy.RETRY, "it is asked again"),
    302: Trouble("does not speak TSP 2.0", Remedy.STOP, "use another broker", ExitCode.PROTOCOL),
    303: Trouble("does not offer this type of tunnel here", Remedy.OTHER_TYPE, "behind a NAT use `tunnel: v6udpv4`"),
    310: Trouble("reports an internal error {code} {said}", Remedy.RETRY),
    500: Trouble(
        "rejected our request as malformed: {said}", Remedy.STOP, "please report it, with a trace", ExitCode.PROTOCOL
    ),
    501: _BAD_ADDRESS,
    502: _BAD_ADDRESS,
    506: Trouble(
        "has a tunnel for our address or account already: {said}",
        Remedy.RETRY_SLOWLY,
        "it should expire by itself; where two hosts use one account, give each its own",
    ),
    507: _NO_SUCH_PREFIX,
    509: Trouble("cannot delegate reverse DNS", Remedy.WITHOUT_NAME_SERVERS, "leave out `name_servers`"),
    518: _NO_SUCH_PREFIX,
    520: _NO_SUCH_PREFIX,
    521: Trouble("still works on an earlier request", Remedy.RETRY),
    522: Trouble("gives prefixes to users with an account only", Remedy.WITHOUT_PREFIX, "set `user`"),
    530: Trouble("is busy", Remedy.RETRY, "it is asked again"),
    599: Trouble("lost patience with the session", Remedy.RETRY),
}


def refused(broker: Broker, status: Status, user: str | None) -> Trouble:
    """Return what a status code that is not success means. Codes from 1000 on mean what the number after it does."""
    meaning = _MEANINGS.get(status.code % 1000, _UNKNOWN)
    name = f"user {user!r}" if user is not None else "anonymous users"
    about = replace(meaning, text=f"broker {{broker}} {meaning.text}")
    return about.of(broker, code=status.code, said=quoted(status.text), name=name)
