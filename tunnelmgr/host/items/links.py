"""The device itself and its switches, and those of the machine."""

from collections.abc import Hashable
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from tunnelmgr.host.device_name import is_ours
from tunnelmgr.host.items.thing import Fate, Thing


@dataclass(frozen=True, slots=True)
class KernelTunnel(Thing):
    """The device as one of the kernel's own: IPv6 in IPv4 to one far end, device type `sit`. It outlives its maker."""

    device: str
    local: IPv4Address
    remote: IPv4Address
    ttl: int
    """Of the outer header, 1..255. DF is set and ECN marks are copied in any case."""
    tos: int
    """DSCP of the outer header in its upper six bits; the lower two are 0."""

    @property
    def key(self) -> Hashable:
        return KernelTunnel, self.device

    def add_lines(self) -> list[str]:
        return [f"ip link add dev {self.device} {self._text()}"]

    def change_lines(self, before: Any) -> list[str]:
        return [f"ip link set dev {self.device} {self._text()}"]

    def remove_lines(self) -> list[str]:
        return [f"ip link delete dev {self.device}"]

    def _text(self) -> str:
        return f"type sit local {self.local} remote {self.remote} ttl {self.ttl} tos {self.tos:#04x}"


@dataclass(frozen=True, slots=True)
class Sysctl(Thing):
    """A switch of the kernel, named by its path below /proc/sys; below net/ipv6/conf."""

    path: str
    value: str

    @property
    def interface(self) -> str:
        """The interface it is about: "all" and "default" are the kernel's words for each and for new ones."""
        return self.path.split("/")[-2]

    @property
    def fate(self) -> Fate:
        return Fate.LEFT if is_ours(self.interface) else Fate.RESTORED

    @property
    def key(self) -> Hashable:
        return Sysctl, self.path

    @property
    def needed_interface(self) -> str | None:
        return self.interface if is_ours(self.interface) else None

    @property
    def is_of_device(self) -> bool:
        return not self.path.endswith("/mtu")  # which is that of a LAN: the device's own MTU is set by `ip`

    def add_lines(self) -> list[str]:
        # Slashes stay: a device's name may hold dots.
        return [f"sysctl -w {self.path}={self.value}"]


@dataclass(frozen=True, slots=True)
class Mtu(Thing):
    """The MTU of the device, in bytes."""

    device: str
    mtu: int

    @property
    def needed_interface(self) -> str:
        return self.device

    @property
    def fate(self) -> Fate:
        return Fate.LEFT

    @property
    def key(self) -> Hashable:
        return Mtu, self.device

    def add_lines(self) -> list[str]:
        return [f"ip link set dev {self.device} mtu {self.mtu}"]


@dataclass(frozen=True, slots=True)
class LinkUp(Thing):
    """The device is switched on."""

    device: str

    @property
    def needed_interface(self) -> str:
        return self.device

    @property
    def fate(self) -> Fate:
        return Fate.LEFT

    @property
    def key(self) -> Hashable:
        return LinkUp, self.device

    def add_lines(self) -> list[str]:
        return [f"ip link set dev {self.device} up"]

    def remove_lines(self) -> list[str]:
        return [f"ip link set dev {self.device} down"]
