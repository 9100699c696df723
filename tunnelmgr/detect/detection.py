"""The Tunnel that looks at a network instead of crossing it: all probes side by side, within `DETECTION_TIMEOUT`.

It says the notice `detect.done` when `findings` has all there is to know, and carries no packets.
"""

from collections.abc import Mapping
from ipaddress import IPv4Address
from random import Random
from typing import Final

from tunnelmgr.api.addresses import is_public
from tunnelmgr.api.datagrams import ChannelEvent, ChannelKind, Datagram, IcmpReceived
from tunnelmgr.api.effects import Done, Effect, EffectResult, Failed, OpenChannel, Ping, Resolve
from tunnelmgr.api.events import Notice, Stopped
from tunnelmgr.api.names import literal_address
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.api.status import TunnelStatus
from tunnelmgr.api.tunnel import Tunnel, earliest
from tunnelmgr.detect import hops, nat_probe, path_mtu, router_probe
from tunnelmgr.detect.addresses import ipv4_findings
from tunnelmgr.detect.conclusions import Conclusions
from tunnelmgr.detect.constants import DETECTION_TIMEOUT, RESOLVE_TIMEOUT, STUN_PORT
from tunnelmgr.detect.far_ends import FarEnds
from tunnelmgr.detect.findings import Findings
from tunnelmgr.detect.hops import Hops
from tunnelmgr.detect.inquiries import Inquiries
from tunnelmgr.detect.lifetime import Lifetime
from tunnelmgr.detect.nat_probe import NatProbe
from tunnelmgr.detect.native_ipv6 import NativeIpv6
from tunnelmgr.detect.observed import Observed
from tunnelmgr.detect.path_mtu import PathMtuProbe
from tunnelmgr.detect.plan import Plan
from tunnelmgr.detect.router_probe import RouterProbe
from tunnelmgr.detect.strangers import Strangers

DONE: Final = "detect.done"


class Detection(Tunnel):
    """Runs once. A network that changes meanwhile is for the next one."""

    def __init__(self, plan: Plan, random: Random) -> None:
        super().__init__()
        self._plan = plan
        self._inquiries = Inquiries(self.outbox)
        self._nat = NatProbe(random, self._inquiries, self.outbox)
        ordinary = tuple((method, probe) for method, probe in plan.probes if not probe.stranger)
        self._far_ends = FarEnds(ordinary, self._inquiries, nat_probe.MAPPING, self.outbox)
        strangers = (probe for _, probe in plan.probes if probe.stranger)
        self._strangers = Strangers(strangers, self._inquiries, self.outbox)
        self._hops = Hops(self.outbox)
        self._router = RouterProbe(self._inquiries)
        self._path_mtu = PathMtuProbe(random, self._inquiries)
        self._lifetime = Lifetime(plan.lifetime, random, self._inquiries)
        self._ipv6 = NativeIpv6(plan.ipv6, self.outbox)
        self._network = Network()
        self._addresses: dict[str, IPv4Address | None] = {}
        """What names resolve to; None for those that do not."""
        self._ports: dict[str, int] = {}
        self._began_at = 0.0
        self._ended_at: float | None = None

    def findings(self) -> Findings:
        """Return what is known; before the end it is less."""
        observed = Observed(
            began_at=self._began_at,
            network=self._network,
            nat=self._nat,
            far_ends=self._far_ends,
            strangers=self._strangers,
            hops=self._hops,
            router=self._router,
            path_mtu=self._path_mtu,
            lifetime=self._lifetime,
            ports=self._ports,
        )
        conclusions = Conclusions(observed)
        return Findings(
            network=self._network,
            ipv4=ipv4_findings(self._network),
            nat=conclusions.nat(),
            udp=conclusions.udp,
            protocol41=conclusions.protocol41,
            ipv6=self._ipv6.findings(),
            far_ends=conclusions.far_ends(),
            path=conclusions.path(),
            router=conclusions.router(),
            strays=self._inquiries.strays,
            took=0.0 if self._ended_at is None else self._ended_at - self._began_at,
        )

    def start(self, now: float, network: Network, memory: Mapping[str, bytes]) -> None:
        self._began_at, self._network = now, network
        self._ipv6.begin(network, now)
        if self._plan.names:
            self.outbox.say(*(OpenChannel(name, ChannelKind.UDP) for name in (*nat_probe.CHANNELS, hops.CHANNEL)))
            self.outbox.say(OpenChannel(path_mtu.CHANNEL, ChannelKind.UDP, path_mtu_discovery=True))
            self.outbox.say(*self._lifetime.channels())
        if self._behind_nat:
            self.outbox.say(OpenChannel(router_probe.CHANNEL, ChannelKind.UDP))
            self._router.begin(network, now)
        for name in self._plan.names:
            if (literal := literal_address(name)) is not None:
                self._resolved(name, literal, now)
            else:
                self.outbox.say(Resolve(name, RESOLVE_TIMEOUT))
        self._begin_with_stun(now)
        self._advance(now)

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        if not self._nat.receive(datagram):
            self._inquiries.receive(datagram, now)
        self._advance(now)

    def receive_packet(self, packet: bytes, now: float) -> None:
        """Nothing is routed here."""

    def channel_changed(self, event: ChannelEvent, now: float) -> None:
        if isinstance(event, IcmpReceived):
            self._inquiries.refused(event, now)
            if event.channel == hops.CHANNEL:
                self._hops.icmp(event, now)
        self._far_ends.channel_changed(event, now)
        self._advance(now)

    def effect_done(self, effect: Effect, result: EffectResult, now: float) -> None:
        match effect:
            case Resolve(name=name):
                if isinstance(result, Done) and isinstance(result.value, tuple):
                    self._resolved(name, result.value[0], now)
                elif isinstance(result, Failed):
                    self._addresses[name] = None
                    self._far_ends.unresolved(name, result.text)
                self._begin_with_stun(now)
            case OpenChannel(channel=channel):
                if isinstance(result, Done) and isinstance(result.value, Endpoint):
                    self._ports[channel] = result.value.port
                self._far_ends.channel_opened(effect, result, now)
            case Ping():
                self._ipv6.answered(effect, result, now)
        self._advance(now)

    def handle_timeout(self, now: float) -> None:
        self._inquiries.handle_timeout(now)
        self._hops.handle_timeout(now)
        self._advance(now)

    def next_timeout(self) -> float | None:
        if self._ended_at is not None:
            return None
        probes = (self._inquiries, self._hops, self._lifetime)
        return earliest(self._ends_by, *(probe.next_timeout() for probe in probes))

    def status(self, now: float) -> TunnelStatus:
        state = "done" if self._ended_at is not None else "detecting"
        return TunnelStatus(state, counters={"strays": self._inquiries.strays})

    def stop(self, now: float) -> None:
        self.outbox.say(Stopped())

    @property
    def _behind_nat(self) -> bool:
        """Whether our own address shows that somebody translates."""
        return self._network.source is not None and not is_public(self._network.source)

    def _resolved(self, name: str, address: IPv4Address, now: float) -> None:
        self._addresses[name] = address
        self._far_ends.resolved(name, address, now)

    def _begin_with_stun(self, now: float) -> None:
        """Once: when all STUN servers are known, or known not to be."""
        servers = self._plan.stun
        if self._nat.stage is not nat_probe.ProbeStage.WAITING or any(one.host not in self._addresses for one in servers):
            return
        known = [(self._addresses[one.host], one.port or STUN_PORT) for one in servers]
        own = frozenset(one.address.ip for one in self._network.addresses)
        self._nat.begin([Endpoint(address, port) for address, port in known if address is not None], own, now)

    def _advance(self, now: float) -> None:
        """Go on with what the latest news allows, and end when nothing is left to wait for."""
        self._nat.advance(now)
        if self._ended_at is not None:
            return
        self._ask_who_answered(now)
        self._lifetime.advance(now)
        target = next(filter(None, self._addresses.values()), None)
        if self._behind_nat and target is not None:
            self._hops.begin(target, now)  # the first routers are the same whoever is asked
        sides = (
            self._nat,
            self._far_ends,
            self._hops,
            self._router,
            self._ipv6,
            self._path_mtu,
            self._lifetime,
            self._strangers,
        )
        if all(probe.done for probe in sides) or now >= self._ends_by:
            self._far_ends.give_up()
            self._ended_at = now
            self.outbox.say(Notice(DONE, "the network is known as far as it shows itself"))

    def _ask_who_answered(self, now: float) -> None:
        """Once: put the questions that need a server known to answer."""
        server = self._nat.explored
        if server is not None and not self._path_mtu.asked:
            self._path_mtu.ask_stun(server, now)
            if self._behind_nat:
                self._lifetime.begin(server, now)
        if (
            server is None
            and self._nat.done
            and not self._path_mtu.asked
            and (heard := self._far_ends.first_heard()) is not None
        ):
            self._path_mtu.ask_closed_port(heard, now)
        if self._nat.done and self._nat.filtering() is None:
            self._strangers.begin(self._far_ends, now)
        if self._nat.done and not self._lifetime.begun:
            self._lifetime.give_up()  # no server answers, or no NAT translates

    @property
    def _ends_by(self) -> float:
        return self._began_at + DETECTION_TIMEOUT + (self._plan.lifetime or 0.0)
