"""TSP as the core sees it."""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import ClassVar, Self

from tunnelmgr.api.dissection import Dissector
from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.api.reach import ReachProbe
from tunnelmgr.api.report import NatKind, NetworkReport
from tunnelmgr.api.settings import Settings
from tunnelmgr.api.transport import Fit, Service, Suitability, Transport
from tunnelmgr.api.tunnel import Tunnel
from tunnelmgr_tsp.broker.settings import TspBrokerSettings
from tunnelmgr_tsp.client.reachability import probes
from tunnelmgr_tsp.client.settings import Signalling, TspClientSettings, TunnelWish
from tunnelmgr_tsp.constants import MTU_PROTOCOL41, MTU_UDP


class Tsp(Transport):
    """IPv6 by agreement with a broker: a stable address, and a prefix for those with an account."""

    type_name: ClassVar[str] = "tsp"
    summary: ClassVar[str] = "IPv6 and a prefix from a tunnel broker, behind any NAT (RFC 5572)"
    roles: ClassVar[Mapping[str, type[Settings]]] = {"client": TspClientSettings, "broker": TspBrokerSettings}

    def __init__(self, role: str, settings: Settings) -> None:
        self._settings = settings

    def describe(self) -> str:
        match self._settings:
            case TspClientSettings(broker=brokers, user=user):
                return f"broker {', '.join(brokers)}, {'anonymous' if user is None else f'user {user}'}"
            case TspBrokerSettings(address=address, prefix=prefix):
                return f"broker on {address} for {prefix}"
        raise TypeError(self._settings)

    def suits(self, report: NetworkReport) -> Suitability:
        match self._settings:
            case TspClientSettings() as settings:
                return _suits_client(settings, report)
        held = {one.address.ip for one in report.network.addresses}
        assert isinstance(self._settings, TspBrokerSettings)  # noqa: S101 - roles has no third model
        if self._settings.address in held:
            return Suitability(Fit.GOOD, "the broker's address is one of this host")
        return Suitability(Fit.UNSUITABLE, f"{self._settings.address} is not an address of this host")

    def tunnel(self, random: Random) -> Tunnel:
        match self._settings:
            case TspBrokerSettings() as settings:
                # Imported here: clients need no database.
                from tunnelmgr_tsp.broker.broker import TspBroker

                return TspBroker(settings, random)
            case TspClientSettings() as settings:
                from tunnelmgr_tsp.client.client import TspClient

                return TspClient(settings, random)
        raise TypeError(self._settings)

    def mtu_max(self) -> int:
        return max(MTU_UDP, MTU_PROTOCOL41)

    def may_delegate(self) -> bool:
        return isinstance(self._settings, TspClientSettings)

    def with_prefix(self, length: int) -> Self:
        if not isinstance(self._settings, TspClientSettings) or self._settings.prefix_length is not None:
            return self
        return type(self)("client", self._settings.model_copy(update={"prefix_length": length}))

    def services(self) -> Mapping[str, Callable[[Path], Service]]:
        """Return the leases of a broker. Raises TunnelError when this installation cannot keep them."""
        if not isinstance(self._settings, TspBrokerSettings):
            return {}
        if find_spec("sqlalchemy") is None:
            raise TunnelError(
                "a TSP broker keeps its leases with SQLAlchemy, which is not installed",
                hint=f"{sys.executable} -m pip install sqlalchemy",
                exit_code=ExitCode.FAILED,
            )
        settings, plan = self._settings, self._settings.plan()

        def leases(folder: Path) -> Service:
            from tunnelmgr_tsp.broker.leases import Leases

            return Leases(settings.leases, str(settings.address), plan.slots, plan.prefix_slots, folder=folder)

        return {"leases": leases}

    @classmethod
    def dissectors(cls) -> Sequence[Dissector]:
        from tunnelmgr_tsp.dissection import TspDissector  # only for those who look at packets

        return (TspDissector(),)

    def probes(self, random: Random) -> Sequence[ReachProbe]:
        return tuple(probes(self._settings, random)) if isinstance(self._settings, TspClientSettings) else ()


def _suits_client(settings: TspClientSettings, report: NetworkReport) -> Suitability:
    if report.network.source is None:
        return Suitability(Fit.UNSUITABLE, "there is no IPv4 default route")
    no_udp = report.udp is False or report.nat is NatKind.BLOCKED
    if settings.tunnel is TunnelWish.V6UDPV4 and no_udp:
        return Suitability(Fit.UNSUITABLE, "no UDP leaves this network")
    if settings.tunnel is TunnelWish.V6V4 and report.protocol41 is False:
        return Suitability(Fit.UNSUITABLE, "protocol 41 does not pass")
    if no_udp and settings.signalling is Signalling.UDP:
        return Suitability(Fit.UNSUITABLE, "no UDP leaves this network")
    if no_udp:
        return Suitability(Fit.POSSIBLE, "without UDP only a tunnel over protocol 41 is left")
    return Suitability(Fit.GOOD, "a broker works behind any NAT")
