"""What may stand in a profile under `method:` for Teredo."""

from enum import Enum
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from tunnelmgr.api.report import NatKind, NetworkReport
from tunnelmgr.api.secret import Secret
from tunnelmgr.api.settings import BYTES, SECONDS, HostName, Settings
from tunnelmgr.api.transport import Fit, Suitability
from tunnelmgr_teredo.client.servers import ConfiguredServer
from tunnelmgr_teredo.constants import LINK_MTU, MTU_MAX, PEERS_MAX, REFRESH_INTERVAL
from tunnelmgr_teredo.wire.address import GlobalUnicast
from tunnelmgr_teredo.wire.datagram import SharedSecret

PrivateDeployment = Annotated[
    tuple[IPv4Network, ...],
    Field(description="Private IPv4 prefixes to use as if they were public: a Teredo network of your own."),
]


class NativeMode(Enum):
    """What a client does while this host has IPv6 by other means (RFC 4380 section 5.5)."""

    STANDBY = "standby"
    """Stay qualified."""
    STOP = "stop"
    """Have no Teredo address."""


class Algorithm(Enum):
    """The hash of the HMAC in secure qualification."""

    SHA1 = "sha1"
    """The RFC's default: what other implementations have."""
    SHA256 = "sha256"
    MD5 = "md5"


class SecureSettings(Settings):
    """Secure qualification: the server answers only those who know a secret (RFC 4380 section 5.2.2)."""

    client_id: str = Field(
        min_length=1, max_length=255, description="Name by which the server knows this client.", examples=["laptop"]
    )
    secret: Secret = Field(
        description="Secret shared between the server and this client.", examples=[{"file": "teredo.key"}]
    )
    algorithm: Algorithm = Field(
        default=Algorithm.SHA1, description="Hash of the HMAC. Other implementations know `sha1` alone."
    )

    @property
    def shared_secret(self) -> SharedSecret:
        key = self.secret.reveal().encode()
        return SharedSecret(self.client_id.encode(), key, self.algorithm.value)


class RelaySettings(Settings):
    """Whose relays may carry the packets of hosts with native IPv6."""

    allow: tuple[IPv4Network, ...] = Field(
        default=(),
        description="Relays in these prefixes are accepted and no others. An empty list accepts all.",
        examples=[["198.51.100.0/24"]],
    )
    deny: tuple[IPv4Network, ...] = Field(
        default=(),
        description="Relays in these prefixes are never accepted, even where `allow` has them.",
        examples=[["203.0.113.0/24"]],
    )

    def accepts(self, relay: IPv4Address) -> bool:
        if any(relay in network for network in self.deny):
            return False
        return not self.allow or any(relay in network for network in self.allow)


class ExtensionSettings(Settings):
    """What RFC 6081 adds to get through more kinds of NAT."""

    symmetric: bool = Field(default=True, description="Reach clients behind symmetric NATs, or from behind one.")


def _list_of_one(value: object) -> object:
    return (value,) if isinstance(value, str) else value


_Servers = Annotated[tuple[HostName, ...], BeforeValidator(_list_of_one, json_schema_input_type=str | tuple[str, ...])]


class ClientSettings(Settings):
    """A Teredo client gives this host IPv6 behind any NAT that lets UDP pass."""

    server: _Servers = Field(
        min_length=1,
        description="Name or IPv4 address of a Teredo server. "
        "A list is in order of preference: the next server is asked when one is silent. Of a name all addresses are asked.",
        examples=["teredo.example.net"],
    )
    secondary: IPv4Address | None = Field(
        default=None,
        description="Second address of the server, where it is not the one after the first. "
        "It may stand beside a single server only.",
        examples=["192.0.2.2"],
    )
    port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="Local UDP port, for a NAT or firewall that has to know it. 0 draws a random one.",
    )
    bind: IPv4Address = Field(
        default=IPv4Address(0), description="Local IPv4 address to send from. 0.0.0.0 leaves the choice to this host."
    )
    refresh_interval: float = Field(
        default=REFRESH_INTERVAL,
        ge=5,
        le=600,
        description="Longest silence before the mapping of the NAT is refreshed.",
        json_schema_extra=SECONDS,
    )
    determine_interval: bool = Field(
        default=False,
        description="Find out how long the NAT keeps a mapping, and refresh it less often where that is enough.",
    )
    mtu: int = Field(
        default=LINK_MTU,
        ge=LINK_MTU,
        le=MTU_MAX,
        description="Largest MTU to accept from the server.",
        json_schema_extra=BYTES,
    )
    strict: bool = Field(
        default=False,
        description="Follow RFC 4380 where it only gets in the way: "
        "refuse symmetric NATs, and servers whose second address is silent.",
    )
    native: NativeMode = Field(
        default=NativeMode.STANDBY,
        description="What to do while this host has IPv6 without the tunnel. `standby` stays reachable for Teredo hosts; "
        "`network.default_route` says who has the default route. `stop` gives the Teredo address up.",
    )
    secure: SecureSettings | None = Field(
        default=None, description="Secure qualification, for a server that does not answer everybody."
    )
    relays: RelaySettings = Field(default=RelaySettings(), description="Which relays may carry packets of this host.")
    extensions: ExtensionSettings = Field(default=ExtensionSettings(), description="Extensions of RFC 6081.")
    local_discovery: bool = Field(
        default=False,
        description="Find Teredo clients on the same link by multicast. Use it only where you trust the hosts of the link.",
    )
    private_deployment: PrivateDeployment = Field(default=(), examples=[["10.0.0.0/8"]])
    peers_max: int = Field(default=PEERS_MAX, ge=16, le=1_048_576, description="How many peers are remembered at most.")

    @model_validator(mode="after")
    def _check_servers(self) -> Self:
        if self.secondary is not None and len(self.server) > 1:
            raise ValueError("`secondary` belongs to one server, and there are several; leave it out, or name one server")
        unicast = GlobalUnicast(self.private_deployment)
        for name in self.server_names:
            if name.literal is not None and name.literal not in unicast:
                hint = "if that is meant, list its prefix in `private_deployment`"
                raise ValueError(f"`server` {name.literal} is not a public address; {hint}")
        return self

    def describe(self) -> str:
        """Return what the user chose."""
        return f"server {self.server[0]}" if len(self.server) == 1 else f"servers {', '.join(self.server)}"

    def suits(self, report: NetworkReport) -> Suitability:
        """Judge whether a client may be run here."""
        if report.network.source is None and not int(self.bind):
            return Suitability(Fit.UNSUITABLE, "there is no IPv4 default route")
        if report.udp is False or report.nat is NatKind.BLOCKED:
            return Suitability(Fit.UNSUITABLE, "no UDP reaches the internet from here")
        if report.native_ipv6:
            return Suitability(Fit.UNSUITABLE, "there is native IPv6, which is better")
        if report.nat is NatKind.SYMMETRIC:
            return Suitability(Fit.POSSIBLE, "behind a symmetric NAT native hosts are reached, other Teredo clients are not")
        passes = "UDP passes" if report.udp else "nothing shows that UDP does not pass"
        return Suitability(Fit.GOOD, f"{passes}, and Teredo needs no more")

    @property
    def server_names(self) -> tuple[ConfiguredServer, ...]:
        return tuple(ConfiguredServer(name, self.secondary) for name in self.server)

    @property
    def shared_secret(self) -> SharedSecret | None:
        return self.secure.shared_secret if self.secure is not None else None
