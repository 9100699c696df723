"""`tunnelmgr up`."""

from dataclasses import replace

import click

from tunnelmgr.api.errors import ExitCode
from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.cli import options, privileges
from tunnelmgr.cli.terminal import say, tell
from tunnelmgr.core.plugins import PluginRegistry
from tunnelmgr.core.profiles.loading import load_profile
from tunnelmgr.core.profiles.paths import find_profile
from tunnelmgr.core.profiles.profile import Profile
from tunnelmgr.core.running.lan import Lan
from tunnelmgr.core.running.wishes import wants_default_route, wished_device
from tunnelmgr.core.runtime import Runtime
from tunnelmgr.daemon.launch import detached, in_foreground
from tunnelmgr.host.desired import UNKNOWN_ADDRESS, UNKNOWN_PREFIX, UNKNOWN_RESOLVER, UNKNOWN_SOURCE
from tunnelmgr.host.linux.host import LinuxHost
from tunnelmgr.host.plan import dry_run as lines_of
from tunnelmgr.host.surroundings import Surroundings


@click.command()
@options.profile
@options.timeout
@click.option("--keep", is_flag=True, help="Go on trying when it is not up in time.")
@click.option("-f", "--foreground", is_flag=True, help="Stay in the foreground, for systemd and for the curious.")
@options.dry_run
def up(profile: str, *, timeout: float, keep: bool, foreground: bool, dry_run: bool) -> ExitCode:
    """Bring a tunnel up and wait until it carries packets.

    Not up in time, it says why, undoes everything and exits with the code of the reason, 75 where nobody answered. In the
    foreground it goes on trying.
    """
    if foreground and keep:
        raise click.UsageError("--keep is for the background: in the foreground it always goes on trying")
    file = find_profile(profile)
    if not dry_run:
        privileges.require_net_admin(f"bring {profile} up")
    plugins = PluginRegistry.from_environment()
    loaded = load_profile(file, plugins)
    for warning in loaded.warnings:
        tell(str(warning))
    if dry_run:
        lines = rehearse(loaded, LinuxHost().surroundings(), Runtime.from_environment())
        say("\n".join(lines))
        return ExitCode.DONE
    if foreground:
        return in_foreground(loaded, plugins)
    detached(loaded, plugins, timeout, keep=keep, tell=tell)
    return ExitCode.DONE


def rehearse(profile: Profile, around: Surroundings, runtime: Runtime) -> list[str]:
    """Return what `--dry-run` prints of the first method, as far as it is known before the far end has spoken.

    An interface of the LAN that gets nothing has a comment. A method that does not know yet is taken to bring one address,
    a way out, and a prefix where the LAN lives on prefixes.
    """
    expected = profile.methods[0].transport.expected()
    config = expected or _unknown(profile)
    wanted = wants_default_route(profile, config, around.network)
    desired = wished_device(profile, config, default_route=wanted)
    if expected is None:
        desired = replace(desired, sources=(UNKNOWN_SOURCE, *config.delegated))
    unique_local = UNKNOWN_PREFIX if profile.lan.may_translate else None
    lan = Lan(profile.lan, unique_local, runtime.radvd(profile.name))
    lines = lines_of(lan.shared(desired, config, around, carries=True, now=0.0), around.resolver_helper)
    return lines + [f"# LAN {link.interface}: {link.words}" for link in lan.status() if link.trouble]


def _unknown(profile: Profile) -> HostConfig:
    lives_on_prefixes = profile.lan.interfaces and not profile.lan.may_translate
    delegated = (UNKNOWN_PREFIX,) if lives_on_prefixes else ()
    dns = (UNKNOWN_RESOLVER,) if profile.network.dns else ()
    return HostConfig(addresses=(UNKNOWN_ADDRESS,), default_route=True, delegated=delegated, dns=dns)
