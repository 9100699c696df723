"""The outer network, read quickly: before the first datagram leaves there is no time to import a netlink library.

The kernel is asked where it would send a packet to the internet (RTM_GETROUTE, rtnetlink(7)): one question, however many
routes there are, and the answer knows policy rules, nexthop objects and metrics that a list of routes does not show.
"""

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Network

from tunnelmgr.api.network import DefaultRoute, LocalAddress, Network
from tunnelmgr.host.device_name import is_ours
from tunnelmgr.host.linux.dumps import ask, attributes, dump

# linux/rtnetlink.h, linux/if_addr.h, linux/if_link.h, linux/if.h
_RTM_NEWADDR, _RTM_GETADDR = 20, 22
_RTM_GETROUTE, _RTM_GETLINK = 26, 18
_RTN_UNICAST = 1
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PREFSRC = 1, 4, 5, 7
_IFA_ADDRESS, _IFA_LOCAL, _IFA_CACHEINFO = 1, 2, 6
_IFF_RUNNING = 0x40
_FOR_EVER = 0xFFFF_FFFF  # INFINITY_LIFE_TIME of linux/if_addr.h

# Nothing is sent there. Any address of the internet will do.
_SOMEWHERE = IPv4Address("198.41.0.4")  # a.root-servers.net
_SOMEWHERE6 = IPv6Address("2001:503:ba3e::2:30")
_GLOBAL = IPv6Network("2000::/3")  # RFC 4291 section 2.4, as far as it is assigned


@dataclass(frozen=True, slots=True)
class Lookup:
    """Where the kernel would send a packet."""

    interface: int
    """The index of the interface."""
    gateway: IPv4Address | IPv6Address | None
    """None on point-to-point links, and where an IPv4 route leads over an IPv6 gateway (RFC 5549)."""
    source: IPv4Address | IPv6Address | None


def network() -> Network:
    """Return the outer network as it is. Our own tunnel devices do not count."""
    names = dict(socket.if_nameindex())
    route = look_up(_SOMEWHERE)
    native = _native(names)
    return Network(
        addresses=tuple(address for address in _addresses(names) if not is_ours(address.interface)),
        default_route=_default_route(route, names),
        source=route.source if route and isinstance(route.source, IPv4Address) else None,
        kernel_has_ipv6=_kernel_has_ipv6(),
        native_ipv6=native is not None,
        native_source=native[0] if native else None,
        native_interface=native[1] if native else None,
    )


def leases() -> dict[IPv4Address, float]:
    """Return the IPv4 addresses that go unless they are renewed, as those of DHCP, with the seconds they have left."""
    return {address.ip: valid_for for _, address, valid_for in _dumped_addresses() if valid_for is not None}


def look_up(destination: IPv4Address | IPv6Address, interface: int = 0) -> Lookup | None:
    """Return where the kernel would send a packet for `destination`, out of one interface if an index is given.

    None where it would send it nowhere.
    """
    family = socket.AF_INET if isinstance(destination, IPv4Address) else socket.AF_INET6
    message = struct.pack("=BBBBBBBBI", family, destination.max_prefixlen, 0, 0, 0, 0, 0, 0, 0)
    message += struct.pack("=HH", 4 + len(destination.packed), _RTA_DST) + destination.packed
    if interface:
        message += struct.pack("=HHI", 8, _RTA_OIF, interface)
    try:
        return parse_route(ask(socket.NETLINK_ROUTE, _RTM_GETROUTE, message))
    except OSError:  # unreachable, prohibited, or a kernel without this family
        return None


def way_out() -> str:
    """Return the interface by which packets to the IPv6 internet leave, be it ours; nothing where they do not."""
    way = look_up(_SOMEWHERE6)
    return dict(socket.if_nameindex()).get(way.interface, "") if way else ""


def parse_route(message: bytes) -> Lookup | None:
    """Return what an `rtmsg` (rtnetlink(7)) says of the way; None if it leads to this host itself or nowhere."""
    if message[7] != _RTN_UNICAST:
        return None
    found = attributes(message[12:])
    address = IPv4Address if message[0] == socket.AF_INET else IPv6Address
    (interface,) = struct.unpack("=I", found[_RTA_OIF])
    gateway, source = found.get(_RTA_GATEWAY), found.get(_RTA_PREFSRC)
    return Lookup(interface, address(gateway) if gateway else None, address(source) if source else None)


def _default_route(route: Lookup | None, names: dict[int, str]) -> DefaultRoute | None:
    if route is None or route.interface not in names:
        return None
    return DefaultRoute(names[route.interface], route.gateway if isinstance(route.gateway, IPv4Address) else None)


def _native(names: dict[int, str]) -> tuple[IPv6Address, str] | None:
    """Return address and interface by which this host would reach the IPv6 internet without us; None if it would not."""
    best = look_up(_SOMEWHERE6)
    if best is None:
        return None
    ways = [best]
    if is_ours(names.get(best.interface, "")):
        # Ours is preferred: look for a way beneath it, interface by interface.
        others = (index for index, name in names.items() if not is_ours(name))
        ways = [way for index in others if (way := look_up(_SOMEWHERE6, index))]
    return next((found for way in ways if (found := _carries(way, names))), None) if ways else None


def _carries(way: Lookup, names: dict[int, str]) -> tuple[IPv6Address, str] | None:
    """A default route is no proof: packets come back only to a global address, over a link that is alive.

    Without a global address of its own on a link the kernel takes one of another interface, a tunnel of ours among them,
    and a rule of ours then leads the packet into the tunnel. A gateway that is this host itself is the router
    advertisement of our own LAN, heard on a second interface.
    """
    if not isinstance(way.source, IPv6Address) or way.source not in _GLOBAL or not _is_running(way.interface):
        return None
    holders = {address: names.get(index, "") for index, address in _dumped_addresses6()}
    if way.gateway in holders or is_ours(holders.get(way.source, "")):
        return None
    return way.source, names.get(way.interface, "")


def _is_running(index: int) -> bool:
    try:
        link = ask(socket.NETLINK_ROUTE, _RTM_GETLINK, struct.pack("=BxHiII", socket.AF_UNSPEC, 0, index, 0, 0))
    except OSError:  # it vanished meanwhile
        return False
    return bool(struct.unpack_from("=I", link, 8)[0] & _IFF_RUNNING)


def _kernel_has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM):
            return True
    except OSError:
        return False


def _addresses(names: dict[int, str]) -> Iterator[LocalAddress]:
    for index, interface, _ in _dumped_addresses():
        if index in names and not interface.ip.is_loopback:
            yield LocalAddress(names[index], interface)


def _dumped_addresses() -> Iterator[tuple[int, IPv4Interface, float | None]]:
    return map(parse_address, _dump_of_addresses(socket.AF_INET))


def _dumped_addresses6() -> Iterator[tuple[int, IPv6Address]]:
    for message in _dump_of_addresses(socket.AF_INET6):
        found = attributes(message[8:])
        yield struct.unpack_from("=I", message, 4)[0], IPv6Address(found.get(_IFA_LOCAL) or found[_IFA_ADDRESS])


def _dump_of_addresses(family: int) -> Iterator[bytes]:
    for kind, message in dump(socket.NETLINK_ROUTE, _RTM_GETADDR, struct.pack("=BBBBI", family, 0, 0, 0, 0)):
        if kind == _RTM_NEWADDR:
            yield message


def parse_address(message: bytes) -> tuple[int, IPv4Interface, float | None]:
    """Return interface index, address and seconds of life, None for ever, of an `ifaddrmsg` (rtnetlink(7))."""
    _, prefix_length, _, _, index = struct.unpack_from("=BBBBI", message)
    found = attributes(message[8:])
    # On a point-to-point link IFA_ADDRESS is the far end's.
    interface = IPv4Interface((found.get(_IFA_LOCAL) or found[_IFA_ADDRESS], prefix_length))
    _, valid_for = struct.unpack_from("=II", found.get(_IFA_CACHEINFO, bytes(4) + b"\xff" * 4))
    return index, interface, None if valid_for == _FOR_EVER else float(valid_for)
