"""Plugins: found by entry points, imported only when a profile needs them, and kept apart when they break."""

import logging
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from importlib.metadata import EntryPoint, entry_points
from typing import Self

from tunnelmgr.api.effects import Cancel, Effect
from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.api.events import Event
from tunnelmgr.api.transport import Transport
from tunnelmgr.core.guess import closest
from tunnelmgr.core.plugin import Plugin

PLUGINS = "tunnelmgr"
"""Entry points: plugin id -> module."""
TRANSPORTS = "tunnelmgr.transports"
"""Entry points: transport type -> the same module."""
LOAD_VARIABLE = "TUNNELMGR_LOAD_PLUGINS"
DISABLE_VARIABLE = "TUNNELMGR_DISABLE_PLUGINS"

log = logging.getLogger(__name__)


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
    """The first is the default; empty when the plugin is not ready."""
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
        self._allowed = allowed
        self._denied = denied
        self._plugins: dict[str, Plugin] = {}  # by module
        self._claims: defaultdict[str, set[Plugin]] = defaultdict(set)  # transport type -> who provides it
        # Plugin ids first: a transport's entry point then finds the plugin it belongs to.
        for entry in sorted(entry_points, key=lambda entry: (entry.group, entry.name)):
            plugin = self._plugins.setdefault(entry.value, Plugin(entry))
            if entry.group == TRANSPORTS:
                plugin.claimed.add(entry.name)
                self._claims[entry.name].add(plugin)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Take what is installed; TUNNELMGR_LOAD_PLUGINS allows, TUNNELMGR_DISABLE_PLUGINS denies (comma lists)."""
        return cls(
            [*entry_points(group=PLUGINS), *entry_points(group=TRANSPORTS)],
            allowed=_names(environment.get(LOAD_VARIABLE, "")) or None,
            denied=_names(environment.get(DISABLE_VARIABLE, "")),
        )

    def types(self) -> tuple[str, ...]:
        """Return the type names a profile may use, sorted; imports nothing."""
        return tuple(sorted(name for name in self._claims if self._claimants(name)))

    def transport(self, type_name: str) -> type[Transport]:
        """Return the transport of that type, importing its plugin.

        Raises TunnelError: INVALID for a type nobody or more than one plugin provides or whose plugin is disabled,
        BUG when its plugin is broken.
        """
        match self._claimants(type_name):
            case []:
                raise self._unknown(type_name)
            case [plugin]:
                return plugin.transport(type_name)
            case plugins:
                raise TunnelError(
                    _conflict(type_name, plugins),
                    hint=f"uninstall one of them, or name it in {DISABLE_VARIABLE}",
                    exit_code=ExitCode.INVALID,
                )

    def list(self) -> tuple[PluginInfo, ...]:
        """Import every plugin that is not disabled and tell what became of each, sorted by id."""
        return tuple(self._info(plugin) for plugin in sorted(self._plugins.values(), key=lambda plugin: plugin.name))

    def tunnel_event(self, profile: str, event: Event) -> None:
        """Tell loaded plugins of an event (effects are left out); what they raise is logged."""
        if isinstance(event, Effect | Cancel):
            return
        for plugin in self._plugins.values():
            try:
                plugin.tunnel_event(profile, event)
            except Exception:
                log.exception("plugin %s: tunnelmgr_tunnel_event failed for %s", plugin.name, type(event).__name__)

    def _claimants(self, type_name: str) -> Sequence[Plugin]:
        claims = self._claims.get(type_name, ())
        return sorted((plugin for plugin in claims if not self._disabled(plugin)), key=lambda plugin: plugin.name)

    def _disabled(self, plugin: Plugin) -> str:
        """Return why the user does not want this plugin, or nothing."""
        if plugin.name in self._denied:
            return f"named in {DISABLE_VARIABLE}"
        if self._allowed is not None and plugin.name not in self._allowed:
            return f"not named in {LOAD_VARIABLE}"
        return ""

    def _unknown(self, type_name: str) -> TunnelError:
        if type_name in self._claims:
            names = ", ".join(f"{plugin.name} ({self._disabled(plugin)})" for plugin in self._claims[type_name])
            message = f"transport type {type_name!r} comes with a disabled plugin: {names}"
            hint = "enable the plugin, or choose another type"
        else:
            message = f"unknown transport type {type_name!r}"
            hint = closest(type_name, self.types()) or f"installed are: {', '.join(self.types()) or 'none'}"
        return TunnelError(message, hint=hint, exit_code=ExitCode.INVALID)

    def _info(self, plugin: Plugin) -> PluginInfo:
        if reason := self._disabled(plugin):
            return plugin_info(plugin, PluginState.DISABLED, reason)
        for type_name in sorted(plugin.claimed):
            if len(plugins := self._claimants(type_name)) > 1:
                return plugin_info(plugin, PluginState.BROKEN, _conflict(type_name, plugins))
        plugin.load()
        return plugin_info(plugin, PluginState.BROKEN if plugin.reason else PluginState.READY, plugin.reason)


def plugin_info(plugin: Plugin, state: PluginState, reason: str) -> PluginInfo:
    """Describe a plugin; of one that is not ready nothing is known but its claims."""
    if state is PluginState.READY:
        transports = tuple(
            TransportInfo(name, tuple(transport.roles), transport.summary)
            for name, transport in sorted(plugin.transports.items())
        )
    else:
        transports = tuple(TransportInfo(name, (), "") for name in sorted(plugin.claimed))
    return PluginInfo(plugin.name, plugin.module, plugin.distribution, plugin.version, state, reason, transports)


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip() for name in text.split(",") if name.strip())


def _conflict(type_name: str, plugins: Sequence[Plugin]) -> str:
    return f"transport type {type_name!r} is provided by more than one plugin: {', '.join(map(str, plugins))}"
