"""The JSON schemas of what `--json` prints, made from the very dataclasses that are printed, and that of profiles."""

import importlib
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from tunnelmgr.cli.render import SCHEMA_VERSION
from tunnelmgr.core.plugins import PluginRegistry
from tunnelmgr.core.profiles.schema import profile_schema

_ORIGINS: Mapping[str, tuple[str, str]] = {
    "status": ("tunnelmgr.cli.overview", "Statuses"),
    "detect": ("tunnelmgr.cli.detecting", "Detected"),
    "check": ("tunnelmgr.cli.checking", "Checks"),
    "plugins": ("tunnelmgr.cli.commands.plugins", "Plugins"),
    "decode": ("tunnelmgr.cli.packets", "Decoded"),
    "trace": ("tunnelmgr.cli.packets", "Decoded"),
    "lab": ("tunnelmgr.lab.readymade.state", "LabState"),
    "cleanup": ("tunnelmgr.cli.commands.cleanup", "Leftovers"),
}
OUTPUTS = tuple(_ORIGINS)
PROFILE = "profile"
NAMES = (*OUTPUTS, PROFILE)


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
