"""Who a qualified client is: everything that stays the same while one Teredo address does."""

from dataclasses import dataclass
from ipaddress import IPv6Address

from tunnelmgr.api.network import Endpoint
from tunnelmgr_teredo.client.servers import Server
from tunnelmgr_teredo.wire.address import TeredoAddress


@dataclass(frozen=True, slots=True)
class Identity:
    """One Teredo address in use."""

    address: IPv6Address
    teredo: TeredoAddress
    """The same address, taken apart."""
    server: Server
    local: Endpoint
    """The service port as this host sees it."""
    mtu: int
    probe: tuple[IPv6Address, ...] = ()
    """Native hosts that answer when packets pass: what the server named."""

    @property
    def mapped(self) -> Endpoint:
        return self.teredo.mapped

    @property
    def behind_nat(self) -> bool:
        return self.mapped != self.local
