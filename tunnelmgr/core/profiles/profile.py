"""A profile: what the user wants, read and found valid.

The sections `network`, `firewall` and `lan` are the very models the file is validated by, so that this module is
also the list of what may stand in a profile beside the settings of its methods.
"""

import re
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv6Address
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from tunnelmgr.api.hostconfig import LAN_PREFIX_LENGTH
from tunnelmgr.api.names import ServerName
from tunnelmgr.api.settings import BYTES, ServerText, Settings
from tunnelmgr.api.transport import Transport
from tunnelmgr.core.profiles.problem import Problem
from tunnelmgr.core.profiles.when import When, WhenSettings
from tunnelmgr.host.desired import Inbound
from tunnelmgr.host.device_name import is_ours

_LOSING_METRIC: Final = 1029
_WINNING_METRIC: Final = 1


class DefaultRouteWish(Enum):
    """When the tunnel may carry traffic to the whole IPv6 internet."""

    IF_NO_NATIVE = "if-no-native"
    ALWAYS = "always"
    NEVER = "never"


class LanShare(Enum):
    """How the interfaces of a LAN get IPv6 from the tunnel."""

    PREFIX = "prefix"
    """From the method's prefixes, or not at all."""
    NAT66 = "nat66"
    """From the method's prefixes as far as they go, and by the address of the tunnel where there are none."""


class DatapathWish(Enum):
    """Which data path carries packets."""

    AUTO = "auto"
    PLAIN = "plain"
    KERNEL = "kernel"


class NetworkSettings(Settings):
    """How the tunnel fits into this host's network: its MTU, routes and resolvers, and how it is proven."""

    mtu: Annotated[int, Field(ge=1280, le=65535)] | Literal["auto"] = Field(
        default="auto",
        description="MTU of the tunnel device. `auto` takes what the method can carry.",
        json_schema_extra=BYTES,
    )
    default_route: DefaultRouteWish = Field(
        default=DefaultRouteWish.IF_NO_NATIVE,
        description="When the tunnel becomes the way to the IPv6 internet. "
        "`if-no-native` is while this host has no IPv6 without the tunnel. With `always` native IPv6 serves only what its "
        "own routes name: packets from its addresses, too, then go into the tunnel.",
    )
    metric: Annotated[int, Field(ge=1, le=0xFFFF_FFFF)] | Literal["auto"] = Field(
        default="auto",
        description="Metric of the tunnel's routes; a larger one is worse. `auto` is 1029, which loses against what network "
        "managers give to native routes, or 1 with `default_route: always`, which wins.",
    )
    dns: bool = Field(
        default=False,
        description="Use the resolvers that the far end offers, if it does. They are handed to resolvectl or resolvconf "
        "while the tunnel carries packets.",
    )
    probe: tuple[IPv6Address, ...] = Field(
        default=(),
        description="IPv6 hosts whose answer to a ping proves that packets pass through the tunnel.",
        examples=[["2001:db8:6::1"]],
    )

    @property
    def route_metric(self) -> int:
        """The metric as a number."""
        if self.metric != "auto":
            return self.metric
        return _WINNING_METRIC if self.default_route is DefaultRouteWish.ALWAYS else _LOSING_METRIC


class FirewallSettings(Settings):
    """Protection of this host, and of the LAN behind it, from the IPv6 internet."""

    inbound: Inbound = Field(
        default=Inbound.ESTABLISHED,
        description="What may come in through the tunnel. `established` lets answers, ICMPv6 errors and pings pass. "
        "`open` lets everything pass.",
        examples=["open"],
    )


def _interface_name(text: str) -> str:
    # What the kernel takes and what may stand in the configuration of radvd and nft without quotes.
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.+@-]{0,14}", text):
        raise ValueError(f"{text!r} is not the name of an interface that radvd could serve; `ip link` shows those there are")
    if text == "lo" or is_ours(text):
        raise ValueError(f"{text!r} has no hosts behind it; name the interface that leads to those of the LAN")
    return text


def _no_duplicates(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name} is in the list twice; write it once")
    return names


class LanSettings(Settings):
    """Other hosts that get IPv6 through the tunnel, too.

    They configure themselves by router advertisements (package radvd), and are told when packets stop flowing.
    """

    interfaces: Annotated[tuple[Annotated[str, AfterValidator(_interface_name)], ...], AfterValidator(_no_duplicates)] = (
        Field(
            default=(),
            description="Interfaces whose hosts get IPv6 through the tunnel, a /64 each.",
            examples=[["br-lan"]],
        )
    )
    share: LanShare = Field(
        default=LanShare.PREFIX,
        description="Where their addresses come from. `prefix` takes the prefixes that the method brings. `nat66` is for a "
        "method that brings none, such as Teredo: the hosts share the tunnel's address and can call out, not be called.",
        examples=["nat66"],
    )
    dns: Literal["offered"] | tuple[IPv6Address, ...] = Field(
        default=(), description="IPv6 resolvers the hosts are told. `offered` stands for those of the method."
    )

    @property
    def prefix_length(self) -> int | None:
        """Bits of the longest prefix with a /64 for every interface; None where no prefix of the method is needed."""
        if not self.interfaces or self.share is not LanShare.PREFIX:
            return None
        return LAN_PREFIX_LENGTH - (len(self.interfaces) - 1).bit_length()

    @property
    def may_translate(self) -> bool:
        """Whether an interface may get a prefix that nobody outside knows."""
        return bool(self.interfaces) and self.share is LanShare.NAT66


class DetectSettings(Settings):
    """Who is asked what kind of network this is, beside the far ends of the methods and this host's own router."""

    stun: tuple[ServerText, ...] = Field(
        default=(),
        description="STUN servers that tell which NAT is on the way: a name or an IPv4 address, with `:port` unless it is "
        "3478. One with two addresses (RFC 5780) tells most.",
        examples=[["stun.example.net"]],
    )
    ipv6: tuple[IPv6Address, ...] = Field(
        default=(),
        description="IPv6 hosts whose answer to a ping proves that native IPv6 leads somewhere. "
        "Without any, those of `network.probe` are asked.",
    )

    @property
    def servers(self) -> tuple[ServerName, ...]:
        return tuple(map(ServerName.parse, self.stun))


class MethodKeys(Settings):
    """What every method has, beside the keys of its transport."""

    type: str = Field(description="Transport of the method; `tunnelmgr plugins` lists them.")
    role: str | None = Field(
        default=None,
        description="Which end of the tunnel this is. Left out, it is the first role that `tunnelmgr plugins` names.",
        examples=["server"],
    )
    when: WhenSettings | None = Field(
        default=None,
        description="Condition of yours on the network. It replaces the transport's own judgement of whether it suits.",
    )


METHOD_KEYS = tuple(MethodKeys.model_fields)
"""The keys of a method that are not its transport's."""
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
"""Of a profile's name: it names files and a socket, so it is short and begins with neither a dot nor a dash."""


def checked_name(name: str) -> str:
    """Return the name. Raises ValueError when it cannot name a profile."""
    if not re.match(NAME_PATTERN, name):
        raise ValueError(f"{name!r} is no profile name; it takes letters, digits, '.', '_' and '-'")
    return name


class ProfileFile(Settings):
    """One tunnel of this host. A profile has either `method` or `methods`; all else has a default."""

    name: Annotated[str, AfterValidator(checked_name)] | None = Field(
        default=None,
        description="Name of the profile, of which that of the tunnel device is made. "
        "Left out, it is the file's name without its ending.",
        examples=["home"],
        json_schema_extra={"pattern": NAME_PATTERN},
    )
    # What stands within a method is for its transport to validate.
    method: dict[str, object] | None = Field(default=None, description="The only method of the profile.")
    methods: tuple[dict[str, object], ...] | None = Field(
        default=None,
        description="Several methods; the first that suits this network and carries packets wins.",
    )
    network: NetworkSettings = Field(default=NetworkSettings(), description="What the tunnel does to this host's network.")
    firewall: FirewallSettings = Field(default=FirewallSettings(), description="What may come in through the tunnel.")
    lan: LanSettings = Field(default=LanSettings(), description="Other hosts that get IPv6 through the tunnel.")
    detect: DetectSettings = Field(default=DetectSettings(), description="Who is asked what kind of network this is.")
    datapath: DatapathWish = Field(
        default=DatapathWish.AUTO,
        description="Who carries the packets. `plain` is this program. `kernel` is a tunnel of the kernel's own, for "
        "methods of protocol 41. `auto` takes the fastest that works here.",
    )


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
    """Absolute: it is compared by processes that run elsewhere."""
    methods: tuple[Method, ...]
    """At least one; the first that suits and carries packets wins."""
    device: str
    """The tunnel interface."""
    network: NetworkSettings = field(default_factory=NetworkSettings)
    firewall: FirewallSettings = field(default_factory=FirewallSettings)
    lan: LanSettings = field(default_factory=LanSettings)
    detect: DetectSettings = field(default_factory=DetectSettings)
    datapath: DatapathWish = DatapathWish.AUTO
    warnings: tuple[Problem, ...] = ()
    """What `check` and `up` mention and accept."""
