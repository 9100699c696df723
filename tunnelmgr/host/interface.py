"""The `Host`: all that the rest may ask of this machine. `linux.LinuxHost` is the real one, `fake.FakeHost` its stand-in."""

from collections.abc import Callable, Collection, Iterable, Mapping
from ipaddress import IPv6Network
from typing import NamedTuple, Protocol

from tunnelmgr.host.items import Item
from tunnelmgr.host.passage import Cut, Passage
from tunnelmgr.host.plan import Step
from tunnelmgr.host.surroundings import Surroundings


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


class Look(NamedTuple):
    """What this machine shows at one moment, whatever was wished."""

    way_out: str = ""
    """The interface by which packets to the IPv6 internet leave; empty where they do not."""
    firewall_stands: bool = True
    """False while somebody else has changed the device's firewall or taken it away."""
    lan_is_told: bool = True
    """False while radvd, which should run, does not."""


class Host(Protocol):
    """This machine. Failures the user can act on are `TunnelError`."""

    def surroundings(self) -> Surroundings:
        """Return the facts of this machine as they are: quick."""

    def open_tun(self, device: str) -> Tun:
        """Create the tunnel device. TunnelError when there is no TUN here, no privilege (77) or the name is taken."""

    async def actual(self, device: str, others: Collection[Item] = ()) -> frozenset[Item]:
        """Return what is configured for the device; nothing when there is neither a device nor a trace of it.

        Of `others`, things that are not found by the device, return those that are there, with the value they have. The
        first call imports slowly: make it once the first datagram has left.
        """

    async def run(self, step: Step) -> None:
        """Carry out one change. Raises OSError with the errno of the kernel, TunnelError for a tool that is missing."""

    async def watch(self, changed: Callable[[], None]) -> None:
        """Call `changed` after something that a tunnel needs changed: at most a few times a second after links, addresses,
        routes, rules or switches did and after radvd ended by itself, at once after one of our firewall tables did. A device
        whose firewall is missing has been switched off by then. Runs until cancelled."""

    async def cuts(self, passages: tuple[Passage, ...]) -> tuple[Cut, ...]:
        """Return which of these packets another firewall of this machine drops, as far as its rules make that certain."""

    def suspects(self, lost: Collection[Item]) -> tuple[str, ...]:
        """Return who on this machine could have taken these away, in words."""

    def holder_of(self, claimed: Iterable[IPv6Network]) -> tuple[IPv6Network, str] | None:
        """Return the first of these prefixes that this host has some or all of already, with what that is in words."""

    def look(self, device: str) -> Look:
        """Return how things stand with a device: quick."""

    def barred(self, device: str) -> Mapping[str, int]:
        """Return how many packets came out of a kernel tunnel that may not, by names as in `status`: quick."""

    async def close(self) -> None:
        """Release sockets. The host may be used again afterwards."""
