"""radvd, Debian's router advertisement daemon, where tunnelmgr shall find it: it starts one of its own."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.peers import debian


def environment() -> dict[str, str]:
    """What the environment of tunnelmgr must have. Raises debian.Unavailable."""
    programs = debian.unpacked("radvd")
    return {"PATH": f"{programs}/usr/sbin:{os.environ.get('PATH', os.defpath)}"}


@contextmanager
def hidden() -> Iterator[None]:
    """Let this machine's own radvd be no program for the time of a with block; others find one by `environment`."""
    own = shutil.which("radvd", path="/usr/sbin:/sbin:/usr/bin")
    if own:
        subprocess.run(["mount", "--bind", "/dev/null", own], check=True)
    try:
        yield
    finally:
        if own:
            subprocess.run(["umount", own], check=True)
