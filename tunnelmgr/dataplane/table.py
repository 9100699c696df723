"""The forwarding table: which packets may pass without asking the Tunnel, and where to.

A path says: packets between inner prefix and our side of it travel to and from one remote endpoint on one channel. The
table is filled from `PathUp` and `PathDown` alone. A packet that no entry fully authorises goes to the Tunnel, so the
table may refuse anything at any time; it must never let a packet pass that the Tunnel would not.

Some packets never use a path, whatever the entry says: those with a next header that needs a look (hop-by-hop and
destination options, routing, fragment; no next header, which is a bubble; IPv4 and IPv6, which are tunnels in the tunnel),
Neighbour Discovery, and those with a martian address.
"""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv6Network
from typing import Final

from tunnelmgr.api.events import PathUp
from tunnelmgr.api.packets.ecn import Ecn, decapsulated_ecn, is_suspicious_ecn
from tunnelmgr.api.packets.ipv6 import traffic_class, with_traffic_class
from tunnelmgr.api.status import PathUse

RawEndpoint = tuple[str, int]
"""An outer endpoint as the socket module writes it, so that no object is made for a packet."""

_TO_TUNNEL: Final = frozenset({0, 4, 41, 43, 44, 59, 60})
_ICMPV6: Final = 58
_NEIGHBOUR_DISCOVERY: Final = range(133, 138)  # RFC 4861: valid on a link only, never through a tunnel
_ECHO_REPLY: Final = 129
_FOREVER: Final = float("inf")
_ECN: Final = 0x03
_DSCP: Final = 0xFC


def _martian(address: bytes) -> bool:
    """True if an inner address must not appear on a path: ::/8 (unspecified, loopback, mapped), link-local, multicast."""
    first = address[0]
    return first in {0x00, 0xFF} or (first == 0xFE and address[1] & 0xC0 == 0x80)


def ecn_is_plain(packet: bytes, outer_tos: int) -> bool:
    """True if the outer ECN field agrees with the inner one. Else the Tunnel decides (RFC 6040 section 4.2)."""
    if not outer_tos & _ECN or len(packet) < 2:
        return True
    inner, outer = Ecn(traffic_class(packet) & _ECN), Ecn(outer_tos & _ECN)
    return not is_suspicious_ecn(inner, outer)


def ecn_mark(packet: bytes, outer_tos: int) -> int:
    """Return the traffic class of a packet with the congestion marks of its outer header taken over."""
    inner = traffic_class(packet)
    mark = decapsulated_ecn(Ecn(inner & _ECN), Ecn(outer_tos & _ECN))
    return inner if mark is None else inner & _DSCP | mark


class _Within:
    """Membership of raw 16-byte addresses in a prefix."""

    __slots__ = ("_network", "_shift")

    def __init__(self, prefix: IPv6Network) -> None:
        self._shift = 128 - prefix.prefixlen
        self._network = int(prefix.network_address) >> self._shift

    def __call__(self, address: bytes) -> bool:
        return int.from_bytes(address, "big") >> self._shift == self._network


@lru_cache(maxsize=64)
def _within(prefix: IPv6Network) -> _Within:
    """Return the same object for all paths that name the same prefix."""
    return _Within(prefix)


@lru_cache(maxsize=16)
def _within_any(prefixes: tuple[IPv6Network, ...]) -> tuple[_Within, ...]:
    """Return the same tuple for all paths that say the same: a relay has a hundred thousand of them."""
    return tuple(map(_within, prefixes))


class Path:
    """One entry, with what was carried on it. Instants are on the clock the table is called with.

    A relay has a hundred thousand of them, so an entry holds as little as it can: the raw address in place of a network.
    """

    __slots__ = (
        "_ingress",
        "_local",
        "_local_address",
        "_local_also",
        "_local_except",
        "_tos",
        "_watch_echo",
        "bytes_received",
        "bytes_sent",
        "channel",
        "marks",
        "only",
        "packed",
        "packets_received",
        "packets_sent",
        "prefix_length",
        "received_at",
        "remote",
        "sent_at",
        "usable_until",
        "valid_for",
    )

    def __init__(self, event: PathUp, now: float) -> None:
        self.packed = event.prefix.network_address.packed
        self.prefix_length = event.prefix.prefixlen
        self.remote: RawEndpoint = (str(event.remote.address), event.remote.port)
        self.channel = event.channel
        self.valid_for = _FOREVER if event.valid_for is None else event.valid_for
        self.usable_until = now + self.valid_for
        self.received_at: float | None = None
        self.sent_at: float | None = None
        self._ingress = _within_any(event.ingress)
        # Most paths have one address on our side: comparing bytes is faster than arithmetic.
        self._local_address = (
            event.local.network_address.packed if event.local.prefixlen == 128 and not event.local_also else None
        )
        self._local = _within(event.local)
        self._local_also = _within_any(event.local_also)
        self._local_except = _within_any(event.local_except)
        self.only = self._only_address()
        """Our inner address, where a path between two hosts asks nothing else of a packet; else None."""
        self._watch_echo = event.watch_echo
        self._tos = event.tos
        self.marks = any(event.tos)
        """True if packets that go out have an outer TOS octet other than 0: see `outer_tos`."""
        self.packets_received = self.bytes_received = self.packets_sent = self.bytes_sent = 0

    def _only_address(self) -> bytes | None:
        ours, theirs = self._local_address, self.packed
        if self.prefix_length != 128 or ours is None or self._ingress or self._local_except:
            return None
        return None if _martian(ours) or _martian(theirs) else ours

    @property
    def prefix(self) -> IPv6Network:
        return IPv6Network((self.packed, self.prefix_length))

    def is_local(self, address: bytes) -> bool:
        """True if an inner address is on our side of this path."""
        if self._local_address is not None:
            return address == self._local_address
        if not self._local(address) and not any(within(address) for within in self._local_also):
            return False
        return not any(within(address) for within in self._local_except)

    def outer_tos(self, packet: bytes) -> int:
        """Return the outer TOS octet for a packet that goes out."""
        value, inherited = self._tos
        return traffic_class(packet) & inherited | value & ~inherited if inherited else value

    def marked(self, packet: bytes, outer_tos: int) -> bytes:
        """Return a packet that was let in, with the congestion mark and the DSCP of its outer header taken over."""
        inherited = self._tos.inherited & _DSCP
        inner = ecn_mark(packet, outer_tos)
        value = outer_tos & inherited | inner & ~inherited
        return packet if value == traffic_class(packet) else with_traffic_class(packet, value)

    def refuses(self, source: bytes) -> bool:
        """True if an inner source is excluded although the prefix holds it."""
        return bool(self._ingress) and any(within(source) for within in self._ingress)

    def leaves_to_tunnel(self, icmpv6_type: int) -> bool:
        """True if an ICMPv6 message that comes in is for the Tunnel to see."""
        return icmpv6_type in _NEIGHBOUR_DISCOVERY or (self._watch_echo and icmpv6_type == _ECHO_REPLY)

    def received(self, size: int, now: float) -> None:
        """Count a packet let in. It shows that the far end is there: the path is good for another `valid_for`."""
        self.received_at = now
        self.usable_until = now + self.valid_for
        self.packets_received += 1
        self.bytes_received += size

    def sent(self, size: int, now: float) -> None:
        """Count a packet sent."""
        self.sent_at = now
        self.packets_sent += 1
        self.bytes_sent += size

    def take_use(self) -> PathUse:
        """Return what was carried since the last call."""
        carried = self.packets_received, self.bytes_received, self.packets_sent, self.bytes_sent
        use = PathUse(self.prefix, self.received_at, self.sent_at, *carried)
        self.packets_received = self.bytes_received = self.packets_sent = self.bytes_sent = 0
        return use


class ForwardingTable:
    """All paths of one tunnel, found by longest prefix."""

    def __init__(self) -> None:
        self._hosts: dict[bytes, Path] = {}
        """Paths to single addresses, by raw address: nearly all of Teredo's."""
        self._paths: dict[IPv6Network, Path] = {}
        """All others."""
        self._prefixes: list[tuple[_Within, Path]] = []
        """The same, longest prefix first."""
        self._used: set[Path] = set()
        self._ended: list[PathUse] = []
        """Use of paths that are gone, or were replaced, since the last `uses`."""

    def __len__(self) -> int:
        return len(self._hosts) + len(self._paths)

    def add(self, event: PathUp, now: float) -> None:
        """Enter a path, in place of an older one of the same prefix."""
        self.remove(event.prefix)
        path = Path(event, now)
        if path.prefix_length == 128:
            self._hosts[path.packed] = path
        else:
            self._paths[event.prefix] = path
            self._prefixes.append((_Within(event.prefix), path))
            self._prefixes.sort(key=lambda entry: -entry[1].prefix_length)

    def remove(self, prefix: IPv6Network) -> None:
        """Take out the path of exactly this prefix, if there is one."""
        if prefix.prefixlen == 128:
            path = self._hosts.pop(prefix.network_address.packed, None)
        elif path := self._paths.pop(prefix, None):
            self._prefixes = [entry for entry in self._prefixes if entry[1] is not path]
        if path in self._used:
            self._used.discard(path)
            self._ended.append(path.take_use())

    def clear(self) -> None:
        """Take all paths out."""
        self._paths.clear()
        self._hosts.clear()
        self._prefixes.clear()
        self._used.clear()
        self._ended.clear()

    def _find(self, address: bytes) -> Path | None:
        if (path := self._hosts.get(address)) is not None:
            return path
        for within, path in self._prefixes:
            if within(address):
                return path
        return None

    def outward(self, packet: bytes, now: float) -> Path | None:
        """Return the path that carries a packet from this host; None gives it to the Tunnel. Counts it as sent."""
        # Nearly every packet of Teredo is decided here, and each Python call would cost as much as all of these comparisons.
        path = self._hosts.get(packet[24:40])
        if path is not None and path.only == packet[8:24] and now < path.usable_until and packet[6] not in _TO_TUNNEL:
            path.sent_at = now
            path.packets_sent += 1
            path.bytes_sent += len(packet)
            self._used.add(path)
            return path
        return self._outward(packet, now)

    def _outward(self, packet: bytes, now: float) -> Path | None:
        if len(packet) < 40 or packet[6] in _TO_TUNNEL:
            return None
        destination = packet[24:40]
        path = self._find(destination)
        if path is None or now >= path.usable_until or not path.is_local(packet[8:24]) or _martian(destination):
            return None
        path.sent(len(packet), now)
        self._used.add(path)
        return path

    def inward(self, channel: str, data: bytes, remote: RawEndpoint, now: float) -> Path | None:
        """Return the path that lets a datagram's payload in; None gives it to the Tunnel. Counts it as received."""
        path = self._hosts.get(data[8:24])
        # As in `outward`, without calls. Bytes that the header does not count are for the Tunnel to judge.
        if (
            path is not None
            and path.only == data[24:40]
            and path.remote == remote
            and path.channel == channel
            and now < path.usable_until
            and data[0] >> 4 == 6
            and data[6] not in _TO_TUNNEL
            and data[6] != _ICMPV6
            and len(data) == 40 + (data[4] << 8 | data[5])
        ):
            path.received_at = now
            path.usable_until = now + path.valid_for
            path.packets_received += 1
            path.bytes_received += len(data)
            self._used.add(path)
            return path
        return self._inward(channel, data, remote, now)

    def _inward(self, channel: str, data: bytes, remote: RawEndpoint, now: float) -> Path | None:
        if len(data) < 40 or data[0] >> 4 != 6:
            return None
        next_header = data[6]
        if next_header in _TO_TUNNEL or len(data) != 40 + (data[4] << 8 | data[5]):
            return None
        source = data[8:24]
        path = self._find(source)
        if (
            path is None
            or path.remote != remote
            or path.channel != channel
            or now >= path.usable_until
            or not path.is_local(data[24:40])
            or _martian(source)
            or _martian(data[24:40])
            or path.refuses(source)
            or (next_header == _ICMPV6 and len(data) > 40 and path.leaves_to_tunnel(data[40]))
        ):
            return None
        path.received(len(data), now)
        self._used.add(path)
        return path

    def uses(self) -> Sequence[PathUse]:
        """Return, and forget, what was carried since the last call; paths that carried nothing are left out."""
        uses = [*self._ended, *(path.take_use() for path in self._used)]
        self._ended.clear()
        self._used.clear()
        return uses
