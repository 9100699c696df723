"""Carries out what a Tunnel asks for, each effect within its deadline, each answered once."""

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from errno import EACCES, EADDRINUSE, EADDRNOTAVAIL, ECONNREFUSED, ECONNRESET, EPERM, EPIPE
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final, TypeVar

from tunnelmgr.api.addresses import is_never_a_host
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
from tunnelmgr.api.errors import TunnelError
from tunnelmgr.api.transport import Service
from tunnelmgr.core.driving.channels import DATAGRAM_KINDS, Channels
from tunnelmgr.core.driving.memory import Memory
from tunnelmgr.core.driving.ping import ping

_log = logging.getLogger(__name__)

ADDRESSES_MAX: Final = 16  # of one name; each is asked for seconds where none answers

T = TypeVar("T")

_CODES: Final = {
    EADDRINUSE: FailureCode.IN_USE,
    EACCES: FailureCode.NO_PERMISSION,
    EPERM: FailureCode.NO_PERMISSION,
    EADDRNOTAVAIL: FailureCode.NOT_FOUND,
    **dict.fromkeys((ECONNREFUSED, ECONNRESET, EPIPE), FailureCode.REFUSED),
}


class Effects:
    """Runs the effects of one Tunnel as tasks of the asyncio loop."""

    def __init__(
        self,
        channels: Channels,
        memory: Memory,
        method: str,
        services: Mapping[str, Callable[[Path], Service]],
        answer: Callable[[Effect, EffectResult], None],
    ) -> None:
        self._channels = channels
        self._memory = memory
        self._method = method
        self._services = {name: _ServiceThread(name, factory, memory.folder) for name, factory in services.items()}
        self._answer = answer
        # Two equal effects are two askings, so they are told apart by identity.
        self._running: dict[int, asyncio.Task[None]] = {}

    def perform(self, effect: Effect) -> None:
        """Begin to carry out an effect; the answer comes later, never before this returns."""
        opened: EffectResult | None = None
        if isinstance(effect, OpenChannel) and effect.kind in DATAGRAM_KINDS:
            # At once, so that a datagram of the same turn finds its channel.
            try:
                opened = Done(self._channels.open_datagram(effect))
            except OSError as error:
                opened = _failed(effect, error)
        if isinstance(effect, CloseChannel):
            self._channels.close(effect.channel)  # at once, too: its name may be taken again in the same turn
        self._running[id(effect)] = asyncio.get_running_loop().create_task(self._perform(effect, opened))

    def cancel(self, effect: Effect) -> None:
        """Stop waiting: no answer will come."""
        if task := self._running.pop(id(effect), None):
            task.cancel()

    async def close(self) -> None:
        """Cancel what runs and release the services."""
        running = list(self._running.values())
        self._running.clear()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for service in self._services.values():
            await service.close()

    async def _perform(self, effect: Effect, known: EffectResult | None) -> None:
        result = known or await self._result(effect)
        if self._running.pop(id(effect), None) is not None:
            self._answer(effect, result)

    async def _result(self, effect: Effect) -> EffectResult:
        try:
            async with asyncio.timeout(effect.timeout):
                return Done(await self._carry_out(effect))
        except TimeoutError:
            return Failed(FailureCode.TIMEOUT, f"{_words(effect)}: no answer in {effect.timeout:g} s")
        except EffectError as error:
            return Failed(error.code, f"{_words(effect)}: {error}")
        except OSError as error:
            return _failed(effect, error)
        except Exception as error:  # a bug of ours, and yet the Tunnel is owed its answer
            _log.exception("%s", _words(effect))
            return Failed(FailureCode.CRASHED, f"{_words(effect)}: {type(error).__name__}: {error}")

    async def _carry_out(self, effect: Effect) -> object:
        match effect:
            case OpenChannel():
                return self._channels.open_stream(effect)
            case CloseChannel():
                return None  # `perform` has closed it
            case Resolve():
                return await _resolve(effect.name)
            case Ping():
                return await ping(effect.target, effect.source)
            case Fetch():
                return await _in_a_thread(lambda: _fetch(effect))
            case Remember():
                self._memory.remember(self._method, effect.key, effect.value, effect.lifetime)
                return None
            case Ask():
                if (service := self._services.get(effect.service)) is None:
                    raise EffectError(FailureCode.UNSUPPORTED, f"the transport names no service {effect.service!r}")
                return await service.handle(effect.request)
            case MapPort() | UnmapPort():
                raise EffectError(FailureCode.UNSUPPORTED, "no port mapping protocol is built in")


class EffectError(Exception):
    """An effect failed for a reason that is no errno."""

    def __init__(self, code: FailureCode, text: str) -> None:
        super().__init__(text)
        self.code = code


class _ServiceThread:
    """One service and the single thread that makes it, asks it and closes it."""

    def __init__(self, name: str, factory: Callable[[Path], Service], folder: Path) -> None:
        self._factory = factory
        self._folder = folder
        self._service: Service | None = None
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=f"service-{name}")

    async def handle(self, request: object) -> object:
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._handle, request)

    def _handle(self, request: object) -> object:
        try:
            if self._service is None:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._service = self._factory(self._folder)
            return self._service.handle(request)
        except TunnelError as error:
            raise EffectError(FailureCode.CRASHED, str(error)) from error
        except Exception as error:
            raise EffectError(FailureCode.CRASHED, f"{type(error).__name__}: {error}") from error

    async def close(self) -> None:
        def close() -> None:
            if self._service is not None:
                self._service.close()

        await asyncio.get_running_loop().run_in_executor(self._executor, close)
        self._executor.shutdown(wait=False)


async def _in_a_thread(call: Callable[[], T]) -> T:
    """Run what blocks. Nobody waits for the thread of a call that is given up, as an ending loop does for its executor's."""
    outcome: Future[T] = Future()
    outcome.set_running_or_notify_cancel()  # from here on it takes a result, wanted or not

    def run() -> None:
        try:
            outcome.set_result(call())
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return await asyncio.wrap_future(outcome)


async def _resolve(name: str) -> tuple[IPv4Address, ...]:
    try:
        found = await _in_a_thread(lambda: socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_DGRAM))
    except socket.gaierror as error:
        code = FailureCode.TIMEOUT if error.errno == socket.EAI_AGAIN else FailureCode.NOT_FOUND
        raise EffectError(code, error.strerror or str(error)) from error
    told = tuple(dict.fromkeys(IPv4Address(entry[4][0]) for entry in found))
    usable = [address for address in told if address.is_loopback or not is_never_a_host(address)]
    if not usable:
        raise EffectError(FailureCode.NOT_FOUND, f"{told[0]}, which no host can have")
    return tuple(usable[:ADDRESSES_MAX])


def _fetch(effect: Fetch) -> Response:
    from http.client import HTTPException
    from ssl import SSLCertVerificationError, SSLError

    from tunnelmgr.core.driving.https import fetch

    try:
        response = fetch(effect)
    except HTTPException as error:
        raise EffectError(FailureCode.PROTOCOL, f"the answer is not HTTP ({type(error).__name__})") from error
    # Both of ssl before what else they are: the first a ValueError, all OSErrors whose errno is OpenSSL's own.
    except SSLCertVerificationError as error:
        text = f"somebody else answers: {error.verify_message}; is the clock right, and no login page in the way?"
        raise EffectError(FailureCode.UNREACHABLE, text) from error
    except SSLError as error:
        raise EffectError(FailureCode.PROTOCOL, f"the answer is not TLS ({error.reason})") from error
    except ValueError as error:
        raise EffectError(FailureCode.UNSUPPORTED, str(error)) from error
    if len(response.body) > effect.response_max:
        raise EffectError(FailureCode.PROTOCOL, f"the answer is longer than {effect.response_max} bytes")
    return response


def _failed(effect: Effect, error: OSError) -> Failed:
    code = _CODES.get(error.errno or 0, FailureCode.UNREACHABLE)
    return Failed(code, f"{_words(effect)}: {error.strerror or error}")


def _words(effect: Effect) -> str:
    """Name an effect in a message to the user."""
    match effect:
        case OpenChannel(channel=channel, kind=kind, local=local):
            return f"opening {kind.value} channel {channel} on {local}"
        case CloseChannel(channel=channel):
            return f"closing channel {channel}"
        case Resolve(name=name):
            return f"looking up {name}"
        case Ping(target=target):
            return f"pinging {target}"
        case Fetch(url=url):
            return f"fetching {url.partition('?')[0]}"  # the query may hold a key
        case MapPort(internal_port=port) | UnmapPort(internal_port=port):
            return f"mapping UDP port {port} on the gateway"
        case Remember(key=key):
            return f"remembering {key}"
        case Ask(service=service):
            return f"asking the {service} service"
