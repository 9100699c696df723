"""What a Tunnel cannot do purely it asks for by an effect, and hears back through `Tunnel.effect_done`.

An effect goes out among the events. Each has a deadline and is answered exactly once: with `Done`, or with `Failed`
(code TIMEOUT when the deadline passes). The answer to a cancelled effect never arrives. Two effects that are equal are
two askings; `label` tells them apart where a Tunnel needs to.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from typing import Generic, TypeVar

from tunnelmgr.api.datagrams import ChannelKind
from tunnelmgr.api.network import Endpoint

T_co = TypeVar("T_co", covariant=True)

ANY = Endpoint(IPv4Address(0), 0)
"""Whatever address and port the host chooses."""


@dataclass(frozen=True, slots=True)
class OpenChannel:
    """Open a channel. Done: the local `Endpoint`.

    UDP, MULTICAST and TCP_LISTEN bind `local` (`ANY`, or a port of 0, lets the host choose). TCP_CONNECT is answered
    when the attempt begins; `Connected` or `ChannelFailed` tells how it went.
    """

    channel: str
    kind: ChannelKind
    local: Endpoint = ANY
    remote: Endpoint | None = None
    """TCP_CONNECT: the peer. RAW41: receive from this peer only; None from any."""
    group: IPv4Address | None = None
    """MULTICAST: the group to join on every multicast-capable interface."""
    path_mtu_discovery: bool = False
    """UDP, RAW41: set DF on every datagram, and report those that are too large (RFC 1191). Off, it may be fragmented."""
    ttl: int | None = None
    """RAW41: the outer TTL of datagrams that ask for none, 1..255; None for the host's default."""
    broadcast: bool = False
    """UDP: the channel may send to broadcast addresses, and shares its port with other programs, as DHCP clients must."""
    timeout: float = 5.0


@dataclass(frozen=True, slots=True)
class CloseChannel:
    """Close a channel, after the datagrams that were sent on it before. Done: None, also when the channel is not open."""

    channel: str
    timeout: float = 5.0


@dataclass(frozen=True, slots=True)
class Resolve:
    """Look a name up. Done: `tuple[IPv4Address, ...]`, 1 to 16, each of which a host can have: no groups, no broadcast.

    Failed NOT_FOUND: the name has none.
    """

    name: str
    timeout: float = 10.0


@dataclass(frozen=True, slots=True)
class Ping:
    """Send one ICMPv6 echo request by this host's native IPv6. Done: the round trip in seconds.

    Failed TIMEOUT: no answer came; UNREACHABLE: there is no route; NO_PERMISSION: this process may not ping.
    """

    target: IPv6Address
    source: IPv6Address | None = None
    """None lets the host choose."""
    timeout: float = 2.0


@dataclass(frozen=True, slots=True)
class Fetch:
    """Make one HTTPS request over IPv4, certificate verified, without a proxy. Done: `Response`, whatever its status.

    Over IPv4, so that it goes beside the tunnel and never through it.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    """None makes a GET, bytes a POST."""
    username: str = ""
    password: str = field(default="", repr=False)
    source: IPv4Address | None = None
    """This host's address to ask from, for servers that take it for the answer to where this host is; None: any."""
    response_max: int = 65536
    """Bytes; a longer body is Failed PROTOCOL."""
    timeout: float = 20.0


@dataclass(frozen=True, slots=True)
class Response:
    """The answer to a `Fetch`."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class MapPort:
    """Ask the NAT gateway (PCP, NAT-PMP or UPnP) for a UDP mapping. Done: the external `Endpoint`."""

    internal_port: int
    external_port: int = 0
    lifetime: float = 7200.0
    """Seconds asked for."""
    timeout: float = 2.0


@dataclass(frozen=True, slots=True)
class UnmapPort:
    """Give a mapping back. Done: None."""

    internal_port: int
    timeout: float = 2.0


@dataclass(frozen=True, slots=True)
class Remember:
    """Keep `value` for the next start of this profile's method; empty bytes forget it. Done: None."""

    key: str
    value: bytes
    lifetime: float | None = None
    """Seconds until it is forgotten, by the host's wall clock, so that starts and reboots count; None for ever."""
    timeout: float = 5.0


@dataclass(frozen=True, slots=True)
class Ask:
    """Put a request to a service the transport named. Done: what the service returned.

    A service is a plain blocking object; requests to it run one at a time, in order, outside the event loop.
    """

    service: str
    request: object
    timeout: float = 10.0


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop waiting for an effect that was asked for before. It is not answered, and neither is the effect."""

    effect: "Effect"


Effect = OpenChannel | CloseChannel | Resolve | Ping | Fetch | MapPort | UnmapPort | Remember | Ask


class FailureCode(Enum):
    """Why an effect failed."""

    TIMEOUT = "timeout"
    NOT_FOUND = "not-found"
    """The name does not exist, or has no IPv4 address."""
    IN_USE = "in-use"
    """The local address and port are taken."""
    REFUSED = "refused"
    """The other side ended the connection, or did not accept it."""
    UNREACHABLE = "unreachable"
    """There is no route to the other side; `Fetch`: also when the server's certificate is not valid."""
    NO_PERMISSION = "no-permission"
    UNSUPPORTED = "unsupported"
    """This host or this build cannot do it at all."""
    PROTOCOL = "protocol"
    """The other side answered nonsense."""
    CRASHED = "crashed"
    """A service raised an exception, or the driver did."""


@dataclass(frozen=True, slots=True)
class Done(Generic[T_co]):
    """An effect succeeded; each effect's docstring names the type of `value`."""

    value: T_co


@dataclass(frozen=True, slots=True)
class Failed:
    """An effect failed. `text` names the thing and the value seen, fit to show to the user."""

    code: FailureCode
    text: str


EffectResult = Done[object] | Failed
