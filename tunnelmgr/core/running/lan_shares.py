"""Which prefix each interface of a LAN gets: one of the method's, or a unique local one (RFC 4193), translated. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Interface, IPv6Network
from itertools import repeat
from typing import TYPE_CHECKING

from tunnelmgr.api.hostconfig import IPV6_MINIMUM_MTU, LAN_PREFIX_LENGTH, HostConfig
from tunnelmgr.host.passage import Cut

if TYPE_CHECKING:  # `status` need not pay for pydantic
    from tunnelmgr.core.profiles.profile import LanSettings


@dataclass(frozen=True, slots=True)
class LanStatus:
    """What an interface whose hosts share the tunnel gets: a prefix, or the reason why it gets none."""

    interface: str
    prefix: IPv6Network | None = None
    """Its /64; None when it gets none."""
    translated: bool = False
    """True if its hosts appear outside as this one (NAT66): they can call out, not be called."""
    advertised: bool = False
    """True while packets flow and its hosts are told to use the tunnel."""
    trouble: str = ""
    """Why it is not served; empty when it is."""
    hint: str = ""

    @property
    def words(self) -> str:
        """The same for people."""
        if self.trouble:
            return f"{self.trouble}; {self.hint}" if self.hint else self.trouble
        told = "advertised" if self.advertised else "withdrawn while no packets flow"
        hidden = ", translated to the tunnel's address: its hosts can call out, not be called" if self.translated else ""
        return f"{self.prefix} {told}{hidden}"


def shares(
    settings: "LanSettings",
    config: HostConfig,
    unique_local: IPv6Network | None,
    links: Mapping[str, int],
    uplinks: Collection[str | None],
    cuts: Iterable[Cut] = (),
) -> tuple[LanStatus, ...]:
    """Return the share of each interface in the profile's order, whether those before it are there or not.

    `unique_local` is what to take translated prefixes from, None where nothing shall be translated; `links` are the
    interfaces that exist, with their MTU, `uplinks` those that lead to the internet, `cuts` what another firewall drops.
    """
    own = _subnets(config)
    # By its place in the list, so that it is the same whatever the method brings.
    unknown_outside = unique_local.subnets(new_prefix=LAN_PREFIX_LENGTH) if unique_local else repeat(None)
    found = []
    for interface, hidden in zip(settings.interfaces, unknown_outside, strict=False):
        prefix = next(own, None)
        trouble = _trouble(interface, links, uplinks) or _cut(interface, cuts)
        if trouble is None and not (prefix or hidden):
            trouble = _too_few(interface, config)
        found.append(trouble or LanStatus(interface, prefix or hidden, translated=prefix is None))
    return tuple(found)


def _subnets(config: HostConfig) -> Iterator[IPv6Network]:
    """Yield the /64s of the delegated prefixes, without those that are on the link of the tunnel.

    Those of which the tunnel has an address and no more (6rd, 6to4) come last: the LAN would look for it on its own link.
    """
    around_an_address = []
    for prefix in config.delegated:
        if prefix.prefixlen <= LAN_PREFIX_LENGTH:
            for subnet in prefix.subnets(new_prefix=LAN_PREFIX_LENGTH):
                within = [address for address in config.addresses if address.ip in subnet]
                if not within:
                    yield subnet
                elif not any(map(_has_link, within)):
                    around_an_address.append(subnet)
    yield from around_an_address


def _has_link(address: IPv6Interface) -> bool:
    return address.network.prefixlen < address.max_prefixlen


def _trouble(interface: str, links: Mapping[str, int], uplinks: Collection[str | None]) -> LanStatus | None:
    if interface in uplinks:
        return LanStatus(
            interface,
            trouble=f"{interface} leads to the internet: whoever is there is none of the LAN",
            hint="name the interface that leads to the LAN's hosts in `lan.interfaces`",
        )
    if interface not in links:
        return LanStatus(
            interface,
            trouble=f"there is no interface {interface}",
            hint="it will be served when it appears; `ip link` shows those there are",
        )
    if links[interface] < IPV6_MINIMUM_MTU:
        return LanStatus(
            interface,
            trouble=f"{interface} has an MTU of {links[interface]}, and IPv6 needs {IPV6_MINIMUM_MTU}",
            hint=f"ip link set dev {interface} mtu {IPV6_MINIMUM_MTU}, or more",
        )
    return None


def _cut(interface: str, cuts: Iterable[Cut]) -> LanStatus | None:
    for cut in cuts:
        if cut.passage.hook == "forward" and interface in cut.passage.facts.values():
            return LanStatus(interface, trouble=cut.words, hint=cut.hint)
    return None


def _too_few(interface: str, config: HostConfig) -> LanStatus:
    if not config.delegated:
        return LanStatus(
            interface,
            trouble=f"{interface} gets no prefix: this method brings none",
            hint="write `lan: {share: nat66}`, and its hosts share the tunnel's address",
        )
    listed = ", ".join(map(str, config.delegated))
    takers = "every interface takes a /64"
    if any(_has_link(address) and address.ip in prefix for address in config.addresses for prefix in config.delegated):
        takers += ", and so does the tunnel"
    return LanStatus(
        interface,
        trouble=f"{interface} gets no prefix: {listed} is not enough for it, since {takers}",
        hint="ask for a shorter prefix, or write `lan: {share: nat66}`",
    )
