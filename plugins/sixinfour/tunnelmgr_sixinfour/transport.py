"""Configured tunnels, 6to4 and 6rd as the core sees them."""

from collections.abc import Mapping, Sequence
from functools import partial
from ipaddress import IPv4Address
from random import Random
from typing import ClassVar, cast

from tunnelmgr.api.addresses import SHARED, is_behind_nat
from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.api.reach import ReachProbe
from tunnelmgr.api.report import NetworkReport
from tunnelmgr.api.settings import Settings
from tunnelmgr.api.transport import Fit, Suitability, Transport
from tunnelmgr.api.tunnel import Tunnel
from tunnelmgr_sixinfour.configured.reachability import probes
from tunnelmgr_sixinfour.configured.routing import host_config
from tunnelmgr_sixinfour.configured.settings import SixInFourSettings
from tunnelmgr_sixinfour.configured.tunnel import SixInFourTunnel
from tunnelmgr_sixinfour.constants import STATIC_MTU_MAX, TUNNEL_MTU_MIN
from tunnelmgr_sixinfour.derived.border_relay import BorderRelay, BorderRelaySettings
from tunnelmgr_sixinfour.derived.sixrd import SixRdSettings
from tunnelmgr_sixinfour.derived.sixrd_learning import Learner
from tunnelmgr_sixinfour.derived.sixtofour import SixToFour, SixToFourSettings
from tunnelmgr_sixinfour.derived.tunnel import DerivedTunnel
from tunnelmgr_sixinfour.protocol41.addresses import is_global_unicast


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
        return _judge(report, self._settings.local)

    def tunnel(self, random: Random) -> Tunnel:
        return SixInFourTunnel(self._settings, random)

    def expected(self) -> HostConfig:
        return host_config(self._settings, None, self._settings.static_mtu or TUNNEL_MTU_MIN)

    def mtu_max(self) -> int:
        return self._settings.static_mtu or STATIC_MTU_MAX

    def may_delegate(self) -> bool:
        return bool(self._settings.prefixes)

    def probes(self, random: Random) -> Sequence[ReachProbe]:
        return probes(self._settings, random)


class SixToFourTransport(Transport):
    """6to4, for profiles that ask for it by name: RFC 7526 wants it off by default."""

    type_name: ClassVar[str] = "6to4"
    summary: ClassVar[str] = "IPv6 from a public IPv4 address (RFC 3056), for direct peers or by a relay you name"
    roles: ClassVar[Mapping[str, type[Settings]]] = {"site": SixToFourSettings}

    def __init__(self, role: str, settings: Settings) -> None:
        self._settings = cast("SixToFourSettings", settings)

    def describe(self) -> str:
        return "direct peers" if self._settings.relay is None else f"relay {self._settings.relay}"

    def suits(self, report: NetworkReport) -> Suitability:
        source = self._settings.local or report.network.source
        if source is not None and not is_global_unicast(source):
            return Suitability(Fit.UNSUITABLE, f"6to4 needs a public IPv4 address, and {source} is not one")
        return _judge(report, self._settings.local)

    def mtu_max(self) -> int:
        return self._settings.static_mtu or TUNNEL_MTU_MIN

    def tunnel(self, random: Random) -> Tunnel:
        return DerivedTunnel(self._settings, self.type_name, random, SixToFour(self._settings))


class SixRdTransport(Transport):
    """The customer's edge of a provider's domain, or the provider's."""

    type_name: ClassVar[str] = "6rd"
    summary: ClassVar[str] = "IPv6 from a provider's prefix and this host's IPv4 address (RFC 5969)"
    roles: ClassVar[Mapping[str, type[Settings]]] = {"customer": SixRdSettings, "border-relay": BorderRelaySettings}

    def __init__(self, role: str, settings: Settings) -> None:
        self._settings = cast("SixRdSettings | BorderRelaySettings", settings)

    def describe(self) -> str:
        if isinstance(self._settings, BorderRelaySettings):
            return f"border relay of {self._settings.prefix}"
        relay = self._settings.border_relay
        return "as DHCP says" if relay is None else f"border relay {relay}"

    def suits(self, report: NetworkReport) -> Suitability:
        if report.protocol41 is False:
            return Suitability(Fit.UNSUITABLE, "protocol 41 does not pass this network")
        if self._settings.local is None and report.network.source is None:
            return Suitability(Fit.UNSUITABLE, "there is no IPv4 default route")
        return Suitability(Fit.POSSIBLE, "the provider's network carries protocol 41 to its border relay")

    def mtu_max(self) -> int:
        return self._settings.static_mtu or TUNNEL_MTU_MIN

    def may_delegate(self) -> bool:
        return isinstance(self._settings, SixRdSettings)

    def tunnel(self, random: Random) -> Tunnel:
        settings = self._settings
        if isinstance(settings, BorderRelaySettings):
            return DerivedTunnel(settings, self.type_name, random, BorderRelay(settings))
        learning = partial(Learner, settings.keepalive, random) if settings.domain is None else None
        return DerivedTunnel(settings, self.type_name, random, settings.domain, learning)


def _judge(report: NetworkReport, local: IPv4Address | None) -> Suitability:
    """Judge whether protocol 41 may work, by what was measured, then by the address that packets would leave from."""
    source = local or report.network.source
    if report.protocol41 is False:
        return Suitability(Fit.UNSUITABLE, "protocol 41 does not pass this network")
    if source is None:
        return Suitability(Fit.UNSUITABLE, "there is no IPv4 default route")
    if source in SHARED:
        return Suitability(Fit.UNSUITABLE, f"{source} is behind the provider's NAT, which passes no protocol 41")
    if report.protocol41:
        return Suitability(Fit.GOOD, "protocol 41 passes to the far end and back")
    if not is_behind_nat(source):
        return Suitability(Fit.GOOD, f"this host has the public IPv4 address {source}")
    return Suitability(Fit.POSSIBLE, f"{source} is behind a NAT, which must forward protocol 41 to this host")
