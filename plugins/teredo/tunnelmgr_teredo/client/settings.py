"""What may stand in a profile under `method:` for Teredo."""

from enum import Enum
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from tunnelmgr.api.secret import Secret
from tunnelmgr.api.settings import Settings
from tunnelmgr_teredo.client.servers import ServerName
from tunnelmgr_teredo.constants import LINK_MTU, MTU_MAX, PEERS_MAX, REFRESH_INTERVAL
from tunnelmgr_teredo.wire.address import GlobalUnicast
from tunnelmgr_teredo.wire.datagram import SharedSecret


class NativeMode(Enum):
    """What a client does while this host has IPv6 by other means (RFC 4380 section 5.5)."""

    STANDBY = "standby"
    """Stay qualified for Teredo peers, offer no default route."""
    STOP = "stop"
    """Have no Teredo address."""
    RELAY = "relay"
    """Have no Teredo address, and reach Teredo clients as a relay for this host alone."""
    RUN = "run"
    """Take no notice."""


class Algorithm(Enum):
    """The hash of the HMAC in secure qualification."""

    SHA1 = "sha1"
    """The RFC's default: what other implementations have."""
    SHA256 = "sha256"
    MD5 = "md5"


class SecureSettings(Settings):
    """The section `secure`: what the server demands before it answers (RFC 4380 section 5.2.2)."""

    client_id: str = Field(min_length=1, max_length=255, description="the identifier the server knows this client by")
    secret: Secret = Field(description="the secret shared with the server")
    algorithm: Algorithm = Field(default=Algorithm.SHA1, description="hash of the HMAC: sha1, sha256 or md5")

    @property
    def shared_secret(self) -> SharedSecret:
        key = self.secret.reveal().encode()
        return SharedSecret(self.client_id.encode(), key, self.algorithm.value)


class RelaySettings(Settings):
    """The section `relays`: whose relays may carry the packets of native hosts."""

    allow: tuple[IPv4Network, ...] = Field(default=(), description="relays to accept; empty accepts all that are not denied")
    deny: tuple[IPv4Network, ...] = Field(default=(), description="relays never to accept")

    def accepts(self, relay: IPv4Address) -> bool:
        if any(relay in network for network in self.deny):
            return False
        return not self.allow or any(relay in network for network in self.allow)


class ExtensionSettings(Settings):
    """The section `extensions`: what RFC 6081 adds to get through more kinds of NAT."""

    symmetric: bool = Field(default=True, description="reach clients behind symmetric NATs, or from behind one")


def _list_of_one(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class ClientSettings(Settings):
    """A Teredo client: IPv6 for this host behind any NAT that passes UDP."""

    server: Annotated[tuple[str, ...], BeforeValidator(_list_of_one, json_schema_input_type=str | tuple[str, ...])] = Field(
        min_length=1, description="name or IPv4 address of a Teredo server, or a list of them in order of preference"
    )
    secondary: IPv4Address | None = Field(
        default=None, description="second address of the only server; left out, it is the one after the first address"
    )
    port: int = Field(default=0, ge=0, le=65535, description="local UDP port; 0 draws a random one")
    bind: IPv4Address = Field(default=IPv4Address(0), description="local IPv4 address to use; 0.0.0.0 leaves it to the host")
    refresh_interval: float = Field(
        default=REFRESH_INTERVAL,
        ge=5,
        le=600,
        description="seconds after which the NAT's mapping is refreshed at latest",
    )
    determine_interval: bool = Field(
        default=False, description="find out how long the NAT keeps a mapping, and refresh less often if it can be"
    )
    mtu: int = Field(default=LINK_MTU, ge=LINK_MTU, le=MTU_MAX, description="largest MTU to take from the server, in bytes")
    strict: bool = Field(
        default=False,
        description="refuse symmetric NATs and servers with a silent second address, as RFC 4380 says",
    )
    native: NativeMode = Field(
        default=NativeMode.STANDBY,
        description="while there is native IPv6: standby (no default route), stop, relay (for this host alone), or run",
    )
    secure: SecureSettings | None = Field(default=None, description="secure qualification, where the server demands it")
    relays: RelaySettings = Field(default=RelaySettings(), description="relays allowed or denied by IPv4 prefix")
    extensions: ExtensionSettings = Field(default=ExtensionSettings(), description="extensions of RFC 6081, each on or off")
    local_discovery: bool = Field(
        default=False, description="find Teredo clients on the same link by multicast; only on links you trust"
    )
    private_deployment: tuple[IPv4Network, ...] = Field(
        default=(), description="IPv4 prefixes to use as if they were public: a Teredo network of your own, a laboratory"
    )
    accept_obsolete_prefix: bool = Field(
        default=False, description="take 3ffe:831f::/32 from very old servers for 2001::/32"
    )
    peers_max: int = Field(default=PEERS_MAX, ge=16, le=1_048_576, description="peers remembered at most")

    @model_validator(mode="after")
    def _check_servers(self) -> Self:
        if self.secondary is not None and len(self.server) > 1:
            raise ValueError("`secondary` belongs to one server, and there are several; leave it out, or name one server")
        unicast = self.unicast
        for name in self.server_names:
            if name.literal is not None and name.literal not in unicast:
                hint = "if that is meant, list its prefix in `private_deployment`"
                raise ValueError(f"server {name.literal} is not a public address; {hint}")
        return self

    @property
    def server_names(self) -> tuple[ServerName, ...]:
        return tuple(ServerName(name, self.secondary) for name in self.server)

    @property
    def shared_secret(self) -> SharedSecret | None:
        return self.secure.shared_secret if self.secure is not None else None

    @property
    def unicast(self) -> GlobalUnicast:
        return GlobalUnicast(self.private_deployment)
