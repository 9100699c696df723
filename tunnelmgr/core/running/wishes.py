"""From what a Tunnel wishes and what the profile allows to what this host's tunnel device shall look like. Pure."""

from ipaddress import IPv6Network
from typing import Final

from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.api.network import Network
from tunnelmgr.core.profiles.profile import DefaultRouteWish, Profile
from tunnelmgr.host.desired import Desired, Destination, Forwarding

_DEFAULT: Final = IPv6Network("::/0")


def wants_default_route(profile: Profile, config: HostConfig, network: Network) -> bool:
    """True if the tunnel shall be this host's way to the IPv6 internet, once packets are known to flow."""
    match profile.network.default_route:
        case DefaultRouteWish.ALWAYS:
            return config.default_route
        case DefaultRouteWish.NEVER:
            return False
        case DefaultRouteWish.IF_NO_NATIVE:
            return config.default_route and not network.native_ipv6


def bare_device(profile: Profile) -> Desired:
    """Return the device of a tunnel that is not up: firewalled, and nothing else."""
    return Desired(profile.device, inbound=profile.firewall.inbound)


def wished_device(
    profile: Profile, config: HostConfig, *, default_route: bool, carries: bool = True, passes: bool = True
) -> Desired:
    """Return the device of a tunnel that is up. `passes`: packets are known to flow; `carries`: and that is relied on, so
    that resolvers can be reached."""
    metric = profile.network.route_metric
    mtu = profile.network.mtu
    return Desired(
        device=profile.device,
        mtu=config.mtu if mtu == "auto" else min(mtu, config.mtu),
        addresses=config.addresses,
        destinations=tuple(
            Destination(prefix, metric) for prefix in (*config.routes, *((_DEFAULT,) if default_route else ()))
        ),
        # Whoever is called at a tunnel address answers from it, and only the tunnel may carry that answer: native routers
        # drop a source that is not theirs.
        sources=tuple(IPv6Network(one.ip) for one in config.addresses if not one.ip.is_link_local) + config.delegated,
        passes=passes,
        inbound=profile.firewall.inbound,
        forwarding=Forwarding.OPEN if config.forwarding else Forwarding.OFF,
        proxied=config.proxied,
        resolvers=config.dns if carries and profile.network.dns else (),
        translate=config.translate,
        delegated=config.delegated,
    )
