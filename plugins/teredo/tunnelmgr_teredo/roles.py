"""The roles of the transport: what each one is called, where it fits, and the Tunnel it makes.

The Tunnels are imported when they are made, so that a client does not wait for the modules of a server and a relay.
"""

from collections.abc import Sequence
from random import Random
from typing import Protocol

from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.api.reach import ReachProbe
from tunnelmgr.api.report import NatKind, NetworkReport
from tunnelmgr.api.settings import Settings
from tunnelmgr.api.transport import Fit, Suitability
from tunnelmgr.api.tunnel import Tunnel
from tunnelmgr_teredo.client.settings import ClientSettings
from tunnelmgr_teredo.relay.settings import RelayServiceSettings
from tunnelmgr_teredo.server.settings import ServerSettings


class Role(Protocol):
    """One role with the settings of one profile; the methods are those of `Transport`."""

    def describe(self) -> str: ...

    def suits(self, report: NetworkReport) -> Suitability: ...

    def expected(self) -> HostConfig | None: ...

    def mtu_max(self) -> int: ...

    def probes(self, random: Random) -> Sequence[ReachProbe]: ...

    def tunnel(self, random: Random) -> Tunnel: ...


def role_of(settings: Settings) -> Role:
    """Return the role these settings are for. Raises TypeError for the settings of something else."""
    match settings:
        case ClientSettings():
            return _Client(settings)
        case ServerSettings():
            return _Server(settings)
        case RelayServiceSettings():
            return _Relay(settings)
    raise TypeError(f"Teredo has no role with settings of type {type(settings).__name__}")


class _Client:
    def __init__(self, settings: ClientSettings) -> None:
        self._settings = settings

    def describe(self) -> str:
        names = self._settings.server
        return f"server {names[0]}" if len(names) == 1 else f"servers {', '.join(names)}"

    def suits(self, report: NetworkReport) -> Suitability:
        if report.network.source is None and not int(self._settings.bind):
            return Suitability(Fit.UNSUITABLE, "there is no IPv4 default route")
        if report.udp is False or report.nat is NatKind.BLOCKED:
            return Suitability(Fit.UNSUITABLE, "no UDP reaches the internet from here")
        if report.native_ipv6:
            return Suitability(Fit.UNSUITABLE, "there is native IPv6, which is better")
        if report.nat is NatKind.SYMMETRIC:
            return Suitability(Fit.POSSIBLE, "behind a symmetric NAT native hosts are reached, other Teredo clients are not")
        passes = "UDP passes" if report.udp else "nothing shows that UDP does not pass"
        return Suitability(Fit.GOOD, f"{passes}, and Teredo needs no more")

    def expected(self) -> HostConfig | None:
        return None

    def mtu_max(self) -> int:
        return self._settings.mtu

    def probes(self, random: Random) -> Sequence[ReachProbe]:
        from tunnelmgr_teredo.client.reachability import probes

        return tuple(probes(self._settings, random))

    def tunnel(self, random: Random) -> Tunnel:
        from tunnelmgr_teredo.client.client import TeredoClient

        return TeredoClient(self._settings, random)


class _Server:
    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings

    def describe(self) -> str:
        what = "server and relay" if self._settings.relay else "server"
        return f"{what} on {', '.join(map(str, self._settings.addresses))}"

    def suits(self, report: NetworkReport) -> Suitability:
        if report.native_ipv6 is False:
            return Suitability(Fit.POSSIBLE, "without native IPv6 clients find each other and no native hosts")
        return Suitability(Fit.GOOD, "clients can be served from here")

    def expected(self) -> HostConfig | None:
        return self._settings.host_config

    def mtu_max(self) -> int:
        return self._settings.host_config.mtu

    def probes(self, random: Random) -> Sequence[ReachProbe]:
        return ()

    def tunnel(self, random: Random) -> Tunnel:
        from tunnelmgr_teredo.server.server import TeredoServer

        return TeredoServer(self._settings, random)


class _Relay:
    def __init__(self, settings: RelayServiceSettings) -> None:
        self._settings = settings

    def describe(self) -> str:
        port = f"port {self._settings.port}" if self._settings.port else "a random port"
        where = f"on {self._settings.address}" if int(self._settings.address) else f"on {port}"
        return f"relay for this host {where}" if self._settings.is_for_this_host else f"relay {where}"

    def suits(self, report: NetworkReport) -> Suitability:
        if report.native_ipv6 is False:
            return Suitability(Fit.UNSUITABLE, "a relay needs native IPv6, and there is none here")
        return Suitability(Fit.GOOD, "clients can be reached from native IPv6 here")

    def expected(self) -> HostConfig | None:
        return self._settings.host_config

    def mtu_max(self) -> int:
        return self._settings.host_config.mtu

    def probes(self, random: Random) -> Sequence[ReachProbe]:
        return ()

    def tunnel(self, random: Random) -> Tunnel:
        from tunnelmgr_teredo.relay.relay import TeredoRelay

        return TeredoRelay(self._settings, random)
