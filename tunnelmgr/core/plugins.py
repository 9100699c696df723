"""Plugins: found by entry points, imported only when a profile needs them, and kept apart when they break.

What a plugin does wrong never ends this program. It is the reason why that plugin is not used.
"""

import logging
import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from enum import Enum
from importlib.metadata import EntryPoint
from types import MappingProxyType
from typing import Self

import pluggy

from tunnelmgr.api import hookspecs
from tunnelmgr.api.effects import Cancel, Effect
from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.api.events import Event
from tunnelmgr.api.transport import API_VERSION, Transport
from tunnelmgr.core.entry_points import entry_points, origin
from tunnelmgr.core.guess import closest

PLUGINS = "tunnelmgr"
"""Entry points: plugin id -> module."""
TRANSPORTS = "tunnelmgr.transports"
"""Entry points: transport type -> the same module."""
LOAD_VARIABLE = "TUNNELMGR_LOAD_PLUGINS"
DISABLE_VARIABLE = "TUNNELMGR_DISABLE_PLUGINS"
_TRANSPORT_MEMBERS = ("type_name", "summary", "roles", "describe", "suits", "tunnel")

log = logging.getLogger(__name__)


class PluginState(Enum):
    """Whether a plugin can be used."""

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


class Plugin:
    """A plugin named by an entry point. Making one imports nothing."""

    def __init__(self, entry_point: EntryPoint) -> None:
        self._entry_point = entry_point
        self._manager: pluggy.PluginManager | None = None
        self.name = entry_point.name
        self.module = entry_point.value
        self.distribution, self.version = origin(entry_point)
        self.claimed: set[str] = set()
        """Types its entry points promise."""
        self.transports: dict[str, type[Transport]] = {}
        """By type; filled by `load`, empty when broken."""
        self.reason = ""
        """Why it is broken, in one line."""
        self._error: Exception | None = None

    def __str__(self) -> str:
        """Return its name with what tells it from another plugin of that name."""
        return f"{self.name} ({self.distribution} {self.version})" if self.distribution else f"{self.name} ({self.module})"

    def load(self) -> None:
        """Import it and ask for its transports, the first time. Never raises: see `reason`."""
        if self._manager is not None:
            return
        # Each has a manager of its own: what one plugin raises must not keep another one from being called.
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        try:
            self._manager.add_hookspecs(hookspecs)
            self.reason = self._register(self._manager)
        except Exception as error:
            self.reason, self._error = f"{type(error).__name__}: {error}", error
        except SystemExit as error:
            self.reason = f"it ended the program (SystemExit: {error})"

    def transport(self, type_name: str) -> type[Transport]:
        """Return one of its transports. Raises TunnelError BUG, caused by what the plugin raised, when it is broken."""
        self.load()
        if self.reason:
            raise TunnelError(
                f"plugin {self}, which provides {type_name!r}, is broken: {self.reason}",
                hint="update or uninstall it",
                exit_code=ExitCode.BUG,
            ) from self._error
        return self.transports[type_name]

    def tunnel_event(self, profile: str, event: Event) -> None:
        """Call its event listener, if it is loaded and has one. Raises what the listener raises."""
        if self.transports and self._manager is not None:
            self._manager.hook.tunnelmgr_tunnel_event(profile=profile, event=event)

    def info(self, state: PluginState, reason: str) -> PluginInfo:
        """Describe it. Of a plugin that is not ready only the claims are known."""
        if state is PluginState.READY:
            known = sorted(self.transports.items())
            transports = tuple(TransportInfo(name, tuple(one.roles), one.summary) for name, one in known)
        else:
            transports = tuple(TransportInfo(name, (), "") for name in sorted(self.claimed))
        return PluginInfo(self.name, self.module, self.distribution, self.version, state, reason, transports)

    def _register(self, manager: pluggy.PluginManager) -> str:
        """Take its transports. Returns why it cannot be used, nothing when it can."""
        with redirect_stdout(sys.stderr):  # what it prints is no output of ours
            module = self._entry_point.load()
        wanted = getattr(module, "TUNNELMGR_API", API_VERSION)
        if wanted != API_VERSION:
            return f"written for plugin API {wanted}, this is API {API_VERSION}"
        manager.register(module, name=self.name)
        answers: list[list[type[Transport]]] = manager.hook.tunnelmgr_register_transports()
        transports = [transport for answer in answers for transport in answer]
        for transport in transports:
            if missing := [member for member in _TRANSPORT_MEMBERS if not hasattr(transport, member)]:
                return f"{transport!r} is not a transport: it has no {', '.join(missing)}"
            if not transport.roles:
                return f"transport {transport.type_name!r} has no roles"
        registered = {transport.type_name: transport for transport in transports}
        if set(registered) != self.claimed:
            return f"its entry points promise {_listing(self.claimed)}, it registers {_listing(registered)}"
        self.transports = registered
        return ""


class PluginRegistry:
    """The plugins of this installation. Making one imports no plugin."""

    def __init__(
        self,
        entry_points: Iterable[EntryPoint],
        *,
        allowed: frozenset[str] | None = None,
        denied: frozenset[str] = frozenset(),
        unreadable: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Index entry points of the groups "tunnelmgr" and "tunnelmgr.transports".

        `allowed` (None for all) and `denied` are plugin ids; `unreadable` are distributions nothing is known of, with the
        reason.
        """
        self._unreadable = unreadable
        self._allowed = allowed
        self._denied = denied
        self._plugins: dict[str, Plugin] = {}  # by module
        self._claims: defaultdict[str, set[Plugin]] = defaultdict(set)  # by transport type
        # Plugin ids first: a transport's entry point then finds the plugin it belongs to.
        for entry in sorted(entry_points, key=lambda entry: (entry.group, entry.name)):
            plugin = self._plugins.setdefault(entry.value, Plugin(entry))
            if entry.group == TRANSPORTS:
                plugin.claimed.add(entry.name)
                self._claims[entry.name].add(plugin)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Take what is installed; TUNNELMGR_LOAD_PLUGINS allows, TUNNELMGR_DISABLE_PLUGINS denies (comma lists)."""
        found, unreadable = entry_points(PLUGINS, TRANSPORTS)
        return cls(
            found,
            allowed=_names(environment.get(LOAD_VARIABLE, "")) or None,
            denied=_names(environment.get(DISABLE_VARIABLE, "")),
            unreadable=unreadable,
        )

    def types(self) -> tuple[str, ...]:
        """Return the type names a profile may use, sorted; imports nothing."""
        return tuple(sorted(name for name in self._claims if self._claimants(name)))

    def transport(self, type_name: str) -> type[Transport]:
        """Return the transport of that type, importing its plugin.

        Raises TunnelError: INVALID when no plugin provides the type, when several do, or when its plugin is
        disabled; BUG when its plugin is broken.
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

    def working(self) -> Iterator[type[Transport]]:
        """Yield the transports that can be used, by type; `list` tells why others cannot."""
        for name in self.types():
            with suppress(TunnelError):
                yield self.transport(name)

    def list(self) -> tuple[PluginInfo, ...]:
        """Import every plugin that is not disabled; return the state of each, sorted by id, then what cannot be read."""
        known = [self._info(plugin) for plugin in sorted(self._plugins.values(), key=lambda plugin: plugin.name)]
        unknown = [
            PluginInfo("?", place, "", "", PluginState.BROKEN, f"its metadata cannot be read: {reason}", ())
            for place, reason in sorted(self._unreadable.items())
        ]
        return (*known, *unknown)

    def tunnel_event(self, profile: str, event: Event) -> None:
        """Tell loaded plugins of an event that is not an effect; what they raise is logged."""
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
        """Return why this plugin is disabled; nothing when it is not."""
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
            return plugin.info(PluginState.DISABLED, reason)
        for type_name in sorted(plugin.claimed):
            if len(plugins := self._claimants(type_name)) > 1:
                return plugin.info(PluginState.BROKEN, _conflict(type_name, plugins))
        plugin.load()
        return plugin.info(PluginState.BROKEN if plugin.reason else PluginState.READY, plugin.reason)


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip() for name in text.split(",") if name.strip())


def _conflict(type_name: str, plugins: Sequence[Plugin]) -> str:
    return f"transport type {type_name!r} is provided by more than one plugin: {', '.join(map(str, plugins))}"


def _listing(names: Iterable[str]) -> str:
    return ", ".join(map(repr, sorted(names))) or "no transport"
