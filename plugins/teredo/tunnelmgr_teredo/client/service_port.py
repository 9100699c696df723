"""The UDP port a client does its work on: a random one unless the user names it, tried again while it cannot be had."""

from ipaddress import IPv4Address
from random import Random
from typing import cast

from tunnelmgr.api.datagrams import ChannelKind
from tunnelmgr.api.effects import ANY, Done, Effect, EffectResult, Failed, FailureCode, OpenChannel
from tunnelmgr.api.errors import ExitCode
from tunnelmgr.api.events import Down
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.api.outbox import Outbox
from tunnelmgr_teredo.constants import CHANNEL_ATTEMPTS, RESTART_DELAY, SERVICE, SERVICE_PORTS


class ServicePort:
    """Says `Down` while the port cannot be had."""

    def __init__(self, bind: IPv4Address, port: int, random: Random, outbox: Outbox) -> None:
        """Port 0 draws a random one."""
        self._bind = bind
        self._port = port
        self._random = random
        self._outbox = outbox
        self._opening: OpenChannel | None = None
        self._bound = ANY
        self.is_open = False
        self._attempts = 0
        self._reopen_at: float | None = None

    def open(self) -> None:
        port = self._port or self._random.choice(SERVICE_PORTS)
        self._opening = OpenChannel(SERVICE, ChannelKind.UDP, Endpoint(self._bind, port))
        self._outbox.say(self._opening)

    def effect_done(self, effect: Effect, result: EffectResult, now: float) -> bool:
        """Take the answer to an effect; return True if it was the port's."""
        if effect is not self._opening:
            return False
        self._opening = None
        if isinstance(result, Done):
            self._bound, self.is_open = cast("Endpoint", result.value), True
        else:
            self._cannot_be_had(result, now)
        return True

    def endpoint(self, network: Network) -> Endpoint:
        """Return the open port's endpoint as far as it is known: a socket bound to no address leaves it to the route."""
        bound_to_none = self._bound.address == IPv4Address(0)
        address = network.source if bound_to_none and network.source is not None else self._bound.address
        return Endpoint(address, self._bound.port)

    def handle_timeout(self, now: float) -> None:
        if self._reopen_at is not None and now >= self._reopen_at:
            self._reopen_at = None
            self._attempts = 0
            self.open()

    def next_timeout(self) -> float | None:
        return self._reopen_at

    def end(self) -> None:
        """Ask for nothing more."""
        self._opening = self._reopen_at = None

    def _cannot_be_had(self, failure: Failed, now: float) -> None:
        self._attempts += 1
        if failure.code is FailureCode.IN_USE and not self._port and self._attempts < CHANNEL_ATTEMPTS:
            self.open()
            return
        hint = "choose another `port`, or leave it out for a random one" if self._port else ""
        code = ExitCode.NO_PERMISSION if failure.code is FailureCode.NO_PERMISSION else ExitCode.FAILED
        self._outbox.say(Down(f"no UDP port: {failure.text}", hint, code))
        self._reopen_at = now + RESTART_DELAY
