"""The outer network, read quickly: before the first datagram leaves there is no time to import a netlink library.

Routes come from /proc/net, addresses from one netlink dump (rtnetlink(7)).
"""

import socket
import struct
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv6Address
from pathlib import Path

from tunnelmgr.api.network import DefaultRoute, LocalAddress, Network
from tunnelmgr.host.device_name import is_ours
from tunnelmgr.host.linux.dumps import attributes, dump

# linux/rtnetlink.h, linux/if_addr.h, linux/route.h
_RTM_NEWADDR, _RTM_GETADDR = 20, 22
_IFA_ADDRESS, _IFA_LOCAL, _IFA_CACHEINFO = 1, 2, 6
_FOR_EVER = 0xFFFF_FFFF  # INFINITY_LIFE_TIME of linux/if_addr.h
_RTF_UP, _RTF_GATEWAY, _RTF_REJECT = 1, 2, 0x200

# Connecting a datagram socket sends nothing: the kernel only looks up the route. Any address of the internet will do.
_SOMEWHERE = "198.41.0.4"  # a.root-servers.net
_SOMEWHERE6 = "2001:503:ba3e::2:30"


def network(proc: Path = Path("/proc/thread-self/net")) -> Network:
    """Return the outer network as it is. Our own tunnel devices do not count."""
    has_native = native_ipv6(_lines(proc / "ipv6_route"))
    # Without a native default route the kernel takes any address of ours, that of a LAN among them, and looks again:
    # then a rule of ours leads it into the tunnel.
    native = native_source(_lines(proc / "if_inet6"), _source6()) if has_native else None
    return Network(
        addresses=tuple(address for address in _addresses() if not is_ours(address.interface)),
        default_route=default_route(_lines(proc / "route")),
        source=_source(),
        native_ipv6=has_native,
        native_source=native[0] if native else None,
        native_interface=native[1] if native else None,
    )


def leases() -> dict[IPv4Address, float]:
    """Return the IPv4 addresses that go unless they are renewed, as those of DHCP, with the seconds they have left."""
    return {address.ip: valid_for for _, address, valid_for in _dumped_addresses() if valid_for is not None}


def default_route(lines: list[str] | None) -> DefaultRoute | None:
    """Return the best default route of /proc/net/route, whose numbers are in the machine's byte order."""
    best = None
    for line in (lines or [])[1:]:
        interface, destination, gateway, flags, _, _, metric, mask, *_ = line.split()
        usable = int(flags, 16) & (_RTF_UP | _RTF_REJECT) == _RTF_UP
        if (destination, mask) != ("00000000", "00000000") or not usable or is_ours(interface):
            continue
        hop = IPv4Address(struct.pack("=I", int(gateway, 16))) if int(flags, 16) & _RTF_GATEWAY else None
        if best is None or int(metric) < best[0]:
            best = int(metric), DefaultRoute(interface, hop)
    return best[1] if best else None


def native_ipv6(lines: list[str] | None) -> bool | None:
    """Whether /proc/net/ipv6_route holds a default route that is not ours; None where there is no such file."""
    if lines is None:
        return None
    return any(_is_native_default(line.split()) for line in lines)


def _is_native_default(fields: list[str]) -> bool:
    prefix, length, flags, interface = fields[0], fields[1], int(fields[8], 16), fields[9]
    if int(prefix, 16) or int(length, 16) or is_ours(interface):
        return False
    # The kernel's own "unreachable" default route sits on the loopback interface.
    return flags & (_RTF_UP | _RTF_REJECT) == _RTF_UP


def native_source(lines: list[str] | None, source: IPv6Address | None) -> tuple[IPv6Address, str] | None:
    """Return `source` and its interface if /proc/net/if_inet6 shows it on one that is not ours."""
    for address, *_, interface in (line.split() for line in lines or []):
        if source is not None and IPv6Address(bytes.fromhex(address)) == source and not is_ours(interface):
            return source, interface
    return None


def _lines(path: Path) -> list[str] | None:
    try:
        return path.read_text().splitlines()
    except OSError:
        return None


def _source() -> IPv4Address | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((_SOMEWHERE, 53))
        except OSError:
            return None
        return IPv4Address(probe.getsockname()[0])


def _source6() -> IPv6Address | None:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.connect((_SOMEWHERE6, 53))
            return IPv6Address(probe.getsockname()[0])
    except OSError:  # no route, or a kernel without IPv6
        return None


def _addresses() -> Iterator[LocalAddress]:
    names = dict(socket.if_nameindex())
    for index, interface, _ in _dumped_addresses():
        if index in names and not interface.ip.is_loopback:
            yield LocalAddress(names[index], interface)


def _dumped_addresses() -> Iterator[tuple[int, IPv4Interface, float | None]]:
    for kind, message in dump(socket.NETLINK_ROUTE, _RTM_GETADDR, struct.pack("=BBBBI", socket.AF_INET, 0, 0, 0, 0)):
        if kind == _RTM_NEWADDR:
            yield parse_address(message)


def parse_address(message: bytes) -> tuple[int, IPv4Interface, float | None]:
    """Return interface index, address and seconds of life, None for ever, of an `ifaddrmsg` (rtnetlink(7))."""
    _, prefix_length, _, _, index = struct.unpack_from("=BBBBI", message)
    found = attributes(message[8:])
    # On a point-to-point link IFA_ADDRESS is the far end's.
    interface = IPv4Interface((found.get(_IFA_LOCAL) or found[_IFA_ADDRESS], prefix_length))
    _, valid_for = struct.unpack_from("=II", found.get(_IFA_CACHEINFO, bytes(4) + b"\xff" * 4))
    return index, interface, None if valid_for == _FOR_EVER else float(valid_for)
