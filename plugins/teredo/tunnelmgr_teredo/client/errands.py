"""What a client finds out beside its work, each errand on a UDP port of its own."""

from ipaddress import IPv4Address
from random import Random

from tunnelmgr.api.datagrams import ChannelKind, Datagram
from tunnelmgr.api.effects import Cancel, CloseChannel, Done, Effect, EffectResult, OpenChannel
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.tunnel import earliest
from tunnelmgr_teredo.client.filtering import FilteringTest
from tunnelmgr_teredo.client.refresh_interval import RefreshInterval
from tunnelmgr_teredo.constants import SERVICE_PORTS
from tunnelmgr_teredo.drops import Drop, Refused

Errand = FilteringTest | RefreshInterval
"""It begins when its port is open, and ends with the address, or when it is `done` and needs the port no more."""


class Errands:
    """Those under way. One whose port cannot be opened is not run: nothing depends on it."""

    def __init__(self, bind: IPv4Address, random: Random, outbox: Outbox) -> None:
        self._bind = bind
        self._random = random
        self._outbox = outbox
        self._opening: list[tuple[OpenChannel, Errand]] = []
        self._running: dict[str, Errand] = {}

    def run(self, errand: Errand) -> None:
        local = Endpoint(self._bind, self._random.choice(SERVICE_PORTS))
        opening = OpenChannel(errand.channel, ChannelKind.UDP, local)
        self._opening.append((opening, errand))
        self._outbox.say(opening)

    def end(self) -> None:
        """End them all."""
        for opening, _ in self._opening:
            self._outbox.say(Cancel(opening))
        self._opening.clear()
        for channel in list(self._running):
            self._close(channel)

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

    def receive(self, datagram: Datagram, now: float) -> None:
        """Take a datagram that came to none of the client's own channels. Raises WireError."""
        if datagram.channel not in self._running:
            raise Refused(Drop.MISMATCH)  # it waited in a port that is closed
        self._running[datagram.channel].receive(datagram, now)
        self._close_done()

    def handle_timeout(self, now: float) -> None:
        for errand in self._running.values():
            errand.handle_timeout(now)
        self._close_done()

    def next_timeout(self) -> float | None:
        return earliest(*(errand.next_timeout() for errand in self._running.values()))

    def _close_done(self) -> None:
        for channel in [channel for channel, errand in self._running.items() if errand.done]:
            self._close(channel)

    def _close(self, channel: str) -> None:
        del self._running[channel]
        self._outbox.say(CloseChannel(channel))
