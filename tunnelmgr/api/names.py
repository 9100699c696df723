"""Servers as users and far ends name them: "stun.example.net", "192.0.2.5:3479"."""

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address
from typing import Self

_HOST = re.compile(r"\w[\w.-]{0,252}")  # 253 characters at most: RFC 1035 section 2.3.4; letters of any script


@dataclass(frozen=True, slots=True)
class ServerName:
    """A host name or an IPv4 address, with or without a port."""

    host: str
    port: int | None = None
    """None stands for the protocol's own port."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a name. Raises ValueError for what is neither a host name nor an IPv4 address."""
        host, colon, port = text.strip().partition(":")
        if not _HOST.fullmatch(host):
            raise ValueError(f"{text!r} is not a server; write a name or IPv4 address, and `:port` where it has its own")
        if colon and not (port.isascii() and port.isdecimal() and 1 <= int(port) <= 65535):
            raise ValueError(f"{text!r}: {port!r} is not a port; write a number from 1 to 65535")
        return cls(host, int(port) if colon else None)

    @property
    def address(self) -> IPv4Address | None:
        """The address, where the host is written as one."""
        return literal_address(self.host)


def literal_address(host: str) -> IPv4Address | None:
    """Return the IPv4 address that a host is written as, None for a name."""
    try:
        return IPv4Address(host)
    except AddressValueError:
        return None
