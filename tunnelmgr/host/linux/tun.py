"""Opens tunnel devices: Linux's /dev/net/tun (Documentation/networking/tuntap.rst).

python-pytun opens the device where it can be imported; where it has no wheel and no compiler to build it, the same two
calls are made here. Reading and writing goes by the descriptor either way.
"""

import errno
import fcntl
import os
import socket
import struct
from pathlib import Path
from typing import Any

from tunnelmgr.api.errors import ExitCode, TunnelError

CLONE_DEVICE = "/dev/net/tun"

# linux/if_tun.h
TUNSETIFF = 0x400454CA
IFF_TUN = 0x0001
IFF_NO_PI = 0x1000
IFF_TUN_EXCL = 0x8000  # never attach to a persistent device somebody else made: ours must vanish with its descriptor


class LinuxTun:
    """An open tunnel device. Closing the descriptor removes it."""

    def __init__(self, name: str, fd: int, owner: Any = None) -> None:
        """`fd` is owned by this object from here on, together with `owner`, which closes it when that is not None."""
        self._fd = fd
        self._owner = owner
        self.name = name
        os.set_blocking(fd, False)
        os.set_inheritable(fd, False)
        self.index = socket.if_nametoindex(name)

    @property
    def fd(self) -> int:
        return self._fd

    def close(self) -> None:
        if self._fd < 0:
            return
        if self._owner is None:
            os.close(self._fd)
        else:
            self._owner.close()
        self._fd = -1


def open_tun(device: str, clone_device: str = CLONE_DEVICE) -> LinuxTun:
    """Create the tunnel device, still down and without addresses. Raises TunnelError saying what to do."""
    try:
        return _open(device, clone_device)
    except OSError as error:
        raise explain(device, clone_device, error) from error


def _open(device: str, clone_device: str) -> LinuxTun:
    try:
        import pytun
    except ImportError:
        return open_by_ioctl(device, clone_device)
    opened = pytun.TunTapDevice(name=device, flags=IFF_TUN | IFF_NO_PI | IFF_TUN_EXCL, dev=clone_device)
    return LinuxTun(device, opened.fileno(), opened)


def open_by_ioctl(device: str, clone_device: str) -> LinuxTun:
    fd = os.open(clone_device, os.O_RDWR | os.O_CLOEXEC)
    try:
        # struct ifreq: 16 bytes of name, a 24-byte union of which the flags are the first two.
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TUN | IFF_NO_PI | IFF_TUN_EXCL))
        return LinuxTun(device, fd)
    except OSError:
        os.close(fd)
        raise


def explain(device: str, clone_device: str, error: OSError) -> TunnelError:
    """Return what to tell the user of a failure to open or configure the device."""
    code = ExitCode.FAILED
    match error.errno:
        case errno.ENOENT | errno.ENODEV | errno.ENXIO:
            message = f"{clone_device} is missing: no tunnel device can be made"
            hint = "modprobe tun; in a container start it with --device /dev/net/tun --cap-add NET_ADMIN"
        case errno.EPERM | errno.EACCES:
            message = f"{device}: not permitted to make a tunnel device ({clone_device}: {error.strerror})"
            hint = "run as root; in a container start it with --device /dev/net/tun --cap-add NET_ADMIN"
            code = ExitCode.NO_PERMISSION
        case errno.EBUSY | errno.EINVAL if _exists(device):
            message = f"{device}: an interface of this name exists already{_holder(device)}"
            hint = f"ip link show {device} tells what it is; choose another name, or take it away"
        case _:
            message = f"{device}: cannot make a tunnel device ({clone_device}: {error.strerror})"
            hint = "the kernel's log (dmesg) may say more"
    return TunnelError(message, hint=hint, exit_code=code)


def _exists(device: str) -> bool:
    return any(name == device for _, name in socket.if_nameindex())


def _holder(device: str) -> str:
    """Return who holds a TUN device, as the kernel tells in the line `iff:` of its descriptors (5.x and later)."""
    for info in Path("/proc").glob("[0-9]*/fdinfo/*"):
        try:
            pid = info.parts[2]
            here = Path("/proc", pid, "ns/net").samefile("/proc/thread-self/ns/net")
            if here and f"iff:\t{device}\n" in info.read_text():
                return f", held by process {pid} ({os.fsdecode(Path('/proc', pid, 'comm').read_bytes()).strip()})"
        except OSError:
            continue  # a process that ended meanwhile
    return ""
