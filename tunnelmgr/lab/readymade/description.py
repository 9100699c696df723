"""What a ready-made lab was built with, and the file that tells it to processes that did not build it. Pure.

Everything else about a lab is read from its namespaces.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Self, TypeVar

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.api.plain import as_plain, from_plain
from tunnelmgr.lab.vocabulary import LINK_MTU, Link, NatKind

CLIENTS = ("client1", "client2")
DEFAULT_NAT = NatKind.PORT_RESTRICTED
_FIRST_ADDRESS = IPv4Address("203.0.113.1")

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Router:
    """What a router does to packets."""

    nat: NatKind = DEFAULT_NAT
    delay: float = 0.0
    """Seconds one way."""
    loss: float = 0.0
    """The probability that a packet is lost, in each direction."""
    mtu: int = LINK_MTU
    """Bytes, of the way to the backbone."""

    @property
    def link(self) -> Link:
        return Link(delay=self.delay, loss_rate=self.loss, mtu=self.mtu)


@dataclass(frozen=True, slots=True)
class Client:
    """A host and the router in front of it; `address` is the router's public one."""

    name: str
    address: IPv4Address
    router: Router


@dataclass(frozen=True, slots=True)
class Description:
    """A lab by its name, and what its maker chose. Not `complete` while it is being built, and when that was cut off."""

    lab: str
    clients: tuple[Client, ...]
    complete: bool = False

    def client(self, name: str) -> Client:
        """Return one client. Raises TunnelError when there is none of this name."""
        for client in self.clients:
            if client.name == name:
                return client
        raise TunnelError(f"lab {self.lab} has no client {name!r}", hint=f"there are {', '.join(CLIENTS)}")

    def with_client(self, changed: Client) -> Self:
        """Return the description with one client replaced by another of its name."""
        return replace(self, clients=tuple(changed if changed.name == old.name else old for old in self.clients))

    def serialize(self) -> str:
        """Return it as JSON."""
        return json.dumps(as_plain(self), indent=1) + "\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `serialize` wrote. Raises TunnelError for anything else."""
        try:
            return from_plain(cls, json.loads(text))
        except ValueError as error:
            raise TunnelError(f"the description of the lab cannot be read: {error!r}", hint="remove the lab") from error


def describe(
    lab: str,
    nats: Sequence[NatKind] = (),
    delays: Sequence[float] = (),
    losses: Sequence[float] = (),
    mtus: Sequence[int] = (),
) -> Description:
    """Return a lab whose clients have these NATs and links, in their order; the last word of a list holds for the rest.

    Delays are seconds one way, losses probabilities, MTUs bytes.
    """
    clients = []
    for n, name in enumerate(CLIENTS):
        router = Router(_nth(nats, n, DEFAULT_NAT), _nth(delays, n, 0.0), _nth(losses, n, 0.0), _nth(mtus, n, LINK_MTU))
        clients.append(Client(name, _FIRST_ADDRESS + n, router))
    return Description(lab, tuple(clients))


def _nth(given: Sequence[_T], number: int, default: _T) -> _T:
    return given[min(number, len(given) - 1)] if given else default
