"""Teredo as the core sees it."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import ClassVar

from tunnelmgr.api.dissection import Dissector
from tunnelmgr.api.report import NatKind, NetworkReport
from tunnelmgr.api.settings import Settings
from tunnelmgr.api.transport import Fit, Suitability, Transport
from tunnelmgr.api.tunnel import Tunnel
from tunnelmgr_teredo.client import TeredoClient
from tunnelmgr_teredo.dissector import TeredoDissector
from tunnelmgr_teredo.settings import ClientSettings


class Teredo(Transport):
    """IPv6 in UDP, for one host, through nearly every NAT."""

    type_name: ClassVar[str] = "teredo"
    summary: ClassVar[str] = "IPv6 for one host behind any NAT that passes UDP (RFC 4380)"
    roles: ClassVar[Mapping[str, type[Settings]]] = {"client": ClientSettings}

    def __init__(self, role: str, settings: Settings) -> None:
        if not isinstance(settings, ClientSettings):
            raise TypeError(f"role {role} has settings of type {type(settings).__name__}")
        self._settings = settings

    def describe(self) -> str:
        names = self._settings.server
        return f"server {names[0]}" if len(names) == 1 else f"servers {', '.join(names)}"

    def suits(self, report: NetworkReport) -> Suitability:
        if report.udp is False or report.nat is NatKind.BLOCKED:
            return Suitability(Fit.UNSUITABLE, "no UDP reaches the internet from here")
        if report.native_ipv6:
            return Suitability(Fit.UNSUITABLE, "there is native IPv6, which is better")
        if report.nat is NatKind.SYMMETRIC:
            return Suitability(Fit.POSSIBLE, "behind a symmetric NAT native hosts are reached, other Teredo clients are not")
        return Suitability(Fit.GOOD, "UDP passes, and Teredo needs no more")

    def tunnel(self, random: Random) -> Tunnel:
        return TeredoClient(self._settings, random)

    @classmethod
    def dissectors(cls) -> Sequence[Dissector]:
        return (TeredoDissector(),)
