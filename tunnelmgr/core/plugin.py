"""One plugin: imported at most once, and whatever it does wrong is kept as the reason why it is not used."""

from collections.abc import Iterable
from importlib.metadata import EntryPoint

import pluggy

from tunnelmgr.api import hookspecs
from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.api.events import Event
from tunnelmgr.api.transport import API_VERSION, Transport

_TRANSPORT_MEMBERS = ("type_name", "summary", "roles", "describe", "suits", "tunnel")


class Plugin:
    """A plugin named by an entry point. Making one imports nothing."""

    def __init__(self, entry_point: EntryPoint) -> None:
        """Take the entry point that names its module."""
        self._entry_point = entry_point
        self._manager: pluggy.PluginManager | None = None
        self.name = entry_point.name
        self.module = entry_point.value
        self.distribution = entry_point.dist.name if entry_point.dist else ""
        self.version = entry_point.dist.version if entry_point.dist else ""
        self.claimed: set[str] = set()
        """Types its entry points promise."""
        self.transports: dict[str, type[Transport]] = {}
        """By type; filled by `load`, empty when broken."""
        self.reason = ""
        """Why it is broken, in one line."""
        self._error: Exception | None = None

    def __str__(self) -> str:
        """Return what tells it from another one of the same name."""
        return f"{self.name} ({self.distribution} {self.version})" if self.distribution else f"{self.name} ({self.module})"

    def load(self) -> None:
        """Import it and ask for its transports, the first time. Never raises: see `reason`."""
        if self._manager is not None:
            return
        # A manager of its own: what one plugin raises must not keep another from hearing.
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        try:
            self._manager.add_hookspecs(hookspecs)
            self._register(self._manager)
        except Exception as error:
            self._break(f"{type(error).__name__}: {error}", error)
        except SystemExit as error:
            self._break(f"it ended the program (SystemExit: {error})", None)

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
        """Call its event listener if it is loaded and has one; raises what that raises."""
        if self.transports and self._manager is not None:
            self._manager.hook.tunnelmgr_tunnel_event(profile=profile, event=event)

    def _register(self, manager: pluggy.PluginManager) -> None:
        module = self._entry_point.load()
        wanted = getattr(module, "TUNNELMGR_API", API_VERSION)
        if wanted != API_VERSION:
            self._break(f"written for plugin API {wanted}, this is API {API_VERSION}", None)
            return
        manager.register(module, name=self.name)
        answers: list[list[type[Transport]]] = manager.hook.tunnelmgr_register_transports()
        transports = [transport for answer in answers for transport in answer]
        if fault := self._fault(transports):
            self._break(fault, None)
            return
        self.transports = {transport.type_name: transport for transport in transports}

    def _fault(self, transports: list[type[Transport]]) -> str:
        for transport in transports:
            if missing := [member for member in _TRANSPORT_MEMBERS if not hasattr(transport, member)]:
                return f"{transport!r} is no transport: it has no {', '.join(missing)}"
            if not transport.roles:
                return f"transport {transport.type_name!r} has no roles"
        registered = {transport.type_name for transport in transports}
        if registered != self.claimed:
            return f"its entry points promise {_listing(self.claimed)}, it registers {_listing(registered)}"
        return ""

    def _break(self, reason: str, error: Exception | None) -> None:
        self.reason = reason
        self._error = error


def _listing(names: Iterable[str]) -> str:
    return ", ".join(map(repr, sorted(names))) or "no transport"
