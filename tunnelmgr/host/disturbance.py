"""What others take away of what a profile put on this machine: it is counted, told, and not fought over for ever."""

from collections import deque
from collections.abc import Collection, Iterable
from typing import Final

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.host.items import Item, KernelTunnel, LinkUp, Mtu, Table

ROUNDS_MAX: Final = 5  # times that something is put back within ...
ROUNDS_WITHIN: Final = 60.0  # ... seconds; then somebody does not want it, and the tunnel stands back
REMEMBERED: Final = 3600.0  # seconds since the last time in which a user is told


class ContestedError(TunnelError):
    """Somebody takes away again and again what a tunnel needs."""


class Disturbances:
    """The account of one profile."""

    def __init__(self) -> None:
        self._moments: deque[float] = deque(maxlen=ROUNDS_MAX)
        self._suspects: tuple[str, ...] = ()
        self._times = 0
        self._lost = ""
        self._news = ""

    def note(self, lost: Collection[Item], suspects: tuple[str, ...], now: float) -> None:
        """Count one time, at which all of this is missing. `suspects` may have done it.

        Raises ContestedError where it was put back often enough.
        """
        self._lost, self._suspects, self._times = ", ".join(item.words for item in lost), suspects, self._times + 1
        if len(self._moments) == ROUNDS_MAX and now - self._moments[0] < ROUNDS_WITHIN:
            self._moments.clear()
            raise ContestedError(
                f"somebody takes away again and again what this tunnel needs on this host: {self._lost}; "
                f"put back {ROUNDS_MAX} times within {ROUNDS_WITHIN:.0f} s",
                hint=f"{self.hint}; until it stops, nothing goes through the tunnel",
            )
        self._moments.append(now)
        self._news = f"{self.text(now)}; {self.hint}"

    def news(self) -> str:
        """Return what the user has not been told yet; nothing when there is nothing."""
        news, self._news = self._news, ""
        return news

    def text(self, now: float) -> str:
        """Return what was taken away last, and how often; nothing where that is long ago."""
        if not self._moments or now - self._moments[-1] > REMEMBERED:
            return ""
        times = "once" if self._times == 1 else f"{self._times} times"
        return f"something we need on this host was taken away by somebody: {self._lost}; put back {times}"

    @property
    def hint(self) -> str:
        """Who could be looked at."""
        if not self._suspects:
            return "nothing that is known to do so runs here: look for scripts and timers"
        return f"it could be {', '.join(self._suspects)}"


def taken_away(had: Collection[Item], actual: Collection[Item], added: Iterable[Item]) -> list[Item]:
    """Return what is missing of what was there and is added again, without what went along with something else of it."""
    missing = [item for item in added if item in had and item not in actual]
    cause = next((item for item in missing if _takes_along(item)), None)
    # A switched-off or small device loses its addresses and routes; what stands by itself was taken for its own sake.
    return [item for item in missing if item is cause or cause is None or item.needed_interface is None]


def _takes_along(item: Item) -> bool:
    """True if what is on the device goes with it. We ourselves switch a device off whose firewall is missing."""
    return isinstance(item, KernelTunnel | Mtu | LinkUp) or (isinstance(item, Table) and item.purpose.keeps_out)
