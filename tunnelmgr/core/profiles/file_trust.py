"""Whether a file can be believed by root: whoever may write a profile decides where this host's packets go."""

import os
import stat
from pathlib import Path


def untrusted(path: Path) -> str:
    """Return who else may write a file or replace it in its directory, in one sentence with the remedy; else nothing."""
    for place, status in ((path, path.stat()), (path.parent, path.parent.stat())):
        if who := _writers(status):
            return f"{place} is writable by {who} (mode {stat.S_IMODE(status.st_mode):04o}), and root would obey it"
    return ""


def _writers(status: os.stat_result) -> str:
    if stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX:
        return ""  # as /tmp: nobody can replace the file of another
    if status.st_mode & stat.S_IWOTH:
        return "everybody"
    # Where every user has a group of the same number, its write permission gives nothing to anybody else.
    if status.st_mode & stat.S_IWGRP and status.st_gid not in {0, status.st_uid}:
        return f"group {status.st_gid}"
    return ""
