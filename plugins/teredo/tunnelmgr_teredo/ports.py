"""The UDP ports of a role: opened together, all or none, and tried again when one cannot be had."""

from collections.abc import Mapping
from ipaddress import IPv4Address
from random import Random
from typing import cast

from tunnelmgr.api.datagrams import ChannelKind
from tunnelmgr.api.effects import CloseChannel, Done, Effect, EffectResult, Failed, FailureCode, OpenChannel
from tunnelmgr.api.errors import ExitCode
from tunnelmgr.api.events import Down
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.api.outbox import Outbox
from tunnelmgr_teredo.constants import CHANNEL_ATTEMPTS, RESTART_DELAY, SERVICE_PORTS


class UdpPorts:
    """Says `Down` while a port is missing; its owner says `Up`."""

    def __init__(
        self, wanted: Mapping[str, Endpoint], hints: Mapping[FailureCode, str], random: Random, outbox: Outbox
    ) -> None:
        """Want an endpoint for each channel. Port 0 stands for a random one, drawn again where another program has it.

        `hints` tell the user what to do about a failure.
        """
        self._wanted = wanted
        self._hints = hints
        self._random = random
        self._outbox = outbox
        self._asked: list[OpenChannel] = []
        self._bound: dict[str, Endpoint] = {}
        self._failure: Failed | None = None
        self._attempts = 0
        self._retry_at: float | None = None
        self.ready = False
        """True while all are open."""

    def open(self) -> None:
        """Ask for all of them."""
        self._attempts += 1
        self._bound, self._failure = {}, None
        for channel, local in self._wanted.items():
            port = local.port or self._random.choice(SERVICE_PORTS)
            self._asked.append(OpenChannel(channel, ChannelKind.UDP, Endpoint(local.address, port)))
        self._outbox.say(*self._asked)

    def effect_done(self, effect: Effect, result: EffectResult, now: float) -> bool:
        """Handle the answer for a channel; return True if it was the last one and all are open."""
        wish = next((asked for asked in self._asked if asked is effect), None)
        if wish is None:
            return False
        self._asked = [asked for asked in self._asked if asked is not wish]
        if isinstance(result, Done):
            self._bound[wish.channel] = cast("Endpoint", result.value)
        else:
            self._failure = self._failure or result
        if self._asked:
            return False
        if self._failure is not None:
            self._give_up(self._failure, now)
            return False
        self.ready = True
        return True

    def local(self, channel: str, network: Network) -> Endpoint:
        """Return an open port's endpoint as far as it is known: a socket bound to no address leaves it to the route."""
        address, port = self._bound[channel]
        return Endpoint(network.source or address if address == IPv4Address(0) else address, port)

    def handle_timeout(self, now: float) -> None:
        if self._retry_at is not None and now >= self._retry_at:
            self._retry_at = None
            self._attempts = 0
            self.open()

    def next_timeout(self) -> float | None:
        return self._retry_at

    def end(self) -> None:
        """Ask for nothing more."""
        self._asked, self._retry_at, self.ready = [], None, False

    def _give_up(self, failure: Failed, now: float) -> None:
        for channel in self._bound:
            self._outbox.say(CloseChannel(channel))
        drawn = any(not local.port for local in self._wanted.values())
        if drawn and failure.code is FailureCode.IN_USE and self._attempts < CHANNEL_ATTEMPTS:
            self.open()
            return
        refused = failure.code is FailureCode.NO_PERMISSION
        code = ExitCode.NO_PERMISSION if refused else ExitCode.FAILED
        self._outbox.say(Down(f"no UDP port: {failure.text}", self._hints.get(failure.code, ""), code))
        self._retry_at = now + RESTART_DELAY


SERVED_HINTS = {
    FailureCode.IN_USE: "another Teredo server or relay may run here: stop it, or choose another port",
    FailureCode.NOT_FOUND: "give this host the address, or name one it has (`bind` for a server, `address` for a relay)",
}
"""Of a server or relay, whose clients must find it."""
