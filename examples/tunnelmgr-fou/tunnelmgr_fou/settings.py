"""What a profile may say of FOU. The descriptions are what `tunnelmgr schema` prints."""

from ipaddress import IPv4Address, IPv6Interface, IPv6Network

from pydantic import Field

from tunnelmgr.api.events import EVERYWHERE
from tunnelmgr.api.settings import Settings

PORT = 5555  # the one in the examples of ip-fou(8); none is assigned
MTU = 1472  # bytes; Ethernet's 1500 less 20 of IPv4 and 8 of UDP
MTU_MAX = 65507  # bytes; what fits a UDP datagram


class FouSettings(Settings):
    """The keys beside `type: fou`."""

    peer: IPv4Address = Field(description="IPv4 address of the other end")
    port: int = Field(default=PORT, ge=1, le=65535, description="UDP port of the other end")
    local_port: int = Field(default=PORT, ge=1, le=65535, description="UDP port of this end")
    address: IPv6Interface = Field(description="IPv6 address of this end, with prefix length")
    prefix: IPv6Network = Field(default=EVERYWHERE, description="IPv6 destinations behind the other end")
    mtu: int = Field(default=MTU, ge=1280, le=MTU_MAX, description="MTU of the tunnel in bytes")
    keepalive: float | None = Field(
        default=None, ge=1, description="seconds after which a NAT on the way is reminded of an idle tunnel; null for never"
    )
