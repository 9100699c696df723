"""What a client finds out beside its work, each errand on a UDP port of its own."""

from ipaddress import IPv4Address
from typing import Protocol

from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.effects import Cancel, Done, Effect, EffectResult, OpenChannel
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.tunnel import earliest


class Errand(Protocol):
    """One question; it ends by itself, or with the address."""

    @property
    def channel(self) -> str:
        """The channel of its port."""

    def opening(self, bind: IPv4Address) -> OpenChannel:
        """Return the effect that opens the port."""

    def begin(self, now: float) -> None:
        """The port is open."""

    def receive(self, datagram: Datagram, now: float) -> None:
        """Take what arrived on the port. Raises WireError."""

    def handle_timeout(self, now: float) -> None:
        """Do what is due."""

    def next_timeout(self) -> float | None:
        """Return when something is."""

    def end(self) -> None:
        """Give the port back, if it is open."""


class Errands:
    """Those under way. One whose port cannot be opened is not run: nothing depends on it."""

    def __init__(self, bind: IPv4Address, outbox: Outbox) -> None:
        self._bind = bind
        self._outbox = outbox
        self._opening: list[tuple[OpenChannel, Errand]] = []
        self._running: dict[str, Errand] = {}

    def run(self, errand: Errand) -> None:
        opening = errand.opening(self._bind)
        self._opening.append((opening, errand))
        self._outbox.say(opening)

    def end(self) -> None:
        """End them all."""
        for opening, _ in self._opening:
            self._outbox.say(Cancel(opening))
        for errand in self._running.values():
            errand.end()
        self._opening.clear()
        self._running.clear()

    def effect_done(self, effect: Effect, result: EffectResult, now: float) -> bool:
        """Take the answer to an effect; return True if it was one of theirs."""
        for opening, errand in self._opening:
            if opening is effect:
                self._opening.remove((opening, errand))
                if isinstance(result, Done):
                    self._running[errand.channel] = errand
                    errand.begin(now)
                return True
        return False

    def receive(self, datagram: Datagram, now: float) -> bool:
        """Take a datagram; return True if it was for one of them. Raises WireError."""
        errand = self._running.get(datagram.channel)
        if errand is not None:
            errand.receive(datagram, now)
        return errand is not None

    def handle_timeout(self, now: float) -> None:
        for errand in self._running.values():
            errand.handle_timeout(now)

    def next_timeout(self) -> float | None:
        return earliest(*(errand.next_timeout() for errand in self._running.values()))
