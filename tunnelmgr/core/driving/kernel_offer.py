"""Can a tunnel of the kernel's own do what a Tunnel wants, and with which parameters? Pure.

The kernel's `sit` device is one tunnel to one IPv4 address. It copies the ECN marks and sets DF, which nftables can undo;
it does not copy a DSCP back, and it takes no advice packet by packet. What fits is seen from the channels and paths alone,
so that any transport may have it.
"""

from ipaddress import IPv4Address, IPv6Network
from typing import Final, NamedTuple

from tunnelmgr.api.datagrams import ChannelKind
from tunnelmgr.api.effects import CloseChannel, OpenChannel
from tunnelmgr.api.events import Event, PathDown, PathUp
from tunnelmgr.host.desired import KernelPath

DEFAULT_TTL: Final = 64  # of the kernel's own tunnels, and of its sockets
_ECN: Final = 0x03
_DSCP: Final = 0xFC


class Unsuited(NamedTuple):
    """Why the kernel cannot carry what the Tunnel wants carried, in a few words."""

    reason: str


class KernelOffer:
    """Follows the channels and paths of one Tunnel."""

    def __init__(self) -> None:
        self._channels: dict[str, OpenChannel] = {}
        """Those of protocol 41."""
        self._paths: dict[IPv6Network, PathUp] = {}
        """Those on such channels."""
        self._over_udp = False
        self.current: KernelPath | Unsuited | None = None
        """None while there are no paths."""

    def hear(self, event: Event) -> bool:
        """Take what the Tunnel says; return whether `current` or `addresses` is another than before."""
        before = self.current, self.addresses
        self._take(event)
        return before != (self.current, self.addresses)

    def _take(self, event: Event) -> None:
        match event:
            case OpenChannel(channel, ChannelKind.RAW41):
                self._channels[channel] = event
            case CloseChannel(channel) if channel in self._channels:
                del self._channels[channel]
                self._paths = {prefix: path for prefix, path in self._paths.items() if path.channel != channel}
            case PathUp(prefix) if event.channel in self._channels:
                self._paths[prefix] = event
            case PathUp() if not self._over_udp:
                self._over_udp = True
            case PathDown(prefix) if prefix in self._paths:
                del self._paths[prefix]
            case _:
                return
        self.current = self._judge()

    @property
    def addresses(self) -> tuple[IPv4Address, ...]:
        """The addresses of this host whose protocol 41 a raw socket takes; none when it takes that of all."""
        local = {wish.local.address for wish in self._channels.values()}
        return tuple(sorted(address for address in local if not address.is_unspecified))

    @property
    def channels(self) -> frozenset[str]:
        """The channels of the paths."""
        return frozenset(path.channel for path in self._paths.values())

    @property
    def paths(self) -> tuple[PathUp, ...]:
        """The paths on channels of protocol 41."""
        return tuple(self._paths.values())

    def _judge(self) -> KernelPath | Unsuited | None:
        if self._over_udp:
            return Unsuited("this version carries UDP by the plain path only")
        if not self._paths:
            return None
        paths = self.paths
        first = paths[0]
        if any(path.remote != first.remote or path.channel != first.channel for path in paths):
            return Unsuited("a kernel tunnel has one far end, and this one several")
        if any(path.valid_for is not None for path in paths):
            return Unsuited("a kernel tunnel asks nobody, and some packets here are to be judged one by one")
        if any(path.tos != first.tos for path in paths) or first.tos.value & _ECN:
            return Unsuited("a kernel tunnel writes one DSCP into all outer headers")
        if first.tos.inherited & _DSCP:
            return Unsuited("a kernel tunnel does not copy the DSCP of outer headers back, which the profile asks for")
        wish = self._channels[first.channel]
        return KernelPath(
            wish.local.address,
            first.remote.address,
            wish.ttl or DEFAULT_TTL,
            first.tos.value,
            copies_ecn=bool(first.tos.inherited & _ECN),
            dont_fragment=wish.path_mtu_discovery,
            paths=paths,
        )
