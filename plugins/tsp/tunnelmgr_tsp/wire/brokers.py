"""Names of brokers as users and referrals write them."""

from ipaddress import IPv4Address
from typing import NamedTuple, Self

from tunnelmgr_tsp.constants import HOST_NAME_MAX, PORT


class Broker(NamedTuple):
    """Host name or IPv4 address, and port."""

    host: str
    port: int = PORT

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `host` or `host:port`. Raises ValueError."""
        host, colon, port = text.strip().rpartition(":")
        if not colon:
            host, port = port, str(PORT)
        if ":" in host or host.startswith("["):
            raise ValueError(f"{text!r}: a broker is asked over IPv4; write a name or an IPv4 address")
        if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise ValueError(f"{text!r}: {port!r} is not a port; write a number from 1 to 65535")
        if not 0 < len(host) <= HOST_NAME_MAX or not all(letter.isalnum() or letter in "-._" for letter in host):
            raise ValueError(f"{text!r} is not a host name")
        return cls(host, int(port))

    @property
    def address(self) -> IPv4Address | None:
        """The address, where the host is one."""
        try:
            return IPv4Address(self.host)
        except ValueError:
            return None

    def __str__(self) -> str:
        return self.host if self.port == PORT else f"{self.host}:{self.port}"


def may_be_asked(address: IPv4Address) -> bool:
    """True if we may be sent to this address: it is one other host (TSP-18)."""
    return not (address.is_loopback or address.is_multicast or address.is_unspecified or address.packed[:1] >= b"\xf0")
