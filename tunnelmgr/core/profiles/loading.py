"""From a file to a valid `Profile`, or to all its mistakes at once.

Importing this module imports PyYAML and pydantic; a command that needs no profile does without it.
"""

import os
from dataclasses import replace
from pathlib import Path

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.core.plugins import PluginRegistry
from tunnelmgr.core.profiles.fitting import unfit
from tunnelmgr.core.profiles.methods import MethodReader, validate
from tunnelmgr.core.profiles.mistakes import ProfileMistakes
from tunnelmgr.core.profiles.problem import Problem, ProblemSeverity, ProfileError
from tunnelmgr.core.profiles.profile import Profile, ProfileFile, checked_name
from tunnelmgr.core.profiles.trust import distrust
from tunnelmgr.core.profiles.yamlfile import SIZE_MAX, MappingNode, Span, read_yaml
from tunnelmgr.host.device_name import device_name

_TOP = Span(1, 1)
_FILE = Span(0, 0)
"""The file itself."""
_SILENT = AssertionError("a profile was refused without a reason")


def load_profile(path: Path, plugins: PluginRegistry, *, user: int | None = None) -> Profile:
    """Read a profile and bind its methods to their transports; only the plugins it needs are imported.

    `user` is who will act on it, None for this process's user: in what root obeys nobody else may have a hand.

    Raises ProfileError (INVALID) with every mistake, TunnelError NO_PROFILE when the file cannot be read,
    TunnelError BUG when a plugin it needs is broken.
    """
    document = read_yaml(_text(path))
    mistakes = ProfileMistakes(path, document)
    if (os.geteuid() if user is None else user) == 0 and (found := distrust(path)):
        mistakes.add(_FILE, found.reason, found.hint)
    root = document.root
    if not isinstance(root, MappingNode):
        if not document.faults:
            mistakes.add(root.place, "a profile consists of keys and values", "begin with 'method: {type: ...}'")
        raise mistakes.error() or _SILENT
    file = validate(ProfileFile, root, _TOP, mistakes)
    methods = MethodReader(path.parent, plugins, mistakes).methods(root)
    if root.get("name") is None:
        _check_stem(path, mistakes)
    if file and methods:
        mistakes.extend(unfit(file, methods, root))
    if (error := mistakes.error()) or file is None:
        raise error or _SILENT
    if (length := file.lan.prefix_length) is not None:
        methods = tuple(replace(method, transport=method.transport.with_prefix(length)) for method in methods)
    name = file.name or path.stem
    return Profile(
        name=name,
        file=path.absolute(),
        methods=methods,
        device=device_name(name),
        network=file.network,
        firewall=file.firewall,
        lan=file.lan,
        detect=file.detect,
        datapath=file.datapath,
        warnings=mistakes.warnings(),
    )


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(SIZE_MAX + 1).decode()
    except OSError as error:
        raise TunnelError(
            f"{path} cannot be read: {error.strerror}", hint="check its name and permissions", exit_code=ExitCode.NO_PROFILE
        ) from error
    except UnicodeDecodeError as error:
        message = f"not UTF-8 text, at byte {error.start}"
        raise ProfileError([Problem(str(path), 0, 0, ProblemSeverity.ERROR, message, "save it as UTF-8")]) from error


def _check_stem(path: Path, mistakes: ProfileMistakes) -> None:
    try:
        checked_name(path.stem)
    except ValueError as error:
        mistakes.add(_TOP, f"the file names the profile: {error}", "add 'name:' or rename the file")
