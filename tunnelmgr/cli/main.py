"""The `tunnelmgr` command: finds the words, imports what they need and nothing else, and turns failures into exit codes."""

import importlib
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import Any

import click

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.api.status import Fact
from tunnelmgr.cli.terminal import OutputError, prepare, tell

SECTIONS: Mapping[str, Mapping[str, str]] = {
    "Everyday": {
        "up": "Bring a tunnel up and wait until it carries packets.",
        "down": "Take a tunnel down and everything back.",
        "status": "Show how tunnels stand.",
        "detect": "Find out what kind of network this is, and which method suits it.",
        "check": "Check profiles without using them.",
        "explain": "Explain a key of a profile, or list all keys.",
    },
    "Look inside": {
        "trace": "Watch the packets of a tunnel, and what each is for.",
        "decode": "Explain packets: a capture file, bytes in hex, or a tunnel's address.",
    },
    "Try it": {
        "lab": "Build an internet on this machine to try tunnels in.",
    },
    "For scripts": {
        "wait": "Wait until a tunnel carries packets.",
        "plugins": "List the methods installed, and what became of each plugin.",
        "schema": "Print the JSON schema of a profile, or of what --json prints.",
        "cleanup": "Take back what killed processes left on this host.",
        "version": "Print the version.",
    },
}
"""Command -> the first line of its help, which is written here so that `--help` imports no command."""

_OURS = {name: line for section in SECTIONS.values() for name, line in section.items()}


class _Commands(click.Group):
    """Imports a command when it is invoked: ours from `cli.commands`, others from the entry points `tunnelmgr.commands`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*_OURS, *sorted(set(_foreign()) - set(_OURS))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _OURS:
            command: click.Command = getattr(importlib.import_module(f"tunnelmgr.cli.commands.{cmd_name}"), cmd_name)
            return command
        entry = _foreign().get(cmd_name)
        return foreign_command(entry) if entry else None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from tunnelmgr.core.guess import closest

            if guess := closest(args[0], self.list_commands(ctx)):
                raise click.UsageError(f"{error.message.removesuffix('.')}; {guess}", ctx) from error
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        foreign = sorted(set(_foreign()) - set(_OURS))
        sections = {**SECTIONS, "From plugins": {name: f"See tunnelmgr {name} --help." for name in foreign}}
        for title, commands in sections.items():
            if commands:
                with formatter.section(title):
                    formatter.write_dl(list(commands.items()))


def _foreign() -> Mapping[str, "importlib.metadata.EntryPoint"]:
    from tunnelmgr.core.entry_points import entry_points

    return {entry.name: entry for entry in entry_points("tunnelmgr.commands")[0]}


def foreign_command(entry: "importlib.metadata.EntryPoint") -> click.Command:
    """Import a plugin's command. Raises TunnelError BUG when it is broken."""
    try:
        with redirect_stdout(sys.stderr):  # what a plugin prints is no output of ours
            command = entry.load()
    except Exception as error:
        raise _broken(entry, f"cannot be loaded: {error!r}") from error
    if not isinstance(command, click.Command):
        raise _broken(entry, f"is not a click command: {command!r}")
    return command


def _broken(entry: "importlib.metadata.EntryPoint", what: str) -> TunnelError:
    return TunnelError(
        f"command {entry.name} of {entry.value} {what}",
        hint="update or uninstall the distribution it comes from",
        exit_code=ExitCode.BUG,
    )


class _Asked:
    """The `RunningProfiles` of plugin commands. Imports nothing until one of them asks."""

    def ask(self, profile: str, command: str, arguments: Mapping[str, Fact]) -> Mapping[str, Any]:
        """Run a Tunnel's command in the process of a profile."""
        from tunnelmgr.cli import overview
        from tunnelmgr.core.runtime import Runtime

        return overview.running_client(profile, Runtime.from_environment()).command(command, arguments)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tunnelmgr", prog_name="tunnelmgr", message="%(prog)s %(version)s")
def cli() -> None:
    """IPv6 over an IPv4-only network.

    PROFILE is a file (it contains "/" or ends in .yaml), or the name of one in a folder of profiles.
    """


def main() -> None:
    """Run the command line and exit; the only place where failures become text and exit codes."""
    prepare()
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str], command: click.Command = cli) -> int:
    """Run one command line; return its exit code."""
    try:
        outcome: object = command.main(arguments, prog_name="tunnelmgr", standalone_mode=False, obj=_Asked())
        sys.stdout.flush()
    except OutputError as error:
        return ExitCode.DONE if error.reader_is_gone else _failed(error)
    except TunnelError as error:
        return _failed(error)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return 128 + 2  # SIGINT, as a shell counts
    except BrokenPipeError:
        return ExitCode.DONE  # whoever read us has seen enough
    except OSError as error:
        return _failed(TunnelError.of_host(error))  # a full disk or too few descriptors are no bug of ours
    except Exception:
        sys.excepthook(*sys.exc_info())
        tell("tunnelmgr: this is a bug of ours or of a plugin; please report the lines above")
        return ExitCode.BUG
    return outcome if isinstance(outcome, int) else ExitCode.DONE


def _failed(error: TunnelError) -> int:
    tell(explain(error))
    return error.exit_code


def explain(error: TunnelError) -> str:
    """Return what the user reads about a failure: the thing, the value seen, the next step."""
    if "\n" not in error.message:
        return f"tunnelmgr: {error}"
    return error.message + (f"\n{error.hint}" if error.hint else "")
