"""Where profiles are: from the word on the command line to a file, and if root may believe that file."""

import difflib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from tunnelmgr.api.errors import ExitCode, TunnelError

DEFAULT = "default"
"""The profile of a command without one."""
CONFIG_VARIABLE = "TUNNELMGR_CONFIG_PATH"
SYSTEM_FOLDERS = (Path("/etc/tunnelmgr/profiles"), Path("/run/tunnelmgr/profiles"))
SHIPPED = Path(__file__).parents[2] / "profiles"
"""The profiles that come with tunnelmgr; in a checkout a link to `configs/`."""
ENDINGS = (".yaml", ".yml")


def is_path(word: str) -> bool:
    """True if a word on the command line is a path; else it is a profile's name."""
    return "/" in word or word.endswith(ENDINGS)


def profile_folders(environment: Mapping[str, str] = os.environ, user: int | None = None) -> tuple[Path, ...]:
    """Return the folders a name is looked up in, in order; `user` None is this process's user."""
    given = [Path(folder) for folder in environment.get(CONFIG_VARIABLE, "").split(os.pathsep) if folder]
    own = []
    # Root has /etc: a profile in the home of one user is not meant for the whole machine.
    if (os.geteuid() if user is None else user) != 0:
        home = environment.get("XDG_CONFIG_HOME") or os.path.join(environment.get("HOME") or "~", ".config")
        own = [Path(home).expanduser() / "tunnelmgr" / "profiles"]
    return (*given, *own, *SYSTEM_FOLDERS, SHIPPED)


def find_profile(word: str = DEFAULT, folders: tuple[Path, ...] | None = None) -> Path:
    """Return the file `word` means: a path when it contains "/" or ends in .yaml or .yml, else a name.

    Raises TunnelError NO_PROFILE naming the folders searched and names that are close.
    """
    if is_path(word):
        return _existing(Path(word))
    searched = profile_folders() if folders is None else folders
    for folder in searched:
        for ending in ENDINGS:
            if (file := folder / f"{word}{ending}").is_file():
                return file
    raise _not_found(
        f"no profile {word!r} in {', '.join(map(str, searched))}",
        word,
        known_profiles(searched),
        "write a profile there, or name a file",
    )


def known_profiles(folders: tuple[Path, ...] | None = None) -> tuple[str, ...]:
    """Return the names that `find_profile` knows, sorted."""
    searched = profile_folders() if folders is None else folders
    return tuple(sorted({file.stem for folder in searched for file in _files(folder)}))


def untrusted(path: Path) -> str:
    """Return why root must not obey a file: others may write it, or replace it in its directory. Empty when none may.

    Whoever writes a profile decides where the packets of this host go.
    """
    for place, status in ((path, path.stat()), (path.parent, path.parent.stat())):
        if who := _others_who_write(status):
            return f"{place} is writable by {who} (mode {stat.S_IMODE(status.st_mode):04o}), and root would obey it"
    return ""


def _existing(path: Path) -> Path:
    if path.is_file():
        return path
    names = [file.name for file in _files(path.parent)]
    raise _not_found(
        f"no profile at {path}" if not path.exists() else f"{path} is not a file", path.name, names, "check the path"
    )


def _files(folder: Path) -> list[Path]:
    try:
        return [file for file in folder.iterdir() if file.suffix in ENDINGS]
    except OSError:
        return []


def _not_found(message: str, word: str, names: tuple[str, ...] | list[str], nowhere: str) -> TunnelError:
    """Return the error. `nowhere` is the hint when there is no profile at all."""
    close = difflib.get_close_matches(word, names, n=3, cutoff=0.6)
    if close:
        hint = f"did you mean {' or '.join(map(repr, close))}?"
    elif word == DEFAULT:
        hint = f"name a profile{': ' + ', '.join(names) if names else ''}"
    else:
        hint = f"there are: {', '.join(names)}" if names else nowhere
    return TunnelError(message, hint=hint, exit_code=ExitCode.NO_PROFILE)


def _others_who_write(status: os.stat_result) -> str:
    if stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX:
        return ""  # as in /tmp, only its owner can replace a file
    if status.st_mode & stat.S_IWOTH:
        return "everybody"
    # On systems where each user has a group of the same number, that group is the user alone.
    if status.st_mode & stat.S_IWGRP and status.st_gid not in {0, status.st_uid}:
        return f"group {status.st_gid}"
    return ""
