"""`tunnelmgr detect`."""

import asyncio
import os
from pathlib import Path
from random import SystemRandom

import click

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.cli import detect_screen, options, render
from tunnelmgr.cli.terminal import say
from tunnelmgr.core.plugins import PluginRegistry
from tunnelmgr.core.profiles.loading import load_profile
from tunnelmgr.core.profiles.paths import DEFAULT, find_profile, known_profiles
from tunnelmgr.core.profiles.profile import Profile
from tunnelmgr.detect import running
from tunnelmgr.detect.advice import Advice
from tunnelmgr.detect.constants import LIFETIME_MAX, LIFETIME_MIN
from tunnelmgr.detect.plan import Plan, plan_for
from tunnelmgr.host.linux.host import LinuxHost


@click.command()
@options.profile_if_any
@options.as_json
@click.option("--explain", is_flag=True, help="Say why each method ranks as it does, and show the evidence.")
@click.option(
    "--lifetime",
    type=options.Number(LIFETIME_MIN, LIFETIME_MAX),
    metavar="SECONDS",
    help="Find out how long the NAT keeps an idle mapping too, up to SECONDS; takes as long.",
)
@click.option("--write", type=click.Path(path_type=Path), metavar="FILE", help="Write the profile, commented, to FILE.")
def detect(profile: str | None, *, as_json: bool, explain: bool, lifetime: float | None, write: Path | None) -> None:
    """Find out what kind of network this is, and which method suits it.

    Asks the servers of PROFILE, this host's own router and nobody else; takes less than six seconds. As root it tries
    protocol 41 too.
    """
    loaded = _profile_for(profile)
    if write is not None and loaded is None:
        raise click.UsageError("--write needs a PROFILE to write")
    if lifetime is not None and (loaded is None or not loaded.detect.stun):
        raise click.UsageError("--lifetime needs a PROFILE that names a STUN server: add `detect: {stun: [NAME]}`")
    plan = plan_for(loaded, SystemRandom(), lifetime) if loaded else Plan()
    advice = Advice.of(asyncio.run(running.detect(plan, LinuxHost().surroundings().network)), loaded)
    if as_json:
        say(render.envelope("detect", advice))
    else:
        say(detect_screen.explained(advice) if explain else detect_screen.screen(advice))
    if write is not None and loaded is not None:
        _write(write, advice, loaded.file)


def _profile_for(word: str | None) -> Profile | None:
    """Return the profile meant: without a word the default one, if there is one. Raises TunnelError."""
    if word is None and DEFAULT not in known_profiles():
        return None
    return load_profile(find_profile(word or DEFAULT), PluginRegistry.from_environment())


def _write(target: Path, advice: Advice, source: Path) -> None:
    """Write it, as private as the original, where it is as valid as there."""
    mode = source.stat().st_mode & 0o777
    try:
        with open(target, "x", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, mode)) as file:
            file.write(commented(advice, source.read_text(encoding="utf-8")))
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


def commented(advice: Advice, source: str) -> str:
    """Return the text of a profile behind its findings in comments: what `--write` leaves."""
    lines = [
        "What `tunnelmgr detect` found where this profile was written:",
        "",
        *detect_screen.explained(advice).splitlines(),
    ]
    return "".join(f"{f'# {line}'.rstrip()}\n" for line in lines) + f"\n{source}"
