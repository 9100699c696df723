"""radvd, Debian's router advertisement daemon, where tunnelmgr shall find it: it starts one of its own."""

import os

from tests.peers import debian


def environment() -> dict[str, str]:
    """What the environment of tunnelmgr must have. Raises debian.Unavailable."""
    programs = debian.unpacked("radvd")
    return {"PATH": f"{programs}/usr/sbin:{os.environ.get('PATH', os.defpath)}"}
