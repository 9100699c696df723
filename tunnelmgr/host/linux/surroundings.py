"""The facts of this machine, read quickly."""

import fcntl
import os
import platform
import socket
import struct
from pathlib import Path

from tunnelmgr.host.linux.facts import leases, network
from tunnelmgr.host.linux.nft import without_nft
from tunnelmgr.host.linux.resolver_helper import find_helper
from tunnelmgr.host.surroundings import Surroundings

_SIOCGIFMTU = 0x8921  # linux/sockios.h
_IFREQ = struct.Struct("16si20x")  # struct ifreq: a name, and here an MTU


def surroundings() -> Surroundings:
    """Return all of them as they are."""
    return Surroundings(
        links=links(),
        network=network(),
        leases=leases(),
        without_nft=without_nft(),
        resolver_helper=find_helper(),
        without_kernel_tunnels=lacks_module("sit"),
    )


def links() -> dict[str, int]:
    """Return the MTU of each interface in bytes."""
    found: dict[str, int] = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(any_socket, _SIOCGIFMTU, _IFREQ.pack(os.fsencode(name), 0))
            except OSError:
                continue  # it vanished meanwhile
            found[name] = _IFREQ.unpack(answer)[1]
    return found


def lacks_module(name: str, root: Path = Path("/")) -> str:
    """Return why the kernel has no module `name`, in a few words; nothing when it is loaded, built in or there to be."""
    if (root / "sys/module" / name).exists():
        return ""
    installed = root / "lib/modules" / platform.release()
    for listing in ("modules.dep", "modules.builtin"):
        try:
            words = (installed / listing).read_text().replace(":", " ").split()
        except OSError:
            continue
        if any(Path(word).name.partition(".")[0] == name for word in words):
            return ""
    return f"this kernel has no module {name}"
