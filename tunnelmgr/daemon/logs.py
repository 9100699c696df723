"""Where a profile's process writes what happens: the system journal where there is one, else a file of limited size.

In the foreground it is standard error, which systemd carries to the journal itself.
"""

import contextlib
import logging
import logging.handlers
import os
import socket
import struct
import sys
from pathlib import Path

from tunnelmgr.daemon.constants import LOG_BYTES_MAX

JOURNAL_SOCKET = Path("/run/systemd/journal/socket")

_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}  # syslog(3)


class JournalHandler(logging.Handler):
    """Writes to journald in its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL)."""

    def __init__(self, name: str, path: Path = JOURNAL_SOCKET) -> None:
        """Write to the socket at `path` for the profile `name`."""
        super().__init__()
        self._profile = name
        self._path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record. A journal that is being restarted loses it: nothing better can be done."""
        fields = {
            "MESSAGE": self.format(record),
            "PRIORITY": str(_PRIORITIES.get(record.levelno, 6)),
            "SYSLOG_IDENTIFIER": "tunnelmgr",
            "TUNNELMGR_PROFILE": self._profile,
        }
        with contextlib.suppress(OSError):
            self._socket.sendto(b"".join(journal_field(name, value) for name, value in fields.items()), self._path)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
        super().close()


def journal_field(name: str, value: str) -> bytes:
    """Return one field of the journal's native protocol: text with line ends carries its length."""
    data = value.encode(errors="replace")
    if b"\n" not in data:
        return name.encode() + b"=" + data + b"\n"
    return name.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n"


def log_detached(name: str, file: Path, journal: Path = JOURNAL_SOCKET) -> str:
    """Send the log of a detached process to the journal or to `file`; return where a user finds it."""
    if journal.exists():
        _use(JournalHandler(name, journal))
        return f"journalctl TUNNELMGR_PROFILE={name}"
    handler = logging.handlers.RotatingFileHandler(file, maxBytes=LOG_BYTES_MAX, backupCount=1)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    _use(handler)
    return str(file)


def log_to_stderr() -> str:
    """Send the log to standard error; return where a user finds it."""
    to_journal = is_journal(os.environ.get("JOURNAL_STREAM", ""), os.fstat(2))
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PrefixedFormatter() if to_journal else logging.Formatter("%(message)s"))
    _use(handler)
    return f"journalctl _PID={os.getpid()}" if to_journal else "standard error"


def is_journal(stream: str, file: os.stat_result) -> bool:
    """True if systemd carries this file to the journal; `stream` is its JOURNAL_STREAM (systemd.exec(5)).

    The variable alone proves nothing: terminals of a desktop inherit it.
    """
    return stream == f"{file.st_dev}:{file.st_ino}"


class PrefixedFormatter(logging.Formatter):
    """Puts the priority before every line, where systemd reads it (sd-daemon(3))."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's lines."""
        prefix = f"<{_PRIORITIES.get(record.levelno, 6)}>"
        return "\n".join(prefix + line for line in super().format(record).splitlines())


def _use(handler: logging.Handler) -> None:
    # The root logger: plugins and asyncio log under names of their own.
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.getLogger("pyroute2").setLevel(logging.WARNING)
