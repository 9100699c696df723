"""6rd (RFC 5969): a provider's prefix with the customer's IPv4 address in it, and DHCPv4 option 212 that describes it."""

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Interface, IPv6Network
from typing import Literal, Self

from pydantic import Field, model_validator

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.settings import SECONDS
from tunnelmgr_sixinfour.constants import KEEPALIVE_INTERVAL, SITE_LENGTH_MIN, SITES, SIXTOFOUR_PREFIX
from tunnelmgr_sixinfour.derived.domain import DerivedSettings, Domain
from tunnelmgr_sixinfour.protocol41.settings import DscpModel, EcnMode, Ipv4Host

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
    def parse(cls, value: bytes) -> Self:
        """Read what is in the option. Raises WireError."""
        if len(value) < _FIXED.size + 4 or (len(value) - _FIXED.size) % 4:
            raise WireError(f"6rd option of {len(value)} bytes")
        mask_length, prefix_length, prefix = _FIXED.unpack_from(value)
        if prefix_length > 128:
            raise WireError(f"6rd prefix length {prefix_length}")
        relays = [IPv4Address(value[at : at + 4]) for at in range(_FIXED.size, len(value), 4)]
        return cls(mask_length, IPv6Network((prefix, prefix_length), strict=False), tuple(relays))

    def serialize(self) -> bytes:
        fixed = _FIXED.pack(self.mask_length, self.prefix.prefixlen, self.prefix.network_address.packed)
        return fixed + b"".join(relay.packed for relay in self.border_relays)


class SixRdEnvelope(DerivedSettings):
    """The outer header as RFC 5969 section 9 has it: the traffic class is copied unless told otherwise."""

    ecn: EcnMode = Field(
        default="normal",
        description="Congestion bits of the outer header (RFC 6040). `normal` copies those of the packet. "
        "`compat` leaves them 0, for a far end that does not know them.",
    )
    dscp_model: DscpModel = Field(
        default="uniform",
        description="DSCP of the outer header (RFC 2983). `uniform` copies that of the packet out and back. "
        "`pipe` sends the value of `dscp`.",
    )


class SixRdSettings(SixRdEnvelope):
    """A 6rd customer (RFC 5969) makes an IPv6 prefix of the provider's prefix and this host's IPv4 address.

    The provider tells the values on paper or by DHCP (option 212); then `learn: dhcp` stands for all of them.
    """

    learn: Literal["dhcp"] | None = Field(
        default=None,
        description="`dhcp` asks the provider's DHCP server for `prefix`, `mask_length` and `border_relay`, at every new "
        "address and once an hour; then leave those three out.",
    )
    prefix: IPv6Interface | None = Field(
        default=None,
        description="6rd prefix of the provider, with its length: 6rdPrefix and 6rdPrefixLen.",
        examples=["2001:db8:6d00::/40"],
    )
    mask_length: int = Field(
        default=0,
        ge=0,
        le=32,
        description="Bits of IPv4 address that all customers share: IPv4MaskLen.",
        examples=[24],
    )
    border_relay: Ipv4Host | None = Field(
        default=None, description="IPv4 address of the provider's border relay.", examples=["192.0.2.48"]
    )
    keepalive: float | None = Field(
        default=KEEPALIVE_INTERVAL,
        ge=5,
        le=3600,
        description="Time between packets to this host itself, which the border relay sends back; they tell when it is "
        "gone. null sends none. Some relays send none back, Linux among them; then name a host in `network.probe`.",
        json_schema_extra=SECONDS,
    )

    @model_validator(mode="after")
    def _check_domain(self) -> Self:
        written = self.model_fields_set & {"prefix", "mask_length", "border_relay"}
        if self.learn is not None and written:
            raise ValueError(f"`learn` and `{sorted(written)[0]}`: what is written here need not be learnt; leave one out")
        if self.learn is None and (self.prefix is None or self.border_relay is None):
            raise ValueError("`prefix` and `border_relay` are both needed, or `learn: dhcp`, which asks the provider")
        if self.prefix is not None:
            check_domain(self.prefix.network, self.mask_length)
        return self

    @property
    def domain(self) -> Domain | None:
        """What is written; None where DHCP is to be asked."""
        if self.prefix is None:
            return None
        return Domain(self.prefix.network, self.mask_length, self.border_relay, self.keepalive)


def check_domain(domain: IPv6Network, mask_length: int) -> None:
    """Raise ValueError where `domain` is not a provider's, or where its customers get less than a /64."""
    known = any(domain.subnet_of(block) for block in SITES) and not domain.overlaps(SIXTOFOUR_PREFIX)
    if domain.prefixlen < SITE_LENGTH_MIN or not known:
        raise ValueError(f"`prefix` {domain} is not a provider's 6rd prefix; write the one of yours, such as 2001:db8::/32")
    length = domain.prefixlen + 32 - mask_length
    if length > 64:
        raise ValueError(f"the delegated prefix would be a /{length}; `prefix` or `mask_length` is wrong")
