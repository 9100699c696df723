"""`tunnelmgr schema`: the JSON schemas of what `--json` prints, made from the very dataclasses that are printed."""

import importlib
import json
from collections.abc import Mapping
from typing import Any

import click
from pydantic import TypeAdapter

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.cli.render import SCHEMA_VERSION
from tunnelmgr.cli.terminal import say
from tunnelmgr.core.plugins import PluginRegistry
from tunnelmgr.core.profiles.schema import profile_schema

_ORIGINS: Mapping[str, tuple[str, str]] = {
    "status": ("tunnelmgr.cli.overview", "Statuses"),
    "detect": ("tunnelmgr.detect.advice", "Advice"),
    "check": ("tunnelmgr.cli.commands.check", "Checks"),
    "explain": ("tunnelmgr.core.profiles.manual", "Explained"),
    "plugins": ("tunnelmgr.cli.commands.plugins", "Plugins"),
    "decode": ("tunnelmgr.cli.packets", "Decoded"),
    "trace": ("tunnelmgr.cli.packets", "Decoded"),
    "lab": ("tunnelmgr.lab.readymade.state", "LabState"),
    "cleanup": ("tunnelmgr.cli.commands.cleanup", "Leftovers"),
}
OUTPUTS = tuple(_ORIGINS)
PROFILE = "profile"
NAMES = (*OUTPUTS, PROFILE)


@click.command()
@click.argument("name", required=False)
def schema(name: str | None) -> None:
    """Print the JSON schema of a profile, or of what --json prints.

    Lists the NAMEs there are without one.
    """
    if name is None:
        say("\n".join(NAMES))
        return
    if name not in NAMES:
        raise TunnelError(f"no schema {name!r}", hint=f"there are {', '.join(NAMES)}", exit_code=ExitCode.USAGE)
    say(json.dumps(schema_of(name), indent=2))


def schema_of(name: str) -> dict[str, Any]:
    """Return one of `NAMES` (JSON Schema 2020-12): of profiles, or of the envelope with the data of one of `OUTPUTS`."""
    return profile_schema(PluginRegistry.from_environment()) if name == PROFILE else _output(name)


def _output(name: str) -> dict[str, Any]:
    module, kind = _ORIGINS[name]
    data = TypeAdapter(getattr(importlib.import_module(module), kind)).json_schema(mode="serialization")
    definitions = data.pop("$defs", {})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"tunnelmgr.{name}",
        "type": "object",
        "required": ["schema", "schema_version", "data"],
        "properties": {
            "schema": {"const": f"tunnelmgr.{name}"},
            "schema_version": {"const": SCHEMA_VERSION},
            "data": data,
        },
        "$defs": definitions,
    }
