"""Teredo as the core sees it."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import ClassVar

from tunnelmgr.api.dissection import Dissector
from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.api.reach import ReachProbe
from tunnelmgr.api.report import NetworkReport
from tunnelmgr.api.settings import Settings
from tunnelmgr.api.transport import Suitability, Transport
from tunnelmgr.api.tunnel import Tunnel
from tunnelmgr_teredo.client.settings import ClientSettings
from tunnelmgr_teredo.relay.settings import RelayServiceSettings
from tunnelmgr_teredo.roles import role_of
from tunnelmgr_teredo.server.settings import ServerSettings


class Teredo(Transport):
    """IPv6 in UDP, for one host, through nearly every NAT."""

    type_name: ClassVar[str] = "teredo"
    summary: ClassVar[str] = "IPv6 for one host behind any NAT that passes UDP (RFC 4380)"
    roles: ClassVar[Mapping[str, type[Settings]]] = {
        "client": ClientSettings,
        "server": ServerSettings,
        "relay": RelayServiceSettings,
    }

    def __init__(self, role: str, settings: Settings) -> None:
        self._role = role_of(settings)

    def describe(self) -> str:
        return self._role.describe()

    def suits(self, report: NetworkReport) -> Suitability:
        return self._role.suits(report)

    def expected(self) -> HostConfig | None:
        return self._role.expected()

    def tunnel(self, random: Random) -> Tunnel:
        return self._role.tunnel(random)

    def mtu_max(self) -> int:
        return self._role.mtu_max()

    def may_delegate(self) -> bool:
        return False

    def probes(self, random: Random) -> Sequence[ReachProbe]:
        return self._role.probes(random)

    @classmethod
    def dissectors(cls) -> Sequence[Dissector]:
        from tunnelmgr_teredo.dissection.dissector import TeredoDissector  # only for those who look at packets

        return (TeredoDissector(),)
