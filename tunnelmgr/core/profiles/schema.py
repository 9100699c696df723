"""The JSON schema of profiles, for editors: `tunnelmgr schema profile`."""

from typing import Any

from tunnelmgr.api.settings import Settings
from tunnelmgr.api.transport import Transport
from tunnelmgr.core.plugins import PluginRegistry
from tunnelmgr.core.profiles.profile import MethodKeys, ProfileFile
from tunnelmgr.core.profiles.when import WhenSettings

Schema = dict[str, Any]

_DESCRIPTIONS = {name: field.description for name, field in MethodKeys.model_fields.items()}


def profile_schema(plugins: PluginRegistry) -> Schema:
    """Return the schema (JSON Schema 2020-12) of a profile with the methods of every plugin that works."""
    definitions: Schema = {"when": _inlined(WhenSettings, "when", {})}
    choices = [_method(transport, role, definitions) for transport in plugins.working() for role in transport.roles]
    definitions["method"] = {"oneOf": choices}
    schema = _inlined(ProfileFile, "profile", definitions)
    properties = schema["properties"]
    one, several = (properties[name]["description"] for name in ("method", "methods"))
    method = {"$ref": "#/$defs/method"}
    properties["method"] = {"description": one, **method}
    properties["methods"] = {"description": several, "type": "array", "minItems": 1, "items": method}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "tunnelmgr profile",
        "oneOf": [{"required": ["method"]}, {"required": ["methods"]}],
        "$defs": definitions,
    }


def _method(transport: type[Transport], role: str, definitions: Schema) -> Schema:
    name = f"{transport.type_name}.{role}"
    schema = _inlined(transport.roles[role], name, definitions)
    default = role == next(iter(transport.roles))
    own = {
        "type": {"const": transport.type_name, "description": transport.summary},
        "role": {"const": role, "description": _DESCRIPTIONS["role"], **({"default": role} if default else {})},
        "when": {"$ref": "#/$defs/when", "description": _DESCRIPTIONS["when"]},
    }
    schema["properties"] = own | schema.get("properties", {})
    schema["required"] = ["type", *([] if default else ["role"]), *schema.get("required", [])]
    definitions[name] = schema
    return {"$ref": f"#/$defs/{name}"}


def _inlined(model: type[Settings], name: str, definitions: Schema) -> Schema:
    """Return a model's schema; the models within it go to `definitions`, where two plugins may use one name."""
    schema = model.model_json_schema(ref_template=f"#/$defs/{name}.{{model}}")
    definitions.update({f"{name}.{inner}": value for inner, value in schema.pop("$defs", {}).items()})
    return schema
