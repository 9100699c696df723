"""What may stand in a profile under `method:` for a configured tunnel."""

from ipaddress import IPv6Address
from typing import Self

from pydantic import Field, model_validator

from tunnelmgr.api.events import EVERYWHERE
from tunnelmgr.api.settings import SECONDS
from tunnelmgr_sixinfour.constants import (
    KEEPALIVE_INTERVAL,
    POINT_TO_POINT,
)
from tunnelmgr_sixinfour.protocol41.settings import (
    Destination,
    EnvelopeSettings,
    Ipv4Host,
    SitePrefix,
    TunnelAddress,
    TunnelInterface,
    check_apart,
)
from tunnelmgr_sixinfour.provider.settings import UpdateSettings


class SixInFourSettings(EnvelopeSettings):
    """A configured tunnel (6in4): both ends know each other's IPv4 address. Both ends are alike."""

    remote: Ipv4Host = Field(
        description='IPv4 address of the far end. Tunnel brokers call it "server IPv4 address".', examples=["192.0.2.80"]
    )
    address: TunnelInterface = Field(
        description="IPv6 address of this end of the tunnel, with prefix length. "
        'Tunnel brokers call it "client IPv6 address".',
        examples=["2001:db8:41::2/64"],
    )
    far_address: TunnelAddress | None = Field(
        default=None,
        description="IPv6 address of the far end of the tunnel. "
        "Left out, it is the first address of the prefix, or the second where this end has the first.",
        examples=["2001:db8:41::1"],
    )
    prefixes: tuple[SitePrefix, ...] = Field(
        default=(),
        description='IPv6 prefixes routed to this end, for the LAN. Tunnel brokers call them "routed /64" and "routed /48".',
        examples=[["2001:db8:5::/48"]],
    )
    routes: tuple[Destination, ...] = Field(
        default=(EVERYWHERE,),
        description="IPv6 destinations behind the far end; ::/0 is the internet. Without ::/0 this end just listens and is "
        "up at once. [] stands for the far end alone.",
    )
    forward: bool = Field(
        default=False,
        description="Be a router for the far end: carry packets between it and this host's other interfaces.",
    )
    ingress_filter: bool = Field(
        default=True,
        description="Refuse packets whose inner source does not belong to the side they come from (RFC 4213 section 3.6).",
    )
    log_ecn: bool = Field(
        default=True,
        description="Report incoming congestion marks that no honest path makes (RFC 6040 section 4.2). "
        "They are counted in any case.",
    )
    keepalive: float | None = Field(
        default=KEEPALIVE_INTERVAL,
        ge=5,
        le=3600,
        description="Time between echo requests to the far end's IPv6 address. They keep NATs open and tell when the far "
        "end is gone. While packets flow it is 10 seconds at most. null sends none; then nothing is known of the far end, "
        "and the MTU stays 1280.",
        json_schema_extra=SECONDS,
    )

    update: UpdateSettings | None = Field(
        default=None, description="Whom to tell this end's IPv4 address, for a provider that must know it."
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
