"""Programs that speak for the tunnel: to the LAN, and to those of this host that ask for names."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from tunnelmgr.host.items.thing import Thing
from tunnelmgr.host.resolvers import Resolver, ResolverHelper, handing_over, taking_back


@dataclass(frozen=True, slots=True)
class Advertisement(Thing):
    """A radvd of our own that tells the LAN of a tunnel about routers and prefixes. It dies with this process."""

    device: str
    path: str
    """Of its configuration; absolute."""
    config: str
    """As `advertising.radvd_config` makes it."""

    @property
    def key(self) -> Hashable:
        return Advertisement, self.device

    @property
    def is_of_device(self) -> bool:
        return False

    @property
    def words(self) -> str:
        return f"radvd with {self.path}"

    @property
    def pid_file(self) -> str:
        return f"{self.path}.pid"

    def add_lines(self) -> list[str]:
        written = [f"cat > {self.path} <<'END'", *self.config.splitlines(), "END"]
        return [*written, f"radvd --config {self.path} --pidfile {self.pid_file}"]

    def remove_lines(self) -> list[str]:
        return [f"kill $(cat {self.pid_file})", f"rm {self.path}"]


@dataclass(frozen=True, slots=True)
class Resolvers(Thing):
    """The servers that programs of this host ask for names. No helper tells whose they are: only the journal knows ours."""

    device: str
    helper: ResolverHelper
    servers: tuple[Resolver, ...]

    @property
    def key(self) -> Hashable:
        return Resolvers, self.device

    @property
    def words(self) -> str:
        return f"the resolvers {', '.join(map(str, self.servers))} in {self.helper.value}"

    @property
    def is_of_device(self) -> bool:
        return False

    def can_replace(self, before: Any) -> bool:
        return bool(before.helper is self.helper)

    def add_lines(self) -> list[str]:
        return [command.line() for command in handing_over(self.helper, self.device, self.servers)]

    def remove_lines(self) -> list[str]:
        return [command.line() for command in taking_back(self.helper, self.device)]
