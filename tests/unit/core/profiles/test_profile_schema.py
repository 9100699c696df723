"""The schema of profiles says what a profile may contain."""

import json
from typing import Any

import pytest

from tunnelmgr.core.plugins import PluginRegistry
from tunnelmgr.core.profiles.schema import profile_schema


@pytest.fixture
def schema(plugins: PluginRegistry) -> dict[str, Any]:
    return profile_schema(plugins)


def references(node: object) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*map(references, node.values()))
    return set().union(*map(references, node)) if isinstance(node, list) else set()


def test_the_schema_is_json_and_every_reference_leads_somewhere(schema: dict[str, Any]) -> None:
    json.dumps(schema)
    assert {reference.removeprefix("#/$defs/") for reference in references(schema)} <= schema["$defs"].keys()


def test_a_profile_has_its_sections_and_one_method_or_several(schema: dict[str, Any]) -> None:
    assert set(schema["properties"]) == {"name", "method", "methods", "network", "firewall", "lan", "detect", "datapath"}
    assert schema["additionalProperties"] is False
    assert schema["oneOf"] == [{"required": ["method"]}, {"required": ["methods"]}]


def test_every_role_of_every_working_transport_is_a_choice(schema: dict[str, Any]) -> None:
    choices = [choice["$ref"] for choice in schema["$defs"]["method"]["oneOf"]]
    assert choices == ["#/$defs/paper.client", "#/$defs/paper.server"]


def test_a_method_has_type_role_when_and_the_settings_of_its_transport(schema: dict[str, Any]) -> None:
    client, server = schema["$defs"]["paper.client"], schema["$defs"]["paper.server"]
    assert list(client["properties"])[:4] == ["type", "role", "when", "server"]
    assert client["properties"]["type"]["const"] == "paper"
    assert (client["required"], server["required"]) == (["type", "server"], ["type", "role", "addresses"])
    assert client["additionalProperties"] is False


def test_every_key_of_a_profile_is_described(schema: dict[str, Any]) -> None:
    names = ["profile.NetworkSettings", "profile.FirewallSettings", "profile.LanSettings", "when"]
    for section in (schema, *(schema["$defs"][name] for name in names)):
        assert [key for key, value in section["properties"].items() if not value.get("description")] == []
