"""DIGEST-MD5 as TSP uses it: RFC 2831, `auth` only, one exchange a nonce (docs/protocols/tsp.md section 6.3).

Names and passwords are bytes here, because the two ends must hash the same ones whatever they call the encoding.
"""

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Self

from tunnelmgr.api.errors import WireError
from tunnelmgr_tsp.constants import SASL_MAX

NONCE_COUNT = b"00000001"
URI_PREFIX = b"tsp/"
_RESPONSE = (b"username", b"realm", b"nonce", b"cnonce", b"digest-uri", b"response")
_DIRECTIVE = re.compile(rb'[\s,]*([a-z-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))\s*(?=,|$)', re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class DigestChallenge:
    """What the broker wants proved."""

    realm: bytes
    nonce: bytes
    charset: bytes | None = b"utf-8"
    """As spelled by the broker; None when it said nothing."""

    @classmethod
    def parse(cls, line: bytes) -> Self:
        found = _directives(line)
        nonce = found.get(b"nonce", [])
        if len(nonce) != 1 or not nonce[0]:
            raise WireError(f"a challenge with {len(nonce)} nonces")
        if b"auth" not in [one.strip() for one in b",".join(found.get(b"qop", [b"auth"])).split(b",")]:
            raise WireError("a challenge without qop=auth")
        if found.get(b"algorithm", [b"md5-sess"])[0].lower() != b"md5-sess":
            raise WireError("a challenge with another algorithm than md5-sess")
        return cls(found.get(b"realm", [b""])[0], nonce[0], found.get(b"charset", [None])[0])

    def serialize(self) -> bytes:
        """Return the line, laid out for clients that split it at commas and want each of these words (section 15)."""
        words = b'realm="%s",nonce="%s",qop="auth",algorithm=md5-sess,charset=%s'
        return _line(words % (_escaped(self.realm), self.nonce, self.charset or b"utf-8"))


@dataclass(frozen=True, slots=True)
class DigestResponse:
    """What a client answers to a challenge."""

    username: bytes
    realm: bytes
    nonce: bytes
    cnonce: bytes
    uri: bytes
    response: bytes
    charset: bytes | None = b"utf-8"

    @classmethod
    def parse(cls, line: bytes) -> Self:
        found = {b"realm": b"", b"nc": NONCE_COUNT} | {name: values[0] for name, values in _directives(line).items()}
        try:
            username, realm, nonce, cnonce, uri, response = (found[name] for name in _RESPONSE)
        except KeyError as error:
            raise WireError(f"a digest response without {error}") from error
        if found[b"nc"] != NONCE_COUNT:
            raise WireError("a digest response whose nonce was used before")
        if not uri.startswith(URI_PREFIX):
            raise WireError("a digest response for another service than tsp")
        return cls(username, realm, nonce, cnonce, uri, response, found.get(b"charset"))

    def serialize(self) -> bytes:
        charset = b"charset=%s," % self.charset if self.charset else b""
        words = b'username="%s",realm="%s",nonce="%s",nc=%s,cnonce="%s",digest-uri="%s",response=%s,qop=auth'
        realm, nonce = _escaped(self.realm), _escaped(self.nonce)
        user = _escaped(self.username)
        return _line(charset + words % (user, realm, nonce, NONCE_COUNT, self.cnonce, self.uri, self.response))


@dataclass(frozen=True, slots=True)
class DigestSecret:
    """What both ends hash: MD5(user:realm:password), which is as good as the password."""

    hash: bytes

    @classmethod
    def of(cls, user: bytes, realm: bytes, password: bytes) -> Self:
        return cls(_md5(b":".join((user, realm, password))))

    def response(self, nonce: bytes, cnonce: bytes, uri: bytes) -> bytes:
        """Return what proves to the broker that the client knows the password, in hexadecimal."""
        return self._digest(b"AUTHENTICATE:" + uri, nonce, cnonce)

    def rspauth(self, nonce: bytes, cnonce: bytes, uri: bytes) -> bytes:
        """Return what proves to the client that the broker knows it too."""
        return self._digest(b":" + uri, nonce, cnonce)

    def _digest(self, action: bytes, nonce: bytes, cnonce: bytes) -> bytes:
        first = _hex(self.hash + b":" + nonce + b":" + cnonce)
        return _hex(b":".join((first, nonce, NONCE_COUNT, cnonce, b"auth", _hex(action))))


def prove(
    challenge: DigestChallenge, username: str, password: str, host: str, cnonce: bytes
) -> tuple[DigestResponse, bytes]:
    """Return the answer to a challenge, and the rspauth the broker must answer in turn."""
    user, uri = username.encode(), URI_PREFIX + host.encode()  # raw UTF-8: TSP-10
    secret = DigestSecret.of(user, challenge.realm, password.encode())
    response = secret.response(challenge.nonce, cnonce, uri)
    proof = DigestResponse(user, challenge.realm, challenge.nonce, cnonce, uri, response, challenge.charset)
    return proof, secret.rspauth(challenge.nonce, cnonce, uri)


def is_same(response: bytes, expected: bytes) -> bool:
    """Compare two hashes in hexadecimal, in constant time."""
    return hmac.compare_digest(response.lower(), expected)


def rspauth_line(value: bytes) -> bytes:
    """Return the line that carries rspauth."""
    return _line(b"rspauth=" + value)


def is_rspauth(line: bytes, expected: bytes) -> bool:
    """True if a line carries the rspauth expected. Raises WireError when it cannot be read."""
    return is_same(_directives(line).get(b"rspauth", [b""])[0], expected)


def _line(words: bytes) -> bytes:
    return base64.b64encode(words) + b"\r\n"


def _directives(line: bytes) -> dict[bytes, list[bytes]]:
    """Read a base64 line of `name=value` words; a name may come more than once."""
    try:
        text = base64.b64decode(line.strip(bytes(range(33))), validate=True).strip(b"\0\r\n ")
    except (binascii.Error, ValueError) as error:
        raise WireError("not base64") from error
    if len(text) > SASL_MAX:
        raise WireError(f"{len(text)} bytes of SASL, expected {SASL_MAX} at most")
    found: dict[bytes, list[bytes]] = {}
    position = 0
    while position < len(text.rstrip(b", ")):
        match = _DIRECTIVE.match(text, position)
        if match is None:
            raise WireError("SASL words that cannot be told apart")
        value = re.sub(rb"\\(.)", rb"\1", match[2], flags=re.DOTALL) if match[2] is not None else match[3]
        found.setdefault(match[1].lower(), []).append(value)
        position = match.end()
    return found


def _escaped(value: bytes) -> bytes:
    return value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def _hex(data: bytes) -> bytes:
    return _md5(data).hex().encode()
