"""`tunnelmgr check`."""

from dataclasses import dataclass

import click

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.cli import options, render
from tunnelmgr.cli.terminal import say
from tunnelmgr.core.plugins import PluginRegistry
from tunnelmgr.core.profiles.loading import load_profile
from tunnelmgr.core.profiles.paths import find_profile
from tunnelmgr.core.profiles.problem import Problem, ProblemSeverity, ProfileError
from tunnelmgr.core.profiles.profile import Method


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """One profile that was looked at."""

    file: str
    valid: bool
    exit_code: ExitCode
    name: str | None
    """None when the profile is not valid."""
    methods: tuple[str, ...]
    """In the order they are tried, each with its role and what was chosen: "teredo client (server 192.0.2.1)"."""
    problems: tuple[Problem, ...]
    """Mistakes, and what is odd about a valid profile."""


@dataclass(frozen=True, slots=True)
class Checks:
    """What `check` shows."""

    files: tuple[CheckedFile, ...]


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@options.as_json
def check(files: tuple[str, ...], *, as_json: bool) -> ExitCode:
    """Check profiles without using them.

    Every mistake is shown at once, with its line. Exits 78 when a profile cannot be used.
    """
    plugins = PluginRegistry.from_environment()
    checks = Checks(tuple(_checked(file, plugins) for file in files))
    say(render.envelope("check", checks) if as_json else "\n".join(map(_text, checks.files)))
    return max((file.exit_code for file in checks.files), key=_gravity)


def _checked(word: str, plugins: PluginRegistry) -> CheckedFile:
    """Look at one profile. What is wrong with it is in the result, never raised."""
    try:
        profile = load_profile(find_profile(word), plugins)
    except ProfileError as error:
        return CheckedFile(word, False, error.exit_code, None, (), error.problems)
    except TunnelError as error:
        problem = Problem(word, 0, 0, ProblemSeverity.ERROR, error.message, error.hint)
        return CheckedFile(word, False, error.exit_code, None, (), (problem,))
    methods = tuple(map(_described, profile.methods))
    return CheckedFile(str(profile.file), True, ExitCode.DONE, profile.name, methods, profile.warnings)


def _described(method: Method) -> str:
    return f"{method.type} {method.role} ({method.transport.describe()})"


def _text(file: CheckedFile) -> str:
    verdict = [f"{file.file}: valid: {file.name}, {', '.join(file.methods)}"] if file.valid else []
    return "\n".join([*map(str, file.problems), *verdict])


def _gravity(exit_code: ExitCode) -> int:
    return [ExitCode.DONE, ExitCode.INVALID, ExitCode.NO_PROFILE, ExitCode.BUG].index(exit_code)
