"""What `up --dry-run` prints: the changes to this host, as far as they are known before the far end has spoken."""

from dataclasses import replace

from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.api.network import Network
from tunnelmgr.core.profile import Profile
from tunnelmgr.core.wishes import wants_default_route, wished_device
from tunnelmgr.host.desired import UNKNOWN_ADDRESS, UNKNOWN_SOURCE
from tunnelmgr.host.dry_run import dry_run


def rehearse(profile: Profile, network: Network) -> list[str]:
    """Return the lines for a tunnel with one address and a way to the whole internet, as most methods bring."""
    config = HostConfig(addresses=(UNKNOWN_ADDRESS,), default_route=True)
    desired = wished_device(profile, config, default_route=wants_default_route(profile, config, network))
    return dry_run(replace(desired, sources=(UNKNOWN_SOURCE,)))
