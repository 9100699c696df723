"""What may stand in a profile under `method:` for a Teredo server, with or without a relay beside it."""

from enum import Enum
from ipaddress import IPv4Address, IPv4Network
from typing import Self

from pydantic import Field, model_validator

from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.api.report import NetworkReport
from tunnelmgr.api.settings import BYTES, Settings
from tunnelmgr.api.transport import Fit, Suitability
from tunnelmgr_teredo.client.settings import PrivateDeployment, SecureSettings
from tunnelmgr_teredo.constants import LINK_MTU, MTU_MAX, RELAY_PEERS_MAX, RELAY_PORT, TEREDO_PREFIX
from tunnelmgr_teredo.wire.address import GlobalUnicast
from tunnelmgr_teredo.wire.datagram import SharedSecret


class Exit(Enum):
    """How clients' packets leave this host for the IPv6 internet."""

    NATIVE = "native"
    """With their Teredo addresses. Answers come home only if somebody routes 2001::/32 here."""
    NAT66 = "nat66"
    """With this host's own address: answers come home without any routing, and no client can be called."""


class ServerSettings(Settings):
    """A Teredo server tells clients how their NAT shows them and introduces them to each other.

    With a relay beside it, it also carries packets between its clients and the IPv6 internet.
    """

    addresses: tuple[IPv4Address, ...] = Field(
        min_length=1,
        max_length=2,
        description="Public IPv4 addresses of this server: first the one in the clients' profiles, then, if there is one, "
        "the address after it. With one address clients cannot tell whether their NAT is symmetric.",
        examples=[["192.0.2.1", "192.0.2.2"]],
    )
    bind: tuple[IPv4Address, ...] = Field(
        default=(),
        description="This host's own addresses in the same order, where a provider translates them to those in `addresses`. "
        "Rented servers often have private ones.",
        examples=[["10.0.0.4", "10.0.0.5"]],
    )
    relay: bool = Field(default=False, description="Carry packets between clients and native IPv6 hosts, too.")
    relay_port: int = Field(
        default=RELAY_PORT,
        ge=1,
        le=65535,
        description="UDP port of the relay. It and port 3544 must pass every firewall in front of this host.",
    )
    exit: Exit = Field(
        default=Exit.NATIVE,
        description="How packets of clients leave the relay. `native` keeps their addresses, and answers come back only if "
        "2001::/32 is routed to this host. `nat66` gives them this host's own address: nothing has to be routed, and nobody "
        "outside can call a client.",
    )
    secure: tuple[SecureSettings, ...] = Field(
        default=(),
        description="Clients to serve, each with its secret. An empty list serves everybody; with `exit: nat66` strangers "
        "then use the IPv6 internet in this host's name.",
    )
    clients: tuple[IPv4Network, ...] = Field(
        default=(),
        description="IPv4 prefixes to serve: clients whose routers have an address from there. "
        "An empty list serves all networks. Beside `secure` a client needs both.",
        examples=[["203.0.113.0/24"]],
    )
    mtu: int = Field(default=LINK_MTU, ge=LINK_MTU, le=MTU_MAX, description="MTU to tell clients.", json_schema_extra=BYTES)
    private_deployment: PrivateDeployment = Field(default=(), examples=[["10.0.0.0/8"]])
    peers_max: int = Field(
        default=RELAY_PEERS_MAX,
        ge=64,
        le=4_194_304,
        description="How many clients the relay remembers at most. Each takes about a kilobyte.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        unicast = GlobalUnicast(self.private_deployment)
        for address in self.addresses:
            if address not in unicast:
                hint = "list its prefix in `private_deployment`, or name the public address here and this one under `bind`"
                raise ValueError(f"`addresses` has {address}, which is not public; {hint}")
        if len(set(self.addresses)) < len(self.addresses):
            raise ValueError(f"{self.addresses[0]} stands twice in `addresses`; leave one out if there is no second address")
        if self.bind and len(self.bind) != len(self.addresses):
            raise ValueError(
                f"`bind` has {len(self.bind)} addresses, `addresses` {len(self.addresses)}; they belong together"
            )
        if self.exit is Exit.NAT66 and not self.relay:
            raise ValueError("`exit: nat66` is for a relay beside this server; add `relay: true`")
        if len({secure.client_id for secure in self.secure}) < len(self.secure):
            raise ValueError("two clients under `secure` have the same `client_id`; a client has one secret")
        return self

    def describe(self) -> str:
        """Return what the user chose."""
        return f"{'server and relay' if self.relay else 'server'} on {', '.join(map(str, self.addresses))}"

    def suits(self, report: NetworkReport) -> Suitability:
        """Judge whether a server may be run here."""
        if report.native_ipv6 is False:
            return Suitability(Fit.POSSIBLE, "without native IPv6 clients find each other and no native hosts")
        return Suitability(Fit.GOOD, "clients can be served from here")

    @property
    def host_config(self) -> HostConfig:
        """What this host must look like."""
        return HostConfig(
            routes=(TEREDO_PREFIX,) if self.relay else (),
            mtu=self.mtu,
            listening=True,
            forwarding=True,
            translate=(TEREDO_PREFIX,) if self.exit is Exit.NAT66 else (),
        )

    @property
    def is_open_exit(self) -> bool:
        """True if everybody may use the IPv6 internet in this host's name."""
        return self.exit is Exit.NAT66 and not self.secure and not self.clients

    @property
    def guests(self) -> str:
        """Who is served, in a few words."""
        who = f"{len(self.secure)} clients with a secret" if self.secure else "clients" if self.clients else "everybody"
        return f"{who} from {', '.join(map(str, self.clients))}" if self.clients else who

    @property
    def local_addresses(self) -> tuple[IPv4Address, ...]:
        """The addresses to bind, in the order of `addresses`."""
        return self.bind or self.addresses

    @property
    def shared_secrets(self) -> dict[bytes, SharedSecret]:
        """The secrets by client identifier."""
        secrets = (secure.shared_secret for secure in self.secure)
        return {secret.client_id: secret for secret in secrets}
