"""FOU as the core meets it: settings, judgement of a network, and a factory of Tunnels."""

from collections.abc import Mapping
from random import Random
from typing import ClassVar, cast

from tunnelmgr.api.report import NatKind, NetworkReport
from tunnelmgr.api.settings import Settings
from tunnelmgr.api.transport import Fit, Suitability, Transport
from tunnelmgr.api.tunnel import Tunnel
from tunnelmgr_fou.settings import FouSettings
from tunnelmgr_fou.tunnel import FouTunnel


class Fou(Transport):
    """Both ends are alike, so there is one role."""

    type_name: ClassVar[str] = "fou"
    summary: ClassVar[str] = "IPv6 in plain UDP to one fixed peer"
    roles: ClassVar[Mapping[str, type[Settings]]] = {"peer": FouSettings}

    def __init__(self, role: str, settings: Settings) -> None:
        self._settings = cast("FouSettings", settings)  # the core validated them with roles[role]

    def describe(self) -> str:
        return f"peer {self._settings.peer}:{self._settings.port}"

    def suits(self, report: NetworkReport) -> Suitability:
        if report.udp is False or report.nat is NatKind.BLOCKED:
            return Suitability(Fit.UNSUITABLE, "no UDP leaves this network")
        if report.nat is NatKind.NONE:
            return Suitability(Fit.GOOD, "the peer can reach this host's own address")
        return Suitability(Fit.POSSIBLE, "behind a NAT the peer must be told the outside address and port")

    def tunnel(self, random: Random) -> Tunnel:
        return FouTunnel(self._settings)
