"""The LAN of one profile, over all its methods and as long as it runs: what it shares, what its hosts were told before.

A LAN is told of the tunnel exactly while packets flow. What it was told and must forget is repeated with a preferred
lifetime of 0 for as long as a host may remember it.
"""

import logging
from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network
from math import inf
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.core.driving.memory import Memory
from tunnelmgr.core.profiles.profile import LanSettings
from tunnelmgr.core.running.lan_shares import LanStatus, shares
from tunnelmgr.host.advertising import AdvertisedLink, AdvertisedPrefix, radvd_config
from tunnelmgr.host.apply import Shortfall
from tunnelmgr.host.constants import VALID_LIFETIME
from tunnelmgr.host.desired import Desired, Forwarding, LanLink, first_address
from tunnelmgr.host.items import Address, Advertisement, Resolvers
from tunnelmgr.host.passage import Cut
from tunnelmgr.host.surroundings import Surroundings

_log = logging.getLogger(__name__)

REMEMBERED_MAX: Final = 8  # prefixes an interface was told of, which it may have to be told to forget
LEASE_PRECISION: Final = 2.0  # seconds; the kernel counts whole ones
_MEMORY: Final = "lan"  # in the place of a method's name
_PREFIX: Final = "unique-local-prefix"
_GLOBAL_ID_BYTES: Final = 5  # RFC 4193 section 3.1


class Told(NamedTuple):
    """What hosts of a LAN believe of a prefix."""

    until: float
    """When the last of them has forgotten it; without end while they are told."""
    lease_ends_at: float | None
    """When the IPv4 address it is made of goes; None for a prefix that is made of none."""


class Lan:
    """Adds the LAN to what the tunnel's device shall look like, and says how it stands."""

    def __init__(self, settings: LanSettings, unique_local: IPv6Network | None, config_file: Path) -> None:
        """`unique_local` is a /48 for translated prefixes, None where nothing shall be translated; `config_file` is where
        radvd shall find its configuration."""
        self._settings = settings
        self._unique_local = unique_local
        self._config_file = config_file
        self._shares: tuple[LanStatus, ...] = ()
        self._carries = False
        self._told: dict[str, dict[IPv6Network, Told]] = {}
        """By interface: the prefixes its hosts may use."""
        self._latest: tuple[tuple[AdvertisedLink, ...], Advertisement] | None = None
        self._news: dict[str, str] = {}

    def shared(
        self,
        desired: Desired,
        config: HostConfig,
        surroundings: Surroundings,
        cuts: Iterable[Cut] = (),
        *,
        carries: bool,
        now: float,
    ) -> Desired:
        """Return the device of a tunnel that is up with the LAN behind it, which is told of it if it `carries`."""
        self._carries = carries
        links, uplinks = surroundings.links, surroundings.uplinks
        self._shares = shares(self._settings, config, self._unique_local, links, uplinks, cuts)
        served = {share.interface: share.prefix for share in self._shares if share.prefix}
        mtus = {interface: min(desired.mtu, surroundings.links[interface]) for interface in served}
        hidden = tuple(share.prefix for share in self._shares if share.prefix and share.translated)
        left = surroundings.leases.get(config.delegated_with) if config.delegated_with else None
        ends_at = None if left is None else now + left
        told = [
            AdvertisedLink(
                interface,
                mtus.get(interface),
                self._prefixes(
                    interface,
                    served.get(interface) if carries else None,
                    None if served.get(interface) in hidden else ends_at,
                    now,
                ),
                self._resolvers(config) if interface in served else (),
            )
            for interface in self._settings.interfaces
            if interface in surroundings.links
        ]
        if served and desired.forwarding is Forwarding.OFF:
            desired = replace(desired, forwarding=Forwarding.ANSWERS)
        return replace(
            desired,
            lan=tuple(LanLink(name, first_address(prefix, config.addresses), mtus[name]) for name, prefix in served.items()),
            hidden=hidden,
            sources=desired.sources + hidden,
            advertisement=self._advertisement(desired.device, told, now),
        )

    def withdrawn(self, desired: Desired, surroundings: Surroundings, *, now: float) -> Desired:
        """Return the device of a tunnel that is not up; the LAN hears that it must not use what it was told."""
        self._carries, self._shares = False, ()
        told = [
            AdvertisedLink(interface, prefixes=self._prefixes(interface, None, None, now))
            for interface in self._settings.interfaces
            if interface in surroundings.links
        ]
        return replace(desired, advertisement=self._advertisement(desired.device, told, now))

    def status(self, shortfalls: Iterable[Shortfall] = (), *, is_told: bool = True) -> tuple[LanStatus, ...]:
        """Return how each interface stands while the tunnel is up; none `is_told` of it while radvd does not run."""
        stand = (self._status(share, shortfalls) for share in self._shares)
        return tuple(one if is_told else _untold(one) for one in stand)

    def news(self, shortfalls: Iterable[Shortfall]) -> list[str]:
        """Return what the user has not been told yet, a line for each interface."""
        lines = []
        for status in self.status(shortfalls):
            if (status.advertised or status.trouble) and self._news.get(status.interface) != status.words:
                self._news[status.interface] = status.words
                lines.append(f"LAN {status.interface}: {status.words}")
        return lines

    def _status(self, share: LanStatus, shortfalls: Iterable[Shortfall]) -> LanStatus:
        short = next((one for one in shortfalls if _concerns(one, share.interface)), None)
        if short and not share.trouble:
            return replace(share, trouble=short.reason, hint=short.hint)
        return replace(share, advertised=self._carries and share.prefix is not None)

    def _prefixes(
        self, interface: str, current: IPv6Network | None, lease_ends_at: float | None, now: float
    ) -> tuple[AdvertisedPrefix, ...]:
        """Return what to say of the current prefix, and of earlier ones that hosts may still remember."""
        before = self._told.get(interface, {})
        told = {
            prefix: Told(min(known.until, known.lease_ends_at or inf, now + VALID_LIFETIME), known.lease_ends_at)
            for prefix, known in before.items()
            if known.until > now and prefix != current
        }
        if current:
            told[current] = Told(inf, _steady(before.get(current), lease_ends_at))
        self._told[interface] = dict(sorted(told.items(), key=lambda entry: entry[1].until)[-REMEMBERED_MAX:])
        gone = ((prefix, known) for prefix, known in self._told[interface].items() if prefix != current)
        return (
            *((AdvertisedPrefix(current, ends_at=told[current].lease_ends_at),) if current else ()),
            *(AdvertisedPrefix(prefix, in_use=False, ends_at=known.lease_ends_at) for prefix, known in gone),
        )

    def _resolvers(self, config: HostConfig) -> tuple[IPv6Address, ...]:
        wanted = config.dns if self._settings.dns == "offered" else self._settings.dns
        return tuple(resolver for resolver in wanted if isinstance(resolver, IPv6Address))

    def _advertisement(self, device: str, links: Iterable[AdvertisedLink], now: float) -> Advertisement | None:
        """Return the same again as long as nothing is new: radvd counts down by itself, and what it reads begins anew."""
        worth_saying = tuple(link for link in links if link.prefixes)
        if not worth_saying:
            self._latest = None
        elif self._latest is None or self._latest[0] != worth_saying:
            config = radvd_config(device, worth_saying, now)
            self._latest = worth_saying, Advertisement(device, str(self._config_file), config)
        return self._latest[1] if self._latest else None


def _untold(status: LanStatus) -> LanStatus:
    if not status.advertised:
        return status
    hint = "it is started again; the log has what it said"
    return replace(status, advertised=False, trouble="radvd ended, so the LAN hears nothing of the tunnel", hint=hint)


def _steady(known: Told | None, ends_at: float | None) -> float | None:
    """Return when a lease ends, in the words it was known by if it is the same one."""
    if known is None or known.lease_ends_at is None or ends_at is None:
        return ends_at
    return known.lease_ends_at if abs(ends_at - known.lease_ends_at) <= LEASE_PRECISION else ends_at


def unique_local_prefix(memory: Memory, random: Random) -> IPv6Network:
    """Return this profile's own /48 for addresses that are unknown outside: drawn once, and then always the same."""
    identifier = memory.recall(_MEMORY).get(_PREFIX)
    if identifier is None or len(identifier) != _GLOBAL_ID_BYTES:
        identifier = random.randbytes(_GLOBAL_ID_BYTES)
        try:
            memory.remember(_MEMORY, _PREFIX, identifier)
        except OSError as error:
            _log.warning("the LAN will get another prefix next time: it cannot be remembered: %s", error)
    return IPv6Network((b"\xfd" + identifier + bytes(10), 48))


def _concerns(shortfall: Shortfall, interface: str) -> bool:
    match shortfall.item:
        case Address(device=device):
            return device == interface
        case item:
            return not isinstance(item, Resolvers)  # which are this host's own affair
