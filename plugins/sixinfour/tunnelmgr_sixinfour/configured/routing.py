"""The paths of a configured tunnel, for the data plane, and how this host is configured."""

from dataclasses import replace
from ipaddress import IPv6Address, IPv6Interface, IPv6Network

from tunnelmgr.api.events import EVERYWHERE, PathUp
from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.api.network import Endpoint
from tunnelmgr_sixinfour.configured.settings import SixInFourSettings
from tunnelmgr_sixinfour.constants import LINK_LOCAL, SIXTOFOUR_NEVER, SIXTOFOUR_PREFIX


def paths_of(settings: SixInFourSettings, channel: str) -> list[PathUp]:
    """Return the paths: one to the far end itself, whose echo replies the Tunnel wants to see, and one a prefix behind it.

    They let pass less than the checks of `Sides`: what may be good all the same goes to the Tunnel. 6to4 sources
    have a path of their own, since those made of impossible IPv4 addresses are refused.
    """
    to_edge = settings.forward and not settings.faces_the_internet
    path = PathUp(
        IPv6Network(settings.far),
        Endpoint(settings.remote, 0),
        channel,
        None,
        local=EVERYWHERE if to_edge else IPv6Network(settings.address.ip),
        local_except=settings.routes if to_edge else (),
        local_also=() if to_edge else settings.prefixes,
        watch_echo=True,
        tos=settings.outer_tos,
    )
    ingress = (settings.address.network, *settings.prefixes) if settings.ingress_filter else ()
    wider = replace(path, ingress=ingress, watch_echo=False)
    paths = [path, *(replace(wider, prefix=prefix) for prefix in settings.routes)]
    if any(SIXTOFOUR_PREFIX.subnet_of(prefix) for prefix in settings.routes):
        paths.append(replace(wider, prefix=SIXTOFOUR_PREFIX, ingress=(*ingress, *SIXTOFOUR_NEVER)))
    if not settings.ingress_filter and not settings.faces_the_internet:
        # A path that is never valid: the Tunnel judges all other packets from behind the far end.
        paths.append(replace(wider, prefix=EVERYWHERE, valid_for=0.0))
    return paths


def host_config(settings: SixInFourSettings, link_local: IPv6Address | None, mtu: int) -> HostConfig:
    """Return how this host is configured."""
    link = () if link_local is None else (IPv6Interface((link_local, LINK_LOCAL.prefixlen)),)
    return HostConfig(
        addresses=(settings.address, *link),
        routes=tuple(prefix for prefix in settings.routes if prefix.prefixlen),
        default_route=settings.faces_the_internet,
        mtu=mtu,
        delegated=settings.prefixes,
        listening=not settings.faces_the_internet,
        forwarding=settings.forward,
    )
