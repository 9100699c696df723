"""What a profile may say of FOU. The descriptions are what `tunnelmgr explain` prints."""

from ipaddress import IPv4Address, IPv6Interface, IPv6Network

from pydantic import Field

from tunnelmgr.api.events import EVERYWHERE
from tunnelmgr.api.settings import BYTES, SECONDS, Settings

PORT = 5555  # the one in the examples of ip-fou(8); none is assigned
MTU = 1472  # bytes; Ethernet's 1500 less 20 of IPv4 and 8 of UDP
MTU_MAX = 65507  # bytes; what fits a UDP datagram


class FouSettings(Settings):
    """A FOU tunnel (foo over UDP) carries IPv6 in UDP between two ends that know each other's IPv4 address."""

    peer: IPv4Address = Field(description="IPv4 address of the other end.", examples=["192.0.2.80"])
    port: int = Field(default=PORT, ge=1, le=65535, description="UDP port of the other end.")
    local_port: int = Field(default=PORT, ge=1, le=65535, description="UDP port of this end.")
    address: IPv6Interface = Field(
        description="IPv6 address of this end, with prefix length.", examples=["2001:db8:50::2/64"]
    )
    prefix: IPv6Network = Field(default=EVERYWHERE, description="IPv6 destinations behind the other end.")
    mtu: int = Field(default=MTU, ge=1280, le=MTU_MAX, description="MTU of the tunnel.", json_schema_extra=BYTES)
    keepalive: float | None = Field(
        default=None,
        ge=1,
        description="Time after which a NAT on the way is reminded of an idle tunnel; null for never.",
        json_schema_extra=SECONDS,
    )
