"""Whom a relay serves: the native IPv6 addresses it carries packets from and to (RFC 4380 section 5.4.2)."""

from abc import ABC, abstractmethod
from ipaddress import IPv6Address, IPv6Network
from typing import NamedTuple

from tunnelmgr.api.limits import Recent
from tunnelmgr_teredo.constants import OBSOLETE_PREFIX, RELAY_HOST_ADDRESSES_MAX, TEREDO_PREFIX
from tunnelmgr_teredo.native import is_native, leads_astray
from tunnelmgr_teredo.wire.address import GlobalUnicast

GLOBAL = IPv6Network("2000::/3")  # RFC 4291 section 2.4; what IANA assigns from
SIX_TO_FOUR = IPv6Network("2002::/16")  # RFC 3056
_NOBODY = IPv6Address("::")


class NativeSide(NamedTuple):
    """The native side of a path, in the words of `PathUp`."""

    local: IPv6Network
    also: tuple[IPv6Network, ...] = ()
    exceptions: tuple[IPv6Network, ...] = ()


class Served(ABC):
    """A set of native addresses."""

    @abstractmethod
    def __contains__(self, address: IPv6Address) -> bool:
        """True if packets of clients may go there, and packets from there to clients."""

    def sends(self, address: IPv6Address) -> bool:
        """True if this host, or one it forwards for, may send from there; being asked is being told."""
        return address in self

    @property
    @abstractmethod
    def side(self) -> NativeSide:
        """What the data plane may carry without asking: never more than is served."""


class Everyone(Served):
    """A public relay's: all native IPv6, but for what would lead into another tunnel's loop (RFC 6324)."""

    def __init__(self, unicast: GlobalUnicast) -> None:
        self._unicast = unicast

    def __contains__(self, address: IPv6Address) -> bool:
        return is_native(address) and not leads_astray(address, self._unicast)

    @property
    def side(self) -> NativeSide:
        return NativeSide(GLOBAL, exceptions=(TEREDO_PREFIX, SIX_TO_FOUR, OBSOLETE_PREFIX))


class Prefixes(Served):
    """A site's relay: prefixes named by its owner, unique local ones among them if so wished."""

    def __init__(self, prefixes: tuple[IPv6Network, ...], unicast: GlobalUnicast) -> None:
        self._prefixes = prefixes
        self._unicast = unicast

    def __contains__(self, address: IPv6Address) -> bool:
        return any(address in prefix for prefix in self._prefixes) and not leads_astray(address, self._unicast)

    @property
    def side(self) -> NativeSide:
        first, *others = self._prefixes
        return NativeSide(first, tuple(others), exceptions=(SIX_TO_FOUR,))


class ThisHost(Served):
    """A host-specific relay's: the addresses this host has sent from, which is how a conversation begins."""

    def __init__(self) -> None:
        self._addresses: Recent[IPv6Address, None] = Recent(RELAY_HOST_ADDRESSES_MAX)

    def __contains__(self, address: IPv6Address) -> bool:
        return address in self._addresses

    def sends(self, address: IPv6Address) -> bool:
        if not is_native(address):
            return False
        self._addresses[address] = None
        return True

    @property
    def side(self) -> NativeSide:
        latest, *others = (IPv6Network(address) for address in reversed(self._addresses or [_NOBODY]))
        return NativeSide(latest, tuple(others))
