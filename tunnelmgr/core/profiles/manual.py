"""The manual of profiles: each section and key in the words of the settings models that a profile is validated by.

`tunnelmgr explain` prints it, and docs/profile.md is written from it.
"""

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import indent
from typing import Any

import yaml

from tunnelmgr.api.settings import Settings
from tunnelmgr.api.transport import Transport
from tunnelmgr.core.plugins import PluginRegistry
from tunnelmgr.core.profiles.profile import (
    DetectSettings,
    FirewallSettings,
    LanSettings,
    MethodKeys,
    NetworkSettings,
    ProfileFile,
)
from tunnelmgr.core.profiles.when import WhenSettings

FIRST_VERSION = "0.1"
"""The version that brought each key whose model names no other."""
PROFILE = "profile"
METHOD = "method"
_SECTIONS: Mapping[str, type[Settings]] = {
    PROFILE: ProfileFile,
    METHOD: MethodKeys,
    f"{METHOD}.when": WhenSettings,
    "network": NetworkSettings,
    "firewall": FirewallSettings,
    "lan": LanSettings,
    "detect": DetectSettings,
}
_FORMATS = {
    "ipv4": "IPv4 address",
    "ipv4network": "IPv4 prefix",
    "ipv6": "IPv6 address",
    "ipv6network": "IPv6 prefix",
    "ipv6interface": "IPv6 address with prefix length",
    "secret": "{file: NAME}, {credential: NAME}, {env: NAME} or text",
}

_Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a profile."""

    path: str
    """Where it stands: "lan.share", "teredo.client.relays.allow"."""
    takes: str
    """What may be written, with its range and unit: "1280 to 65535 bytes or auto"."""
    required: bool
    default: str | None
    """As it would be written; None where there is none."""
    since: str
    """The version of tunnelmgr that brought it."""
    description: str
    example: str
    """A line of a profile; empty where none is needed."""

    @property
    def facts(self) -> str:
        """What may be written, and what holds where nothing is."""
        default = ["required"] if self.required else [f"default {self.default}"] if self.default is not None else []
        return "; ".join([self.takes, *default, f"since {self.since}"])


@dataclass(frozen=True, slots=True)
class Section:
    """Keys that stand together: a section of the file, or what one role of a transport takes under `method:`."""

    path: str
    """ "lan", "teredo.client"."""
    description: str
    keys: tuple[Key, ...]
    example: str
    """Lines of a profile: of a role all that it needs; empty where nothing shows more than the keys do."""


@dataclass(frozen=True, slots=True)
class Explained:
    """What `explain` shows: whole sections, and single keys."""

    sections: tuple[Section, ...]
    keys: tuple[Key, ...] = ()


def manual(plugins: PluginRegistry) -> tuple[Section, ...]:
    """Return the sections of the file, then those of each role of each transport that works."""
    sections = (section_of(path, model, path.rpartition(".")[2]) for path, model in _SECTIONS.items())
    return (*sections, *(_role(transport, role) for transport in plugins.working() for role in transport.roles))


def find(sections: Sequence[Section], word: str) -> Explained:
    """Return what a word means: "share", "lan.share", "teredo.client"; names in front of the last one may be left out.

    Without such a name, it is all sections it is a part of: "teredo". Nothing is found where that fails, too.
    """
    words = ["method" if part == "methods" else part for part in word.split(".")]
    found = tuple(section for section in sections if _ends(section.path, words))
    paths = {section.path for section in found}
    keys = tuple(key for section in sections for key in section.keys if _ends(key.path, words) and key.path not in paths)
    if found or keys:
        return Explained(found, keys)
    return Explained(tuple(section for section in sections if _is_within(words, section.path)))


def _ends(path: str, words: Sequence[str]) -> bool:
    """True if a path ends in the last word and has the others before it, in their order."""
    return path.rpartition(".")[2] == words[-1] and _is_within(words, path)


def _is_within(words: Sequence[str], path: str) -> bool:
    parts = path.split(".")
    # What a role takes stands under `method:`, though its path does without that word.
    whole = iter(parts if parts[0] in ProfileFile.model_fields else [METHOD, *parts])
    return all(word in whole for word in words)


def _role(transport: type[Transport], role: str) -> Section:
    model = transport.roles[role]
    words = {"type": transport.type_name} | ({} if role == next(iter(transport.roles)) else {"role": role})
    return section_of(f"{transport.type_name}.{role}", model, METHOD, words, transport.summary)


def section_of(
    path: str, model: type[Settings], name: str, words: Mapping[str, object] | None = None, otherwise: str = ""
) -> Section:
    """Make the section of a model. In its example, `name` stands above the keys and `words` are the first of them."""
    schema = model.model_json_schema()
    shown = {**(words or {}), **_needed(model)}
    return Section(
        path=path,
        description=_paragraphs(schema.get("description", otherwise)),
        keys=tuple(_keys("" if path == PROFILE else f"{path}.", schema, schema.get("$defs", {}), _order(model))),
        example="\n".join([f"{name}:", indent(_lines(shown), "  ")]) if shown and path != PROFILE else "",
    )


def _order(model: type[Settings]) -> list[str]:
    """Return the names of the fields: what must be written first, then a class's own before those it inherits."""
    fields = model.model_fields
    names = dict.fromkeys(name for part in model.__mro__ for name in inspect.get_annotations(part) if name in fields)
    return sorted(names, key=lambda name: not fields[name].is_required())


def _needed(model: type[Settings]) -> dict[str, object]:
    """Return the keys of an example, by what must be written; where nothing must be, by all that have an example."""
    examples = {name: model.model_fields[name].examples for name in _order(model)}
    required = {name: given for name, given in examples.items() if model.model_fields[name].is_required()}
    return {name: given[0] for name, given in (required or examples).items() if given}


def _keys(before: str, schema: _Schema, definitions: _Schema, order: Sequence[str] = ()) -> Iterator[Key]:
    properties = schema.get("properties", {})
    for name in order or properties:
        field = properties[name]
        inner = _inner(field, definitions)
        required = name in schema.get("required", ())
        default = None if required or inner or field.get("default") is None else _yaml(field["default"])
        yield Key(
            path=f"{before}{name}",
            takes=_takes(field, definitions, field.get("unit", "")),
            required=required,
            default=default,
            since=field.get("since", FIRST_VERSION),
            description=field.get("description", ""),
            example=_lines({name: field["examples"][0]}) if "examples" in field else "",
        )
        # `when` is a section of its own, since a method of any type may have it.
        if inner and f"{before}{name}" not in _SECTIONS:
            yield from _keys(f"{before}{name}.", inner, definitions)


def _inner(field: _Schema, definitions: _Schema) -> _Schema | None:
    """Return the section that a key's value is, or each of its values."""
    for part in (field, field.get("items", {}), *field.get("anyOf", ())):
        meant = _resolved(part, definitions)
        if "properties" in meant:
            return meant
    return None


def _resolved(schema: _Schema, definitions: _Schema) -> _Schema:
    resolved: _Schema = definitions[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    return resolved


def _takes(field: _Schema, definitions: _Schema, unit: str) -> str:
    """Return what may be written, in words."""
    schema = _resolved(field, definitions)
    match schema:
        case {"anyOf": choices}:
            # Where null is the default, it is written by leaving the key out.
            given = [one for one in choices if one.get("type") != "null" or field.get("default") is not None]
            return _either(_takes(one, definitions, unit) for one in given)
        case {"const": word}:
            return str(word)
        case {"enum": words}:
            return _either(word for word in words if not word.startswith("not "))
        case {"format": str(name)}:
            return _FORMATS.get(name, name)
        case {"type": "null"}:
            return "null"
        case {"type": "boolean"}:
            return "true or false"
        case {"type": "array"}:
            return _list(schema, definitions)
        case {"type": "object"}:
            return "a section"
        case {"type": "integer" | "number"}:
            return f"{_range(schema)} {unit}".rstrip()
    return "text"


def _list(schema: _Schema, definitions: _Schema) -> str:
    item = _takes(schema.get("items", {}), definitions, "")
    if item in _FORMATS.values():
        item += "es" if item[-1] in "sx" else "s"
    of = {"text": "", "a section": " of sections"}.get(item, f" of {item}")
    return f"a list{of}" + (f", {schema['maxItems']} at most" if "maxItems" in schema else "")


def _range(schema: _Schema) -> str:
    match schema:
        case {"minimum": least, "maximum": most}:
            return f"{least} to {most}"
        case {"minimum": least}:
            return f"at least {least}"
    return "a number"


def _either(choices: Iterable[str]) -> str:
    *others, last = choices
    return f"{', '.join(others)} or {last.replace(f'a list of {others[0]}', 'a list of them')}" if others else last


def _paragraphs(text: str) -> str:
    """Return a docstring without its line breaks within a paragraph."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _lines(keys: Mapping[str, object]) -> str:
    return "\n".join(f"{name}: {_yaml(value)}" for name, value in keys.items())


def _yaml(value: object) -> str:
    """Return a value as it stands behind its key."""
    whole = int(value) if isinstance(value, float) and value.is_integer() else value
    text: str = yaml.safe_dump(whole, default_flow_style=True, sort_keys=False, width=1 << 20)
    return text.removesuffix("...\n").rstrip("\n")
