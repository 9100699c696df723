"""The base of every transport's settings: what may stand in a profile under `method:`.

Field names are the profile's keys. Values arrive as the text of the YAML scalar or as bool, int, float and null of YAML 1.2.

The models are the manual: docs/profile.md and `tunnelmgr explain` are made of them, and `tunnelmgr schema` and messages
about mistakes use their words. So each model has a docstring, and each field a `description` of one or two plain sentences;
where they help also `examples` and, in `json_schema_extra`, the `unit` and the version that brought the key (`since`).
"""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Annotated, Any, Final, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, JsonValue, ValidationInfo, field_validator

from tunnelmgr.api.names import ServerName, host_name

SECONDS: Final[dict[str, JsonValue]] = {"unit": "seconds"}
MINUTES: Final[dict[str, JsonValue]] = {"unit": "minutes"}
BYTES: Final[dict[str, JsonValue]] = {"unit": "bytes"}

HostName = Annotated[str, AfterValidator(host_name)]
"""A host's name or IPv4 address, of a protocol whose port is fixed. The value is ASCII, as it is looked up (IDNA)."""
ServerText = Annotated[str, AfterValidator(lambda text: str(ServerName.parse(text)))]
"""The same with or without `:port`: what `ServerName.parse` reads."""

_ADDRESSES = {IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network}


class Settings(BaseModel):
    """Strict about unknown keys, so that every typing mistake is named."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_numbers_as_addresses(cls, value: Any, info: ValidationInfo) -> Any:
        # The ipaddress module takes integers: `server: 1` would mean 0.0.0.1.
        values = value if isinstance(value, list) else [value]
        if any(isinstance(item, int | float) for item in values):
            types = set(_types(cls.model_fields[info.field_name or ""].annotation))
            if types & _ADDRESSES and not types & {int, float, bool}:
                raise ValueError("expected an address, not a number")
        return value

    @field_validator("*", mode="after")
    @classmethod
    def _refuse_scope_ids(cls, value: Any) -> Any:
        # `fe80::1%eth0`: none of our addresses is of a link, and whatever stands behind the sign would reach configurations.
        for item in value if isinstance(value, tuple | list) else [value]:
            if isinstance(item, IPv6Address | IPv6Network) and "%" in str(item):  # an interface is an address, too
                raise ValueError(f"{item} has a scope id: write it without what begins with %")
        return value


def _types(annotation: Any) -> Iterator[Any]:
    yield annotation
    for argument in get_args(annotation):
        yield from _types(argument)
