"""The Tunnel that looks at a network instead of crossing it: all probes side by side, within `DETECTION_TIMEOUT`.

It says the notice `detect.done` when `findings` has all there is to know, and carries no packets.
"""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address
from random import Random
from typing import Final

from tunnelmgr.api.datagrams import ChannelEvent, ChannelKind, Datagram, IcmpReceived
from tunnelmgr.api.effects import Done, Effect, EffectResult, Failed, OpenChannel, Ping, Resolve
from tunnelmgr.api.events import Notice, Stopped
from tunnelmgr.api.names import literal_address
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.api.status import TunnelStatus
from tunnelmgr.api.tunnel import Tunnel, earliest
from tunnelmgr.detect import hops, nat_probe, router_probe
from tunnelmgr.detect.addresses import ipv4_findings
from tunnelmgr.detect.conclusions import Conclusions
from tunnelmgr.detect.constants import DETECTION_TIMEOUT, RESOLVE_TIMEOUT, STUN_PORT
from tunnelmgr.detect.findings import Findings
from tunnelmgr.detect.observed import Observed
from tunnelmgr.detect.path_mtu import CHANNEL as PATH_MTU_CHANNEL
from tunnelmgr.detect.plan import Plan

DONE: Final = "detect.done"


class Detection(Tunnel):
    """Runs once. A network that changes meanwhile is for the next one."""

    def __init__(self, plan: Plan, random: Random) -> None:
        super().__init__()
        self._plan = plan
        self._seen = Observed(plan, random, self.outbox)
        self._addresses: dict[str, IPv4Address | None] = {}
        """What names resolve to; None for those that do not."""
        self._ended_at: float | None = None

    def findings(self) -> Findings:
        """Return what is known; before the end it is less."""
        conclusions = Conclusions(self._seen)
        return Findings(
            network=self._seen.network,
            ipv4=ipv4_findings(self._seen.network),
            nat=conclusions.nat(),
            udp=conclusions.udp,
            protocol41=conclusions.protocol41,
            ipv6=self._seen.ipv6.findings(),
            far_ends=conclusions.far_ends(),
            path=conclusions.path(),
            router=conclusions.router(),
            strays=self._seen.inquiries.strays,
            took=0.0 if self._ended_at is None else self._ended_at - self._seen.began_at,
        )

    def start(self, now: float, network: Network, memory: Mapping[str, bytes]) -> None:
        self._seen.began_at, self._seen.network = now, network
        self._seen.ipv6.begin(network, now)
        if self._plan.names:
            self.outbox.say(*(OpenChannel(name, ChannelKind.UDP) for name in (*nat_probe.CHANNELS, hops.CHANNEL)))
            self.outbox.say(OpenChannel(PATH_MTU_CHANNEL, ChannelKind.UDP, path_mtu_discovery=True))
            self.outbox.say(*self._seen.lifetime.channels())
        if self._seen.behind_nat:
            self.outbox.say(OpenChannel(router_probe.CHANNEL, ChannelKind.UDP))
            self._seen.router.begin(network, now)
        for name in self._plan.names:
            if (literal := literal_address(name)) is not None:
                self._resolved(name, (literal,), now)
            else:
                self.outbox.say(Resolve(name, RESOLVE_TIMEOUT))
        self._begin_with_stun(now)
        self._advance(now)

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        if not self._seen.nat.receive(datagram):
            self._seen.inquiries.receive(datagram, now)
        self._advance(now)

    def receive_packet(self, packet: bytes, now: float) -> None:
        """Nothing is routed here."""

    def channel_changed(self, event: ChannelEvent, now: float) -> None:
        if isinstance(event, IcmpReceived):
            self._seen.inquiries.refused(event, now)
            if event.channel == hops.CHANNEL:
                self._seen.hops.icmp(event, now)
        self._seen.far_ends.channel_changed(event, now)
        self._advance(now)

    def effect_done(self, effect: Effect, result: EffectResult, now: float) -> None:
        match effect:
            case Resolve(name=name):
                if isinstance(result, Done) and isinstance(result.value, tuple):
                    self._resolved(name, result.value, now)
                elif isinstance(result, Failed):
                    self._addresses[name] = None
                    self._seen.far_ends.unresolved(name, result.text)
                self._begin_with_stun(now)
            case OpenChannel(channel=channel):
                if isinstance(result, Done) and isinstance(result.value, Endpoint):
                    self._seen.ports[channel] = result.value.port
                self._seen.far_ends.channel_opened(effect, result, now)
            case Ping():
                self._seen.ipv6.answered(effect, result, now)
        self._advance(now)

    def handle_timeout(self, now: float) -> None:
        self._seen.inquiries.handle_timeout(now)
        self._seen.hops.handle_timeout(now)
        self._advance(now)

    def next_timeout(self) -> float | None:
        if self._ended_at is not None:
            return None
        probes = (self._seen.inquiries, self._seen.hops, self._seen.lifetime)
        return earliest(self._ends_by, *(probe.next_timeout() for probe in probes))

    def status(self, now: float) -> TunnelStatus:
        state = "done" if self._ended_at is not None else "detecting"
        return TunnelStatus(state, counters={"strays": self._seen.inquiries.strays})

    def stop(self, now: float) -> None:
        self.outbox.say(Stopped())

    def _resolved(self, name: str, addresses: Sequence[IPv4Address], now: float) -> None:
        self._addresses[name] = addresses[0]
        self._seen.far_ends.resolved(name, addresses, now)

    def _begin_with_stun(self, now: float) -> None:
        """Once: when all STUN servers are known, or known not to be."""
        nat, servers = self._seen.nat, self._plan.stun
        if nat.stage is not nat_probe.ProbeStage.WAITING or any(one.host not in self._addresses for one in servers):
            return
        known = [(self._addresses[one.host], one.port or STUN_PORT) for one in servers]
        own = [one.address for one in self._seen.network.addresses]
        nat.begin([Endpoint(address, port) for address, port in known if address is not None], own, now)

    def _advance(self, now: float) -> None:
        """Go on with what the latest news allows, and end when nothing is left to wait for."""
        self._seen.nat.advance(now)
        if self._ended_at is not None:
            return
        self._ask_who_answered(now)
        self._seen.lifetime.advance(now)
        target = next(filter(None, self._addresses.values()), None)
        if self._seen.behind_nat and target is not None:
            self._seen.hops.begin(target, now)  # the first routers are the same whoever is asked
        if self._seen.done or now >= self._ends_by:
            self._seen.far_ends.give_up()
            self._ended_at = now
            self.outbox.say(Notice(DONE, "the network is known as far as it shows itself"))

    def _ask_who_answered(self, now: float) -> None:
        """Once: put the questions that need a server known to answer."""
        nat, path_mtu, lifetime = self._seen.nat, self._seen.path_mtu, self._seen.lifetime
        heard = self._seen.far_ends.first_heard()
        if nat.explored is not None and not path_mtu.asked:
            path_mtu.ask_stun(nat.explored, now)
            if self._seen.behind_nat:
                lifetime.begin(nat.explored, now)
        if nat.explored is None and nat.done and not path_mtu.asked and heard is not None:
            path_mtu.ask_closed_port(heard, now)
        if nat.done and nat.filtering() is None:
            self._seen.strangers.begin(self._seen.far_ends, now)
        if nat.done and not lifetime.begun:
            lifetime.give_up()  # no server answers, or no NAT translates

    @property
    def _ends_by(self) -> float:
        return self._seen.began_at + DETECTION_TIMEOUT + (self._plan.lifetime or 0.0)
