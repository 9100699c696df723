"""Tells what a TSP datagram, or a piece of a TSP stream, is for, as `tunnelmgr decode` and `tunnelmgr trace` print it.

What it reads stands in the datagram and on its envelope. A password in plain text is never shown.
"""

from typing import ClassVar

from tunnelmgr.api.datagrams import ChannelKind
from tunnelmgr.api.dissection import MALFORMED, Dissection, Dissector, Field, Outer
from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.explained import dissect_ipv6
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr_tsp.constants import PORT
from tunnelmgr_tsp.wire.datagrams import ECHO_REQUEST, HEADER_LENGTH, ControlMessage, Kind
from tunnelmgr_tsp.wire.framing import BLANK, Reply, is_framed, is_status, quoted, unframed
from tunnelmgr_tsp.wire.messages import Create, Offer, Referral, parse_request

PROTOCOL = "tsp"
_SAID_MAX = 200  # characters of a message shown
_REQUESTS = {
    "accept": "the client accepts the tunnel that was offered",
    "reject": "the client refuses the tunnel that was offered",
    "info": "the client asks which tunnel it has",
    "delete": "the client gives its tunnel back",
}


class TspDissector(Dissector):
    """Explains one capture."""

    udp_ports: ClassVar[frozenset[int]] = frozenset({PORT})
    tcp_ports: ClassVar[frozenset[int]] = frozenset({PORT})

    def dissect(self, payload: bytes, outer: Outer | None) -> Dissection | None:
        """Explain a payload; None when it is not TSP's."""
        if outer is None or PORT not in {outer.source.port, outer.destination.port}:
            return None
        from_client = outer.destination.port == PORT
        if outer.kind is ChannelKind.TCP_CONNECT:
            return _message(payload, (), 0, from_client)
        match Kind.of(payload):
            case Kind.IPV6:
                return _data(payload)
            case Kind.CONTROL if len(payload) >= HEADER_LENGTH:
                control = ControlMessage.parse(payload)
                sequence = Field("sequence", str(control.sequence), 0, 4, "an answer has that of what it answers")
                timestamp = Field("timestamp", str(control.timestamp), 4, 4, "the client's own")
                return _message(control.text, (sequence, timestamp), HEADER_LENGTH, from_client)
        return Dissection(PROTOCOL, MALFORMED, "malformed: neither a control message nor an IPv6 packet")


def _data(payload: bytes) -> Dissection:
    inner = dissect_ipv6(payload)
    if inner.kind == MALFORMED:
        return Dissection(PROTOCOL, MALFORMED, inner.purpose, inner.fields)
    packet = IPv6Packet.parse(payload)
    return Dissection(PROTOCOL, "data", f"data: {inner.purpose}, {packet.source} > {packet.destination}", inner.fields)


def _message(text: bytes, before: tuple[Field, ...], offset: int, from_client: bool) -> Dissection:
    try:
        kind, purpose = _request(text) if from_client else _answer(text)
    except WireError as error:
        kind, purpose = MALFORMED, f"malformed: {error}"
    shown = "********" if kind == "credentials" else _shown(text)
    words = (Field("message", shown, offset, len(text)),) if text else ()
    return Dissection(PROTOCOL, kind, purpose, (*before, *words))


def _request(text: bytes) -> tuple[str, str]:
    """Return kind and purpose of what a client says."""
    line = text.strip(BLANK)
    word = line.upper()
    if not line:
        return "verdict-request", "the client asks whether its login is accepted"
    if word.startswith(b"VERSION="):
        return "version", f"the client says which version of the protocol it speaks: {_shown(line[8:])}"
    if word == ECHO_REQUEST:
        return "echo-request", "the client asks the broker for a sign of life"
    if word.startswith(b"AUTHENTICATE"):
        how = _shown(line[len("AUTHENTICATE") :].strip(b" \0"))
        without = how.upper() == "ANONYMOUS"
        return (
            "authenticate",
            "the client asks for a tunnel without an account" if without else f"the client will log in by {how}",
        )
    if b"response=" in line:
        return "proof", "the client proves that it knows the password, which is not sent"
    if b"\0" in line:
        return "credentials", "the client's user and password, in plain text"
    if not is_framed(text):
        return "unknown", f"the client says what TSP does not know: {_shown(line) or 'nothing'}"
    request = parse_request(text)
    if not isinstance(request, Create):
        return request.action.value, _REQUESTS[request.action.value]
    wish = f" and a prefix /{request.prefix_length}" if request.prefix_length is not None else ""
    return "create", f"the client at {request.address} asks for a {request.type.value} tunnel{wish}"


def _answer(text: bytes) -> tuple[str, str]:
    """Return kind and purpose of what a broker says."""
    line = text.strip(BLANK)
    if line.upper().startswith(b"CAPABILITY"):
        return "capability", f"the broker says what it offers: {_shown(line[len('CAPABILITY') :].strip())}"
    if line.startswith((b"realm=", b"nonce=", b"qop=")):
        return "challenge", "the broker asks the client for a proof that it knows the password"
    if line.startswith(b"rspauth="):
        return "rspauth", "the broker proves that it knows the password, too"
    if not is_status(text) and not is_framed(text):
        return "unknown", f"the broker says what TSP does not know: {_shown(line) or 'nothing'}"
    if is_framed(text):
        unframed(text)
    reply = Reply.parse(text)
    said = f"{reply.status.code} {_shown(reply.status.text.encode())}".strip()
    if reply.status.refers and reply.document:
        brokers = ", ".join(map(str, Referral.parse(reply.document).brokers))
        return "referral", f"the broker sends the client to others, {said}: {brokers}"
    if not reply.status.is_success:
        return "refusal", f"the broker refuses: {said}"
    if not reply.document:
        return "success", f"the broker agrees: {said}"
    offer = Offer.parse(reply.document)
    prefix = f", with the prefix {offer.prefix}" if offer.prefix else ""
    return "offer", f"the broker offers a {offer.type.value} tunnel to {offer.client_ipv6}{prefix}"


def _shown(text: bytes) -> str:
    plain = " ".join(text.decode("utf-8", "replace").split())
    return quoted(plain)[1:-1] if len(plain) <= _SAID_MAX else f"{quoted(plain[:_SAID_MAX])[1:-1]}..."
