"""`tunnelmgr detect`."""

from pathlib import Path

import click

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.cli import detect_screen, options, render
from tunnelmgr.cli.detect_profile import commented
from tunnelmgr.cli.detecting import Detected, look, profile_for
from tunnelmgr.host.linux.host import LinuxHost


@click.command()
@options.profile_if_any
@options.as_json
@click.option("--explain", is_flag=True, help="Say why each method ranks as it does, and show the evidence.")
@click.option("--write", type=click.Path(path_type=Path), metavar="FILE", help="Write the profile, commented, to FILE.")
def detect(profile: str | None, *, as_json: bool, explain: bool, write: Path | None) -> None:
    """Find out what kind of network this is, and which method suits it.

    Asks the servers of PROFILE and nobody else; takes less than six seconds. As root it tries protocol 41 too.
    """
    loaded = profile_for(profile)
    if write is not None and loaded is None:
        raise click.UsageError("--write needs a PROFILE to write")
    found = look(loaded, LinuxHost().network())
    if as_json:
        click.echo(render.envelope("detect", found))
    else:
        click.echo(detect_screen.explained(found) if explain else detect_screen.screen(found))
    if write is not None and loaded is not None:
        _write(write, found, loaded.file)


def _write(target: Path, found: Detected, source: Path) -> None:
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(commented(found, source.read_text(encoding="utf-8")))
    except OSError as error:
        raise TunnelError(
            f"{target} cannot be written: {error.strerror}", hint="name a file that is not there yet"
        ) from error
