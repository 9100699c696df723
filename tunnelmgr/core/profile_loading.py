"""From a file to a valid `Profile`, or to all its mistakes at once."""

from pathlib import Path

from tunnelmgr.core.plugins import PluginRegistry
from tunnelmgr.core.profile import Profile


def load_profile(path: Path, plugins: PluginRegistry) -> Profile:
    """Read a profile and bind its methods to their transports; only the plugins it needs are imported.

    Raises ProfileError (INVALID) with every mistake, TunnelError NO_PROFILE when the file cannot be read,
    TunnelError BUG when a plugin it needs is broken.
    """
    raise NotImplementedError(path, plugins)
