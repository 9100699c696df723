"""What of IPv6 this host has already: asked when a far end wants an address or a prefix to be ours."""

import errno
import socket
import struct
from collections.abc import Iterable, Sequence
from ipaddress import IPv6Address, IPv6Interface, IPv6Network

from tunnelmgr.host.constants import MAIN_TABLE
from tunnelmgr.host.linux.dumps import ask, attributes, dump, elements

# linux/rtnetlink.h, linux/if_addr.h
_RTM_NEWADDR, _RTM_GETADDR, _RTM_NEWROUTE, _RTM_GETROUTE = 20, 22, 24, 26
_RTM_F_FIB_MATCH = 0x2000
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_RTA_DST, _RTA_OIF = 1, 4
_REFUSING = {errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL}  # routes of type unreachable, prohibit, blackhole
_NOBODY = IPv6Address("3fff:ffff::")  # given to nobody: a route that leads there is one for everything


def holder_of(claimed: Iterable[IPv6Network]) -> tuple[IPv6Network, str] | None:
    """Return the first of these prefixes that this host has some or all of already, with what that is in words.

    All addresses are looked at, the routes to where a prefix begins and ends, and last the main table for what lies within
    one: a full table of the internet takes a moment.
    """
    held, prefixes = list(_addresses()), list(claimed)
    for prefix in prefixes:
        for interface, name in held:
            if interface.network.overlaps(prefix) and interface.network.prefixlen:
                return prefix, f"{interface} of {name}"
        for address in (prefix.network_address, prefix.broadcast_address):
            if found := _route_to(address):
                return prefix, found
    return _route_within([prefix for prefix in prefixes if prefix.prefixlen < prefix.max_prefixlen])


def _addresses() -> Iterable[tuple[IPv6Interface, str]]:
    for kind, message in dump(socket.NETLINK_ROUTE, _RTM_GETADDR, struct.pack("=BBBBI", socket.AF_INET6, 0, 0, 0, 0)):
        if kind == _RTM_NEWADDR:
            _, length, _, _, index = struct.unpack_from("=BBBBI", message)
            found = attributes(message[8:])
            yield IPv6Interface((found.get(_IFA_LOCAL) or found[_IFA_ADDRESS], length)), _name(index)


def _route_to(address: IPv6Address) -> str:
    """Return the route to an address in words; nothing where there is none but a default route."""
    try:
        route = _matching(address)
    except OSError as error:
        # A route that refuses packets is not shown, but its errno differs from that of no route at all.
        return f"a route that refuses packets to {address}" if error.errno in _REFUSING and not _refuses_all() else ""
    found, length = attributes(route[12:]), route[1]
    if length == 0 or _RTA_DST not in found:
        return ""
    return f"the route to {IPv6Network((found[_RTA_DST], length))}{_way(found)}"


def _route_within(prefixes: Sequence[IPv6Network]) -> tuple[IPv6Network, str] | None:
    """Return the first route of the main table to a part of one of these prefixes, with that prefix."""
    wanted = [(int(one.network_address), int(one.netmask), one.prefixlen, one) for one in prefixes]
    if not wanted:
        return None
    body = struct.pack("=BBBBBBBBI", socket.AF_INET6, 0, 0, 0, MAIN_TABLE, 0, 0, 0, 0)
    for kind, route in dump(socket.NETLINK_ROUTE, _RTM_GETROUTE, body):
        if kind != _RTM_NEWROUTE or route[4] != MAIN_TABLE:
            continue
        destination = next((content for kind, content in elements(route[12:]) if kind == _RTA_DST), bytes(16))
        number, length = int.from_bytes(destination, "big"), route[1]
        for network, mask, shortest, prefix in wanted:
            if length >= shortest and number & mask == network:
                return prefix, f"the route to {IPv6Network((destination, length))}{_way(attributes(route[12:]))}"
    return None


def _way(found: dict[int, bytes]) -> str:
    return f" by {_name(*struct.unpack('=I', found[_RTA_OIF]))}" if _RTA_OIF in found else ""


def _matching(address: IPv6Address) -> bytes:
    """Return the route the kernel would take. Raises OSError with the errno a sender would get."""
    message = struct.pack("=BBBBBBBBI", socket.AF_INET6, 128, 0, 0, 0, 0, 0, 0, _RTM_F_FIB_MATCH)
    message += struct.pack("=HH", 4 + len(address.packed), _RTA_DST) + address.packed
    return ask(socket.NETLINK_ROUTE, _RTM_GETROUTE, message)


def _refuses_all() -> bool:
    try:
        _matching(_NOBODY)
    except OSError as error:
        return error.errno in _REFUSING
    return False


def _name(index: int) -> str:
    try:
        return socket.if_indextoname(index)
    except OSError:  # it vanished meanwhile
        return f"interface {index}"
