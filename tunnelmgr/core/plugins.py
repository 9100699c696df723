"""Plugins: found by entry points, imported only when a profile needs them, and kept apart when they break."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from importlib.metadata import EntryPoint
from typing import Self

from tunnelmgr.api.events import Event
from tunnelmgr.api.transport import Transport


class PluginState(Enum):
    """What became of a plugin."""

    READY = "ready"
    DISABLED = "disabled"
    """By the user, through the environment."""
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class TransportInfo:
    """One transport of a plugin, as `tunnelmgr plugins` shows it."""

    type: str
    roles: tuple[str, ...]
    """The first is the default; empty while the plugin is not loaded."""
    summary: str


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """One installed plugin, as `tunnelmgr plugins` shows it."""

    name: str
    """Its id: the name of its entry point."""
    module: str
    distribution: str
    version: str
    state: PluginState
    reason: str
    """Why it is not ready; empty when it is."""
    transports: tuple[TransportInfo, ...]


class PluginRegistry:
    """The plugins of this installation. Making one imports no plugin."""

    def __init__(
        self,
        entry_points: Iterable[EntryPoint],
        *,
        allowed: frozenset[str] | None = None,
        denied: frozenset[str] = frozenset(),
    ) -> None:
        """Index entry points of the groups "tunnelmgr" and "tunnelmgr.transports".

        `allowed` (None for all) and `denied` are plugin ids.
        """
        raise NotImplementedError

    @classmethod
    def from_environment(cls) -> Self:
        """Take what is installed; TUNNELMGR_LOAD_PLUGINS allows, TUNNELMGR_DISABLE_PLUGINS denies (comma lists)."""
        raise NotImplementedError

    def types(self) -> tuple[str, ...]:
        """Return the type names a profile may use, sorted; imports nothing."""
        raise NotImplementedError

    def transport(self, type_name: str) -> type[Transport]:
        """Return the transport of that type, importing its plugin.

        Raises TunnelError: INVALID for a type nobody or more than one plugin provides or whose plugin is disabled,
        BUG when its plugin is broken.
        """
        raise NotImplementedError

    def list(self) -> tuple[PluginInfo, ...]:
        """Import every plugin that is not disabled and tell what became of each, sorted by id."""
        raise NotImplementedError

    def tunnel_event(self, profile: str, event: Event) -> None:
        """Tell loaded plugins of an event (effects are left out); what they raise is logged."""
        raise NotImplementedError
