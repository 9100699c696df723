"""Names of brokers as users and referrals write them."""

from ipaddress import IPv4Address
from typing import NamedTuple, Self

from tunnelmgr.api.names import ServerName, literal_address
from tunnelmgr_tsp.constants import PORT


class Broker(NamedTuple):
    """Host name or IPv4 address, and port."""

    host: str
    port: int = PORT

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `host` or `host:port`. Raises ValueError."""
        name = ServerName.parse(text)
        return cls(name.host, name.port or PORT)

    @property
    def address(self) -> IPv4Address | None:
        """The address, where the host is one."""
        return literal_address(self.host)

    def __str__(self) -> str:
        return self.host if self.port == PORT else f"{self.host}:{self.port}"
