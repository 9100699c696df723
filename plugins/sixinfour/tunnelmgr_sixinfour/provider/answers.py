"""What a provider answers to an update of the endpoint: dyndns2, as docs/protocols/sixinfour.md section 8 has it."""

import re
from enum import Enum
from ipaddress import IPv4Address
from typing import NamedTuple

from tunnelmgr.api.addresses import is_public
from tunnelmgr.api.effects import Response
from tunnelmgr.api.names import literal_address
from tunnelmgr.api.texts import printable

_TEXT_MAX = 120  # characters of an answer to show
_UNAUTHORIZED, _CLIENT_ERRORS = 401, range(400, 500)
_BETWEEN_WORDS = re.compile(r"[\s|]+")  # providers put spaces, tabs or bars there
_IPV4 = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])")
# Of the older interface (ipv4_end.php).
_DONE = re.compile(r"\+OK\b", re.IGNORECASE)
_ALREADY_OURS = re.compile(r"-ERROR: this tunnel is already associated with this IP\b", re.IGNORECASE)
_ALREADY_ANOTHERS = re.compile(r"-ERROR:.*\balready (?:associated|in use)\b", re.IGNORECASE)


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
    """Judge an answer. A page that asks for a password may say anything, so other statuses only refuse."""
    text = _first_line(response.body)
    verdict = _WORDS.get(_BETWEEN_WORDS.split(text)[0].lower())
    if response.status == _UNAUTHORIZED:
        return ProviderAnswer(AnswerKind.REFUSED, "user name or key is wrong (HTTP 401)")
    if response.status in _CLIENT_ERRORS and verdict in {AnswerKind.REFUSED, AnswerKind.ABUSE}:
        return ProviderAnswer(verdict, f"{text} (HTTP {response.status})")
    if response.status != 200:
        return ProviderAnswer(AnswerKind.RETRY, f"HTTP {response.status}")
    if verdict is AnswerKind.ACCEPTED or _DONE.match(text) or _ALREADY_OURS.match(text):
        return _accepted(text)
    if _ALREADY_ANOTHERS.match(text):
        return ProviderAnswer(AnswerKind.REFUSED, text)
    return ProviderAnswer(verdict or AnswerKind.RETRY, text or "an empty answer")


def _accepted(text: str) -> ProviderAnswer:
    """Judge a success by the address in it: `good 127.0.0.1` is how dyndns2 says that a request was ignored."""
    address = next(filter(None, map(literal_address, _IPV4.findall(text))), None)
    if address is not None and not is_public(address):
        return ProviderAnswer(AnswerKind.REFUSED, f"{text}, an address that nobody outside can reach")
    return ProviderAnswer(AnswerKind.ACCEPTED, text, address)


def _first_line(body: bytes) -> str:
    lines = body.decode("utf-8-sig", errors="replace").strip().splitlines() or [""]
    return printable(lines[0].replace("\t", " "))[:_TEXT_MAX]
