"""Answers what the Tunnel of a simulated host asks for: names, requests to services, HTTPS, port mappings, channels."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from tunnelmgr.api.effects import (
    Ask,
    CloseChannel,
    Done,
    Effect,
    EffectResult,
    Failed,
    FailureCode,
    Fetch,
    MapPort,
    OpenChannel,
    Ping,
    Remember,
    Resolve,
    Response,
    UnmapPort,
)
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.transport import Service
from tunnelmgr.lab.simulated.clock import Alarm, Clock
from tunnelmgr.lab.simulated.inner import InnerStack
from tunnelmgr.lab.simulated.outer import OuterStack

Responder = Callable[[Fetch], Response | Failed]


@dataclass(slots=True)
class Directory:
    """What is the same for every host of an internet: names, web servers, and how long they take, in seconds.

    A name or a URL that maps to None is one whose server never answers.
    """

    names: dict[str, tuple[IPv4Address, ...] | None] = field(default_factory=dict)
    resolve_delay: float = 0.0
    web: dict[str, Responder | None] = field(default_factory=dict)
    """By the beginning of the URL; the longest that fits answers."""
    fetch_delay: float = 0.0
    service_delay: float = 0.0


class SimulatedEffects:
    """Carries out the effects of one Tunnel. Each is begun at once and answered once, never before `begin` returns."""

    def __init__(
        self,
        clock: Clock,
        directory: Directory,
        outer: OuterStack,
        inner: InnerStack,
        memory: dict[str, bytes],
        services: Mapping[str, Service],
        answer: Callable[[Effect, EffectResult], None],
    ) -> None:
        self._clock = clock
        self._directory = directory
        self._outer = outer
        self._inner = inner
        self._memory = memory
        self._services = services
        self._answer = answer
        # Two equal effects are two askings, so they are told apart by identity.
        self._pending: dict[int, tuple[Effect, Alarm]] = {}
        self._forgetting: dict[str, Alarm] = {}
        """By the key that is remembered for a time."""

    def begin(self, effect: Effect) -> None:
        """Carry out an effect now and answer it when it is time."""
        delay, result = self._carry_out(effect)
        if delay is None or delay >= effect.timeout:
            delay = effect.timeout
            result = Failed(FailureCode.TIMEOUT, f"{type(effect).__name__}: no answer in {effect.timeout:g} s")
        alarm = self._clock.after(delay, lambda: self._finish(effect, result))
        self._pending[id(effect)] = (effect, alarm)

    def cancel(self, effect: Effect) -> None:
        """Forget an effect: no answer will come."""
        if (pending := self._pending.pop(id(effect), None)) is not None:
            pending[1].cancel()

    def cancel_all(self) -> None:
        for _, alarm in self._pending.values():
            alarm.cancel()
        self._pending.clear()

    def _finish(self, effect: Effect, result: EffectResult) -> None:
        self._pending.pop(id(effect), None)  # gone already when one object was asked for twice
        self._answer(effect, result)

    def _ping(self, effect: Ping) -> tuple[float | None, EffectResult]:
        """Let the host ping; its answer comes before the timeout, or the timeout does."""

        def answered(round_trip: float) -> None:
            if (pending := self._pending.get(id(effect))) is not None:
                pending[1].cancel()
                self._finish(effect, Done(round_trip))

        if self._inner.ping_natively(effect, answered):
            return None, Done(None)
        return 0.0, Failed(FailureCode.UNREACHABLE, f"no way to {effect.target}")

    def _carry_out(self, effect: Effect) -> tuple[float | None, EffectResult]:
        """Return the result and how many seconds it takes; None for never."""
        match effect:
            case OpenChannel():
                local = self._outer.open(effect)
                return 0.0, local if isinstance(local, Failed) else Done(local)
            case CloseChannel(channel):
                self._outer.close(channel)
                return 0.0, Done(None)
            case Resolve():
                return self._resolve(effect)
            case Fetch():
                return self._fetch(effect)
            case MapPort() | UnmapPort():
                return 0.0, self._port_mapping(effect)
            case Ping():
                return self._ping(effect)
            case Remember():
                return 0.0, self._remember(effect)
            case Ask():
                return self._directory.service_delay, self._ask(effect)

    def _resolve(self, effect: Resolve) -> tuple[float | None, EffectResult]:
        addresses = self._directory.names.get(effect.name, ())
        if addresses is None or self._outer.source is None:
            return None, Done(None)
        if not addresses:
            return self._directory.resolve_delay, Failed(FailureCode.NOT_FOUND, f"{effect.name} has no IPv4 address")
        return self._directory.resolve_delay, Done(addresses)

    def _fetch(self, effect: Fetch) -> tuple[float | None, EffectResult]:
        if self._outer.source is None:
            return 0.0, Failed(FailureCode.UNREACHABLE, f"no way to {effect.url.partition('?')[0]}")
        web = self._directory.web
        responder = web.get(max((url for url in web if effect.url.startswith(url)), key=len, default=""))
        if responder is None:
            return None, Done(None)
        answer = responder(effect)
        if isinstance(answer, Response) and len(answer.body) > effect.response_max:
            answer = Failed(FailureCode.PROTOCOL, f"{effect.url} answered {len(answer.body)} bytes")
        return self._directory.fetch_delay, answer if isinstance(answer, Failed) else Done(answer)

    def _port_mapping(self, effect: MapPort | UnmapPort) -> EffectResult:
        site, inside = self._outer.site, Endpoint(self._outer.addresses[0], effect.internal_port)
        if isinstance(effect, UnmapPort):
            if site is not None:
                site.unmap_port(inside)
            return Done(None)
        external = site.map_port(inside, effect.external_port, effect.lifetime) if site is not None else None
        return Failed(FailureCode.UNSUPPORTED, "the gateway maps no ports") if external is None else Done(external)

    def _remember(self, effect: Remember) -> EffectResult:
        self._forget(effect.key)
        if effect.value:
            self._memory[effect.key] = effect.value
            if effect.lifetime is not None:
                self._forgetting[effect.key] = self._clock.after(effect.lifetime, lambda: self._forget(effect.key))
        return Done(None)

    def _forget(self, key: str) -> None:
        self._memory.pop(key, None)
        if (alarm := self._forgetting.pop(key, None)) is not None:
            alarm.cancel()

    def _ask(self, effect: Ask) -> EffectResult:
        if (service := self._services.get(effect.service)) is None:
            return Failed(FailureCode.UNSUPPORTED, f"the transport names no service {effect.service!r}")
        try:
            return Done(service.handle(effect.request))
        except Exception as error:  # a service may raise anything
            return Failed(FailureCode.CRASHED, str(error))
