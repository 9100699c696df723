"""Configured tunnels as the core sees them."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import ClassVar, cast

from tunnelmgr.api.reach import ReachProbe
from tunnelmgr.api.report import NetworkReport
from tunnelmgr.api.settings import Settings
from tunnelmgr.api.transport import Suitability, Transport
from tunnelmgr.api.tunnel import Tunnel
from tunnelmgr_sixinfour.reachability import probes
from tunnelmgr_sixinfour.settings import SixInFourSettings
from tunnelmgr_sixinfour.suitability import judge
from tunnelmgr_sixinfour.tunnel import SixInFourTunnel


class SixInFour(Transport):
    """Protocol 41 between two ends that know each other."""

    type_name: ClassVar[str] = "6in4"
    summary: ClassVar[str] = "IPv6 in IPv4 (protocol 41) to a configured far end (RFC 4213)"
    roles: ClassVar[Mapping[str, type[Settings]]] = {"peer": SixInFourSettings}

    def __init__(self, role: str, settings: Settings) -> None:
        self._settings = cast("SixInFourSettings", settings)  # the core validated them with roles[role]

    def describe(self) -> str:
        return f"remote {self._settings.remote}"

    def suits(self, report: NetworkReport) -> Suitability:
        return judge(report, self._settings.local)

    def tunnel(self, random: Random) -> Tunnel:
        return SixInFourTunnel(self._settings, random)

    def probes(self, random: Random) -> Sequence[ReachProbe]:
        return probes(self._settings, random)
