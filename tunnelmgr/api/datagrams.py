"""Outer datagrams and what may happen to the channels they travel on.

A *channel* is a socket the driver holds on behalf of a Tunnel, known by a name the Tunnel chose. One `Datagram` type
serves both directions and every kind of channel; on a TCP channel `data` is the next piece of the stream.
"""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from tunnelmgr.api.network import Endpoint


class Datagram(NamedTuple):
    """One payload, from or to `remote`, on `channel`."""

    channel: str
    data: bytes
    remote: Endpoint
    local: Endpoint | None = None
    """Received: the address it was sent to. Sending: the source to use; None lets the kernel choose."""
    interface: str | None = None
    """Received: where it arrived. Sending: where it must leave (multicast)."""
    tos: int = 0
    """The outer TOS octet: DSCP in the upper six bits, ECN in the lower two."""
    ttl: int | None = None
    """Outer TTL, 1..255; None for the host's default."""


class ChannelKind(Enum):
    """What a channel is made of."""

    UDP = "udp"
    RAW41 = "raw41"
    """IPv6 in IPv4, protocol 41 (RFC 4213): datagrams without the outer header."""
    TCP_CONNECT = "tcp-connect"
    TCP_LISTEN = "tcp-listen"
    MULTICAST = "multicast"
    """UDP, joined to a group: used for what is sent to the group only."""


@dataclass(frozen=True, slots=True)
class Connected:
    """A TCP channel reached its peer."""

    channel: str
    local: Endpoint
    remote: Endpoint


@dataclass(frozen=True, slots=True)
class Accepted:
    """A listening TCP channel has a new connection, which is a channel of its own from here on."""

    channel: str
    connection: str
    """The name of the new channel, made by the driver: `<channel>/<number>`."""
    remote: Endpoint


@dataclass(frozen=True, slots=True)
class Closed:
    """The peer ended a TCP channel in good order. The channel is gone."""

    channel: str


@dataclass(frozen=True, slots=True)
class ChannelFailed:
    """A send or the channel itself failed. A UDP or protocol-41 channel lives on; a TCP channel is gone."""

    channel: str
    errno: int
    """As in the standard module `errno`: ENETUNREACH, ECONNREFUSED, EMSGSIZE ..."""
    remote: Endpoint | None = None


@dataclass(frozen=True, slots=True)
class IcmpReceived:
    """The network answered a datagram of ours with an ICMPv4 error (RFC 792)."""

    channel: str
    type: int
    code: int
    mtu: int
    """Next-hop MTU in bytes when type is 3 and code is 4 (RFC 1191), else 0."""
    reporter: Endpoint | None
    """Who sent the error; None when this host itself knows that a datagram is too large for its way (type 3, code 4)."""
    remote: Endpoint
    """Where our datagram was going."""
    quote: bytes
    """The beginning of the payload we had sent, as far as the error quotes it; may be empty."""


ChannelEvent = Connected | Accepted | Closed | ChannelFailed | IcmpReceived
