"""How a host asks whether its router speaks UPnP: one search, as far as knowing that it does.

UPnP Device Architecture 1.1 section 1.3, a search sent to one device; InternetGatewayDevice:1 for what is searched.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Self

from tunnelmgr.api.errors import WireError

SSDP_PORT = 1900  # UDP; section 1.2
_TARGET = "urn:schemas-upnp-org:device:InternetGatewayDevice:"
_STATUS = re.compile(rb"HTTP/1\.[01] 200 ", re.IGNORECASE)
_SEARCHED = re.compile(rb"^ST:[ \t]*" + _TARGET.encode() + rb"(\d{1,3})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class GatewaySearch:
    """Asks a device whether it is an internet gateway."""

    device: IPv4Address

    def serialize(self) -> bytes:
        lines = [
            "M-SEARCH * HTTP/1.1",
            f"HOST: {self.device}:{SSDP_PORT}",
            'MAN: "ssdp:discover"',
            "MX: 1",  # without need in a search of one device, and missed by some
            f"ST: {_TARGET}1",
        ]
        return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()


@dataclass(frozen=True, slots=True)
class GatewayFound:
    """The device is one."""

    version: int
    """Of InternetGatewayDevice."""

    @classmethod
    def parse(cls, data: bytes) -> Self:
        found = _SEARCHED.search(data)
        if not _STATUS.match(data) or found is None:
            raise WireError(f"not an internet gateway's answer: {data[:16]!r}")
        return cls(int(found[1]))
