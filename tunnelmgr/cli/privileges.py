"""Who may change this host, and how to become that: through sudo, as wg-quick does, when somebody sits at a terminal."""

import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.core.profiles.paths import CONFIG_VARIABLE, SHIPPED, SYSTEM_FOLDERS, profile_folders

_CAP_NET_ADMIN = 12  # linux/capability.h


def require_net_admin(purpose: str) -> None:
    """Return when this process may configure networks; else start over through sudo, or raise TunnelError NO_PERMISSION.

    `purpose` completes "needs root to ...". What such a process makes, every user may read and only its owner write, unless
    a mode says less.
    """
    if may_configure(Path("/proc/self/status").read_text()):
        os.umask(0o022)  # a strict one of root's would hide the tunnels from users, and a lax one open what is ours
        return
    if os.geteuid() == 0:
        raise TunnelError(
            f"root lacks the capability NET_ADMIN here, so it cannot {purpose}",
            hint="in a container, start it with --cap-add=NET_ADMIN --device=/dev/net/tun",
            exit_code=ExitCode.NO_PERMISSION,
        )
    become_root(purpose)


def become_root(purpose: str) -> None:
    """Replace this process by the same command line under sudo; raise TunnelError NO_PERMISSION without a terminal."""
    line = sudo_line(_own_words(), os.environ, [folder for folder in profile_folders() if os.path.isdir(folder)])
    if not sys.stdin.isatty() or not shutil.which("sudo"):
        raise TunnelError(f"needs root to {purpose}", hint=f"run: {shlex.join(line)}", exit_code=ExitCode.NO_PERMISSION)
    sys.stdout.flush()
    os.execvp(line[0], line)  # noqa: S606 - no shell is the point


def may_configure(status: str) -> bool:
    """Return True if a process with this text in /proc/<pid>/status holds CAP_NET_ADMIN."""
    for line in status.splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> _CAP_NET_ADMIN & 1)
    return False


def sudo_line(words: Sequence[str], environment: Mapping[str, str], folders: Sequence[Path]) -> list[str]:
    """Return the command line that runs `words` as root, with our variables and this user's folders of profiles."""
    kept = {name: value for name, value in environment.items() if name.startswith("TUNNELMGR_")}
    own = [str(folder) for folder in folders if folder not in (*SYSTEM_FOLDERS, SHIPPED)]
    if own:
        kept[CONFIG_VARIABLE] = os.pathsep.join(own)
    return ["sudo", *(f"{name}={value}" for name, value in sorted(kept.items())), *words]


def _own_words() -> list[str]:
    program = Path(sys.argv[0])
    if program.name == "__main__.py":
        return [sys.executable, "-m", "tunnelmgr.cli", *sys.argv[1:]]
    return [shutil.which(sys.argv[0]) or str(program.absolute()), *sys.argv[1:]]
