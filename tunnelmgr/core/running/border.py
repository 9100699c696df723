"""The border between what a Tunnel wishes and this host: every wish passes it before anything here is touched.

What a transport takes from a far end is a stranger's word, however well it was parsed. Here it is bounded for all of them:
nobody out there may name an address or a prefix that this host has elsewhere, or one so large that it takes the way to
others away.
"""

from collections.abc import Iterator
from ipaddress import IPv6Network
from typing import Final

from tunnelmgr.api.addresses import is_resolver, is_unicast6
from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.api.events import Up
from tunnelmgr.api.hostconfig import IPV6_MINIMUM_MTU, HostConfig
from tunnelmgr.host.interface import Host

LINK_LENGTH: Final = 64  # bits; RFC 4291 section 2.5.4
WISHES_MAX: Final = 16  # addresses, prefixes, routes and resolvers that a far end may name, of each kind
_SHORTEST: Final = (
    (IPv6Network("2001::/23"), 129),  # protocols have these, Teredo among them: RFC 2928; no customer does
    (IPv6Network("2002::/16"), 48),  # RFC 3056: a site's
    (IPv6Network("fc00::/7"), 48),  # RFC 4193: a site's
    (IPv6Network("::/0"), 24),  # bits; more than any provider has for one customer
)
"""Where a prefix is -> how short it may be."""
_HINT: Final = "nothing was changed here; tell the owner of the far end, or use another one"


class Border:
    """Passes the wishes of one run of one method."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._ours: frozenset[IPv6Network] = frozenset()
        """What was passed before: this host has it because of that."""

    def check(self, up: Up) -> None:
        """Raise TunnelError for a wish that this host must not follow."""
        config = up.config
        if reason := next(_impossible(up), None) or (self._presumptuous(config) if config.far_end else None):
            who = config.far_end or "the method"
            raise TunnelError(f"{who} asks for {reason}", hint=_HINT, exit_code=ExitCode.PROTOCOL)
        self._ours |= frozenset(_claims(config))

    def _presumptuous(self, config: HostConfig) -> str | None:
        reason = next(_excessive(config), None)
        if reason is None and (found := self._host.holder_of(one for one in _claims(config) if one not in self._ours)):
            claimed, held = found
            return f"{_text(claimed)}, but this host has {held}"
        return reason


def _impossible(up: Up) -> Iterator[str]:
    """Yield what is wrong with a wish, whoever has it."""
    config = up.config
    proxied = [address for _, address in config.proxied]
    for one in (*config.addresses, *config.routes, *config.delegated, *config.translate, *config.dns, *proxied):
        if "%" in str(one):
            yield f"{one}, which has a scope id"
    if not IPV6_MINIMUM_MTU <= config.mtu <= 0xFFFF:
        yield f"an MTU of {config.mtu} bytes, which is not within {IPV6_MINIMUM_MTU} to 65535"
    ours = {one.ip for one in config.addresses}
    for host in up.probe:
        if not is_unicast6(host) or host in ours:
            yield f"a ping to {host} as a proof, which is this host itself or no host"


def _excessive(config: HostConfig) -> Iterator[str]:
    """Yield what no far end may want, whatever this host has."""
    for kind in (config.addresses, config.routes, config.delegated, config.dns):
        if len(kind) > WISHES_MAX:
            yield f"{len(kind)} addresses or prefixes of one kind; {WISHES_MAX} are enough"
    for interface in config.addresses:
        if not is_unicast6(interface.ip) or interface.network.prefixlen < LINK_LENGTH:
            yield f"the address {interface}, which no host has"
    links = [IPv6Network((one.ip, LINK_LENGTH), strict=False) for one in config.addresses]
    for route in config.routes:
        # Of the tunnel's own link, or of the network that this host's prefix is a part of.
        if not any(route.subnet_of(link) for link in links) and not any(one.subnet_of(route) for one in config.delegated):
            yield f"a route to {_text(route)}, which is neither on the tunnel's link nor around the prefix of this host"
    for prefix in (*config.delegated, *config.routes):
        shortest = max(length for block, length in _SHORTEST if prefix.overlaps(block))
        if not is_unicast6(prefix.network_address) or prefix.prefixlen < shortest:
            yield f"the prefix {prefix}, which is more than anybody is given"
    yield from (f"{one} as a resolver, which cannot be one" for one in config.dns if not is_resolver(one))


def _claims(config: HostConfig) -> Iterator[IPv6Network]:
    """Yield what shall lead to this host or into the tunnel."""
    yield from (IPv6Network(one.ip) for one in config.addresses)
    yield from config.delegated
    yield from config.routes


def _text(prefix: IPv6Network) -> str:
    return str(prefix.network_address if prefix.prefixlen == prefix.max_prefixlen else prefix)
