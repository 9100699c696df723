"""`tunnelmgr detect`."""

import os
from pathlib import Path

import click

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.cli import detect_screen, options, render
from tunnelmgr.cli.detect_profile import commented
from tunnelmgr.cli.detecting import Detected, look, profile_for
from tunnelmgr.core.plugins import PluginRegistry
from tunnelmgr.core.profiles.loading import load_profile
from tunnelmgr.detect.constants import LIFETIME_MAX, LIFETIME_MIN
from tunnelmgr.host.linux.host import LinuxHost


@click.command()
@options.profile_if_any
@options.as_json
@click.option("--explain", is_flag=True, help="Say why each method ranks as it does, and show the evidence.")
@click.option(
    "--lifetime",
    type=click.FloatRange(LIFETIME_MIN, LIFETIME_MAX),
    metavar="SECONDS",
    help="Find out how long the NAT keeps an idle mapping too, up to SECONDS; takes as long.",
)
@click.option("--write", type=click.Path(path_type=Path), metavar="FILE", help="Write the profile, commented, to FILE.")
def detect(profile: str | None, *, as_json: bool, explain: bool, lifetime: float | None, write: Path | None) -> None:
    """Find out what kind of network this is, and which method suits it.

    Asks the servers of PROFILE, this host's own router and nobody else; takes less than six seconds. As root it tries
    protocol 41 too.
    """
    loaded = profile_for(profile)
    if write is not None and loaded is None:
        raise click.UsageError("--write needs a PROFILE to write")
    if lifetime is not None and (loaded is None or not loaded.detect.stun):
        raise click.UsageError("--lifetime needs a PROFILE that names a STUN server: add `detect: {stun: [NAME]}`")
    found = look(loaded, LinuxHost().network(), lifetime)
    if as_json:
        click.echo(render.envelope("detect", found))
    else:
        click.echo(detect_screen.explained(found) if explain else detect_screen.screen(found))
    if write is not None and loaded is not None:
        _write(write, found, loaded.file)


def _write(target: Path, found: Detected, source: Path) -> None:
    """Write it, as private as the original, where it is as valid as there."""
    mode = source.stat().st_mode & 0o777
    try:
        with open(target, "x", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, mode)) as file:
            file.write(commented(found, source.read_text(encoding="utf-8")))
    except OSError as error:
        raise TunnelError(
            f"{target} cannot be written: {error.strerror}", hint="name a file that is not there yet"
        ) from error
    try:
        load_profile(target, PluginRegistry.from_environment())
    except TunnelError as error:
        target.unlink()
        hint = f"write it into {source.parent}: files that a profile names are looked up beside it"
        raise TunnelError(f"{error.message}\n{target} is not written", hint=hint, exit_code=error.exit_code) from error
