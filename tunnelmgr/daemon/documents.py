"""Our dataclasses as plain data and back: what travels on the control socket and what `--json` prints."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.api.status import PeerStatus
from tunnelmgr.core.running.snapshot import LanStatus, OuterSocket, Snapshot, Stand, Standing, State, Traffic, Trouble


def as_plain(value: object) -> Any:
    """Return dataclasses and mappings as dict, sequences as list, enums as their value; text and numbers as they are."""
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): as_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [as_plain(item) for item in value]
    return str(value)  # addresses, networks, paths


def snapshot_from_plain(data: Mapping[str, Any]) -> Snapshot:
    """Return the snapshot that `as_plain` took apart.

    The process may be of another version than we: what we do not know is left out, what it did not say takes its default.
    Raises TunnelError when that is not enough.
    """
    try:
        values = _known(Snapshot, data)
        values["state"] = State(values["state"])
        values["trouble"] = Trouble(values["trouble"]) if values.get("trouble") else None
        values["addresses"] = tuple(values.get("addresses", ()))
        values["resolvers"] = tuple(values.get("resolvers", ()))
        values["peers"] = tuple(PeerStatus(**_known(PeerStatus, peer)) for peer in values.get("peers", ()))
        values["sockets"] = tuple(OuterSocket(**_known(OuterSocket, sock)) for sock in values.get("sockets", ()))
        values["lan"] = tuple(LanStatus(**_known(LanStatus, link)) for link in values.get("lan", ()))
        values["methods"] = tuple(map(_standing, values.get("methods", ())))
        values["traffic"] = Traffic(**_known(Traffic, values.get("traffic", {})))
        return Snapshot(**values)
    except (KeyError, TypeError, ValueError) as error:
        raise TunnelError(
            f"the running process tells its state in a way this version does not understand: {error}",
            hint="`down` and `up` it again with the installed version",
        ) from error


def _standing(data: Mapping[str, Any]) -> Standing:
    return Standing(**{**_known(Standing, data), "stand": Stand(data["stand"])})


def _known(kind: type, data: Mapping[str, Any]) -> dict[str, Any]:
    return {field.name: data[field.name] for field in fields(kind) if field.name in data}
