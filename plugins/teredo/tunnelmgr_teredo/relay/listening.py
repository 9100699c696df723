"""The UDP ports of a server or relay: opened together, all or none, and tried again when one cannot be had."""

from collections.abc import Mapping

from tunnelmgr.api.datagrams import ChannelKind
from tunnelmgr.api.effects import CloseChannel, Effect, EffectResult, Failed, FailureCode, OpenChannel
from tunnelmgr.api.errors import ExitCode
from tunnelmgr.api.events import Down
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.outbox import Outbox
from tunnelmgr_teredo.constants import RESTART_DELAY

_HINTS = {
    FailureCode.IN_USE: "another Teredo server or relay may run here: stop it, or choose another port",
    FailureCode.NOT_FOUND: "give this host the address, or name one it has (`bind` for a server, `address` for a relay)",
}


class ListeningPorts:
    """Says `Down` while a port is missing; its owner says `Up`."""

    def __init__(self, channels: Mapping[str, Endpoint], outbox: Outbox) -> None:
        """Listen on each endpoint, by the name of its channel."""
        self._channels = channels
        self._outbox = outbox
        self._asked: list[OpenChannel] = []
        self._opened: list[str] = []
        self._failure: Failed | None = None
        self._retry_at: float | None = None
        self.ready = False

    def begin(self) -> None:
        """Ask for all channels."""
        self._opened, self._failure = [], None
        self._asked = [OpenChannel(channel, ChannelKind.UDP, local) for channel, local in self._channels.items()]
        for wish in self._asked:
            self._outbox.say(wish)

    def effect_done(self, effect: Effect, result: EffectResult, now: float) -> bool:
        """Handle the answer for a channel; return True if it was the last one and all are open."""
        wish = next((asked for asked in self._asked if asked is effect), None)
        if wish is None:
            return False
        self._asked = [asked for asked in self._asked if asked is not wish]
        if isinstance(result, Failed):
            self._failure = self._failure or result
        else:
            self._opened.append(wish.channel)
        if self._asked:
            return False
        if self._failure is not None:
            self._give_up(self._failure, now)
            return False
        self.ready = True
        return True

    def handle_timeout(self, now: float) -> None:
        if self._retry_at is not None and now >= self._retry_at:
            self._retry_at = None
            self.begin()

    def next_timeout(self) -> float | None:
        return self._retry_at

    def end(self) -> None:
        """Ask for nothing more."""
        self._asked, self._retry_at, self.ready = [], None, False

    def _give_up(self, failure: Failed, now: float) -> None:
        for channel in self._opened:
            self._outbox.say(CloseChannel(channel))
        refused = failure.code is FailureCode.NO_PERMISSION
        code = ExitCode.NO_PERMISSION if refused else ExitCode.FAILED
        self._outbox.say(Down(f"no UDP port: {failure.text}", _HINTS.get(failure.code, ""), code))
        self._retry_at = now + RESTART_DELAY
