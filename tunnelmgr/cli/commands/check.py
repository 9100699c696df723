"""`tunnelmgr check`."""

import click

from tunnelmgr.api.errors import ExitCode
from tunnelmgr.cli import options, render
from tunnelmgr.cli.checking import CheckedFile, Checks, check_file
from tunnelmgr.core.plugins import PluginRegistry


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@options.as_json
def check(files: tuple[str, ...], *, as_json: bool) -> ExitCode:
    """Check profiles without using them.

    Every mistake is shown at once, with its line. Exits 78 when a profile cannot be used.
    """
    plugins = PluginRegistry.from_environment()
    checks = Checks(tuple(check_file(file, plugins) for file in files))
    click.echo(render.envelope("check", checks) if as_json else "\n".join(map(_text, checks.files)))
    return max((file.exit_code for file in checks.files), key=_gravity)


def _text(file: CheckedFile) -> str:
    verdict = [f"{file.file}: valid: {file.name}, {', '.join(file.methods)}"] if file.valid else []
    return "\n".join([*map(str, file.problems), *verdict])


def _gravity(exit_code: ExitCode) -> int:
    return [ExitCode.DONE, ExitCode.INVALID, ExitCode.NO_PROFILE, ExitCode.BUG].index(exit_code)
