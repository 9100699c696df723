"""What may stand in a profile under `method:` for a Teredo relay of its own."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.api.report import NetworkReport
from tunnelmgr.api.settings import Settings
from tunnelmgr.api.transport import Fit, Suitability
from tunnelmgr_teredo.client.settings import PrivateDeployment
from tunnelmgr_teredo.constants import (
    LINK_LOCAL_PREFIX,
    LINK_MTU,
    RELAY_PEERS_MAX,
    RELAY_PEERS_MIN,
    RELAY_PORT,
    TEREDO_PREFIX,
)
from tunnelmgr_teredo.native import is_native

_NEVER_SERVED = (TEREDO_PREFIX, LINK_LOCAL_PREFIX, IPv6Network("ff00::/8"), IPv6Network("::/8"))

EVERYONE: Literal["everyone"] = "everyone"
HOST: Literal["host"] = "host"


def _list_of_prefixes(value: object) -> object:
    return (value,) if isinstance(value, str) and value not in {EVERYONE, HOST} else value


class RelayServiceSettings(Settings):
    """A Teredo relay carries packets between Teredo clients and native IPv6.

    A public one serves everybody whose packets for 2001::/32 are routed to it. One that serves this host alone gives it a
    straight way to Teredo clients and needs no other relay.
    """

    address: IPv4Address = Field(
        default=IPv4Address(0),
        description="IPv4 address of this host to listen on. 0.0.0.0 leaves the choice to this host.",
        examples=["198.51.100.1"],
    )
    port: int = Field(
        default=RELAY_PORT,
        ge=0,
        le=65535,
        description="UDP port to listen on. It must pass every firewall in front of this host. 0 draws a random one.",
    )
    serves: Annotated[Literal["everyone", "host"] | tuple[IPv6Network, ...], BeforeValidator(_list_of_prefixes)] = Field(
        default=EVERYONE,
        description="Whose packets to carry. `everyone` needs 2001::/32 routed to this host. `host` is this host alone, "
        "which must have native IPv6. Or write IPv6 prefixes.",
    )
    bubble_source: IPv6Address | None = Field(
        default=None,
        description="Global IPv6 address of this relay to ask clients from. Left out, each client is asked from an address "
        "that cannot be guessed, which also reaches clients behind symmetric NATs.",
    )
    behind_nat: bool | None = Field(
        default=None,
        description="Open a NAT in front of this relay towards each client. It is better to forward the port. Left out, "
        "a relay that serves this host alone does so while this host has no public IPv4 address.",
    )
    private_deployment: PrivateDeployment = ()
    peers_max: int = Field(
        default=RELAY_PEERS_MAX,
        ge=RELAY_PEERS_MIN,
        le=4_194_304,
        description="How many clients are remembered at most. Each takes about a kilobyte.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if isinstance(self.serves, tuple):
            if not self.serves:
                raise ValueError("`serves` is an empty list; say everyone, host, or IPv6 prefixes")
            for prefix in self.serves:
                if any(prefix.overlaps(never) for never in _NEVER_SERVED):
                    raise ValueError(f"`serves` holds {prefix}, part of which no relay can serve; name your native prefixes")
        if self.bubble_source is not None and not is_native(self.bubble_source):
            raise ValueError(f"`bubble_source` {self.bubble_source} is not a native address of this relay; leave it out")
        return self

    def describe(self) -> str:
        """Return what the user chose."""
        port = f"port {self.port}" if self.port else "a random port"
        where = f"on {self.address}" if int(self.address) else f"on {port}"
        return f"relay for this host {where}" if self.is_for_this_host else f"relay {where}"

    def suits(self, report: NetworkReport) -> Suitability:
        """Judge whether a relay may be run here."""
        if report.native_ipv6 is False:
            return Suitability(Fit.UNSUITABLE, "a relay needs native IPv6, and there is none here")
        return Suitability(Fit.GOOD, "clients can be reached from native IPv6 here")

    @property
    def host_config(self) -> HostConfig:
        """What this host must look like: a host-specific relay leaves routing to others (RFC 4380 section 8.2)."""
        return HostConfig(routes=(TEREDO_PREFIX,), mtu=LINK_MTU, listening=True, forwarding=not self.is_for_this_host)

    @property
    def is_for_this_host(self) -> bool:
        return self.serves == HOST
