"""What may stand in a profile under `method:` for a TSP broker."""

from enum import Enum
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from tunnelmgr.api.secret import Secret
from tunnelmgr.api.settings import Settings
from tunnelmgr_tsp.broker.plan import AddressPlan, clients_on
from tunnelmgr_tsp.broker.users import Users
from tunnelmgr_tsp.constants import (
    BROKER_KEEPALIVE_MAX,
    BROKER_KEEPALIVE_MIN,
    KEEPALIVE_DEFAULT,
    LIFETIME_DEFAULT,
    PORT,
)
from tunnelmgr_tsp.wire.brokers import Broker

_LINK_LENGTH = 64
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


def _checked_broker(text: str) -> str:
    Broker.parse(text)
    return text


class TspBrokerSettings(Settings):
    """A TSP broker: gives tunnels and prefixes to whoever asks, and carries their packets."""

    address: IPv4Address = Field(description="IPv4 address of this host to listen on")
    port: int = Field(default=PORT, ge=1, le=65535, description="UDP and TCP port to listen on")
    prefix: IPv6Network | Literal["on-link"] = Field(
        description="IPv6 prefix routed to this host, to give addresses and prefixes from; or on-link: addresses out of the "
        "/64 of this host's own link"
    )
    link: IPv6Network | None = Field(
        default=None, description="prefix of the tunnel addresses; left out, the first /64 of `prefix`"
    )
    delegated_length: int | None = Field(
        default=56, ge=16, le=64, description="length of the prefixes users get for their LAN; null for none"
    )
    exit: Exit = Field(
        default=Exit.NATIVE,
        description="native (`prefix` is routed to this host) or nat66 (clients appear as this host; outgoing only)",
    )
    anonymous: bool = Field(default=True, description="give addresses to whoever asks, without an account")
    users: Secret | None = Field(default=None, description="accounts, one `name:hash` a line; normally in a file")
    realm: str = Field(
        default="tunnelmgr", min_length=1, max_length=100, description="what the users' hashes were made with"
    )
    plain: bool = Field(default=False, description="accept passwords in plain text, for clients without DIGEST-MD5")
    tunnels: tuple[ServedType, ...] = Field(
        default=(ServedType.V6UDPV4, ServedType.V6V4), min_length=1, description="tunnels to offer: v6udpv4, v6v4"
    )
    dns: tuple[IPv6Address, ...] = Field(default=(), max_length=4, description="resolvers to tell clients of")
    keepalive: int = Field(
        default=KEEPALIVE_DEFAULT,
        ge=BROKER_KEEPALIVE_MIN,
        le=BROKER_KEEPALIVE_MAX,
        description="seconds between echoes, for clients that wish for nothing",
    )
    lifetime: int = Field(default=LIFETIME_DEFAULT, ge=10, le=525600, description="minutes until a tunnel is to be renewed")
    leases: str = Field(
        default="sqlite:////var/lib/tunnelmgr/tsp-leases.db",
        description="database of leases, as SQLAlchemy names it; brokers with the same one share it",
    )
    tunnels_max: int = Field(default=10000, ge=1, description="tunnels at once; beyond, clients are sent away")
    tunnels_per_address: int = Field(default=16, ge=1, description="tunnels at once of one IPv4 address")
    redirect: tuple[Annotated[str, AfterValidator(_checked_broker)], ...] = Field(
        default=(), max_length=16, description="brokers to send clients to when this one is full or drained"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.anonymous and self.users is None:
            raise ValueError("`anonymous: false` without `users` serves nobody; name the users")
        if self.prefix == ON_LINK and self.exit is Exit.NAT66:
            raise ValueError("`prefix: on-link` gives addresses the internet finds: nothing is to be translated")
        if isinstance(self.prefix, IPv6Network) and self.prefix.prefixlen > _LINK_LENGTH and self.link is None:
            raise ValueError(f"`prefix` {self.prefix} holds no /64 for the tunnel addresses; set `link`")
        self.plan()
        self.accounts()
        return self

    def plan(self, on_link: IPv6Network = _UNKNOWN_LINK) -> AddressPlan:
        """Return how addresses are given. `on_link`: the /64 of our own link, for `prefix: on-link`. Raises ValueError."""
        if not isinstance(self.prefix, IPv6Network):
            link = self.link or clients_on(on_link)
            return AddressPlan(link, link, None)
        link = self.link or IPv6Network((self.prefix.network_address, _LINK_LENGTH))
        is_large_enough = self.delegated_length is not None and self.delegated_length > self.prefix.prefixlen
        return AddressPlan(link, self.prefix, self.delegated_length if is_large_enough else None)

    def accounts(self) -> Users:
        """Return the users. Raises ValueError."""
        return Users.parse(self.users.reveal() if self.users is not None else "", self.realm)
