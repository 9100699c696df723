"""One method being run: its Tunnel, its device, and the proof that packets flow.

What the Tunnel, the network and the user say arrives in one inbox and is dealt with one at a time, so that this machine is
never configured from two sides. Addresses and the data path are there as soon as the Tunnel is up; the default route, and
the word `up`, wait until packets are known to flow.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv6Address
from random import SystemRandom
from typing import Final

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.api.events import Down, Event, Notice, PeerSilent, Up
from tunnelmgr.api.status import Fact, TunnelStatus
from tunnelmgr.core.driving.driver import Driver
from tunnelmgr.core.driving.memory import Memory
from tunnelmgr.core.profiles.profile import DefaultRouteWish, Method, Profile
from tunnelmgr.core.running.carrier import Carrier
from tunnelmgr.core.running.lan import Lan
from tunnelmgr.core.running.probe import Prober, ProbeResult
from tunnelmgr.core.running.snapshot import NOT_PROVEN, LanStatus, OuterSocket, Progress, State, Traffic, Trouble
from tunnelmgr.core.running.verification import Finding, Verdict, Verification
from tunnelmgr.core.running.wishes import bare_device, wants_default_route, wished_device
from tunnelmgr.host.apply import Configurator, Shortfall
from tunnelmgr.host.desired import Desired, Inbound
from tunnelmgr.host.interface import Host
from tunnelmgr.host.items import Resolvers

LOST_HINT: Final = "it comes back by itself when packets flow; status --peers shows where they went"
FIRST_DATAGRAM_TIMEOUT: Final = 0.2  # seconds; slow imports wait so long for the far end to be asked first
SETTLING: Final = 2.0  # seconds after a change of the network in which the Tunnel tells the far end where it is


@dataclass(frozen=True, slots=True)
class Listener:
    """Who hears of a session."""

    state: Callable[[State, str, str, Trouble | None], None]
    """New state, reason, hint and kind of trouble; all but the first are empty when all is well."""
    progress: Callable[[Progress], None]
    event: Callable[[Event], None]
    lost: Callable[[], None]
    """Probes show that packets flow no more: there is nothing to wait for."""
    resumed: Callable[[], None]
    """This host slept."""


@dataclass(frozen=True, slots=True)
class _Crashed:
    error: Exception


@dataclass(frozen=True, slots=True)
class _HostFailed:
    error: TunnelError


class _NetworkChanged:
    """Addresses, routes or links changed."""


class _PathsChanged:
    """What a kernel tunnel would have to carry has changed."""


class _StopAsked:
    """Somebody wants this tunnel down."""


_Said = Up | Down | PeerSilent | Notice
_Inboxed = _Said | Verdict | _Crashed | _HostFailed | _NetworkChanged | _PathsChanged | _StopAsked


class Session:
    """Runs one method of one profile, once."""

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
        self._inbox: asyncio.Queue[_Inboxed] = asyncio.Queue()
        self._up: Up | None = None
        self._passes = False
        """Whether packets are known to flow, or nobody can tell."""
        self._carries = False
        """Whether that is relied on."""
        self._story: str | None = None
        """What was told of it last."""
        self.verified = ""
        """How it is known that packets flow."""
        self.failure = ExitCode.NO_ANSWER
        """What to end with when it does not come up in time."""
        self._driver = self._make_driver(memory)
        self._carrier = Carrier(profile, host, configurator, self._driver, listener.progress)
        self._verification = Verification(
            profile.device, prober, self._driver.traffic, self._inbox.put_nowait, SystemRandom()
        )

    def _make_driver(self, memory: Memory) -> Driver:
        try:
            return Driver(
                self._method.transport,
                memory,
                on_news=self._inbox.put_nowait,
                on_crash=lambda error: self._inbox.put_nowait(_Crashed(error)),
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
        return TunnelError(
            f"the {self._method.type} plugin crashed: {type(error).__name__}: {error}",
            hint="the log has the traceback; please report it to the plugin's authors",
            exit_code=ExitCode.BUG,
        )

    async def run(self) -> None:
        """Return when stopped, with everything taken back.

        Raises TunnelError when this method cannot work here or failed for good.
        """
        if self._profile.firewall.inbound is Inbound.ESTABLISHED:
            self._host.surroundings().require_nft()
        self._carrier.open()
        try:
            self._driver.start(self._host.surroundings().network)
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
        self._inbox.put_nowait(_StopAsked())

    def network_changed(self) -> None:
        """Tell the Tunnel, and look whether packets still flow."""
        self._inbox.put_nowait(_NetworkChanged())

    def command(self, name: str, arguments: Mapping[str, Fact]) -> Mapping[str, object]:
        """Run one of the transport's own commands. Raises TunnelError."""
        return self._driver.command(name, arguments)

    def status(self) -> TunnelStatus:
        """Return the Tunnel's own status, with what was dropped in its place among the counters."""
        status = self._driver.status()
        counters = Counter(status.counters)
        counters.update(self._carrier.barred)
        return replace(status, counters=counters)

    def traffic(self) -> Traffic:
        """Return what passed since the start, as of the last call of `status`."""
        return self._driver.traffic()

    def outer_sockets(self) -> tuple[OuterSocket, ...]:
        """Return the sockets the tunnel's datagrams travel on."""
        return self._driver.outer_sockets()

    def datapath(self) -> tuple[str, str]:
        """Return which data path carries, and why not a faster one."""
        return self._carrier.path, self._carrier.reason

    @property
    def device(self) -> Desired | None:
        """What the device looks like; None while the Tunnel is not up."""
        return self._wished(self._up) if self._up else None

    @property
    def beside_native(self) -> bool:
        """Whether the default route is left to native IPv6."""
        if self._up is None or not self._carries:
            return False
        wished = self._profile.network.default_route is DefaultRouteWish.IF_NO_NATIVE and self._up.config.default_route
        return wished and self._host.surroundings().network.native_ipv6 is True

    @property
    def lan(self) -> tuple[LanStatus, ...]:
        """How the interfaces that share the tunnel stand."""
        return self._lan.status(self._configurator.shortfalls)

    def _offer_changed(self) -> None:
        if self._carrier.is_concerned:
            self._inbox.put_nowait(_PathsChanged())

    @property
    def shortfall(self) -> Shortfall | None:
        """What this host itself works without, although the profile wants it."""
        return next((one for one in self._configurator.shortfalls if isinstance(one.item, Resolvers)), None)

    def _resumed(self) -> None:
        self._verification.doubt(SETTLING)
        self._listener.resumed()

    def _device_lost(self, error: OSError) -> None:
        gone = f"reading {self._profile.device}: {error.strerror}"
        self._inbox.put_nowait(_HostFailed(TunnelError(gone, hint="somebody removed the device; it will be made again")))

    async def _attend(self) -> None:
        while not isinstance(news := await self._inbox.get(), _StopAsked):
            await self._hear(news)

    async def _hear(self, news: _Inboxed) -> None:
        match news:
            case Notice():
                self._listener.progress(Progress(news.code, news.text))
            case Up() | Down() | PeerSilent():
                await self._hear_tunnel(news)
            case Verdict():
                await self._judged(news)
            case _HostFailed():
                raise news.error
            case _NetworkChanged():
                await self._follow_network()
            case _PathsChanged():
                await self._refresh()
            case _Crashed():
                raise self._crashed(news.error) from news.error

    async def _hear_tunnel(self, news: Up | Down | PeerSilent) -> None:
        match news:
            case Up():
                await self._came_up(news)
            case Down():
                await self._went_down(news)
            case PeerSilent():
                await self._fell_silent(news)

    async def _follow_network(self) -> None:
        """Same method, same tunnel: nothing is torn down, but the Tunnel may speak from elsewhere from here on."""
        network = self._host.surroundings().network
        if self._driver.network_changed(network):
            self._verification.doubt(SETTLING)
        await self._refresh()

    async def _refresh(self) -> None:
        """Look whether device and LAN are as they shall be, and the packets carried by whom they can be."""
        if self._up:
            await self._configure()
            self._tell_lan()

    async def _came_up(self, up: Up) -> None:
        self._up = up
        await self._configure()
        targets = () if up.config.listening else self._profile.network.probe or up.probe
        self._verification.begin(up.config.addresses[0].ip if targets else IPv6Address(0), targets)

    async def _went_down(self, down: Down) -> None:
        self._verification.end()
        self._up, self._passes, self._carries, self.verified = None, False, False, ""
        await self._configure()
        if down.permanent:
            raise TunnelError(down.reason, hint=down.hint, exit_code=down.code)
        self.failure = down.code
        self._trouble_is("down", State.DOWN, down.reason, down.hint)

    async def _fell_silent(self, silent: PeerSilent) -> None:
        """Keep what is configured, but send nobody into a tunnel that leads nowhere."""
        self._verification.end()
        state = State.IMPAIRED if self.verified else State.WAITING_FOR_PEER
        await self._withdraw()
        self._trouble_is("silent", state, silent.reason, silent.hint, Trouble.SILENT)

    async def _withdraw(self) -> None:
        """Take back what only a tunnel that carries may have: applications go on by IPv4 at once."""
        self._passes = self._carries = False
        if self._up:
            await self._configure()

    async def _judged(self, verdict: Verdict) -> None:
        """Hear whether packets flow. What was found of a tunnel that went down meanwhile is no news."""
        if not self._up:
            return
        match verdict.finding:
            case Finding.PROVEN:
                await self._proven(self._up, verdict.result)
            case Finding.UNANSWERED:
                await self._nobody_answers(_unanswered(verdict))
            case Finding.HELD:
                await self._hold(verdict.held)

    async def _nobody_answers(self, reason: str) -> None:
        """Take back what was given when packets flow no more, once; what carried is impaired until it carries again."""
        flowed = self._passes
        if flowed:
            await self._withdraw()
        if self.verified:
            self._trouble_is("lost", State.IMPAIRED, f"packets stopped: {reason}", LOST_HINT, Trouble.LOST)
        else:
            hint = "check network.probe; status --peers shows where packets went"
            self._trouble_is("unproven", State.STARTING, reason, hint, Trouble.UNPROVEN)
        if flowed:
            self._listener.lost()

    async def _hold(self, waits: float) -> None:
        """Let go on what is bound to the tunnel's addresses, and answer whoever calls them; nothing else has them yet."""
        if self._passes:
            return  # said before
        self._passes = True
        await self._configure()
        reason = f"packets flow again; the default route waits {waits:.0f} s, lest it come and go"
        self._trouble_is("held", State.IMPAIRED, reason, "", Trouble.HELD)

    def _trouble_is(self, code: str, state: State, reason: str, hint: str, kind: Trouble | None = None) -> None:
        """Say why no packets flow; the story tells it once."""
        if reason != self._story:
            self._story = reason
            self._listener.progress(Progress(code, reason))
        self._listener.state(state, reason, hint, kind)

    async def _proven(self, up: Up, result: ProbeResult | None) -> None:
        """Packets flow, or nobody can tell: give the tunnel what waited for that."""
        self._passes = self._carries = True
        self.verified = self._how(up, result)
        story = describe_device(await self._configure())
        if story != self._story:  # a broker's neighbours come and go without anything to tell, and so do round trips
            self._story = story
            self._listener.progress(Progress("up", story))
            self._listener.progress(Progress("verified", self.verified))
            if short := self.shortfall:
                self._listener.progress(Progress("shortfall", f"{short.reason}; {short.hint}"))
        self._tell_lan()
        self._listener.state(State.UP, "", "", None)

    def _how(self, up: Up, result: ProbeResult | None) -> str:
        if result is None or result.round_trip is None:
            return "listening" if up.config.listening else NOT_PROVEN
        took = f"{result.round_trip * 1000:.0f} ms"
        return f"carries packets: {result.answered} of {result.sent} probes, {took}{self._via(result.target)}"

    def _via(self, target: IPv6Address) -> str:
        for peer in self._driver.status().peers:
            if peer.address == str(target) and peer.endpoint:
                return f", via {peer.path} {peer.endpoint.partition(':')[0]}"
        return ""

    async def _configure(self) -> Desired:
        """Make the device as it shall be at this moment, and the LAN with it."""
        now, around = asyncio.get_running_loop().time(), self._host.surroundings()
        if self._up is None:
            desired = self._lan.withdrawn(bare_device(self._profile), around, now=now)
        else:
            desired = self._lan.shared(self._wished(self._up), self._up.config, around, carries=self._carries, now=now)
        await self._carrier.configure(desired)
        return desired

    def _tell_lan(self) -> None:
        for line in self._lan.news(self._configurator.shortfalls):
            self._listener.progress(Progress("lan", line))

    def _wished(self, up: Up) -> Desired:
        default_route = self._carries and wants_default_route(self._profile, up.config, self._host.surroundings().network)
        return wished_device(
            self._profile, up.config, default_route=default_route, carries=self._carries, passes=self._passes
        )


def _unanswered(verdict: Verdict) -> str:
    if verdict.result is None:
        return f"probes cannot be sent through the tunnel: {verdict.error.strerror if verdict.error else 'nobody to ask'}"
    return f"{verdict.result.target} does not answer through the tunnel (0 of {verdict.result.sent} probes)"


def describe_device(device: Desired) -> str:
    """Return one line on a device: name, addresses, MTU, what is routed into it, what may come in."""
    addresses = " ".join(str(interface.ip) for interface in device.addresses)
    route = "default route" if has_default_route(device) else "no default route"
    inbound = "closed" if device.inbound is Inbound.ESTABLISHED else "open"
    return f"{device.device} {addresses}  MTU {device.mtu}, {route}, inbound {inbound}"


def has_default_route(device: Desired) -> bool:
    """Say whether the whole IPv6 internet is routed into a device."""
    return any(destination.prefix.prefixlen == 0 for destination in device.destinations)
