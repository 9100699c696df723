"""Shuts a tunnel at once, without nftables: nothing comes in through a device that is off."""

import contextlib
import fcntl
import os
import socket
import struct

_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914  # linux/sockios.h
_IFREQ = struct.Struct("16sH22x")  # struct ifreq: a name, and here flags
_IFF_UP = 1  # linux/if.h


def switch_off(device: str) -> None:
    """Switch a device off. Its IPv6 addresses and routes go with that. Fine without the device."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket, contextlib.suppress(OSError):
        answer = fcntl.ioctl(any_socket, _SIOCGIFFLAGS, _IFREQ.pack(os.fsencode(device), 0))
        flags = _IFREQ.unpack(answer)[1]
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, _IFREQ.pack(os.fsencode(device), flags & ~_IFF_UP))
