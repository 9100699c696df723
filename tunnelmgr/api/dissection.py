"""What packets are for, told to people: `tunnelmgr decode` and `tunnelmgr trace` ask the dissectors of transports.

A dissector explains, it does not judge: it reads what its transport would refuse, and says why it would. Bytes in, words
out; no clock, no socket.
"""

from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import ClassVar, NamedTuple, Protocol

from tunnelmgr.api.datagrams import ChannelKind
from tunnelmgr.api.network import Endpoint

MALFORMED = "malformed"
"""The kind of what breaks its protocol's rules; the purpose tells the reason."""


class Outer(NamedTuple):
    """The envelope a payload was captured in."""

    kind: ChannelKind
    """UDP, RAW41, or TCP_CONNECT for what one TCP segment carries."""
    source: Endpoint
    destination: Endpoint


@dataclass(frozen=True, slots=True)
class Field:
    """One named part of what was dissected, in the words of its RFC."""

    name: str
    value: str
    offset: int
    """Bytes from the start of the payload, or of the address."""
    length: int
    """In bytes."""
    remark: str = ""
    """What the value means, where a reader would have to know."""


@dataclass(frozen=True, slots=True)
class Dissection:
    """One payload, packet or address, explained."""

    protocol: str
    """Whose rules explain it: the type name of a transport, or "ipv6"."""
    kind: str
    """What it is, stable, for scripts: "router-solicitation", "indirect-bubble", "data", "malformed"."""
    purpose: str
    """What it is for, in one sentence without a full stop."""
    fields: tuple[Field, ...] = ()
    """In the order of their offsets."""


class Dissector(Protocol):
    """Explains what one transport sends. Subclass it: optional parts have defaults.

    Made for one capture and given its datagrams in order, so that it may remember what an answer answers; whatever it
    remembers is bounded, since captures are not.
    """

    udp_ports: ClassVar[frozenset[int]] = frozenset()
    """What comes from or goes to these ports is offered to this dissector before others."""
    tcp_ports: ClassVar[frozenset[int]] = frozenset()
    """The same of TCP segments; those of other ports are offered to nobody."""
    protocol_41: ClassVar[bool] = False
    """Whether protocol 41 is offered to this dissector before others."""

    def dissect(self, payload: bytes, outer: Outer | None) -> Dissection | None:
        """Explain a payload; None when it is not of this transport.

        It is offered the datagrams of its ports, those that no other dissector recognised, and, with `outer` None,
        payloads whose envelope is not known. Raises nothing, whatever the bytes.
        """

    def dissect_address(self, address: IPv6Address) -> Dissection | None:
        """Explain an IPv6 address that this transport makes; None for any other."""
        return None
