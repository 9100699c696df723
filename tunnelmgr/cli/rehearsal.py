"""What `up --dry-run` prints: the changes to this host, as far as they are known before the far end has spoken."""

from dataclasses import replace

from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.core.profiles.profile import Profile
from tunnelmgr.core.running.lan import Lan, Surroundings
from tunnelmgr.core.running.wishes import wants_default_route, wished_device
from tunnelmgr.core.runtime import Runtime
from tunnelmgr.host.desired import UNKNOWN_ADDRESS, UNKNOWN_PREFIX, UNKNOWN_RESOLVER, UNKNOWN_SOURCE
from tunnelmgr.host.dry_run import dry_run
from tunnelmgr.host.resolvers import ResolverHelper


def rehearse(profile: Profile, around: Surroundings, runtime: Runtime, helper: ResolverHelper | None = None) -> list[str]:
    """Return the lines for the first method, and a comment for each interface of the LAN that gets nothing.

    A method that does not know yet is taken to bring one address, a way out, and a prefix where the LAN lives on prefixes.
    """
    expected = profile.methods[0].transport.expected()
    config = expected or _unknown(profile)
    wanted = wants_default_route(profile, config, around.network)
    desired = wished_device(profile, config, default_route=wanted)
    if expected is None:
        desired = replace(desired, sources=(UNKNOWN_SOURCE, *config.delegated))
    unique_local = UNKNOWN_PREFIX if profile.lan.may_translate else None
    lan = Lan(profile.lan, unique_local, runtime.radvd(profile.name))
    lines = dry_run(lan.shared(desired, config, around, carries=True, now=0.0), helper)
    return lines + [f"# LAN {link.interface}: {link.words}" for link in lan.status() if link.trouble]


def _unknown(profile: Profile) -> HostConfig:
    lives_on_prefixes = profile.lan.interfaces and not profile.lan.may_translate
    delegated = (UNKNOWN_PREFIX,) if lives_on_prefixes else ()
    dns = (UNKNOWN_RESOLVER,) if profile.network.dns else ()
    return HostConfig(addresses=(UNKNOWN_ADDRESS,), default_route=True, delegated=delegated, dns=dns)
