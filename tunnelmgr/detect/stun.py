"""STUN binding requests and their answers (RFC 8489), with what RFC 5780 adds to explore a NAT. The codec is aioice's."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address
from typing import Self

from aioice.stun import HEADER_LENGTH, Class, Message, Method, parse_message

from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.errors import WireError
from tunnelmgr.api.network import Endpoint

TRANSACTION_ID_LENGTH = 12  # bytes; RFC 8489 section 5
_RESPONSE_PORT = 0x0027  # RFC 5780 section 7.5
# Of no meaning, so that servers pass over it (RFC 8489 section 14). PADDING (RFC 5780 section 7.6) would swell the answer.
_FILLING = 0xBFFF
_ATTRIBUTE_HEADER = 4  # bytes
_ERROR_CODE = 0x0009  # RFC 8489 section 14.8: a number, then words
_TEXTS = {0x0006, 0x0014, 0x0015, 0x8022, 0x8028}  # USERNAME, REALM, NONCE, SOFTWARE; FINGERPRINT sums them up


class ChangeRequest(Enum):
    """From where the server is asked to answer: the flags of CHANGE-REQUEST (RFC 5780 section 7.2)."""

    NOTHING = 0
    PORT = 2
    ADDRESS_AND_PORT = 6


@dataclass(frozen=True, slots=True)
class BindingRequest:
    """Asks a server where it sees us."""

    transaction_id: bytes
    change: ChangeRequest = ChangeRequest.NOTHING
    response_port: int | None = None
    """To which port of ours the answer shall go (RFC 5780 section 7.5); None for the one asked from."""
    length: int = 0
    """Bytes the message shall have at least: a multiple of 4, 24 or more."""

    def serialize(self) -> bytes:
        attributes = {"CHANGE-REQUEST": self.change.value} if self.change is not ChangeRequest.NOTHING else {}
        message = bytes(Message(Method.BINDING, Class.REQUEST, self.transaction_id, attributes))
        if self.response_port is not None:  # aioice does not know it
            message += struct.pack("!HHHH", _RESPONSE_PORT, 2, self.response_port, 0)
        if (room := self.length - len(message) - _ATTRIBUTE_HEADER) >= 0:
            message += struct.pack("!HH", _FILLING, room) + bytes(room)
        return message[:2] + struct.pack("!H", len(message) - HEADER_LENGTH) + message[4:]


@dataclass(frozen=True, slots=True)
class BindingResponse:
    """Where the server sees us, and where else it can be asked."""

    transaction_id: bytes
    mapped: Endpoint
    other: Endpoint | None = None
    """Another address and another port of the server's (OTHER-ADDRESS); None where it has no second address."""

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Raises WireError for anything but a success response to a binding request, over IPv4."""
        message = _message(data)
        if message.message_class is not Class.RESPONSE:
            raise WireError(f"not a success response: {message.message_class.name}")
        # Servers from before RFC 5389 have no XOR-MAPPED-ADDRESS, and call OTHER-ADDRESS by its old name (RFC 3489).
        mapped = _endpoint(message, "XOR-MAPPED-ADDRESS", "MAPPED-ADDRESS")
        if mapped is None:
            raise WireError("the response maps no IPv4 address")
        return cls(message.transaction_id, mapped, _endpoint(message, "OTHER-ADDRESS", "CHANGED-ADDRESS"))


@dataclass(frozen=True, slots=True)
class BindingError:
    """The server understood the question and refuses it."""

    transaction_id: bytes
    code: int
    """As in RFC 8489 section 14.8: 420 for an attribute it does not know, such as CHANGE-REQUEST."""

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Raises WireError for anything but an error response to a binding request."""
        message = _message(data)
        if message.message_class is not Class.ERROR or "ERROR-CODE" not in message.attributes:
            raise WireError(f"not an error response: {message.message_class.name}")
        return cls(message.transaction_id, message.attributes["ERROR-CODE"][0])


def parse_answer(data: bytes) -> BindingResponse | BindingError:
    """Return what a server says. Raises WireError."""
    try:
        return BindingResponse.parse(data)
    except WireError:
        return BindingError.parse(data)


def answer_to(transaction_id: bytes) -> Callable[[Datagram], BindingResponse | BindingError | None]:
    """Return what understands the answers to one request, wherever they come from, and nothing else."""

    def understand(datagram: Datagram) -> BindingResponse | BindingError | None:
        try:
            answer = parse_answer(datagram.data)
        except WireError:
            return None
        return answer if answer.transaction_id == transaction_id else None

    return understand


def _message(data: bytes) -> Message:
    try:
        try:
            message = parse_message(data)
        except UnicodeDecodeError:
            message = parse_message(_without_texts(data))
    except (ValueError, struct.error) as error:
        raise WireError(f"not a STUN message: {error}") from error
    if message.message_method is not Method.BINDING:
        raise WireError(f"not about a binding: {message.message_method.name}")
    return message


def _without_texts(data: bytes) -> bytes:
    """Return a message without what is in words, of which nothing is read here, and without the checksum over them."""
    message, at = bytearray(data), HEADER_LENGTH
    while at + _ATTRIBUTE_HEADER <= len(message):
        kind, length = struct.unpack_from("!HH", message, at)
        if kind in _TEXTS:
            struct.pack_into("!H", message, at, _FILLING)
        elif kind == _ERROR_CODE:
            reason = slice(at + 2 * _ATTRIBUTE_HEADER, at + _ATTRIBUTE_HEADER + length)
            message[reason] = bytes(len(message[reason]))
        at += _ATTRIBUTE_HEADER + (length + 3 & ~3)
    return bytes(message)


def _endpoint(message: Message, *names: str) -> Endpoint | None:
    for name in names:
        if name in message.attributes:
            address, port = message.attributes[name]
            if ":" not in address:
                return Endpoint(IPv4Address(address), port)
    return None
