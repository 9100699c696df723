"""One method being run: its Tunnel, its device, and the proof that packets flow.

Events of the Tunnel, of the network and of the user go through one inbox and are handled one at a time, so that two of
them never configure this machine at once. Addresses and the data path are there as soon as the Tunnel is up. The default
route, and the word `up`, wait until packets are known to flow: a tunnel that only looks up swallows what IPv4 can carry.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import IPv6Address
from random import SystemRandom
from typing import Final

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.api.events import Down, Event, Notice, PeerSilent, Up
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.api.status import Fact, PeerStatus
from tunnelmgr.core.condition import BEGUN, UP, Code, Condition, Progress, State
from tunnelmgr.core.driving.driver import Driver
from tunnelmgr.core.driving.memory import Memory
from tunnelmgr.core.driving.ping import NO_RAW_SOCKETS
from tunnelmgr.core.profiles.profile import DefaultRouteWish, Method, Profile
from tunnelmgr.core.running.border import Border
from tunnelmgr.core.running.carrier import Carrier
from tunnelmgr.core.running.inbox import Due, Inbox, Inboxed
from tunnelmgr.core.running.lan import Lan
from tunnelmgr.core.running.obstacles import Obstacles
from tunnelmgr.core.running.probe import Prober, ProbeResult
from tunnelmgr.core.running.proof import Phase
from tunnelmgr.core.running.snapshot import NOT_PROVEN, Running
from tunnelmgr.core.running.verification import Verification
from tunnelmgr.core.running.wishes import bare_device, wants_default_route, wished_device
from tunnelmgr.host.apply import Configurator, Shortfall
from tunnelmgr.host.desired import Desired, Inbound
from tunnelmgr.host.interface import Host
from tunnelmgr.host.items import Resolvers
from tunnelmgr.host.passage import Cut

LOST_HINT: Final = "it comes back by itself when packets flow; status --peers shows where they went"
FIRST_DATAGRAM_TIMEOUT: Final = 0.2  # seconds; slow imports wait so long for the far end to be asked first
SETTLING: Final = 2.0  # seconds after a change of the network in which the Tunnel tells the far end where it is


@dataclass(frozen=True, slots=True)
class Listener:
    """What is called when a run has something to say."""

    condition: Callable[[Condition], None]
    progress: Callable[[Progress], None]
    event: Callable[[Event], None]
    """Every event of the Tunnel, after it was acted on."""
    resumed: Callable[[], None]
    """This host slept."""


class MethodRun:
    """Runs one method of one profile, once.

    What may be done with the tunnel follows from the phase of its proof, read at the moment it is needed: `PROOF` in the
    inbox only wakes this machine, since the phase may have changed again by the time its turn comes.
    """

    def __init__(
        self,
        profile: Profile,
        method: Method,
        host: Host,
        configurator: Configurator,
        memory: Memory,
        listener: Listener,
        prober: Prober,
        lan: Lan,
    ) -> None:
        self._profile = profile
        self._method = method
        self._host = host
        self._configurator = configurator
        self._listener = listener
        self._lan = lan
        self._border = Border(host)
        self._obstacles = Obstacles(profile, host)
        self._inbox = Inbox()
        self._up: Up | None = None
        self._condition = BEGUN
        self._told: str | None = None
        """The latest line of the story on whether packets flow. It is not repeated: probes are lost again and again."""
        self._verified = ""
        """How it is known that packets flow; empty until they do, and again after the Tunnel said that it is down."""
        self.failure = ExitCode.NO_ANSWER
        """What to end with when it does not come up in time."""
        self._driver = self._make_driver(memory)
        self._carrier = Carrier(profile, host, configurator, self._driver, listener.progress)
        weigh = partial(self._inbox.put, Due.PROOF)
        self._verification = Verification(profile.device, prober, self._driver.traffic, weigh, SystemRandom())
        self._proof = self._verification.proof

    def _make_driver(self, memory: Memory) -> Driver:
        try:
            return Driver(
                self._method.transport,
                memory,
                on_news=self._inbox.put,
                on_crash=lambda error: self._inbox.put(self._crashed(error)),
                on_device_lost=self._device_lost,
                on_resumed=self._resumed,
                on_offer=self._offer_changed,
                watch=self._listener.event,
            )
        except TunnelError:
            raise
        except Exception as error:
            raise self._crashed(error) from error

    def _crashed(self, error: Exception) -> TunnelError:
        crash = TunnelError(
            f"the {self._method.type} plugin crashed: {type(error).__name__}: {error}",
            hint="the log has the traceback; please report it to the plugin's authors",
            exit_code=ExitCode.BUG,
        )
        crash.__cause__ = error  # for the traceback in the log
        return crash

    async def run(self) -> None:
        """Return when stopped, with everything taken back.

        Raises TunnelError when this method cannot work here or failed for good.
        """
        around = self._host.surroundings()
        around.require_ipv6()
        if self._profile.firewall.inbound is Inbound.ESTABLISHED:
            around.require_nft()
        self._carrier.open()
        try:
            self._driver.start(around.network)
            await self._driver.spoke(FIRST_DATAGRAM_TIMEOUT)
            await self._configure()
            await self._attend()
        finally:
            self._verification.end()
            await self._driver.stop()
            await self._driver.close()
            await self._configurator.clear()
            self._carrier.close()

    def stop(self) -> None:
        """Make `run` take everything back and return. Doing it twice is fine."""
        self._inbox.put(Due.STOP)

    def network_changed(self) -> None:
        """Tell the Tunnel, and look whether packets still flow."""
        self._inbox.put(Due.NETWORK)

    def command(self, name: str, arguments: Mapping[str, Fact]) -> Mapping[str, object]:
        """Run one of the transport's own commands. Raises TunnelError."""
        return self._driver.command(name, arguments)

    def running(self) -> Running:
        """Return what there is to say of the tunnel at this moment."""
        tunnel = self._driver.status()  # first: it makes the Tunnel hear what its paths carried
        counters = Counter(tunnel.counters)
        counters.update(self._carrier.barred)
        device, look = self._wished(self._up) if self._up else None, self._host.look(self._profile.device)
        shortfall, disturbances = self._shortfall, self._configurator.disturbances
        return Running(
            device=self._profile.device,
            tunnel=replace(tunnel, counters=counters),
            addresses=tuple(str(interface.ip) for interface in device.addresses) if device else (),
            mtu=device.mtu if device else None,
            default_route=device is not None and look.way_out == self._profile.device,
            way_out=look.way_out,
            firewall_stands=look.firewall_stands,
            beside_native=self._stands_beside_native,
            resolvers=tuple(map(str, device.resolvers)) if device and not shortfall else (),
            shortfall=shortfall.reason if shortfall else "",
            shortfall_hint=shortfall.hint if shortfall else "",
            taken_away=(taken_away := disturbances.text(asyncio.get_running_loop().time())),
            taken_away_hint=disturbances.hint if taken_away else "",
            cuts=tuple((cut.words, cut.hint) for cut in self._obstacles.own),
            exposure=self._up.exposure if self._up else "",
            exposure_hint=self._up.exposure_hint if self._up else "",
            verified=self._verified,
            datapath=self._carrier.path,
            datapath_reason=self._carrier.reason,
            traffic=self._driver.traffic(),
            sockets=self._driver.outer_sockets(),
            lan=self._lan.status(self._configurator.shortfalls, is_told=look.lan_is_told),
        )

    @property
    def _stands_beside_native(self) -> bool:
        """True if the default route is left to native IPv6."""
        if self._up is None or not self._proof.carries:
            return False
        wished = self._profile.network.default_route is DefaultRouteWish.IF_NO_NATIVE and self._up.config.default_route
        return wished and self._host.surroundings().network.native_ipv6 is True

    @property
    def _shortfall(self) -> Shortfall | None:
        """What this host itself works without, although the profile wants it."""
        return next((one for one in self._configurator.shortfalls if isinstance(one.item, Resolvers)), None)

    def _offer_changed(self) -> None:
        if self._carrier.is_concerned:
            self._inbox.put(Due.PATHS)

    def _resumed(self) -> None:
        self._verification.doubt(SETTLING)
        self._listener.resumed()

    def _device_lost(self, error: OSError) -> None:
        gone = f"reading {self._profile.device}: {error.strerror}"
        self._inbox.put(TunnelError(gone, hint="somebody removed the device; it will be made again"))

    async def _attend(self) -> None:
        while (news := await self._inbox.get()) is not Due.STOP:
            await self._handle(news)

    async def _handle(self, news: Inboxed) -> None:
        match news:
            case Notice():
                self._listener.progress(Progress(news.code, news.text))
            case Up():
                await self._came_up(news)
            case Down():
                await self._went_down(news)
            case PeerSilent():
                await self._fell_silent(news)
            case Due.PROOF:
                await self._weigh_proof()
            case Due.NETWORK:
                await self._follow_network()
            case Due.PATHS:
                await self._refresh()
            case TunnelError():
                raise news

    async def _follow_network(self) -> None:
        """Same method, same tunnel: nothing is torn down, but the Tunnel may speak from elsewhere from here on."""
        network = self._host.surroundings().network
        if self._driver.network_changed(network):
            self._verification.doubt(SETTLING)
        await self._refresh()

    async def _refresh(self) -> None:
        """Make device and LAN what they shall be now, and leave to the kernel what it can carry now."""
        await self._configure()
        if self._up:
            self._tell_lan()

    async def _came_up(self, up: Up) -> None:
        self._border.check(up)
        self._up = up
        await self._configure()
        targets = () if up.config.listening else self._profile.network.probe or up.probe
        self._verification.begin(up.config.addresses[0].ip if targets else IPv6Address(0), targets)

    async def _went_down(self, down: Down) -> None:
        self._verification.end()
        self._up, self._verified = None, ""
        await self._configure()
        if down.permanent:
            raise _final(down)
        self.failure = down.code
        await self._obstacles.look(None, self._driver.outer_sockets())
        self._is(_as_down(down, self._driver.refused_here, self._host.surroundings().network, self._obstacles.first))

    async def _fell_silent(self, silent: PeerSilent) -> None:
        """Keep addresses and link routes, which the tunnel needs to hear its peer again, but take the default route back."""
        self._verification.end()
        await self._refresh()
        state, code = (State.IMPAIRED, Code.PEER_SILENT) if self._verified else (State.WAITING_FOR_PEER, Code.NOT_HEARD_YET)
        self._is(Condition(state, code, silent.reason, silent.hint))

    async def _weigh_proof(self) -> None:
        """Give the tunnel what its proof allows, take from it what the proof does not, and say how it stands."""
        if self._up is None or self._proof.phase is Phase.ABSENT:
            return  # the Tunnel went down, or its peer silent, before this was read
        # Before the wait, so that what is told is what was configured: probes go on while the kernel is busy with us.
        phase, latest = self._proof.phase, self._verification.latest
        desired = await self._configure()
        match phase:
            case Phase.PROVEN | Phase.DOUBTED:
                self._carries(desired, self._how(self._up, latest))
            case Phase.HELD:
                self._waits_for_hold_down()
            case Phase.UNPROVEN | Phase.LOST if latest is not None:
                self._gets_no_answer(latest)

    def _carries(self, desired: Desired, verified: str) -> None:
        """Packets flow, or there is no way to tell."""
        self._verified = verified
        story = describe_device(desired, self._host.look(desired.device).way_out)
        if story != self._told:  # a broker's neighbours come and go without anything to tell, and so do round trips
            self._told = story
            self._listener.progress(Progress("up", story))
            self._listener.progress(Progress("verified", self._verified))
            if short := self._shortfall:
                self._listener.progress(Progress("shortfall", f"{short.reason}; {short.hint}"))
            for cut in self._obstacles.own:
                self._listener.progress(Progress(Code.OTHER_FIREWALL.value, f"{cut.words}; {cut.hint}"))
        self._tell_lan()
        self._is(UP)

    def _waits_for_hold_down(self) -> None:
        """Programs bound to the tunnel's addresses go on; new traffic does not come this way yet."""
        if self._condition.code is not Code.HELD:
            waits = self._proof.held_for(asyncio.get_running_loop().time())
            reason = f"packets flow again; the default route waits {waits:.0f} s, lest it come and go"
            self._is(Condition(State.IMPAIRED, Code.HELD, reason))

    def _gets_no_answer(self, latest: ProbeResult | OSError) -> None:
        """What carried is impaired until it carries again; what never did is still starting."""
        reason = _in_words(latest)
        if self._verified:
            self._is(Condition(State.IMPAIRED, Code.PACKETS_STOPPED, f"packets stopped: {reason}", LOST_HINT))
        else:
            self._is(Condition(State.STARTING, Code.UNPROVEN, reason, _next_step(latest, self._obstacles.first)))

    def _is(self, condition: Condition) -> None:
        """Say how the method stands: the one place from which everything else learns it."""
        self._condition = condition
        if condition.code is not None and condition.reason != self._told:
            self._told = condition.reason
            self._listener.progress(Progress(condition.code.value, condition.reason))
        self._listener.condition(condition)

    def _how(self, up: Up, latest: ProbeResult | OSError | None) -> str:
        if not isinstance(latest, ProbeResult) or latest.round_trip is None:
            return "listening" if up.config.listening else NOT_PROVEN
        way = _via(latest.target, self._driver.status().peers)
        return f"carries packets: {latest.answered} of {latest.sent} probes, {latest.round_trip * 1000:.0f} ms{way}"

    async def _configure(self) -> Desired:
        """Make the device as it shall be at this moment, and the LAN with it."""
        if self._up is not None:
            await self._obstacles.look(self._up.config, self._driver.outer_sockets())
        now, around = asyncio.get_running_loop().time(), self._host.surroundings()
        if self._up is None:
            desired = self._lan.withdrawn(bare_device(self._profile), around, now=now)
        else:
            config, wished, carries = self._up.config, self._wished(self._up), self._proof.carries
            desired = self._lan.shared(wished, config, around, self._obstacles.found, carries=carries, now=now)
        await self._carrier.configure(desired)
        if disturbed := self._configurator.disturbances.news():
            self._listener.progress(Progress(Code.TAKEN_AWAY.value, disturbed))
        return desired

    def _tell_lan(self) -> None:
        for line in self._lan.news(self._configurator.shortfalls):
            self._listener.progress(Progress("lan", line))

    def _wished(self, up: Up) -> Desired:
        carries, passes = self._proof.carries, self._proof.passes
        default_route = carries and wants_default_route(self._profile, up.config, self._host.surroundings().network)
        return wished_device(self._profile, up.config, default_route=default_route, carries=carries, passes=passes)


def _in_words(latest: ProbeResult | OSError) -> str:
    if isinstance(latest, OSError):
        return f"probes cannot be sent through the tunnel: {latest.strerror}"
    return f"{latest.target} does not answer through the tunnel (0 of {latest.sent} probes)"


def _via(target: IPv6Address, peers: Iterable[PeerStatus]) -> str:
    for peer in peers:
        if peer.address == str(target) and peer.endpoint:
            return f", via {peer.path} {peer.endpoint.partition(':')[0]}"
    return ""


def _next_step(latest: ProbeResult | OSError, cut: Cut | None) -> str:
    if isinstance(latest, OSError) and latest.strerror == NO_RAW_SOCKETS:
        return "give it the capability, as the unit tunnelmgr@.service does"
    if cut:
        return f"{cut.words}; {cut.hint}"
    return "check network.probe; status --peers shows where packets went"


def describe_device(device: Desired, way_out: str) -> str:
    """Return one line on a device: name, addresses, MTU, whether the IPv6 internet is behind it, what may come in."""
    addresses = " ".join(str(interface.ip) for interface in device.addresses)
    wanted = any(destination.prefix.prefixlen == 0 for destination in device.destinations)
    route = "default route" if way_out == device.device else "no default route"
    held = f" ({way_out} has it)" if wanted and way_out not in {"", device.device} else ""
    inbound = "closed" if device.inbound is Inbound.ESTABLISHED else "open"
    return f"{device.device} {addresses}  MTU {device.mtu}, {route}{held}, inbound {inbound}"


def _final(down: Down) -> TunnelError:
    """Return the error of a Tunnel that has given up: "try later", which it says that names no code, would not be so."""
    code = ExitCode.FAILED if down.code is ExitCode.NO_ANSWER else down.code
    return TunnelError(down.reason, hint=down.hint, exit_code=code)


def _as_down(down: Down, refused_here: Endpoint | None, network: Network, cut: Cut | None) -> Condition:
    """Return how a method stands that is down; where nobody answered, with what of this host is in the way."""
    reason, hint = down.reason, down.hint
    no_way_out = network.source is None and network.native_ipv6 is not None  # None: nobody has looked
    if down.code is ExitCode.NO_ANSWER and refused_here:
        what = f"UDP to {refused_here}" if refused_here.port else f"protocol 41 to {refused_here.address}"
        reason, hint = f"this host's own firewall refuses {what} (EPERM)", "let it leave: `nft list ruleset` shows the rules"
    elif no_way_out and down.code in {ExitCode.NO_ANSWER, ExitCode.REFUSED}:
        hint = "this host has no IPv4 default route: connect it to a network that has one"
    return Condition(State.DOWN, Code.DOWN, reason, f"{cut.words}; {cut.hint}" if cut else hint)
