"""What may stand in a profile under `method:` for a TSP client."""

from enum import Enum
from ipaddress import IPv4Address
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from tunnelmgr.api.secret import Secret
from tunnelmgr.api.settings import SECONDS, HostName, ServerText, Settings
from tunnelmgr_tsp.client.candidates import Broker
from tunnelmgr_tsp.client.troubles import Remedy
from tunnelmgr_tsp.constants import (
    KEEPALIVE_DEFAULT,
    KEEPALIVE_INTERVAL_MAX,
    KEEPALIVE_INTERVAL_MIN,
    PREFIX_LENGTH_MAX,
    PREFIX_LENGTH_MIN,
)
from tunnelmgr_tsp.wire.capability import Mechanism, TunnelType


class Auth(Enum):
    """How to authenticate."""

    ANY = "any"
    ANONYMOUS = "anonymous"
    PLAIN = "plain"
    DIGEST_MD5 = "digest-md5"


class TunnelWish(Enum):
    """Which tunnel to ask for."""

    V6ANYV4 = "v6anyv4"
    V6UDPV4 = "v6udpv4"
    V6V4 = "v6v4"


_OTHER_TYPES = {TunnelWish.V6ANYV4: TunnelWish.V6UDPV4, TunnelWish.V6UDPV4: TunnelWish.V6V4}
"""What is asked for by name when a broker cannot choose (TSP-11)."""


class Signalling(Enum):
    """What carries the conversation with the broker."""

    AUTO = "auto"
    UDP = "udp"
    TCP = "tcp"


def _as_list(value: object) -> object:
    return (value,) if isinstance(value, str) else value


_Brokers = Annotated[tuple[ServerText, ...], BeforeValidator(_as_list, json_schema_input_type=str | tuple[str, ...])]


class TspClientSettings(Settings):
    """A TSP client (RFC 5572) asks a broker for a tunnel: a stable address behind any NAT, and with an account a prefix."""

    broker: _Brokers = Field(
        min_length=1,
        description="Name or IPv4 address of a broker, with `:port` unless it is 3653. A list is in order of preference; "
        "the broker that gave the last tunnel is asked first, since each has addresses of its own.",
        examples=["broker.example.net"],
    )
    user: str | None = Field(
        default=None,
        min_length=1,
        description="Account at the broker. Without one the tunnel has no prefix, and its address may change.",
        examples=["alice"],
    )
    password: Secret | None = Field(
        default=None, description="Password of the account.", examples=[{"file": "tsp.password"}]
    )
    auth: Auth = Field(
        default=Auth.ANY,
        description="How to authenticate. `any` takes digest-md5 with an account and anonymous without one. "
        "Everybody on the way can read what `plain` sends.",
    )
    allow_plain: bool = Field(
        default=False,
        description="Let `auth: any` send the password in plain text when the broker offers nothing better.",
    )
    tunnel: TunnelWish = Field(
        default=TunnelWish.V6ANYV4,
        description="Which tunnel to ask for. With `v6anyv4` the broker decides by the NAT it sees. "
        "`v6udpv4` is UDP, behind any NAT. `v6v4` is protocol 41, without a NAT.",
    )
    signalling: Signalling = Field(
        default=Signalling.AUTO, description="How to speak with the broker. `auto` tries UDP, then TCP."
    )
    prefix_length: int | None = Field(
        default=None,
        ge=PREFIX_LENGTH_MIN,
        le=PREFIX_LENGTH_MAX,
        description="Ask for a prefix of this length for the LAN. The broker may give a longer one. "
        "Left out, `lan:` asks for a /64 for each of its interfaces, if it shares a prefix.",
        examples=[56],
    )
    name_servers: tuple[HostName, ...] = Field(
        default=(),
        max_length=8,
        description="Name servers that the reverse zone of the prefix is delegated to.",
        examples=[["ns1.example.net"]],
    )
    keepalive: int = Field(
        default=KEEPALIVE_DEFAULT,
        ge=KEEPALIVE_INTERVAL_MIN,
        le=KEEPALIVE_INTERVAL_MAX,
        description="Time between the echoes that keep the NAT open and show that the tunnel lives. "
        "It is a wish; the broker decides.",
        json_schema_extra=SECONDS,
    )
    bind: IPv4Address = Field(
        default=IPv4Address(0), description="Local IPv4 address to speak from. 0.0.0.0 leaves the choice to this host."
    )
    plain_to: tuple[ServerText, ...] = Field(
        default=(),
        description="Brokers to which a broker may send this client with its password in plain text. "
        "Those in `broker` always may be.",
        examples=[["broker2.example.net"]],
    )
    delete_on_stop: bool = Field(
        default=False,
        description="Give the tunnel of an account back when this program stops. "
        "The broker may then give its addresses to others.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.user is None) != (self.password is None):
            raise ValueError("`user` and `password` go together; write both or none")
        if self.user is None and self.auth in {Auth.PLAIN, Auth.DIGEST_MD5}:
            raise ValueError(f"`auth: {self.auth.value}` needs `user` and `password`")
        if self.tunnel is TunnelWish.V6UDPV4 and self.signalling is Signalling.TCP:
            raise ValueError("a v6udpv4 tunnel is set up over UDP; leave out `signalling: tcp`")
        if self.name_servers and self.prefix_length is None:
            raise ValueError("`name_servers` are for a prefix; set `prefix_length` too")
        return self

    @property
    def type(self) -> TunnelType:
        """The tunnel to ask for, in the words of the protocol."""
        return TunnelType(self.tunnel.value)

    def less(self, remedy: Remedy, *, is_type_free: bool) -> Self | None:
        """Return what to ask for in place of what a broker does not give; None when nothing can be left out.

        `is_type_free`: whether the profile leaves the type of the tunnel to us.
        """
        match remedy:
            case Remedy.WITHOUT_PREFIX if self.prefix_length is not None:
                return self.model_copy(update={"prefix_length": None, "name_servers": ()})
            case Remedy.WITHOUT_NAME_SERVERS if self.name_servers:
                return self.model_copy(update={"name_servers": ()})
            case Remedy.OTHER_TYPE if is_type_free and self.tunnel in _OTHER_TYPES:
                return self.model_copy(update={"tunnel": _OTHER_TYPES[self.tunnel]})
        return None

    @property
    def may_use_tcp(self) -> bool:
        """True if TCP is allowed where UDP does not pass."""
        return self.signalling is Signalling.AUTO and self.tunnel is not TunnelWish.V6UDPV4

    @property
    def trusted(self) -> frozenset[Broker]:
        """The brokers that may be told the password in plain text."""
        return frozenset(Broker.parse(text) for text in (*self.broker, *self.plain_to))

    @property
    def mechanisms(self) -> frozenset[Mechanism]:
        """The ways to authenticate that the user allows."""
        match self.auth:
            case Auth.ANY if self.user is None:
                return frozenset({Mechanism.ANONYMOUS})
            case Auth.ANY:
                plain = {Mechanism.PLAIN} if self.allow_plain else set()
                return frozenset({Mechanism.DIGEST_MD5} | plain)
            case _:
                return frozenset({Mechanism(self.auth.value.upper())})
