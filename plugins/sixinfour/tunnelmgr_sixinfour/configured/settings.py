"""What may stand in a profile under `method:` for a configured tunnel."""

from enum import Enum
from ipaddress import IPv6Address
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tunnelmgr.api.events import EVERYWHERE, OuterTos
from tunnelmgr.api.settings import Settings
from tunnelmgr_sixinfour.address_settings import (
    Destination,
    Ipv4Host,
    SitePrefix,
    TunnelAddress,
    TunnelInterface,
    check_apart,
)
from tunnelmgr_sixinfour.constants import (
    DSCP,
    ECN,
    KEEPALIVE_INTERVAL,
    OUTER_TTL,
    POINT_TO_POINT,
    STATIC_MTU_MAX,
    TUNNEL_MTU_MIN,
)
from tunnelmgr_sixinfour.provider.settings import UpdateSettings

Mtu = Literal["auto"] | Annotated[int, Field(ge=TUNNEL_MTU_MIN, le=STATIC_MTU_MAX)]


class EcnMode(Enum):
    """What the outer header says about congestion (RFC 6040 section 4.1)."""

    NORMAL = "normal"
    """What the inner one says."""
    COMPAT = "compat"
    """Nothing: the far end may not know what to do with it."""


class DscpModel(Enum):
    """Whose the DSCP of the outer header is (RFC 2983)."""

    PIPE = "pipe"
    """The tunnel's own."""
    UNIFORM = "uniform"
    """The packet's, copied out and back."""


class EnvelopeSettings(Settings):
    """What every kind of protocol 41 lets choose of its outer header."""

    local: Ipv4Host | None = Field(
        default=None, description="IPv4 address of this end; left out, the one that leads to the internet"
    )
    mtu: Mtu = Field(
        default="auto", description="MTU of the tunnel in bytes, fixed; auto finds out what the path to the far end carries"
    )
    ttl: int = Field(default=OUTER_TTL, ge=1, le=255, description="TTL of the outer header")
    ecn: EcnMode = Field(
        default=EcnMode.COMPAT, description="congestion bits of the outer header: compat leaves them 0, normal copies them"
    )
    dscp_model: DscpModel = Field(
        default=DscpModel.PIPE, description="DSCP of the outer header: pipe has one of its own, uniform copies it"
    )
    dscp: int = Field(default=0, ge=0, le=63, description="DSCP of the outer header in the pipe model")

    @property
    def outer_tos(self) -> OuterTos:
        inherited = ECN if self.ecn is EcnMode.NORMAL else 0
        if self.dscp_model is DscpModel.UNIFORM:
            return OuterTos(0, inherited | DSCP)
        return OuterTos(self.dscp << 2, inherited)

    @property
    def static_mtu(self) -> int | None:
        return None if self.mtu == "auto" else self.mtu


class SixInFourSettings(EnvelopeSettings):
    """One end of a tunnel whose both ends know each other's IPv4 address."""

    remote: Ipv4Host = Field(description="IPv4 address of the far end")
    address: TunnelInterface = Field(description="IPv6 address of this end of the tunnel, with prefix length")
    far_address: TunnelAddress | None = Field(
        default=None, description="IPv6 address of the far end of the tunnel; left out, the first or second of the prefix"
    )
    prefixes: tuple[SitePrefix, ...] = Field(default=(), description="IPv6 prefixes routed to this end, for the LAN")
    routes: tuple[Destination, ...] = Field(
        default=(EVERYWHERE,),
        description="IPv6 destinations behind the far end; ::/0 is the internet, [] nothing but the far end",
    )
    forward: bool = Field(
        default=False, description="be a router: carry packets between the far end and this host's other interfaces"
    )
    ingress_filter: bool = Field(
        default=True, description="refuse packets whose inner source does not belong to the side they come from"
    )
    log_ecn: bool = Field(
        default=True, description="tell of congestion marks that no honest path makes (RFC 6040 section 4.2)"
    )
    keepalive: float | None = Field(
        default=KEEPALIVE_INTERVAL,
        ge=5,
        le=3600,
        description="seconds between echo requests to the far end's IPv6 address; null for none",
    )

    update: UpdateSettings | None = Field(
        default=None, description="whom to tell where this end is: a provider that must know the address"
    )

    @model_validator(mode="after")
    def _check_addresses(self) -> Self:
        if self.address.network.prefixlen == 128 and self.far_address is None:
            raise ValueError("`address` with /128 leaves no room for the far end's; write `far_address`, or the real prefix")
        if self.far == self.address.ip:
            raise ValueError(f"both ends have the IPv6 address {self.far}; one of `address` and `far_address` is wrong")
        if self.local == self.remote:
            raise ValueError(f"`local` and `remote` are the same address {self.remote}")
        check_apart(self.prefixes, self.routes, self.address.network, self.far)
        return self

    @property
    def far(self) -> IPv6Address:
        """The far end's address: brokers give themselves ::1 and the customer ::2, and on a /127 there are but two."""
        if self.far_address is not None:
            return self.far_address
        network, own = self.address.network, self.address.ip
        if network.prefixlen == POINT_TO_POINT:
            return IPv6Address(int(own) ^ 1)
        first = network.network_address + 1
        return network.network_address + 2 if own == first else first

    @property
    def faces_the_internet(self) -> bool:
        return any(prefix.prefixlen == 0 for prefix in self.routes)
