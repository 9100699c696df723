"""Looks at the network when a method is to be chosen: no closer than that takes."""

from collections.abc import Awaitable, Callable
from typing import Final

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.api.network import Network
from tunnelmgr.core.choosing.choice import Survey, choose, report_on
from tunnelmgr.core.profiles.profile import Method, Profile
from tunnelmgr.host.interface import Host

CONDITIONS_ASK: Final = "looking at the network, since `when:` asks what this host does not know by itself"

Detect = Callable[[Profile, Network], Awaitable[Survey]]
"""Asks the servers of the profile what kind of network this is: `tunnelmgr.detect.running.survey`, or what replaces it."""


Tell = Callable[[str, str], None]
"""Hears a line of progress: its code and its text."""


class Scout:
    """Takes surveys for one profile."""

    def __init__(self, profile: Profile, host: Host, detect: Detect | None, tell: Tell) -> None:
        """Without `detect`, no server is asked."""
        self._profile = profile
        self._host = host
        self._detect = detect
        self._tell = tell
        self._seen: Network | None = None

    def network_is_new(self) -> bool:
        """True if addresses or routes differ from those of the last look."""
        return self._host.surroundings().network != self._seen

    async def look(self, *, closer: bool) -> Survey:
        """Return what is known; ask the far ends when that is not enough, or when a closer look is wanted."""
        network = self._seen = self._host.surroundings().network
        if self._detect is None:
            return Survey(report_on(network), close=True)
        reason = reason_to_look_closer(self._profile.methods, network)
        if reason is None and not closer:
            return Survey(report_on(network))
        if reason is not None:
            self._tell("detecting", reason)
        try:
            return await self._detect(self._profile, network)
        except TunnelError as error:
            self._tell("detecting", f"looking at the network failed: {error}")
            return Survey(report_on(network), close=True)


def reason_to_look_closer(methods: tuple[Method, ...], network: Network) -> str | None:
    """Return why the far ends should be asked before a method is chosen; None when this host knows enough by itself.

    A method that merely may work costs seconds to try, and a look at the network costs less.
    """
    chosen, refused = choose(methods, report_on(network))
    if any(judgement.suits is None for judgement in chosen + refused):
        return CONDITIONS_ASK
    if len(methods) > 1 and chosen and not chosen[0].certain:
        return f"looking at the network, since {chosen[0].method.type} may work here or not: {chosen[0].reason}"
    return None
