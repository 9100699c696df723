"""A STUN server for the simulated internet (RFC 8489, RFC 5780), written against aioice and not against our own reading."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

from aioice.stun import Class, Message, Method, parse_message

from tunnelmgr.api.datagrams import ChannelKind, Datagram
from tunnelmgr.api.effects import OpenChannel
from tunnelmgr.api.events import Stopped
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.api.status import TunnelStatus
from tunnelmgr.api.tunnel import Tunnel

PORT, OTHER_PORT = 3478, 3479
_CHANGE_PORT, _CHANGE_ADDRESS = 2, 4


@dataclass
class StunServer(Tunnel):
    """With one address it is a plain server, with two it answers from wherever it is asked to."""

    addresses: tuple[IPv4Address, ...]
    obeys: bool = True
    """Off, it knows CHANGE-REQUEST and RESPONSE-PORT, and answers from where and to where it was asked all the same."""
    silent: bool = False

    def __post_init__(self) -> None:
        super().__init__()

    def start(self, now: float, network: Network, memory: Mapping[str, bytes]) -> None:
        for number, address in enumerate(self.addresses):
            for port in (PORT, OTHER_PORT):
                self.outbox.say(OpenChannel(_channel(number, port), ChannelKind.UDP, Endpoint(address, port)))

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        try:
            request = parse_message(datagram.data)
        except ValueError:
            return
        assert datagram.local is not None
        if self.silent or request.message_class is not Class.REQUEST:
            return
        number, port = self.addresses.index(datagram.local.address), datagram.local.port
        mapped = (str(datagram.remote.address), datagram.remote.port)
        attributes: dict[str, object] = {"XOR-MAPPED-ADDRESS": mapped}
        if len(self.addresses) == 2:
            attributes["OTHER-ADDRESS"] = (str(self.addresses[1 - number]), _other(port))
        change = request.attributes.get("CHANGE-REQUEST", 0) if self.obeys else 0
        if change and len(self.addresses) == 1:
            answer = Message(Method.BINDING, Class.ERROR, request.transaction_id, {"ERROR-CODE": (420, "Unknown Attribute")})
        else:
            answer = Message(Method.BINDING, Class.RESPONSE, request.transaction_id, attributes)
            number = 1 - number if change & _CHANGE_ADDRESS else number
            port = _other(port) if change & _CHANGE_PORT else port
        wished = _response_port(datagram.data) if self.obeys else None
        remote = datagram.remote if wished is None else Endpoint(datagram.remote.address, wished)
        self.outbox.send(Datagram(_channel(number, port), bytes(answer), remote))

    def receive_packet(self, packet: bytes, now: float) -> None: ...

    def handle_timeout(self, now: float) -> None: ...

    def next_timeout(self) -> float | None:
        return None

    def status(self, now: float) -> TunnelStatus:
        return TunnelStatus("serving")

    def stop(self, now: float) -> None:
        self.outbox.say(Stopped())


def _response_port(request: bytes) -> int | None:
    """RESPONSE-PORT (RFC 5780 section 7.5), which aioice does not know."""
    found = re.search(rb"\x00\x27\x00\x02(..)\x00\x00", request[20:], re.DOTALL)
    return int.from_bytes(found[1], "big") if found else None


def _other(port: int) -> int:
    return OTHER_PORT if port == PORT else PORT


def _channel(number: int, port: int) -> str:
    return f"{number}:{port}"
