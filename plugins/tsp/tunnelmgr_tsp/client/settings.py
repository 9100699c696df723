"""What may stand in a profile under `method:` for a TSP client."""

from enum import Enum
from ipaddress import IPv4Address
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from tunnelmgr.api.secret import Secret
from tunnelmgr.api.settings import Settings
from tunnelmgr_tsp.client.terms import Wish
from tunnelmgr_tsp.constants import KEEPALIVE_DEFAULT, KEEPALIVE_INTERVAL_MAX, KEEPALIVE_INTERVAL_MIN
from tunnelmgr_tsp.wire.brokers import Broker
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


class Signalling(Enum):
    """What carries the conversation with the broker."""

    AUTO = "auto"
    UDP = "udp"
    TCP = "tcp"


def _as_list(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _checked_broker(text: str) -> str:
    Broker.parse(text)
    return text


_Brokers = Annotated[tuple[Annotated[str, AfterValidator(_checked_broker)], ...], BeforeValidator(_as_list)]


class TspClientSettings(Settings):
    """A TSP client."""

    broker: _Brokers = Field(
        min_length=1,
        description="name or IPv4 address of a broker, with `:port` unless it is 3653; or a list in order of preference",
        json_schema_extra={"type": ["array", "string"]},
    )
    user: str | None = Field(default=None, min_length=1, description="account at the broker; left out, anonymous")
    password: Secret | None = Field(default=None, description="of the account")
    auth: Auth = Field(
        default=Auth.ANY,
        description="any takes digest-md5 with an account and anonymous without one; or one of anonymous, digest-md5, plain",
    )
    allow_plain: bool = Field(
        default=False, description="let `auth: any` send the password in plain text when the broker offers nothing better"
    )
    tunnel: TunnelWish = Field(
        default=TunnelWish.V6ANYV4,
        description="v6anyv4 (the broker decides by NAT), v6udpv4 (behind any NAT) or v6v4 (protocol 41)",
    )
    signalling: Signalling = Field(default=Signalling.AUTO, description="auto (UDP, then TCP), udp or tcp")
    prefix_length: int | None = Field(
        default=None, ge=8, le=64, description="ask for a prefix of this length for the LAN; left out, none"
    )
    name_servers: tuple[str, ...] = Field(
        default=(), max_length=8, description="name servers the reverse zone of the prefix shall be delegated to"
    )
    keepalive: int = Field(
        default=KEEPALIVE_DEFAULT,
        ge=KEEPALIVE_INTERVAL_MIN,
        le=KEEPALIVE_INTERVAL_MAX,
        description="seconds between echoes to wish for; what the broker answers counts",
    )
    bind: IPv4Address = Field(
        default=IPv4Address(0), description="IPv4 address of this host to speak from; 0.0.0.0 leaves it to the host"
    )
    plain_to: tuple[Annotated[str, AfterValidator(_checked_broker)], ...] = Field(
        default=(), description="brokers we may be sent to with a password in plain text"
    )
    delete_on_stop: bool = Field(
        default=False, description="give the tunnel back when this program stops; the broker may then give its address away"
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

    def wish(self) -> Wish:
        """Return what to ask a broker for."""
        return Wish(
            TunnelType(self.tunnel.value),
            self._mechanisms(),
            self.user,
            self.password.reveal() if self.password else "",
            self.keepalive,
            self.prefix_length,
            self.name_servers,
        )

    def _mechanisms(self) -> frozenset[Mechanism]:
        match self.auth:
            case Auth.ANY if self.user is None:
                return frozenset({Mechanism.ANONYMOUS})
            case Auth.ANY:
                plain = {Mechanism.PLAIN} if self.allow_plain else set()
                return frozenset({Mechanism.DIGEST_MD5} | plain)
            case _:
                return frozenset({Mechanism(self.auth.value.upper())})
