"""Where profiles are: from the word on the command line to a file."""

import difflib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from tunnelmgr.api.errors import ExitCode, TunnelError

DEFAULT = "default"
"""The profile of a command without one."""
CONFIG_VARIABLE = "TUNNELMGR_CONFIG_PATH"
EXAMPLES_VARIABLE = "TUNNELMGR_EXAMPLES"
"""Set on the hosts of a lab, where the names in the shipped examples exist: there they are found by name, too."""
SYSTEM_FOLDERS = (Path("/etc/tunnelmgr/profiles"), Path("/run/tunnelmgr/profiles"))
SHIPPED = Path(__file__).parents[2] / "profiles"
"""The examples that come with tunnelmgr; in a checkout a link to `configs/`."""
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
        home = environment.get("HOME") or os.path.expanduser("~")
        # A user that no list of users knows has no home.
        config = environment.get("XDG_CONFIG_HOME") or ("" if home.startswith("~") else f"{home}/.config")
        own = [Path(config) / "tunnelmgr" / "profiles"] if config else []
    examples = (SHIPPED,) if environment.get(EXAMPLES_VARIABLE) else ()
    return (*given, *own, *SYSTEM_FOLDERS, *examples)


def find_profile(word: str = DEFAULT, folders: tuple[Path, ...] | None = None) -> Path:
    """Return the file `word` means: a path when it contains "/" or ends in .yaml or .yml, else a name.

    Raises TunnelError NO_PROFILE naming the folders searched and names that are close. An example is no profile of the
    user's: it would ask servers that are not there.
    """
    if is_path(word):
        return _existing(Path(word))
    searched = profile_folders() if folders is None else folders
    for folder in searched:
        for ending in ENDINGS:
            if (file := folder / f"{word}{ending}").is_file():
                return file
    examples = () if folders is not None else tuple(sorted(file.stem for file in _files(SHIPPED)))
    if word in examples:
        raise _is_example(word)
    raise _not_found(
        f"no profile {word!r} in {', '.join(map(str, searched))}",
        word,
        known_profiles(searched),
        "write a profile there, or name a file",
        examples,
    )


def known_profiles(folders: tuple[Path, ...] | None = None) -> tuple[str, ...]:
    """Return the names that `find_profile` knows, sorted."""
    searched = profile_folders() if folders is None else folders
    return tuple(sorted({file.stem for folder in searched for file in _files(folder)}))


def _existing(path: Path) -> Path:
    if path.is_file():
        return path
    names = [file.name for file in _files(path.parent)]
    raise _not_found(
        f"no profile at {path}" if not path.exists() else f"{path} is not a file", path.name, names, "check the path"
    )


def _is_example(name: str) -> TunnelError:
    here = f", or did you mean ./{name}.yaml?" if Path(f"{name}.yaml").is_file() else " and edit it"
    own = SYSTEM_FOLDERS[0] / f"{name}.yaml"
    return TunnelError(
        f"{name} is the example shipped with tunnelmgr, and not a profile of yours",
        hint=f"copy {SHIPPED / own.name} to {own}{here}",
        exit_code=ExitCode.NO_PROFILE,
    )


def _files(folder: Path) -> list[Path]:
    try:
        return [file for file in folder.iterdir() if file.suffix in ENDINGS]
    except OSError:
        return []


def _not_found(message: str, word: str, names: Sequence[str], nowhere: str, examples: Sequence[str] = ()) -> TunnelError:
    """Return the error. `nowhere` is the hint when there is no profile at all."""
    marked = {**{name: f"{name} (an example)" for name in examples}, **{name: name for name in names}}
    close = difflib.get_close_matches(word, marked, n=3, cutoff=0.6)
    listed = ", ".join(marked[name] for name in sorted(marked))
    if close:
        hint = f"did you mean {' or '.join(repr(name) + marked[name].removeprefix(name) for name in close)}?"
    elif word == DEFAULT:
        hint = f"name a profile{': ' + listed if listed else ''}"
    else:
        hint = f"there are: {listed}" if listed else nowhere
    return TunnelError(message, hint=hint, exit_code=ExitCode.NO_PROFILE)
