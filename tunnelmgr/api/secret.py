"""A secret in a transport's settings: a field of this type takes

    key: {file: he.key}          # a file of mode 0600, beside the profile
    key: {credential: he}        # of systemd: LoadCredential=
    key: {env: HE_KEY}
    key: "in plain sight"        # accepted with a warning

The core reads what is named and the transport gets the text. Wherever a `Secret` is printed, logged or serialised it shows
as asterisks; only `reveal` gives it away.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, SecretStr, ValidationInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema


class SecretSource(Enum):
    """Where a profile says a secret is kept."""

    FILE = "file"
    CREDENTIAL = "credential"
    ENV = "env"
    INLINE = "inline"


SecretReader = Callable[[SecretSource, str], str]
"""Reads secrets for the profile being validated: the validation context of the settings.

The text names the file, the credential or the variable, or is the secret itself. Raises ValueError, fit to show to the user,
when the secret cannot be had.
"""


class Secret(SecretStr):
    """Text that is not to be shown."""

    reveal = SecretStr.get_secret_value
    """Returns the text, for the one place that needs it."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(
            _validate, serialization=core_schema.to_string_ser_schema(when_used="json")
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Tell `tunnelmgr schema` what may be written."""
        named = [
            {"type": "object", "properties": {name: {"type": "string"}}, "required": [name], "additionalProperties": False}
            for name in _NAMED
        ]
        return {"format": "secret", "oneOf": [*named, {"type": "string"}]}


_NAMED = tuple(source.value for source in SecretSource if source is not SecretSource.INLINE)


def _validate(value: Any, info: ValidationInfo) -> Secret:
    if isinstance(value, Secret):
        return value
    match value:
        case str():
            return Secret(_read(SecretSource.INLINE, value, info))
        case Mapping() if len(value) == 1:
            ((name, argument),) = value.items()
            if name in _NAMED and isinstance(argument, str):
                return Secret(_read(SecretSource(name), argument, info))
        case int() | float():
            _read(SecretSource.INLINE, str(value), info)  # so that the core masks it in what it says about this line
    raise ValueError("expected {file: NAME}, {credential: NAME}, {env: NAME} or text in quotes")


def _read(source: SecretSource, name: str, info: ValidationInfo) -> str:
    reader: SecretReader | None = info.context
    if reader is not None:
        return reader(source, name)
    if source is SecretSource.INLINE:
        return name
    raise ValueError(f"{{{source.value}: {name}}} can only be read as part of a profile")
