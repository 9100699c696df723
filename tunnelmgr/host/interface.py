"""The `Host`: all that the rest may ask of this machine. `linux.LinuxHost` is the real one, `fake.FakeHost` its stand-in."""

from collections.abc import Callable, Collection, Mapping
from ipaddress import IPv4Address
from typing import Protocol

from tunnelmgr.api.network import Network
from tunnelmgr.host.items import Item
from tunnelmgr.host.plan import Step
from tunnelmgr.host.resolvers import ResolverHelper


class Tun(Protocol):
    """An open tunnel device. It lives as long as its descriptor, so a killed process leaves none."""

    @property
    def fd(self) -> int:
        """The descriptor: non-blocking, close-on-exec, one bare IPv6 packet a read or write. Owned by the Tun."""

    @property
    def name(self) -> str:
        """The name of the device."""

    @property
    def index(self) -> int:
        """Its interface index."""

    def close(self) -> None:
        """Close the descriptor: the device vanishes. Closing twice is fine."""


class Host(Protocol):
    """This machine. Failures the user can act on are `TunnelError`."""

    def network(self) -> Network:
        """Return the outer network: quick, and without our own tunnel devices."""

    def links(self) -> Mapping[str, int]:
        """Return the interfaces of this machine, each with its MTU in bytes: quick."""

    def leases(self) -> Mapping[IPv4Address, float]:
        """Return the IPv4 addresses that go unless they are renewed, each with the seconds it has left: quick."""

    def open_tun(self, device: str) -> Tun:
        """Create the tunnel device. TunnelError when there is no TUN here, no privilege (77) or the name is taken."""

    async def prepare(self) -> None:
        """Load what the first `actual` and `run` will need, beside other work: call it once the first datagram has left."""

    def lacks_kernel_tunnels(self) -> str:
        """Return why the kernel cannot carry protocol 41 by itself, in a few words; nothing when it probably can."""

    def barred(self, device: str) -> Mapping[str, int]:
        """Return how many packets came out of a kernel tunnel that may not, by names as in `status`: quick."""

    async def check_firewall(self) -> None:
        """Raise TunnelError when nft is missing, which `Inbound.ESTABLISHED` needs."""

    def resolver_helper(self) -> ResolverHelper | None:
        """Return who minds this host's resolvers; None when nobody does."""

    async def actual(self, device: str, beyond: Collection[Item] = ()) -> frozenset[Item]:
        """Return what is configured for the device; nothing when there is neither a device nor a trace of it.

        Of `beyond`, things of the LAN that bear no mark of ours, return those that are there, with the value they have.
        """

    async def run(self, step: Step) -> None:
        """Carry out one change. Raises OSError with the errno of the kernel, TunnelError for a tool that is missing."""

    async def watch(self, changed: Callable[[], None]) -> None:
        """Call `changed` after addresses, routes or links changed, at most a few times a second, and after radvd ended by
        itself. Runs until cancelled."""

    async def close(self) -> None:
        """Release sockets. The host may be used again afterwards."""
