"""What a provider answers to an update of the endpoint: dyndns2, as docs/protocols/sixinfour.md section 8 has it."""

from enum import Enum
from ipaddress import AddressValueError, IPv4Address
from typing import NamedTuple

from tunnelmgr.api.effects import Response

_TEXT_MAX = 120  # characters of an answer to show
_ALREADY = "already associated with this IP"  # of the older interface, which means nochg
_UNAUTHORIZED = 401


class AnswerKind(Enum):
    """What to do about an answer."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    """Asking again cannot help before something is corrected, here or over there."""
    ABUSE = "abuse"
    """Blocked for asking too often."""
    RETRY = "retry"
    """Trouble at the provider (911, dnserr), or an answer that is not known."""
    UNREACHED = "unreached"
    """The request did not get there."""


_WORDS = {
    **dict.fromkeys(("good", "nochg"), AnswerKind.ACCEPTED),
    **dict.fromkeys(("badauth", "nohost", "notfqdn", "!yours"), AnswerKind.REFUSED),
    "abuse": AnswerKind.ABUSE,
}


class ProviderAnswer(NamedTuple):
    """An answer, judged."""

    verdict: AnswerKind
    text: str
    """As it was said, fit to show."""
    address: IPv4Address | None = None
    """The endpoint the provider knows, where it told."""


def read_answer(response: Response) -> ProviderAnswer:
    """Judge an answer. The status is looked at first: a page that asks for a password may say anything."""
    text = _printable(response.body)
    if response.status == _UNAUTHORIZED:
        return ProviderAnswer(AnswerKind.REFUSED, "user name or key is wrong (HTTP 401)")
    if response.status != 200:
        return ProviderAnswer(AnswerKind.RETRY, f"HTTP {response.status}")
    word, _, rest = text.partition(" ")
    if word.lower() in _WORDS:
        return ProviderAnswer(_WORDS[word.lower()], text, _address(rest))
    if _ALREADY in text:
        return ProviderAnswer(AnswerKind.ACCEPTED, text)
    return ProviderAnswer(AnswerKind.RETRY, text or "an empty answer")


def _printable(body: bytes) -> str:
    lines = body.decode("ascii", errors="replace").strip().splitlines() or [""]
    return "".join(letter if letter.isprintable() else "?" for letter in lines[0])[:_TEXT_MAX]


def _address(text: str) -> IPv4Address | None:
    try:
        return IPv4Address(text.strip())
    except AddressValueError:
        return None
