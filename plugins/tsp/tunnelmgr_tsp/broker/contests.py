"""Accounts that several hosts use at once.

A host that moves must have its tunnel at once, so the newest login has it. Two hosts on one account would take it from each
other for ever that way: after a few times the one that has it keeps it for as long as it is heard.
"""

from collections import deque
from typing import Final

from tunnelmgr.api.limits import Recent
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.status import Complaint
from tunnelmgr_tsp.broker.served import ServedTunnel

TAKEOVERS_MAX: Final = 2  # of one account within TAKEOVERS_WINDOW, from a host that is heard; ours
TAKEOVERS_WINDOW: Final = 600.0  # seconds; ours
HEARD_INTERVALS: Final = 1.5  # keepalive intervals within which whoever is there is heard; ours
_OWNERS_MAX: Final = 1024


class Contests:
    """Remembers who was displaced."""

    def __init__(self) -> None:
        self._takeovers: Recent[str, deque[float]] = Recent(_OWNERS_MAX)
        self._refused: Recent[str, tuple[float, Endpoint, Endpoint]] = Recent(_OWNERS_MAX)
        """By owner: when somebody was refused last, who it was, and who has the tunnel."""

    def is_kept(self, there: ServedTunnel | None, remote: Endpoint, now: float) -> bool:
        """True if the tunnel an owner has stays where it is, although somebody at `remote` has logged in."""
        if there is None or not _is_another(there, remote) or not _is_heard(there, now):
            return False
        recently = [at for at in self._takeovers.get(there.owner, ()) if now - at < TAKEOVERS_WINDOW]
        if len(recently) < TAKEOVERS_MAX and not self._is_contested(there.owner, now):
            return False
        self._refused[there.owner] = now, remote, there.remote
        return True

    def installed(self, before: ServedTunnel | None, tunnel: ServedTunnel, now: float) -> bool:
        """Take the word that an owner's tunnel ends elsewhere now; return True if it was taken from one who is heard."""
        if before is None or not _is_another(before, tunnel.remote) or not _is_heard(before, now):
            return False
        taken = self._takeovers.setdefault(tunnel.owner, deque(maxlen=TAKEOVERS_MAX))
        taken.append(now)
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


def _is_another(tunnel: ServedTunnel, remote: Endpoint) -> bool:
    return tunnel.remote.address != remote.address or (tunnel.remote.port not in {0, remote.port})


def _is_heard(tunnel: ServedTunnel, now: float) -> bool:
    return now - tunnel.received_at <= HEARD_INTERVALS * tunnel.interval
