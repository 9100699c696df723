"""A profile: what the user wants, read and found valid.

The sections `network`, `firewall`, `lan` and `when` are the very models the file is validated by, so that this module is
also the list of what may stand in a profile beside the settings of its methods.
"""

from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv6Address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from tunnelmgr.api.report import NatKind
from tunnelmgr.api.settings import Settings
from tunnelmgr.api.transport import Transport
from tunnelmgr.core.problem import Problem
from tunnelmgr.host.desired import Inbound


class DefaultRouteWish(Enum):
    """When the tunnel may carry traffic to the whole IPv6 internet."""

    IF_NO_NATIVE = "if-no-native"
    ALWAYS = "always"
    NEVER = "never"


class LanShare(Enum):
    """How the interfaces of a LAN get IPv6 from the tunnel."""

    PREFIX = "prefix"
    NAT66 = "nat66"


class DatapathWish(Enum):
    """Which data path carries packets."""

    AUTO = "auto"
    PLAIN = "plain"
    BATCHED = "batched"
    EBPF = "ebpf"
    KERNEL = "kernel"


class NetworkSettings(Settings):
    """The section `network`."""

    mtu: Annotated[int, Field(ge=1280, le=65535)] | Literal["auto"] = Field(
        default="auto", description="MTU of the tunnel device in bytes, 1280 to 65535; auto takes what the method can carry"
    )
    default_route: DefaultRouteWish = Field(
        default=DefaultRouteWish.IF_NO_NATIVE, description="when the tunnel becomes the way to the IPv6 internet"
    )
    metric: int = Field(default=1029, ge=1, le=0xFFFF_FFFF, description="metric of the tunnel's routes; larger is worse")
    probe: tuple[IPv6Address, ...] = Field(
        default=(), description="IPv6 addresses whose answer to a ping proves that the tunnel carries packets"
    )


class FirewallSettings(Settings):
    """The section `firewall`."""

    inbound: Inbound = Field(default=Inbound.ESTABLISHED, description="what may come in through the tunnel")


class LanSettings(Settings):
    """The section `lan`."""

    interfaces: tuple[str, ...] = Field(default=(), description="interfaces whose hosts get IPv6 through the tunnel")
    share: LanShare = Field(
        default=LanShare.PREFIX, description="the method's own prefixes, or translation where it brings none"
    )


@dataclass(frozen=True, slots=True)
class When:
    """An explicit condition on a method, which replaces the transport's own judgement. None: says nothing about it."""

    nat: frozenset[NatKind] | None = None
    """Any of these kinds of NAT; negations are already resolved."""
    public_ipv4: bool | None = None
    native_ipv6: bool | None = None
    interface: tuple[str, ...] | None = None
    """Shell patterns of which one must match the interface of the IPv4 default route."""
    not_interface: tuple[str, ...] = ()
    """Shell patterns of which none may match it."""


@dataclass(frozen=True, slots=True)
class Method:
    """One way to bring the tunnel up."""

    type: str
    role: str
    transport: Transport
    """Bound to its validated settings."""
    when: When | None
    line: int
    """Where it stands in the profile, from 1."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One valid profile."""

    name: str
    file: Path
    methods: tuple[Method, ...]
    """At least one; the first that suits and carries packets wins."""
    device: str
    """The tunnel interface."""
    network: NetworkSettings = field(default_factory=NetworkSettings)
    firewall: FirewallSettings = field(default_factory=FirewallSettings)
    lan: LanSettings = field(default_factory=LanSettings)
    datapath: DatapathWish = DatapathWish.AUTO
    warnings: tuple[Problem, ...] = ()
    """What `check` and `up` mention and accept."""
