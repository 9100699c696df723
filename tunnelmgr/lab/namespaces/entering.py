"""Moving a thread into a network namespace and back (setns(2))."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

from tunnelmgr.lab.namespaces.naming import NAMESPACES

_CLONE_NEWNET = 0x40000000  # linux/sched.h


@contextmanager
def entered(namespace: str) -> Iterator[None]:
    """Put the calling thread into `namespace` for the time of a with block.

    A socket stays in the namespace it was made in, so it may be used, and must be closed, by whoever made it, after
    the block too. Only this thread moves; threads it starts within the block stay there. Names are still resolved
    by the machine's files. Raises OSError when the namespace does not exist or may not be entered.
    """
    # thread-self: /proc/self would be the main thread's namespace, whatever thread asks.
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = os.open(NAMESPACES / namespace, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(there)
        finally:
            os.close(there)
        try:
            yield
        finally:
            _setns(before)
    finally:
        os.close(before)


def _setns(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET):
        errno = ctypes.get_errno()
        raise OSError(errno, f"setns: {os.strerror(errno)}")
