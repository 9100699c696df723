"""What `up --dry-run` prints: the changes to this host, as far as they are known before the far end has spoken."""

from dataclasses import replace

from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.api.network import Network
from tunnelmgr.core.profile import Profile
from tunnelmgr.core.wishes import wants_default_route, wished_device
from tunnelmgr.host.desired import UNKNOWN_ADDRESS, UNKNOWN_SOURCE
from tunnelmgr.host.dry_run import dry_run


def rehearse(profile: Profile, network: Network) -> list[str]:
    """Return the lines for the first method; one that does not know yet is taken to bring one address and a way out."""
    if expected := profile.methods[0].transport.expected():
        wanted = wants_default_route(profile, expected, network)
        return dry_run(wished_device(profile, expected, default_route=wanted))
    config = HostConfig(addresses=(UNKNOWN_ADDRESS,), default_route=True)
    desired = wished_device(profile, config, default_route=wants_default_route(profile, config, network))
    return dry_run(replace(desired, sources=(UNKNOWN_SOURCE,)))
