"""`tunnelmgr up`."""

from functools import partial

import click

from tunnelmgr.api.errors import ExitCode
from tunnelmgr.cli import options, privileges
from tunnelmgr.cli.bringing_up import detached, in_foreground
from tunnelmgr.cli.rehearsal import rehearse
from tunnelmgr.core.plugins import PluginRegistry
from tunnelmgr.core.profiles.loading import load_profile
from tunnelmgr.core.profiles.paths import find_profile
from tunnelmgr.core.running.lan import Surroundings
from tunnelmgr.core.runtime import Runtime
from tunnelmgr.host.linux.host import LinuxHost

_say = partial(click.echo, err=True)


@click.command()
@options.profile
@options.timeout
@click.option("--keep", is_flag=True, help="Go on trying when it is not up in time.")
@click.option("-f", "--foreground", is_flag=True, help="Stay in the foreground, for systemd and for the curious.")
@options.dry_run
def up(profile: str, *, timeout: float, keep: bool, foreground: bool, dry_run: bool) -> ExitCode:
    """Bring a tunnel up and wait until it carries packets.

    Not up in time, it says why, undoes everything and exits 75. In the foreground it goes on trying.
    """
    if foreground and keep:
        raise click.UsageError("--keep is for the background: in the foreground it always goes on trying")
    file = find_profile(profile)
    if not dry_run:
        privileges.require_net_admin(f"bring {profile} up")
    plugins = PluginRegistry.from_environment()
    loaded = load_profile(file, plugins)
    for warning in loaded.warnings:
        _say(str(warning))
    if dry_run:
        host = LinuxHost()
        lines = rehearse(loaded, Surroundings.of(host), Runtime.from_environment(), host.resolver_helper())
        click.echo("\n".join(lines))
        return ExitCode.DONE
    if foreground:
        return in_foreground(loaded, plugins)
    detached(loaded, plugins, timeout, keep=keep, tell=_say)
    return ExitCode.DONE
