"""Whether IPv6 without a tunnel leads anywhere: an address and a default route are a promise, an answer is proof."""

from ipaddress import IPv6Address, IPv6Network

from tunnelmgr.api.effects import Done, EffectResult, Failed, FailureCode, Ping
from tunnelmgr.api.network import Network
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.detect.constants import EVIDENCE_MAX, PING_TIMEOUT, PINGS_MAX
from tunnelmgr.detect.findings import Ipv6Findings, Observation

_UNIQUE_LOCAL = IPv6Network("fc00::/7")  # RFC 4193


class NativeIpv6:
    """Pings the hosts it is given, all at once; where there is no IPv6 it asks nobody."""

    def __init__(self, targets: tuple[IPv6Address, ...], outbox: Outbox) -> None:
        self._targets = targets
        self._network = Network()
        self._began_at = 0.0
        self._waiting: set[IPv6Address] = set()
        self._lost: dict[IPv6Address, int] = {}
        self._silent = 0
        self._round_trips: list[float] = []
        self._evidence: list[Observation] = []
        self._outbox = outbox

    @property
    def done(self) -> bool:
        return not self._waiting or bool(self._round_trips)

    def begin(self, network: Network, now: float) -> None:
        self._network, self._began_at = network, now
        if not network.native_ipv6:
            return
        if (source := network.native_source) is not None and source in _UNIQUE_LOCAL:
            self._note(
                "address", f"our own address {source} is unique-local: it leads outside only where it is translated", now
            )
        if not self._targets:
            self._note("route", "there is a default route, and nobody is named to prove it with", now)
        for target in self._targets:
            self._waiting.add(target)
            self._ping(target)

    def answered(self, ping: Ping, result: EffectResult, now: float) -> None:
        """Take what became of a ping; one that was lost is sent once more."""
        target = ping.target
        if isinstance(result, Done) and isinstance(result.value, float):
            self._round_trips.append(result.value)
            self._note(f"ping {target}", f"answered in {result.value * 1000:.0f} ms", now)
        elif isinstance(result, Failed) and result.code is FailureCode.TIMEOUT:
            self._lost[target] = self._lost.get(target, 0) + 1
            if self._lost[target] < PINGS_MAX:
                self._ping(target)
                return
            self._silent += 1
            self._note(f"ping {target}", f"no answer to {PINGS_MAX} pings", now)
        elif isinstance(result, Failed):
            self._silent += result.code is FailureCode.UNREACHABLE
            self._note(f"ping {target}", result.text, now)
        self._waiting.discard(target)

    def findings(self) -> Ipv6Findings:
        reach: bool | None = None
        if self._round_trips:
            reach = True
        elif self._network.native_ipv6 is False or (self._silent and self._silent == len(self._targets)):
            reach = False
        return Ipv6Findings(
            address=self._network.native_source,
            default_route=self._network.native_ipv6,
            reach=reach,
            round_trip=min(self._round_trips, default=None),
            evidence=tuple(self._evidence),
        )

    def _ping(self, target: IPv6Address) -> None:
        self._outbox.say(Ping(target, self._network.native_source, PING_TIMEOUT))

    def _note(self, probe: str, found: str, now: float) -> None:
        if len(self._evidence) < EVIDENCE_MAX:
            self._evidence.append(Observation(probe, found, now - self._began_at))
