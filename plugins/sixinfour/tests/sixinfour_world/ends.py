"""Two ends of a tunnel on the simulated internet: a home and its far end, which has native IPv6 behind it."""

from typing import Any

from tunnelmgr.api.events import PeerSilent, Up
from tunnelmgr.lab.simulated import Internet, SimulatedHost
from tunnelmgr_sixinfour.configured.settings import SixInFourSettings
from tunnelmgr_sixinfour.constants import KEEPALIVE_INTERVAL, KEEPALIVE_LOSSES, KEEPALIVE_TIMEOUT
from tunnelmgr_sixinfour.transport import SixInFour

NOTICED = KEEPALIVE_INTERVAL + KEEPALIVE_LOSSES * KEEPALIVE_TIMEOUT
"""Seconds after which a far end that falls silent has been noticed."""
HOME, FAR = "203.0.113.66", "192.0.2.80"
HOME6, FAR6 = "2001:db8:41::2", "2001:db8:41::1"
SITE = "2001:db8:5::/48"


def tunnel(**settings: Any) -> Any:
    """Return a factory of tunnels with these settings."""
    return SixInFour("peer", SixInFourSettings.model_validate(settings)).tunnel


def home_end(remote: str = FAR, **more: Any) -> Any:
    return tunnel(remote=remote, address=f"{HOME6}/64", prefixes=[SITE], **more)


def far_end(remote: str = HOME, **more: Any) -> Any:
    return tunnel(remote=remote, address=f"{FAR6}/64", routes=[SITE], forward=True, **more)


def add_home(internet: Internet, **how: Any) -> SimulatedHost:
    return internet.add(home_end(), name="home", **({"address": HOME} | how))


def add_far(internet: Internet, remote: str = HOME, **how: Any) -> SimulatedHost:
    prefixes = ["2001:db8:41::/64", SITE]
    return internet.add(far_end(remote), name="far", address=FAR, gateway_of=prefixes, native_ipv6=True, **how)


def is_trusted(host: SimulatedHost) -> bool:
    """Whether the latest of what the Tunnel said is that packets may flow."""
    said = [event for event in host.events if isinstance(event, Up | PeerSilent)]
    return bool(said) and isinstance(said[-1], Up) and host.status().state == "established"


def reason(host: SimulatedHost) -> PeerSilent:
    """Return the latest complaint."""
    return [event for event in host.events if isinstance(event, PeerSilent)][-1]
