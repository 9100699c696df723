"""Runs programs of this host to their end, or for as long as one may take: none of them shall hold a tunnel for ever."""

import asyncio
import errno
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from typing import BinaryIO, NamedTuple

SEARCH_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
"""Where system programs are looked for: a login shell of a plain user leaves the last two out."""
TIME_LIMIT = 5.0  # seconds; ours: each needs milliseconds, a slow machine or a busy resolved a second


class Ran(NamedTuple):
    """How a program ended."""

    status: int
    output: str
    complaint: str
    """What it wrote to standard error."""


async def run_program(words: Sequence[str], script: str = "", path: str = SEARCH_PATH, limit: float = TIME_LIMIT) -> Ran:
    """Run a program, give it `script` to read, and return how it ended. Raises OSError: ETIME, which names it, or ENOENT."""
    # Files and not pipes: something that a program leaves behind would keep a pipe open.
    with _file(script.encode()) as said, _file() as output, _file() as complaint:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=said,
            stdout=output,
            stderr=complaint,
            env={"PATH": path, "LC_ALL": "C"},
            start_new_session=True,  # a Ctrl-C meant for us must not stop it
        )
        try:
            async with asyncio.timeout(limit):
                await process.wait()
        except TimeoutError:
            raise OSError(errno.ETIME, f"{words[0]} hangs: it was ended after {limit:g} s") from None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # a script's own children, too
                await process.wait()
        return Ran(process.returncode or 0, _text(output), _text(complaint))


def _file(content: bytes = b"") -> BinaryIO:
    file = os.fdopen(os.memfd_create("program"), "w+b")
    file.write(content)
    file.seek(0)
    return file


def _text(file: BinaryIO) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
