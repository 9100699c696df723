"""May root obey a file? Whoever writes a profile, or reads its secrets, decides where the packets of this host go."""

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

_LINKS_MAX: Final = 40  # as many as the kernel follows (path_resolution(7))
_PROGRAM: Final = Path(__file__).parents[2]
_UNMAPPED: Final = 65534  # what a user namespace shows of owners it does not know (user_namespaces(7))


class Distrust(NamedTuple):
    """Why not."""

    reason: str
    hint: str


def distrust(path: Path, environment: Mapping[str, str] = os.environ) -> Distrust | None:
    """Return why root must not obey a file: others may write it, or replace it or something on the way to it.

    Links are followed one by one: who owns a link, or the folder of its target, decides as well. None when only root may,
    or who is root's equal anyway. Raises OSError when there is no such file.
    """
    trusted = {0, _PROGRAM.stat().st_uid}  # whose program root runs need not trick it
    if (behind := environment.get("SUDO_UID", "")).isdecimal():
        trusted.add(int(behind))  # nor who may become root
    if _in_user_namespace():
        trusted.add(_UNMAPPED)
    for place in _way_to(path):
        status = place.lstat()
        mode = f"(mode {stat.S_IMODE(status.st_mode):04o})"
        if status.st_uid not in trusted:
            reason = f"{place} belongs to user {status.st_uid}, who could replace what root would obey {mode}"
            return Distrust(reason, f"chown root {place}, or keep the file elsewhere")
        if others := _others_who_write(status):
            return Distrust(f"{place} is writable by {others} {mode}, and root would obey it", f"chmod go-w {place}")
    return None


def _way_to(path: Path) -> Iterator[Path]:
    """Yield the folders, links and the file that the kernel passes on its way, from the root on."""
    here, ahead, links = Path("/"), list(path.absolute().parts[1:]), 0
    yield here
    while ahead:
        part = ahead.pop(0)
        if part == "..":
            here = here.parent
            continue
        here /= part
        yield here
        if here.is_symlink() and links < _LINKS_MAX:
            links += 1
            target = here.readlink()
            here = Path("/") if target.is_absolute() else here.parent
            ahead = [*(target.parts[1:] if target.is_absolute() else target.parts), *ahead]


def _others_who_write(status: os.stat_result) -> str:
    if stat.S_ISLNK(status.st_mode):
        return ""  # a link has no mode of its own
    if stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX:
        return ""  # as in /tmp, only its owner can replace a file
    if status.st_mode & stat.S_IWOTH:
        return "everybody"
    # On systems where each user has a group of the same number, that group is the user alone.
    if status.st_mode & stat.S_IWGRP and status.st_gid not in {0, status.st_uid}:
        return f"group {status.st_gid}"
    return ""


def _in_user_namespace() -> bool:
    try:
        return Path("/proc/self/uid_map").read_text().split() != ["0", "0", "4294967295"]
    except OSError:
        return False
