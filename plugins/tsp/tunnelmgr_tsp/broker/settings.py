"""What may stand in a profile under `method:` for a TSP broker."""

import re
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from tunnelmgr.api.secret import Secret
from tunnelmgr.api.settings import MINUTES, SECONDS, ServerText, Settings
from tunnelmgr_tsp.broker.plan import LINK_LENGTH, AddressPlan, clients_on
from tunnelmgr_tsp.broker.users import Users
from tunnelmgr_tsp.constants import (
    BROKER_KEEPALIVE_MAX,
    BROKER_KEEPALIVE_MIN,
    KEEPALIVE_DEFAULT,
    LIFETIME_DEFAULT,
    LIFETIME_MAX,
    LIFETIME_MIN,
    PORT,
    REDIRECT_BROKERS_MAX,
)

_UNKNOWN_LINK = IPv6Network("100::/64")  # until the network is known; the discard prefix: RFC 6666
ON_LINK: Final = "on-link"


class Exit(Enum):
    """How packets of clients get home from the IPv6 internet."""

    NATIVE = "native"
    NAT66 = "nat66"


class ServedType(Enum):
    """A tunnel to offer."""

    V6UDPV4 = "v6udpv4"
    V6V4 = "v6v4"


def _database(url: str) -> str:
    if not re.fullmatch(r"sqlite://(/[^?#]*[^?#/])?|postgresql\+psycopg://[!-~]+", url):
        raise ValueError("expected sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME, as SQLAlchemy names a database")
    if urlsplit(url).port == 0:  # which raises ValueError for what is no port
        raise ValueError("port 0 is none")
    return url


class TspBrokerSettings(Settings):
    """A TSP broker (RFC 5572) gives tunnels, and prefixes to those with an account, and carries their packets."""

    address: IPv4Address = Field(
        description="IPv4 address of this host to listen on and to send everything from.", examples=["192.0.2.33"]
    )
    port: int = Field(
        default=PORT,
        ge=1,
        le=65535,
        description="UDP and TCP port to listen on. Another one than 3653 must stand in every client's profile.",
    )
    prefix: IPv6Network | Literal["on-link"] = Field(
        description="IPv6 prefix routed to this host, out of which clients get addresses and prefixes. `on-link` is for a "
        "server that has one /64 and nothing routed to it: clients get addresses of that /64 and no prefixes, and this host "
        "answers for them on its link.",
        examples=["2001:db8:100::/40"],
    )
    link: IPv6Network | None = Field(
        default=None,
        description="Prefix of the tunnel addresses. Left out, it is the first /64 of `prefix`, or with `on-link` "
        "::7473:7000:0:0/96 of the link's /64.",
        examples=["2001:db8:100::/64"],
    )
    delegated_length: int | None = Field(
        default=56,
        ge=16,
        le=64,
        description="Length of the prefixes that users get for their LAN; null for none. "
        "The first one of `prefix` holds the tunnel addresses.",
    )
    exit: Exit = Field(
        default=Exit.NATIVE,
        description="How packets of clients leave. `native` keeps their addresses, and `prefix` must be routed to this "
        "host. `nat66` gives them this host's own address: nothing has to be routed, and nobody outside can call a client.",
    )
    anonymous: bool = Field(default=True, description="Give addresses, without a prefix, to clients without an account.")
    users: Secret | None = Field(
        default=None,
        description="Accounts, one `name:hash` a line, normally in a file; `tunnelmgr broker account` prints such a line. "
        "Restart the broker after a change: everybody keeps their addresses.",
        examples=[{"file": "tsp.users"}],
    )
    realm: str = Field(
        default="tunnelmgr",
        min_length=1,
        max_length=100,
        description="Realm the users' hashes were made with. A change makes all of them worthless.",
    )
    plain: bool = Field(default=False, description="Accept passwords in plain text, for clients that know nothing better.")
    tunnels: tuple[ServedType, ...] = Field(
        default=(ServedType.V6UDPV4, ServedType.V6V4),
        min_length=1,
        description="Tunnels to offer. `v6udpv4` is UDP, behind any NAT. `v6v4` is protocol 41, without a NAT.",
    )
    dns: tuple[IPv6Address, ...] = Field(
        default=(), max_length=4, description="Resolvers to offer to clients.", examples=[["2001:db8:100::53"]]
    )
    keepalive: int = Field(
        default=KEEPALIVE_DEFAULT,
        ge=BROKER_KEEPALIVE_MIN,
        le=BROKER_KEEPALIVE_MAX,
        description="Time between echoes, for clients that wish for nothing.",
        json_schema_extra=SECONDS,
    )
    lifetime: int = Field(
        default=LIFETIME_DEFAULT,
        ge=LIFETIME_MIN,
        le=LIFETIME_MAX,
        description="Time after which a client renews its tunnel.",
        json_schema_extra=MINUTES,
    )
    leases: Annotated[str, AfterValidator(_database)] = Field(
        default="sqlite:///leases.db",
        description="Database of the leases, as SQLAlchemy names it. A file without a path is in the profile's own folder "
        "below /var/lib/tunnelmgr. Several brokers may share one PostgreSQL, such as postgresql+psycopg://user@host/name.",
    )
    tunnels_max: int = Field(
        default=10000,
        ge=1,
        description="How many tunnels there are at most. Further clients are sent to the brokers of `redirect`, or away.",
    )
    tunnels_per_address: int = Field(
        default=16, ge=1, description="How many tunnels one IPv4 address has at most at one time."
    )
    redirect: tuple[ServerText, ...] = Field(
        default=(),
        max_length=REDIRECT_BROKERS_MAX,
        description="Brokers to send clients to when this one is full or drained.",
        examples=[["broker2.example.net"]],
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.anonymous and self.users is None:
            raise ValueError("`anonymous: false` without `users` serves nobody; name the users")
        if self.prefix == ON_LINK and self.exit is Exit.NAT66:
            raise ValueError("`prefix: on-link` gives addresses the internet finds: nothing is to be translated")
        if isinstance(self.prefix, IPv6Network) and self.prefix.prefixlen > LINK_LENGTH and self.link is None:
            raise ValueError(f"`prefix` {self.prefix} holds no /64 for the tunnel addresses; set `link`")
        self.plan()
        self.accounts()
        return self

    def plan(self, on_link: IPv6Network = _UNKNOWN_LINK) -> AddressPlan:
        """Return how addresses are given. `on_link`: the /64 of our own link, for `prefix: on-link`. Raises ValueError."""
        if not isinstance(self.prefix, IPv6Network):
            link = self.link or clients_on(on_link)
            return AddressPlan(link, link, None)
        link = self.link or IPv6Network((self.prefix.network_address, LINK_LENGTH))
        is_large_enough = self.delegated_length is not None and self.delegated_length > self.prefix.prefixlen
        return AddressPlan(link, self.prefix, self.delegated_length if is_large_enough else None)

    def accounts(self) -> Users:
        """Return the users. Raises ValueError."""
        return Users.parse(self.users.reveal() if self.users is not None else "", self.realm)
