"""Where labs are built: by root on the machine itself, by anyone else in a user namespace held by a keeper.

There a command does not build or look itself: it starts over inside, where it is root.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.core.runtime import RUNTIME_DIR
from tunnelmgr.lab.namespaces import keeping, naming
from tunnelmgr.lab.readymade import lab as readymade

_RUNTIME_VARIABLE = "TUNNELMGR_RUNTIME_DIR"
_LABS = "labs"

Work = Callable[[Path], None]
"""What a command does with a lab, given its folder."""


def build_to_stay(lab: str, work: Work) -> int:
    """Let `work` build a lab, here or inside; return the exit code. Raises TunnelError."""
    folder = _folder(lab)
    _end_as_ctrl_c_does()
    if _is_root():
        work(folder)
        return ExitCode.DONE
    keeper = _new_keeper(lab, folder)
    code: int = ExitCode.FAILED
    try:
        code = _inside(keeper, folder)
    finally:
        if code:
            _end(keeper, folder)
    return code


def build_for_now(lab: str, work: Work) -> int:
    """Let `work` build a lab that ends with it, here or inside; return the exit code. Raises TunnelError."""
    folder = _folder(lab)
    _end_as_ctrl_c_does()
    if _is_root():
        work(folder)
        return ExitCode.DONE
    keeper = _new_keeper(lab, folder)
    try:
        return _inside(keeper, folder)
    finally:
        _end(keeper, folder)


def join(lab: str, work: Work) -> None:
    """Let `work` use a lab that stands, or replace this process by one that does so inside. Raises TunnelError."""
    folder = _folder(lab)
    if _is_root():
        work(folder)
        return
    keeper = keeping.Keeper.find(folder)
    if keeper is None:
        raise _no_lab(lab)
    _set_runtime_dir(folder)
    words = keeper.command(_own_words())
    os.execvp(words[0], words)  # noqa: S606 - no shell is the point


def remove(lab: str) -> bool:
    """Remove a lab and say whether there was anything of it. Raises TunnelError."""
    folder = _folder(lab)
    if _is_root():
        return readymade.remove(lab, folder)
    found = folder.exists()
    if keeper := keeping.Keeper.find(folder):
        keeper.end()
    shutil.rmtree(folder, ignore_errors=True)
    if not found and _is_of_root(lab):
        raise _no_lab(lab)
    return found


def _is_root() -> bool:
    return keeping.may_build(Path("/proc/self/status").read_text())


def _folder(lab: str) -> Path:
    naming.check_lab_name(lab)
    given = os.environ.get(_RUNTIME_VARIABLE)
    if given:
        return Path(given) / _LABS / lab
    base = RUNTIME_DIR if _is_root() else own_dir(os.environ.get("XDG_RUNTIME_DIR"), os.geteuid())
    return base / _LABS / lab


def own_dir(given: str | None, user: int, temporary: Path = Path("/tmp")) -> Path:  # noqa: S108 - it is checked
    """Return the folder of a user for what need not outlive the machine: in `given`, XDG_RUNTIME_DIR, if that can be used.

    Raises TunnelError when a stranger holds its name.
    """
    if given and os.access(given, os.W_OK):
        return Path(given) / "tunnelmgr"
    folder = temporary / f"tunnelmgr-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != user:
        raise TunnelError(f"{folder} belongs to another user", hint=f"set {_RUNTIME_VARIABLE} to a folder of yours")
    return folder


def _new_keeper(lab: str, folder: Path) -> keeping.Keeper:
    if keeping.Keeper.find(folder):
        raise TunnelError(f"lab {lab} exists", hint=f"remove it: tunnelmgr lab down --lab {lab}, or choose another name")
    shutil.rmtree(folder, ignore_errors=True)  # of one whose keeper is gone nothing else is left
    try:
        return keeping.start(folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _inside(keeper: keeping.Keeper, folder: Path) -> int:
    _set_runtime_dir(folder)
    return subprocess.call(keeper.command(_own_words()))


def _end(keeper: keeping.Keeper, folder: Path) -> None:
    keeper.end()
    shutil.rmtree(folder, ignore_errors=True)


def _set_runtime_dir(folder: Path) -> None:
    # Inside, this user is root, and would look where root does.
    os.environ[_RUNTIME_VARIABLE] = str(folder.parent.parent)


def _own_words() -> list[str]:
    return [sys.executable, "-m", "tunnelmgr.cli", *sys.argv[1:]]


def _no_lab(lab: str) -> TunnelError:
    of_root = _is_of_root(lab)
    return TunnelError(
        f"there is no lab {lab}" + (" of yours, but root has one" if of_root else ""),
        hint="use sudo" if of_root else "build it: tunnelmgr lab up",
        exit_code=ExitCode.NOT_UP,
    )


def _is_of_root(lab: str) -> bool:
    return (RUNTIME_DIR / _LABS / lab).exists()


def _end_as_ctrl_c_does() -> None:
    """Undo what is half done when the terminal is closed, or somebody sends SIGTERM."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)


def _interrupt(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
