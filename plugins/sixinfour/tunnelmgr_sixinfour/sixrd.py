"""6rd (RFC 5969): a provider's prefix with the customer's IPv4 address in it, and DHCPv4 option 212 that describes it."""

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Interface, IPv6Network
from typing import Self

from pydantic import Field, model_validator

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets import IPv6Packet
from tunnelmgr_sixinfour.domain import Site
from tunnelmgr_sixinfour.drops import Drop, Refused
from tunnelmgr_sixinfour.settings import DscpModel, EcnMode, EnvelopeSettings

OPTION_6RD = 212  # RFC 5969 section 7.1.1
_FIXED = struct.Struct("!BB16s")


@dataclass(frozen=True, slots=True)
class SixRdOption:
    """DHCPv4 option 212 (RFC 5969 section 7.1.1). Bits of the prefix beyond its length are ignored."""

    mask_length: int
    """Bits of IPv4 address that all customers share, 0..32."""
    prefix: IPv6Network
    border_relays: tuple[IPv4Address, ...]

    def __post_init__(self) -> None:
        if not 0 <= self.mask_length <= 32 or 32 - self.mask_length + self.prefix.prefixlen > 128:
            raise WireError(f"6rd prefix {self.prefix} with an IPv4 mask length of {self.mask_length}")
        if not self.border_relays:
            raise WireError("6rd option without a border relay")

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read the option, code and length included. Raises WireError."""
        if len(data) < 2 or data[0] != OPTION_6RD or data[1] != len(data) - 2:
            raise WireError(f"no option {OPTION_6RD} of its length: {data[:2].hex()} and {len(data) - 2} bytes")
        body = data[2:]
        if len(body) < _FIXED.size + 4 or (len(body) - _FIXED.size) % 4:
            raise WireError(f"6rd option of {len(body)} bytes")
        mask_length, prefix_length, prefix = _FIXED.unpack_from(body)
        if prefix_length > 128:
            raise WireError(f"6rd prefix length {prefix_length}")
        relays = [IPv4Address(body[at : at + 4]) for at in range(_FIXED.size, len(body), 4)]
        return cls(mask_length, IPv6Network((prefix, prefix_length), strict=False), tuple(relays))

    def serialize(self) -> bytes:
        fixed = _FIXED.pack(self.mask_length, self.prefix.prefixlen, self.prefix.network_address.packed)
        body = fixed + b"".join(relay.packed for relay in self.border_relays)
        return bytes((OPTION_6RD, len(body))) + body


class SixRdSettings(EnvelopeSettings):
    """6rd: an IPv6 prefix made of the provider's and of this host's IPv4 address."""

    prefix: IPv6Interface = Field(description="6rd prefix of the provider, with its length")
    mask_length: int = Field(default=0, ge=0, le=32, description="bits of IPv4 address all customers share: IPv4MaskLen")
    border_relay: IPv4Address = Field(description="IPv4 address of the provider's border relay")
    # RFC 5969 section 9: the traffic class is copied unless told otherwise.
    ecn: EcnMode = Field(default=EcnMode.NORMAL, description="congestion bits of the outer header: normal or compat")
    dscp_model: DscpModel = Field(default=DscpModel.UNIFORM, description="DSCP of the outer header: uniform or pipe")

    @model_validator(mode="after")
    def _check_lengths(self) -> Self:
        length = self.prefix.network.prefixlen + 32 - self.mask_length
        if length > 64:
            raise ValueError(f"the delegated prefix would be a /{length}; `prefix` or `mask_length` is wrong")
        return self


def sixrd_prefix(domain: IPv6Network, mask_length: int, local: IPv4Address) -> IPv6Network:
    """Return the delegated prefix of a customer (RFC 5969 section 4)."""
    bits = 32 - mask_length
    length = domain.prefixlen + bits
    return IPv6Network((int(domain.network_address) | (int(local) & ((1 << bits) - 1)) << (128 - length), length))


class SixRd:
    """The domain of one provider."""

    def __init__(self, settings: SixRdSettings) -> None:
        self.prefix = settings.prefix.network
        self.gateway: IPv4Address | None = settings.border_relay
        self._mask_length = settings.mask_length
        self._shared = 0
        """The bits all customers have in common, once one of them is known: ours."""

    def site(self, local: IPv4Address) -> Site | None:
        """Return what is ours."""
        self._shared = int(local) >> (32 - self._mask_length) << (32 - self._mask_length)
        prefix = sixrd_prefix(self.prefix, self._mask_length, local)
        return Site(prefix, prefix.network_address + 1)

    def site_of(self, address: IPv6Address) -> tuple[IPv6Network, IPv4Address] | None:
        """Return the delegated prefix an address is in, and whose it is."""
        if address not in self.prefix:
            return None
        bits = 32 - self._mask_length
        low = int(address) >> (128 - self.prefix.prefixlen - bits) & ((1 << bits) - 1)
        holder = IPv4Address(self._shared | low)
        return sixrd_prefix(self.prefix, self._mask_length, holder), holder

    def check_inward(self, packet: IPv6Packet, source: IPv4Address, ours: Site) -> None:
        """RFC 5969 section 9.2: another customer has the address in his source, all else comes from the border relay."""
        if packet.destination not in ours.prefix:
            raise Refused(Drop.DESTINATION)
        site = self.site_of(packet.source)
        if source != (self.gateway if site is None else site[1]) or packet.source in ours.prefix:
            raise Refused(Drop.EMBEDDED)
