"""Tells systemd how the service stands: sd_notify(3), one datagram a message, without its library."""

import os
import socket
from collections.abc import MutableMapping
from typing import Self


class Readiness:
    """The line to the service manager; silent where there is none."""

    def __init__(self, address: str | None) -> None:
        """Tell the socket at `address`; "@" begins the name of an abstract one."""
        self._address = "\0" + address[1:] if address and address.startswith("@") else address
        self._ready = False

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str] = os.environ) -> Self:
        """Read NOTIFY_SOCKET, and remove it: programs that we run must not speak for us."""
        return cls(environment.pop("NOTIFY_SOCKET", None))

    def ready(self) -> None:
        """Say once that packets flow."""
        if not self._ready:
            self._ready = True
            self._tell("READY=1")

    def status(self, text: str) -> None:
        """Say in one line how it stands: what `systemctl status` shows."""
        self._tell(f"STATUS={text}")

    def stopping(self) -> None:
        """Say that everything is being taken back."""
        self._tell("STOPPING=1")

    def _tell(self, message: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
            line.settimeout(1.0)
            try:
                line.sendto(message.encode(), self._address)
            except OSError:
                self._address = None  # the manager does not listen: that is not our user's trouble
