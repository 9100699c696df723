"""A client that speaks and reads as gogoc 1.2 does, where a broker's answer is good enough for it and where not.

gogoc itself is in no Debian release any more. This is written from what is known of it, on the wire and from its source:
docs/protocols/tsp.md sections 3 to 11, and 15 above all ("gogoc, sending" and "gogoc, reading"; its numbers are cited as S1,
R1 and so on). Nothing of the code under test is used. Blocking, and made to run in the network namespace of its caller.
"""

import base64
import contextlib
import hashlib
import os
import re
import select
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv6Address

PORT = 3653
FIRST_SEQUENCE = 240
SENDS, SEND_INTERVAL = 3, 2.0  # until a broker has answered once; seconds
SENDS_LATER = 8
ECHO_TIMEOUT = 5.0  # seconds
_md5 = partial(hashlib.md5, usedforsecurity=False)  # what RFC 2831 is made of
_KNOWN = {"tunnel", "client", "server", "broker", "address", "router", "prefix", "dns_server", "keepalive", "as"}
_TAG = re.compile(r'<(/?)([a-z_]+)((?: [a-z_]+="[^"]*")*)(/?)>')
_ATTRIBUTE = re.compile(r' ([a-z_]+)="([^"]*)"')


class GaveUp(Exception):  # noqa: N818 (what it does, not what went wrong here)
    """gogoc ends the session, tears the tunnel down and tries again later."""


class Crashed(Exception):  # noqa: N818 (as above)
    """gogoc dies: a null pointer, or text without an end."""


@dataclass(frozen=True, slots=True)
class Offered:
    """What the set-up script would be given."""

    type: str
    server_ipv4: str
    server_ipv6: str
    client_ipv4: str
    client_ipv6: str
    dns: str
    prefix: str
    """TSP_PREFIX: the prefix text cut off at a character. Empty for a host."""
    keepalive: int


@dataclass(slots=True)
class _Element:
    name: str
    attributes: dict[str, str]
    text: str = ""
    children: "list[_Element]" = field(default_factory=list)

    def all(self, name: str) -> "Iterator[_Element]":
        return (child for child in self.children if child.name == name)

    def address(self, kind: str) -> str:
        return next((one.text for one in self.all("address") if one.attributes.get("type") == kind), "")


class _Udp:
    """The reliability header of section 3, with gogoc's numbers."""

    def __init__(self, server: str) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect((server, PORT))
        self._sequence = FIRST_SEQUENCE - 1
        self._began_at = time.monotonic()
        self._answered = False

    def ask(self, text: bytes) -> bytes:
        self._sequence += 1
        for _ in range(SENDS_LATER if self._answered else SENDS):
            stamp = int((time.monotonic() - self._began_at) * 1000)  # S2: milliseconds since the session began
            self.socket.send(struct.pack("!II", 0xF0000000 | self._sequence, stamp) + text)
            with contextlib.suppress(TimeoutError):
                answer = self._answer(time.monotonic() + SEND_INTERVAL)
                self._answered = True
                return answer
        raise TimeoutError("the broker does not answer over UDP")

    def _answer(self, until: float) -> bytes:
        while (left := until - time.monotonic()) > 0:
            if not select.select([self.socket], [], [], left)[0]:
                break
            data = self.socket.recv(4096)
            word = struct.unpack("!I", data[:4])[0]
            # A late duplicate is not what is waited for.
            if word == 0xF0000000 | self._sequence:
                return data[8:]
        raise TimeoutError


class _Tcp:
    def __init__(self, server: str) -> None:
        self.socket = socket.create_connection((server, PORT), timeout=10)

    def ask(self, text: bytes) -> bytes:
        if text:
            self.socket.sendall(text)
        return self.socket.recv(4096)  # R2: once for each step


class Gogoc:
    """One configured client."""

    def __init__(
        self,
        server: str,
        *,
        user: str = "",
        password: str = "",
        auth: str = "any",
        tunnel: str = "v6anyv4",
        prefix_length: int | None = None,
        transport: str = "udp",
        local: str = "",
    ) -> None:
        """`local`: `client_v4`; left out it is found out at the first session, and kept (S4)."""
        self.server = server
        self._user, self._password, self._auth = user, password, auth
        self._tunnel, self._prefix_length = tunnel, prefix_length
        self._transport = transport
        self._local = local
        self._line: _Udp | _Tcp | None = None
        self.offered: Offered | None = None

    # -- a session --------------------------------------------------------------------------------------------------------

    def connect(self) -> Offered:
        """Set a tunnel up: over UDP, and over TCP when nobody answers there; follow a referral."""
        for _ in range(5):
            try:
                self.offered = self._session(_Tcp(self.server) if self._transport == "tcp" else _Udp(self.server))
            except Exception as failure:
                self.close()
                self._go_on_after(failure)
            else:
                return self.offered
        raise GaveUp("sent from broker to broker")

    def _go_on_after(self, failure: Exception) -> None:
        match failure:
            case _Referred(addresses=addresses):
                self.server = _nearest(addresses)
            case TimeoutError() if self._tunnel != "v6udpv4" and self._transport == "udp":
                self._transport = "tcp"
            case _:
                raise failure

    def close(self) -> None:
        """End the session without a word; the next one comes from another port."""
        if self._line is not None:
            self._line.socket.close()

    def _session(self, line: _Udp | _Tcp) -> Offered:
        self._line = line
        self._local = self._local or line.socket.getsockname()[0]
        capability = _line_of(line.ask(b"VERSION=2.0.2\r\n"))
        if not capability.startswith("CAPABILITY "):
            raise GaveUp(f"no capability: {capability!r}")
        # The last word is lost without CR LF, and case counts.
        words = capability.removesuffix("\r\n").split(" ") if capability.endswith("\r\n") else capability.split(" ")[:-1]
        if not {"TUNNEL=V6V4", "TUNNEL=V6UDPV4"} & set(words):
            raise GaveUp("no tunnel offered")
        self._authenticate(line, {word.removeprefix("AUTH=") for word in words if word.startswith("AUTH=")})
        offered = _read_offer(line.ask(_framed(self._create())), self._prefix_length)
        answer = line.ask(_framed('<tunnel action="accept"></tunnel>\r\n')) if isinstance(line, _Udp) else b""
        if isinstance(line, _Tcp):
            line.socket.sendall(_framed('<tunnel action="accept"></tunnel>\r\n'))
        if answer:
            raise GaveUp(f"an answer to accept: {answer!r}")
        return offered

    def _authenticate(self, line: _Udp | _Tcp, offered: set[str]) -> None:
        wanted = {"any": ["DIGEST-MD5", "PLAIN"] if self._user else ["ANONYMOUS"]}.get(self._auth, [self._auth.upper()])
        mechanism = next((one for one in wanted if one in offered), None)
        if mechanism is None:
            raise GaveUp(f"none of {wanted} in {offered}")
        opening = f"AUTHENTICATE {mechanism}\r\n\0".encode()  # S1
        match mechanism:
            case "ANONYMOUS":
                answer = line.ask(opening)
            case "PLAIN":
                answer = self._plain(line, opening)
            case _:
                answer = self._digest(line, line.ask(opening))
        _require_success(_line_of(answer))

    def _plain(self, line: _Udp | _Tcp, opening: bytes) -> bytes:
        credentials = f"\0{self._user}\0{self._password}\r\n".encode()
        if isinstance(line, _Tcp):  # both without waiting, and one answer read
            line.socket.sendall(opening)
            return line.ask(credentials)
        if line.ask(opening):
            raise GaveUp("words where an empty datagram was due")
        return line.ask(credentials)

    def _digest(self, line: _Udp | _Tcp, challenge: bytes) -> bytes:
        realm, nonce = _read_challenge(challenge)
        cnonce, uri = str(int(time.time())), f"tsp/{self.server}"
        first = _md5(f"{self._user}:{realm}:{self._password}".encode()).digest()
        a1 = _md5(first + f":{nonce}:{cnonce}".encode()).hexdigest()

        def proof(prefix: str) -> str:
            a2 = _md5(f"{prefix}:{uri}".encode()).hexdigest()
            return _md5(f"{a1}:{nonce}:00000001:{cnonce}:auth:{a2}".encode()).hexdigest()

        said = (
            f'charset=utf-8,username="{self._user}",realm="{realm}",nonce="{nonce}",nc=00000001,cnonce="{cnonce}",'
            f'digest-uri="{uri}",response={proof("AUTHENTICATE")},qop=auth'
        )
        answer = line.ask(base64.b64encode(said.encode()) + b"\r\n")
        if answer[:1].isdigit():
            _require_success(_line_of(answer))
        if answer.count(b"\n") != 1:
            raise GaveUp("rspauth and status in one piece")  # R2
        if base64.b64decode(answer).decode() != f"rspauth={proof('')}":
            raise GaveUp("the broker did not prove itself")
        return line.ask(b"")  # S6

    def _create(self) -> str:
        router = ""
        if self._prefix_length is not None:
            router = f'  <router>\r\n   <prefix length="{self._prefix_length}"/>\r\n  </router>\r\n'
        return (
            f'<tunnel action="create" type="{self._tunnel}" proxy="no">\r\n'
            " <client>\r\n"
            f'  <address type="ipv4">{self._local}</address>\r\n'
            '  <keepalive interval="30">\r\n   <address type="ipv6">::</address>\r\n  </keepalive>\r\n'
            f"{router} </client>\r\n</tunnel>\r\n"
        )

    # -- the tunnel -------------------------------------------------------------------------------------------------------

    def keepalive_answered(self, sequence: int = 0) -> bool:
        """Send the echo request gogoc sends after each interval; whether its answer came back in time."""
        assert self.offered is not None
        assert self._line is not None
        request = _echo(self.offered.client_ipv6, self.offered.server_ipv6, sequence)
        if self.offered.type == "v6udpv4":
            self._line.socket.send(request)
            return self._hears(self._line.socket, sequence, 0)
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, 41) as raw:
            raw.sendto(request, (self.offered.server_ipv4, 0))
            return self._hears(raw, sequence, 20)

    def _hears(self, sock: socket.socket, sequence: int, outer: int) -> bool:
        """R9: whatever else comes is written to the TUN device unseen, control datagrams too."""
        assert self.offered is not None
        until = time.monotonic() + ECHO_TIMEOUT
        while (left := until - time.monotonic()) > 0 and select.select([sock], [], [], left)[0]:
            packet = sock.recv(4096)[outer:]
            if packet[0] >> 4 != 6:
                raise GaveUp(f"no IPv6 in the tunnel: {packet[:8].hex()}")
            is_from_server = packet[8:24] == IPv6Address(self.offered.server_ipv6).packed
            identifier, number = struct.unpack("!HH", packet[44:48])
            if is_from_server and packet[40] == 129 and (identifier, number) == (os.getpid() & 0xFFFF, sequence):
                return True
        return False


class _Referred(Exception):  # noqa: N818 (what happened)
    def __init__(self, addresses: list[str]) -> None:
        super().__init__(addresses)
        self.addresses = addresses


def _framed(document: str) -> bytes:
    return f"Content-length: {len(document)}\r\n{document}".encode()


def _line_of(answer: bytes) -> str:
    text = answer.decode("latin-1")
    code = re.match(r"\d+", text)
    if code and int(code[0]) >= 1000:
        if "\n" not in text:
            raise Crashed("status without an end of line")  # R8
        raise _Referred([address.text for address in _addresses_of_brokers(text.partition("\n")[2])])
    return text


def _require_success(line: str) -> None:
    if not line.startswith("200"):
        raise GaveUp(line.strip())


def _read_challenge(data: bytes) -> tuple[str, str]:
    """R7: cut at every comma; names are looked for where a word begins."""
    text = base64.b64decode(data.strip(), validate=True).decode()
    words = dict(word.partition("=")[::2] for word in text.split(","))
    for name in ("realm", "nonce", "qop", "charset"):
        if name not in words:
            raise Crashed(f"{name} is missing in {text!r}")
    if words["qop"].strip('"') != "auth":
        raise GaveUp(f"qop {words['qop']}")
    return words["realm"].strip('"'), words["nonce"].strip('"')


def _read_offer(answer: bytes, prefix_length: int | None) -> Offered:
    head, _, body = answer.partition(b"\r\n")
    match = re.fullmatch(rb"Content-length: (\d+)", head)
    if match is None:
        _line_of(answer)
        raise GaveUp(f"no Content-length: {head!r}")  # R1
    if int(match[1]) != len(body):
        raise GaveUp(f"Content-length {int(match[1])} of {len(body)}")  # R1
    status, _, document = body.partition(b"\r\n")
    _line_of(body)
    _require_success(status.decode())
    tunnel = _parse(document.decode())
    (server,), (client,) = tunnel.all("server"), tunnel.all("client")
    (keepalive,) = client.all("keepalive")
    values = [server.address("ipv4"), server.address("ipv6"), client.address("ipv4"), client.address("ipv6")]
    if not all(re.fullmatch(r"[0-9a-f:.]+", value) for value in values):
        raise GaveUp(f"bad tunnel parameter: {values}")  # R4
    resolvers = [one.address("ipv6") for one in client.all("dns_server")]
    if not resolvers or not resolvers[0]:
        raise Crashed("setenv of a null pointer: no dns_server")  # R3
    kind, interval = tunnel.attributes["type"], int(keepalive.attributes["interval"])
    prefix = _prefix(client, prefix_length)
    return Offered(kind, values[0], values[1], values[2], values[3], resolvers[0], prefix, interval)


def _prefix(client: _Element, wanted: int | None) -> str:
    found = [prefix for router in client.all("router") for prefix in router.all("prefix")]
    if wanted is None or not found:
        return ""
    length = int(found[0].attributes["length"])
    # R5: so many characters of the text as have whole groups of 16 bits, then the part of the next one.
    return found[0].text[: length // 16 * 5 + (length % 16 + 3) // 4]


def _addresses_of_brokers(document: str) -> list[_Element]:
    return [one for broker in _parse(document).all("broker") for one in broker.all("address")]


def _parse(document: str) -> _Element:
    """R6: elements and attributes in lower case, double quotes, one blank before an attribute, and nothing else."""
    if any(sign in document for sign in ("<?", "<!", "&", "'")):
        raise GaveUp(f"more than plain elements: {document!r}")
    root = _Element("", {})
    open_elements, position = [root], 0
    for match in _TAG.finditer(document):
        between = document[position : match.start()]
        if "<" in between or ">" in between:
            raise GaveUp(f"a tag that is not understood: {between!r}")
        closing, name, attributes, empty = match.groups()
        if name not in _KNOWN and empty and attributes:
            raise GaveUp(f"an unknown empty element {name!r} with attributes")
        if closing:
            element = open_elements.pop()
            element.text = "" if element.children else between.lower()
            if element.name != name:
                raise GaveUp(f"{element.name!r} closed as {name!r}")
        else:
            element = _Element(name, dict(_ATTRIBUTE.findall(attributes)))
            open_elements[-1].children.append(element)
            open_elements += [] if empty else [element]
        position = match.end()
    if len(open_elements) != 1 or len(root.children) != 1:
        raise GaveUp(f"not one whole document: {document!r}")
    return root.children[0]


def _nearest(addresses: list[str]) -> str:
    """Ask each by ECHO REQUEST (S7) and take the one that answered first; a single one is taken as it is."""
    if len(addresses) == 1:
        return addresses[0]
    lines = {address: _Udp(address) for address in addresses}
    for line in lines.values():
        line.socket.send(struct.pack("!II", 0xF0000000 | FIRST_SEQUENCE, 0) + b"ECHO REQUEST")
    try:
        until = time.monotonic() + 10
        while (left := until - time.monotonic()) > 0:
            ready = select.select([line.socket for line in lines.values()], [], [], left)[0]
            for address, line in lines.items():
                if line.socket in ready:
                    with contextlib.suppress(ConnectionRefusedError):
                        if line.socket.recv(4096)[8:].startswith(b"200"):
                            return address
        raise GaveUp("no broker of the list answers")
    finally:
        for line in lines.values():
            line.socket.close()


def _echo(source: str, target: str, sequence: int) -> bytes:
    """An ICMPv6 echo request: 8 bytes of header, 16 of data, as on the wire of section 14."""
    inner = struct.pack("!BBHHH", 128, 0, 0, os.getpid() & 0xFFFF, sequence) + struct.pack("!QQ", int(time.time()), 0)
    ends = IPv6Address(source).packed + IPv6Address(target).packed
    pseudo = ends + struct.pack("!II", len(inner), 58)
    total = sum(struct.unpack(f"!{len(pseudo + inner) // 2}H", pseudo + inner))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    checked = inner[:2] + struct.pack("!H", ~total & 0xFFFF) + inner[4:]
    return struct.pack("!IHBB", 6 << 28, len(inner), 58, 64) + ends + checked
