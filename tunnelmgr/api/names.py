"""Servers as users and far ends name them: "stun.example.net", "bücher.example", "192.0.2.5:3479"."""

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address
from typing import Self

_NAME_MAX = 253  # characters; RFC 1035 section 2.3.4 without the length octets
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")  # RFC 1035 section 2.3.1; the underscore is in use
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")  # resolvers read "1.2.3" and "0x7f.1" as addresses: inet_aton(3)


def host_name(text: str) -> str:
    """Return a host name or an IPv4 address in ASCII, as it is looked up. Raises ValueError for what is neither."""
    if literal_address(text):
        return text
    if "/" in text:
        raise ValueError(f"{text!r} is not a host; write its name alone, without what makes it a URL")
    if text.count(":") == 1:
        raise ValueError(f"{text!r} has a port, and the port is fixed here; write {text.partition(':')[0]!r}")
    if ":" in text:
        raise ValueError(f"{text!r} is not reached over IPv4; write a name or an IPv4 address")
    try:
        # The length first: the codec takes quadratic time.
        name = text.encode("idna").decode("ascii") if len(text) <= _NAME_MAX else ""
    except UnicodeError:
        name = ""
    *_, last = labels = name.removesuffix(".").split(".")
    if not all(map(_LABEL.fullmatch, labels)) or len(name) > _NAME_MAX or _NUMBER.fullmatch(last):
        raise ValueError(f"{text!r} is neither a host name nor an IPv4 address")
    return name


@dataclass(frozen=True, slots=True)
class ServerName:
    """A host name or an IPv4 address, with or without a port."""

    host: str
    """In ASCII, as it is looked up."""
    port: int | None = None
    """None stands for the protocol's own port."""

    def __str__(self) -> str:
        return self.host if self.port is None else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `host` or `host:port`. Raises ValueError for what is neither a host name nor an IPv4 address."""
        host, colon, port = text.partition(":")
        if "/" in text or ":" in port or not colon:
            return cls(host_name(text))
        if not (port.isascii() and port.isdecimal() and len(port) <= 5 and 1 <= int(port) <= 65535):
            raise ValueError(f"{text!r}: {port!r} is not a port; write a number from 1 to 65535")
        return cls(host_name(host), int(port))

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
