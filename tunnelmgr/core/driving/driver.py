"""The pump's real outside: drives one Tunnel with sockets, timers, a TUN device and the data path on an asyncio loop."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from errno import EPERM
from random import SystemRandom
from typing import Final, ParamSpec

from tunnelmgr.api.datagrams import ChannelEvent, ChannelFailed, Datagram
from tunnelmgr.api.effects import Cancel, Effect, EffectResult
from tunnelmgr.api.events import EVERYWHERE, Down, Event, Notice, PathDown, PathUp, PeerSilent, Stopped, Up
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.api.pump import Pump
from tunnelmgr.api.status import Fact, PathUse, TunnelStatus
from tunnelmgr.api.texts import worded
from tunnelmgr.api.transport import Transport
from tunnelmgr.core.driving.channels import Channels
from tunnelmgr.core.driving.effects import Effects
from tunnelmgr.core.driving.kernel_offer import KernelOffer
from tunnelmgr.core.driving.memory import Memory
from tunnelmgr.core.driving.traffic import OuterSocket, Traffic
from tunnelmgr.dataplane.kernel import KernelUse
from tunnelmgr.dataplane.plain import PlainPath
from tunnelmgr.dataplane.table import ForwardingTable
from tunnelmgr.host.desired import KernelPath
from tunnelmgr.host.linux.packet_filter import not_carried_from

STOP_TIMEOUT: Final = 2.0  # seconds a Tunnel may take to say good-bye; design, section 4
SLEEP_NOTICED: Final = 2.0  # seconds of sleep that count as such; clocks drift by less

TunnelNews = Up | Down | PeerSilent | Notice
"""What a Tunnel says that the driver does not carry out by itself."""

P = ParamSpec("P")


class Driver:
    """Runs one Tunnel. Made, started, stopped and closed once, all on one event loop.

    An exception out of a Tunnel is a crash of its plugin: it is reported once, and the Tunnel is not called again.
    """

    def __init__(
        self,
        transport: Transport,
        memory: Memory,
        *,
        on_news: Callable[[TunnelNews], None],
        on_crash: Callable[[Exception], None],
        on_device_lost: Callable[[OSError], None],
        on_resumed: Callable[[], None] = lambda: None,
        on_offer: Callable[[], None] = lambda: None,
        watch: Callable[[Event], None] = lambda _: None,
    ) -> None:
        """`on_resumed` hears that this host slept, after the Tunnel has; `on_offer` that `offer` has changed.

        `watch` hears every event, those of paths included, after it was acted on.
        """
        self._loop = asyncio.get_running_loop()
        self._on_news = on_news
        self._on_crash = on_crash
        self._on_device_lost = on_device_lost
        self._on_resumed = on_resumed
        self._on_offer = on_offer
        self._watch = watch
        self.offer = KernelOffer()
        """What a kernel tunnel would have to do, as of the latest event."""
        self._kernel: KernelUse | None = None
        """While a kernel tunnel carries, the Tunnel's own deliveries are copies of what it has delivered."""
        self._table = ForwardingTable()
        self._datapath = PlainPath(self._table)
        self.refused_here: Endpoint | None = None
        """Where something was sent last that this host's own firewall refused."""
        self._channels = Channels(self._datapath, received=self._received, changed=self._channel_changed)
        self._effects = Effects(self._channels, memory, transport.type_name, transport.services(), self._answered)
        self._remembered = memory.recall(transport.type_name)
        self._pump = Pump(transport.tunnel(SystemRandom()), self)
        self._device: int | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._traffic: Counter[str] = Counter()
        self._network = Network()
        self._slept = _time_slept()
        self._spoken = asyncio.Event()
        self._stopped = asyncio.Event()
        self._ended = False

    def start(self, network: Network) -> None:
        """Start the Tunnel: its first datagrams leave within this turn of the loop."""
        self._network = network
        self._guard(self._pump.start, network, self._remembered)

    async def spoke(self, timeout: float) -> None:
        """Wait until the first datagrams have left, `timeout` seconds at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._spoken.wait()

    def attach_device(self, descriptor: int) -> None:
        """Carry packets from and to this TUN descriptor from here on; the caller owns it, and detaches it first."""
        self._device = descriptor
        self._datapath.attach_device(descriptor)
        self._loop.add_reader(descriptor, self._read_device)

    def detach_device(self) -> None:
        """Forget the TUN descriptor."""
        if self._device is not None:
            self._loop.remove_reader(self._device)
            self._datapath.attach_device(None)
            self._device = None

    def leave_to_kernel(self, device: str) -> None:
        """Have a kernel tunnel carry the packets of the paths, after `detach_device`. What strangers send, and what answers
        the Tunnel, it still hears."""
        if self._kernel is None:
            self._kernel = KernelUse(device, EVERYWHERE)
            self._table.clear()
        self._listen_beside_kernel()

    def take_from_kernel(self) -> None:
        """Carry packets again, before `attach_device`."""
        self._kernel = None
        self._channels.hear_only((), ())
        for path in self.offer.paths:
            self._table.add(path, self._loop.time())

    def _listen_beside_kernel(self) -> None:
        """Without paths the far end is not known to be there: then the Tunnel hears all it sends."""
        offered = self.offer.current
        program = not_carried_from(offered.remote) if isinstance(offered, KernelPath) else ()
        self._channels.hear_only(self.offer.channels, program)

    def network_changed(self, network: Network) -> bool:
        """Tell the Tunnel when the network is not what it was; return whether it is not."""
        changed = network != self._network
        if changed:
            self._network = network
            self._guard(self._pump.network_changed, network)
        return changed

    def command(self, name: str, arguments: Mapping[str, Fact]) -> Mapping[str, object]:
        """Run one of the transport's own commands. Raises TunnelError."""
        return self._pump.command(name, arguments)

    def status(self) -> TunnelStatus:
        """Return the Tunnel's status, with the counters of the data path among its own."""
        self._guard(self._pump.wake)  # hears what the paths carried since, so that ages and bytes are those of this moment
        status = worded(self._pump.tunnel.status(self._loop.time()))
        return replace(status, counters={**status.counters, **self._datapath.counters()})

    def traffic(self) -> Traffic:
        """Return what passed since the start."""
        self._wake()  # hears what the paths carried, and whether the host slept meanwhile
        return Traffic(**self._traffic)

    def outer_sockets(self) -> tuple[OuterSocket, ...]:
        """Return the sockets the tunnel's datagrams travel on."""
        return self._channels.outer_sockets()

    async def stop(self) -> None:
        """Let the Tunnel say good-bye, for two seconds at most."""
        self._guard(self._pump.stop)
        if not self._ended:
            with contextlib.suppress(TimeoutError):  # it had its time
                async with asyncio.timeout(STOP_TIMEOUT):
                    await self._stopped.wait()

    async def close(self) -> None:
        """Release everything. The Tunnel is not called again."""
        self._ended = True
        self.wake_at(None)
        self.detach_device()
        self._channels.close_all()
        await self._effects.close()

    # The Outside of the pump.

    def now(self) -> float:
        """Return the loop's monotonic clock."""
        return self._loop.time()

    def on_event(self, event: Event) -> None:
        """Carry out an event or an effect."""
        offered = self.offer.hear(event)
        self._act_on(event)
        if offered:
            if self._kernel is not None:
                self._listen_beside_kernel()
            self._on_offer()

    def _act_on(self, event: Event) -> None:
        match event:
            case PathUp() if self._kernel is None:
                self._table.add(event, self._loop.time())
            case PathUp():
                pass
            case PathDown():
                self._table.remove(event.prefix)
            case Up() | Down() | PeerSilent() | Notice():
                event = worded(event)
                self._on_news(event)
            case Stopped():
                self._stopped.set()
            case Cancel():
                self._effects.cancel(event.effect)
                return
            case _:
                self._effects.perform(event)
                return
        self._watch(event)

    def send(self, datagrams: Sequence[Datagram]) -> None:
        """Send, and report later what could not be sent."""
        self._channels.send(datagrams)
        self._spoken.set()
        self._report_failures()

    def deliver(self, packets: Sequence[bytes]) -> None:
        """Write packets to the host."""
        if self._kernel is not None:
            return
        self._datapath.deliver(packets)
        self._count("received", packets)

    def path_uses(self) -> Sequence[PathUse]:
        """Return what the paths carried, and add it to the totals."""
        uses = self._table.uses() if self._kernel is None else self._kernel.uses(self._loop.time())
        for use in uses:
            for name in ("packets_received", "bytes_received", "packets_sent", "bytes_sent"):
                self._traffic[name] += getattr(use, name)
        return uses

    def wake_at(self, instant: float | None) -> None:
        """Set the one timer of the Tunnel."""
        if self._timer is not None:
            if self._timer.when() == instant and not self._timer.cancelled():
                return
            self._timer.cancel()
        self._timer = None if instant is None else self._loop.call_at(instant, self._wake)

    # What the loop calls.

    def _wake(self) -> None:
        self._timer = None
        self._notice_sleep()
        self._guard(self._pump.wake)

    def _read_device(self) -> None:
        if self._device is None:
            return
        try:
            packets = self._datapath.read_device(self._loop.time())
        except OSError as error:
            self.detach_device()
            self._on_device_lost(error)
            return
        if packets:
            self._count("sent", packets)
            self._guard(self._pump.packets_received, packets)
        self._report_failures()

    def _received(self, datagrams: list[Datagram]) -> None:
        self._guard(self._pump.datagrams_received, datagrams)

    def _channel_changed(self, event: ChannelEvent) -> None:
        if isinstance(event, ChannelFailed) and event.errno == EPERM:
            self.refused_here = event.remote
        self._guard(self._pump.channel_changed, event)

    def _answered(self, effect: Effect, result: EffectResult) -> None:
        self._guard(self._pump.effect_done, effect, result)

    def _report_failures(self) -> None:
        for event in self._datapath.failures():
            self._loop.call_soon(self._channel_changed, event)

    def _notice_sleep(self) -> None:
        """The monotonic clock stands still while the host sleeps, the boot-time clock does not."""
        slept = _time_slept()
        if slept - self._slept > SLEEP_NOTICED:
            self._guard(self._pump.network_changed, replace(self._network, resumed=True))
            self._on_resumed()
        self._slept = slept

    def _count(self, direction: str, packets: Sequence[bytes]) -> None:
        self._traffic[f"packets_{direction}"] += len(packets)
        self._traffic[f"bytes_{direction}"] += sum(map(len, packets))

    def _guard(self, call: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        if self._ended:
            return
        try:
            call(*args, **kwargs)
        except Exception as error:
            self._ended = True
            self._on_crash(error)


def _time_slept() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)
