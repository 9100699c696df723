"""What a broker gave: leases in a database, tunnels that use them, and when both are taken back."""

from collections.abc import Iterable
from ipaddress import IPv6Network
from typing import cast

from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.effects import Ask, Done, EffectResult, Failed
from tunnelmgr.api.events import Notice
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.status import Complaint
from tunnelmgr_tsp.broker.contests import Contests
from tunnelmgr_tsp.broker.conversations import UDP
from tunnelmgr_tsp.broker.dialogue import BrokerAnswer, BrokerDialogue, BrokerStage, Policy
from tunnelmgr_tsp.broker.leasing import Lease, LeaseClaim, ListLeases, Release
from tunnelmgr_tsp.broker.served import ServedTunnel, ServedTunnels
from tunnelmgr_tsp.broker.sessions import ClientSession
from tunnelmgr_tsp.constants import ANONYMOUS_GRACE
from tunnelmgr_tsp.wire.capability import TunnelType
from tunnelmgr_tsp.wire.framing import Reply, Status

LEASES = "leases"
PROTOCOL41 = "p41"


class Grants:
    """Leases and tunnels. What the database says comes back through `take_leases`, `claimed` and `answers`."""

    def __init__(self, policy: Policy, outbox: Outbox) -> None:
        self.tunnels = ServedTunnels(outbox)
        self.leases: dict[str, Lease] = {}
        """By owner."""
        self._policy = policy
        self._outbox = outbox
        self._asked: dict[int, tuple[Ask, ClientSession | None]] = {}
        """By the identity of the effect: two equal requests are two requests."""
        self._contests = Contests()
        self._failure = ""
        """Why leases cannot be kept; empty while they can."""
        self._release_at: dict[str, float] = {}
        """Owners of anonymous leases that carry nothing, and when those are taken back."""

    # -- asking the database ----------------------------------------------------------------------------------------------

    def ask_for_list(self) -> None:
        """Ask what was given before this start."""
        self._ask(ListLeases(), None)

    def answers(self, effect: Ask) -> tuple[object, ClientSession | None] | None:
        """Return what was asked and for which session; None when it was not asked here."""
        asked = self._asked.pop(id(effect), None)
        return (asked[0].request, asked[1]) if asked is not None else None

    def take_leases(self, leases: Iterable[Lease], now: float) -> None:
        """Take the list. The clients these leases were given to may still exist, and come back."""
        self.leases = {lease.owner: lease for lease in leases}
        for lease in self.leases.values():
            if lease.anonymous and lease.broker == str(self._policy.settings.address):
                self._release_at[lease.owner] = now + ANONYMOUS_GRACE

    def want(self, session: ClientSession, others: Iterable[ClientSession], now: float) -> Reply | None:
        """Ask for a lease for a session; return why it gets none at once. `others` are in the middle of theirs."""
        dialogue = session.dialogue
        owner = owner_of(session)
        if dialogue.type is TunnelType.V6V4:
            there = self.tunnels.at(PROTOCOL41, Endpoint(session.remote.address, 0))
            if there is not None and there.owner != owner:
                return Reply(Status(506, "IPv4 address in use"))
        if dialogue.user is not None and self._contests.is_kept(self.tunnels.of(owner), session.remote, now):
            self._outbox.count("accounts-in-use")
            return Reply(Status(506, "Account in use by another host"))
        if self.tunnels.of(owner) is None and self._is_full_for(session, others):
            return self._policy.referral(301, "No more tunnels available")
        wants_prefix = dialogue.create is not None and dialogue.create.prefix_length is not None
        self._release_at.pop(owner, None)
        self._ask(LeaseClaim(owner, dialogue.user is None, wants_prefix), session)
        return None

    def claimed(
        self, owner: str, session: ClientSession, result: EffectResult, now: float, *, is_here: bool
    ) -> BrokerAnswer:
        """Take the answer to a claim; return what to say to the client, if it `is_here` still."""
        self._note(result)
        if not isinstance(result, Done):
            return session.dialogue.refuse(Reply(Status(310, "Server side error")))
        lease = cast("Lease | None", result.value)
        if lease is not None:
            self.leases[owner] = lease
            if not is_here and lease.anonymous and self.tunnels.of(owner) is None:
                self._release_at[owner] = now + ANONYMOUS_GRACE
        return session.dialogue.offer(lease)

    def complaints(self, now: float) -> tuple[Complaint, ...]:
        """Return what is wrong as long as it is."""
        return (*((Complaint(self._failure),) if self._failure else ()), *self._contests.complaints(now))

    def _note(self, result: EffectResult) -> None:
        """Remember whether leases are kept, and say once when they are not any more."""
        failure = result.text if isinstance(result, Failed) else ""
        if failure:
            self._outbox.count("leases-failed")
            if not self._failure:
                self._outbox.say(Notice("tsp.leases-failed", failure))
        self._failure = failure

    def _is_full_for(self, session: ClientSession, others: Iterable[ClientSession]) -> bool:
        """True if one more tunnel would be too many. Tunnels on offer count, or many clients could be promised the last."""
        address, settings = session.remote.address, self._policy.settings
        promised = [
            one.remote.address
            for one in others
            if one is not session and one.dialogue.stage in {BrokerStage.CLAIMING, BrokerStage.OFFERED}
        ]
        return (
            len(self.tunnels) + len(promised) >= settings.tunnels_max
            or self.tunnels.count_at(address) + promised.count(address) >= settings.tunnels_per_address
        )

    def _ask(self, request: object, session: ClientSession | None) -> None:
        ask = Ask(LEASES, request)
        self._asked[id(ask)] = (ask, session)
        self._outbox.say(ask)

    # -- giving -----------------------------------------------------------------------------------------------------------

    def install(self, session: ClientSession, now: float) -> bool:
        """Carry: the client accepted the offer. Returns False when there is no valid offer."""
        tunnel = self._tunnel(session, now)
        if tunnel is None:
            return False
        self._release_at.pop(tunnel.owner, None)
        displaced, before = self.tunnels.at(tunnel.channel, tunnel.remote), self.tunnels.of(tunnel.owner)
        self._contests.installed(before, tunnel, now)
        self.tunnels.install(tunnel)
        if displaced is not None and displaced.owner != tunnel.owner:
            self._ended(displaced, now)
        session.dialogue.stage = BrokerStage.UP
        self._outbox.count("tunnels-set-up")
        text = f"{tunnel.owner} at {tunnel.remote}: {tunnel.type.value}, {tunnel.networks[0]}"
        self._outbox.say(Notice("tsp.tunnel-up", text))
        return True

    def _tunnel(self, session: ClientSession, now: float) -> ServedTunnel | None:
        lease, offered = session.dialogue.lease, session.dialogue.offered
        if lease is None or offered is None or offered.client_ipv6 != self._policy.plan.client(lease.slot):
            return None  # nothing was offered, or this host has left the link of the offer
        is_udp = offered.type is TunnelType.V6UDPV4
        networks = (IPv6Network(self._policy.plan.client(lease.slot)), *((offered.prefix,) if offered.prefix else ()))
        interval = float(offered.keepalive.interval if offered.keepalive else self._policy.settings.keepalive)
        remote = session.remote if is_udp else Endpoint(session.remote.address, 0)
        return ServedTunnel(lease.owner, offered.type, UDP if is_udp else PROTOCOL41, remote, networks, interval, now)

    def receive(self, datagram: Datagram, now: float) -> None:
        """Take a client's packet that the data plane did not take."""
        if self.tunnels.at(datagram.channel, datagram.remote) is None:
            self._contests.heard(datagram.channel, datagram.remote, now)
        self.tunnels.receive(datagram, now)

    # -- taking back ------------------------------------------------------------------------------------------------------

    def delete(self, session: ClientSession) -> None:
        """Take back the tunnel and the lease that a client gives back."""
        owner = owner_of(session)
        self.tunnels.remove(self.tunnels.of(owner))
        if self.leases.pop(owner, None) is not None:
            self._ask(Release(owner), None)
        self._release_at.pop(owner, None)
        session.dialogue.stage, session.dialogue.offered = BrokerStage.COMMAND, None

    def abandon(self, dialogue: BrokerDialogue, now: float) -> None:
        """Take back the anonymous lease of an offer that came to nothing."""
        lease = dialogue.lease
        if lease is not None and lease.anonymous and self.tunnels.of(lease.owner) is None:
            self._release_at[lease.owner] = now

    def sweep(self, now: float) -> None:
        """Remove the dead tunnels, and take back the leases whose clients did not come back."""
        for tunnel in self.tunnels.silent(now):
            self.tunnels.remove(tunnel)
            self._ended(tunnel, now)
        for owner in [owner for owner, at in self._release_at.items() if now >= at]:
            del self._release_at[owner]
            self.leases.pop(owner, None)
            self._ask(Release(owner), None)

    def _ended(self, tunnel: ServedTunnel, now: float) -> None:
        self._outbox.say(Notice("tsp.tunnel-down", f"{tunnel.owner} at {tunnel.remote}"))
        lease = self.leases.get(tunnel.owner)
        if lease is not None and lease.anonymous:
            self._release_at[tunnel.owner] = now + ANONYMOUS_GRACE


def owner_of(session: ClientSession) -> str:
    """Return the owner of a session's lease: its user, or for an anonymous client the place it speaks from."""
    user, remote = session.dialogue.user, session.remote
    if user is not None:
        return f"user {user}"
    is_udp = session.dialogue.type is TunnelType.V6UDPV4
    return f"anonymous {remote}" if is_udp else f"anonymous {remote.address}"
