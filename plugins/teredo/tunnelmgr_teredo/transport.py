"""Teredo as the core sees it: which roles there are, and the Tunnel each one makes."""

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
        if not isinstance(settings, ClientSettings | ServerSettings | RelayServiceSettings):
            raise TypeError(f"Teredo has no role with settings of type {type(settings).__name__}")
        self._settings = settings

    def describe(self) -> str:
        return self._settings.describe()

    def suits(self, report: NetworkReport) -> Suitability:
        return self._settings.suits(report)

    def expected(self) -> HostConfig | None:
        return None if isinstance(self._settings, ClientSettings) else self._settings.host_config

    def tunnel(self, random: Random) -> Tunnel:
        # Imported here: a client does not wait for the modules of a server and a relay.
        match self._settings:
            case ClientSettings() as client:
                from tunnelmgr_teredo.client.client import TeredoClient

                return TeredoClient(client, random)
            case ServerSettings() as server:
                from tunnelmgr_teredo.server.server import TeredoServer

                return TeredoServer(server, random)
            case RelayServiceSettings() as relay:
                from tunnelmgr_teredo.relay.relay import TeredoRelay

                return TeredoRelay(relay, random)

    def mtu_max(self) -> int:
        return self._settings.mtu if isinstance(self._settings, ClientSettings) else self._settings.host_config.mtu

    def may_delegate(self) -> bool:
        return False

    def probes(self, random: Random) -> Sequence[ReachProbe]:
        if not isinstance(self._settings, ClientSettings):
            return ()
        from tunnelmgr_teredo.client.reachability import probes

        return tuple(probes(self._settings, random))

    @classmethod
    def dissectors(cls) -> Sequence[Dissector]:
        from tunnelmgr_teredo.dissection.dissector import TeredoDissector  # only for those who look at packets

        return (TeredoDissector(),)
