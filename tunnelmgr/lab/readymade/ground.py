"""Where labs are built: by root on the machine itself, by anyone else in a user namespace held by a keeper.

There a command does not build or look itself: it starts over inside, where it is root.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import NoReturn

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.lab.namespaces import keeping, naming
from tunnelmgr.lab.readymade import lab as readymade

_RUNTIME_VARIABLE = "TUNNELMGR_RUNTIME_DIR"
_LABS = "labs"

Work = Callable[[Path], None]
"""What a command does with a lab, given its folder."""


class Ground:
    """The place of one lab, which may be there or not. All methods raise TunnelError."""

    def __init__(self, lab: str, of_root: Path, command: Sequence[str]) -> None:
        """`of_root` is the folder where root keeps what need not outlive the machine; `command` starts this one over."""
        naming.check_lab_name(lab)
        self._lab = lab
        self._command = command
        self._is_root = keeping.may_build(Path("/proc/self/status").read_text())
        self._folder_of_root = of_root / _LABS / lab
        self._folder = self._own_folder(of_root) / _LABS / lab

    def build(self, work: Work, *, stays: bool = True) -> int:
        """Let `work` build the lab, here or inside; return the exit code. One that does not stay ends with `work`."""
        _end_as_ctrl_c_does()
        if self._is_root:
            work(self._folder)
            return ExitCode.DONE
        with ExitStack() as stack:
            code = self._inside(stack)
            if stays and code == ExitCode.DONE:
                stack.pop_all()
            return code

    def join(self, work: Work) -> None:
        """Let `work` use the lab, or replace this process by one that does so inside."""
        if self._is_root:
            work(self._folder)
            return
        keeper = keeping.Keeper.find(self._folder)
        if keeper is None:
            raise self._no_lab()
        self._set_runtime_dir()
        words = keeper.command(self._command)
        os.execvp(words[0], words)  # noqa: S606 - no shell is the point

    def remove(self) -> bool:
        """Remove the lab. Return True if there was anything of it."""
        if self._is_root:
            return readymade.remove(self._lab, self._folder)
        found = self._folder.exists()
        if keeper := keeping.Keeper.find(self._folder):
            keeper.end()
        shutil.rmtree(self._folder, ignore_errors=True)
        if not found and self._folder_of_root.exists():
            raise self._no_lab()
        return found

    def _own_folder(self, of_root: Path) -> Path:
        if given := os.environ.get(_RUNTIME_VARIABLE):
            return Path(given)
        return of_root if self._is_root else own_dir(os.environ.get("XDG_RUNTIME_DIR"), os.geteuid())

    def _inside(self, stack: ExitStack) -> int:
        """Start this command over in a new user namespace, which ends with `stack`; return the exit code."""
        if keeping.Keeper.find(self._folder):
            hint = f"remove it: tunnelmgr lab down --lab {self._lab}, or choose another name"
            raise TunnelError(f"lab {self._lab} exists", hint=hint)
        shutil.rmtree(self._folder, ignore_errors=True)  # of one whose keeper is gone nothing else is left
        stack.callback(shutil.rmtree, self._folder, ignore_errors=True)
        keeper = keeping.start(self._folder)
        stack.callback(keeper.end)
        self._set_runtime_dir()
        return subprocess.call(keeper.command(self._command))

    def _set_runtime_dir(self) -> None:
        # Inside, this user is root, and would look where root does.
        os.environ[_RUNTIME_VARIABLE] = str(self._folder.parent.parent)

    def _no_lab(self) -> TunnelError:
        of_root = self._folder_of_root.exists()
        return TunnelError(
            f"there is no lab {self._lab}" + (" of yours, but root has one" if of_root else ""),
            hint="use sudo" if of_root else "build it: tunnelmgr lab up",
            exit_code=ExitCode.NOT_UP,
        )


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


def _end_as_ctrl_c_does() -> None:
    """Undo what is half done when the terminal is closed, or somebody sends SIGTERM."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)


def _interrupt(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
