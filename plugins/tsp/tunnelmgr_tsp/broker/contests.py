"""Accounts that several hosts use at once.

A host that moves, or starts again, must have its tunnel at once, so the newest login has it. Two hosts on one account would
take it from each other for ever that way. They show themselves: who lost the tunnel goes on sending from where it was. After
a few times the one that has the tunnel keeps it for as long as it is heard.
"""

from collections import deque
from typing import Final

from tunnelmgr.api.limits import Recent
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.status import Complaint
from tunnelmgr_tsp.broker.served import ServedTunnel

TAKEOVERS_MAX: Final = 2  # of one account within TAKEOVERS_WINDOW, from a host that goes on; ours
TAKEOVERS_WINDOW: Final = 600.0  # seconds; ours
IN_FLIGHT: Final = 5.0  # seconds in which packets of a host that has moved still come from where it was; ours
HEARD_INTERVALS: Final = 1.5  # keepalive intervals within which whoever is there is heard; ours
_REMEMBERED_MAX: Final = 1024


class Contests:
    """Remembers who lost a tunnel, and goes on all the same."""

    def __init__(self) -> None:
        self._displaced: Recent[tuple[str, Endpoint], tuple[str, float]] = Recent(_REMEMBERED_MAX)
        """Channel and place -> the owner whose tunnel ended there, and since when it does not."""
        self._takeovers: Recent[str, deque[float]] = Recent(_REMEMBERED_MAX)
        self._refused: Recent[str, tuple[float, Endpoint, Endpoint]] = Recent(_REMEMBERED_MAX)
        """By owner: when somebody was refused last, who it was, and who has the tunnel."""

    def installed(self, before: ServedTunnel | None, tunnel: ServedTunnel, now: float) -> None:
        """Take the word that an owner's tunnel ends elsewhere now."""
        self._displaced.pop((tunnel.channel, tunnel.remote), None)
        if before is not None and before.remote != tunnel.remote:
            self._displaced[before.channel, before.remote] = before.owner, now

    def heard(self, channel: str, remote: Endpoint, now: float) -> None:
        """Take a datagram from where no tunnel ends."""
        owner, since = self._displaced.get((channel, remote), ("", now))
        if now - since > IN_FLIGHT:
            del self._displaced[channel, remote]
            self._takeovers.setdefault(owner, deque(maxlen=TAKEOVERS_MAX)).append(now)

    def is_kept(self, there: ServedTunnel | None, remote: Endpoint, now: float) -> bool:
        """True if the tunnel an owner has stays where it is, although somebody at `remote` has logged in."""
        if there is None or there.remote in {remote, Endpoint(remote.address, 0)} or not _is_heard(there, now):
            return False
        recently = [at for at in self._takeovers.get(there.owner, ()) if now - at < TAKEOVERS_WINDOW]
        if len(recently) < TAKEOVERS_MAX and not self._is_contested(there.owner, now):
            return False
        self._refused[there.owner] = now, remote, there.remote
        return True

    def complaints(self, now: float) -> tuple[Complaint, ...]:
        """Return the accounts that are contested."""
        return tuple(
            Complaint(f"{owner} is used by two hosts: {loser} is refused, {winner} has it", "give each host its own account")
            for owner, (_, loser, winner) in self._refused.items()
            if self._is_contested(owner, now)
        )

    def _is_contested(self, owner: str, now: float) -> bool:
        """True while somebody goes on trying."""
        return owner in self._refused and now - self._refused[owner][0] < TAKEOVERS_WINDOW


def _is_heard(tunnel: ServedTunnel, now: float) -> bool:
    return now - tunnel.received_at <= HEARD_INTERVALS * tunnel.interval
