"""The JSON schemas of what `--json` prints, made from the very dataclasses that are printed."""

import importlib
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from tunnelmgr.cli.render import SCHEMA_VERSION

_ORIGINS: Mapping[str, tuple[str, str]] = {
    "status": ("tunnelmgr.cli.overview", "Statuses"),
    "check": ("tunnelmgr.cli.checking", "Checks"),
    "plugins": ("tunnelmgr.cli.commands.plugins", "Plugins"),
    "cleanup": ("tunnelmgr.cli.commands.cleanup", "Leftovers"),
}
NAMES = tuple(_ORIGINS)


def schema_of(name: str) -> dict[str, Any]:
    """Return the schema (JSON Schema 2020-12) of the envelope with the data of one of `NAMES`."""
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
