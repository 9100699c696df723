"""How a client gets its address, keeps it, and finds out when it has lost it (RFC 4380 sections 5.2.1 and 5.2.5).

     disabled -> resolving -> probing-primary -> probing-secondary -> qualified <-> refreshing
                     ^  |            |                  |                            |
                     |  v            v                  v                            |
                     offline <-------+------------------+----------------------------+

Both addresses of the server are asked at once: the first answers with the mapping, the second tells whether the NAT is
symmetric. The address does not wait long for the second. The cone phase of RFC 4380 is skipped, as RFC 5991 section 3.2
asks.
"""

from collections.abc import Mapping
from enum import Enum
from ipaddress import IPv4Address
from random import Random
from typing import cast

from tunnelmgr.api.effects import ANY, Cancel, Done, Effect, EffectResult, Remember, Resolve
from tunnelmgr.api.errors import ExitCode
from tunnelmgr.api.events import Down, Notice
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.report import NatKind
from tunnelmgr.api.tunnel import earliest
from tunnelmgr_teredo.client.advertisement import ServerAdvertisement, read_advertisement
from tunnelmgr_teredo.client.nat import NatEvidence
from tunnelmgr_teredo.client.servers import ConfiguredServer, Server, ServerOrder
from tunnelmgr_teredo.client.settings import ClientSettings
from tunnelmgr_teredo.client.solicitation import KeyRefused, Solicitation, SolicitationOutcome
from tunnelmgr_teredo.constants import (
    REFRESH_SHORTEST,
    RESTART_DELAY,
    RESTART_DELAY_MAX,
    RESTART_SPREAD,
    SECONDARY_PATIENCE,
    SOLICITATIONS_MAX,
    UNREACHABLE_PATIENCE,
)
from tunnelmgr_teredo.drops import Drop, Refused
from tunnelmgr_teredo.wire.address import GlobalUnicast
from tunnelmgr_teredo.wire.datagram import Payload

LAST_GOOD_SERVER = "server"
"""The key the name of the server that worked last is remembered under."""


class QualificationState(Enum):
    """Where a client stands; see the drawing above."""

    DISABLED = "disabled"
    RESOLVING = "resolving"
    PROBING_PRIMARY = "probing-primary"
    PROBING_SECONDARY = "probing-secondary"
    QUALIFIED = "qualified"
    REFRESHING = "refreshing"
    OFFLINE = "offline"


News = ServerAdvertisement | NatKind | Down
"""The server told where it sees us, for the first time or somewhere else than before; the kind of NAT is known; the client
has no address, or has lost it."""


class Qualification:
    """One client's standing with its server."""

    def __init__(self, settings: ClientSettings, unicast: GlobalUnicast, random: Random, outbox: Outbox) -> None:
        self._settings = settings
        self._unicast = unicast
        self._random = random
        self._outbox = outbox
        self._servers = ServerOrder(settings.server_names)
        self._primary = Solicitation(random, outbox, settings.shared_secret)
        self._secondary = Solicitation(random, outbox, settings.shared_secret)
        self.state = QualificationState.DISABLED
        self.server: Server | None = None
        self.local = ANY
        """The service port's own endpoint, as far as it is known."""
        self.mapped: Endpoint | None = None
        """Where the primary address sees us, while qualified."""
        self.nat = NatEvidence(outbox)
        self.refresh_interval = settings.refresh_interval
        self._name: ConfiguredServer | None = None
        self._resolving: Resolve | None = None
        self._advertisement: ServerAdvertisement | None = None
        """The last one from the primary address."""
        self._in_use: ServerAdvertisement | None = None
        """The one the address was made from."""
        self._refused = False
        """True if an ICMP error came for what we asked."""
        self._began_at = 0.0
        self._patient_until: float | None = None
        self._refresh_at: float | None = None
        self._restart_at: float | None = None
        self._restart_delay = RESTART_DELAY
        self._news: list[News] = []

    # -- what the client tells ----------------------------------------------------------------------------------------

    def remembered(self, memory: Mapping[str, bytes]) -> None:
        """Take what earlier runs remembered."""
        if name := memory.get(LAST_GOOD_SERVER):
            self._servers.remember(name.decode(errors="replace"))

    def begin(self, local: Endpoint, now: float) -> None:
        """Begin, or begin again, at the first server."""
        self.abandon()
        self.local = local
        self._try(self._servers.begin(), now)

    def abandon(self) -> None:
        """Stop wanting an address. Says nothing."""
        if self._resolving is not None:
            self._outbox.say(Cancel(self._resolving))
        self._primary.cancel()
        self._secondary.cancel()
        self._resolving = self._patient_until = self._refresh_at = self._restart_at = None
        self.mapped = self.nat.kind = None
        self.state = QualificationState.DISABLED

    def requalify(self, local: Endpoint, now: float) -> None:
        """Ask again because the network changed: an address in use stays until the answer says otherwise."""
        self.local = local
        if self.server is not None and self.state in {QualificationState.QUALIFIED, QualificationState.REFRESHING}:
            self.state = QualificationState.REFRESHING
            self._ask_both(self.server, now)
        elif self.state is not QualificationState.DISABLED:
            self.begin(local, now)

    def unreachable(self, now: float) -> None:
        """Handle that nothing can be sent at the moment. Most likely a route has changed."""
        if self.state is QualificationState.QUALIFIED:
            # Not at once: asking is sending, which fails likewise while the host has no route at all.
            self._refresh_at = min(self._refresh_at or now, now + UNREACHABLE_PATIENCE)

    def icmp_unreachable(self, remote: Endpoint) -> None:
        """Note an ICMP error for a datagram to `remote`. It proves nothing, and is told of if no answer comes."""
        if self._primary.is_from(remote):
            self._refused = True

    def server_heard(self, now: float) -> None:
        """Note a valid packet from the server: the mapping is alive (RFC 4380 section 5.2.5)."""
        if self.state is QualificationState.QUALIFIED:
            self._schedule_refresh(now)

    def resolved(self, effect: Effect, result: EffectResult, now: float) -> None:
        """Handle the answer to the effect `Resolve`."""
        if effect is not self._resolving or self._name is None:
            return
        self._resolving = None
        if not isinstance(result, Done):
            self._fail(
                Down(f"server {self._name.name}: {result.text}", "check the name, or your DNS", ExitCode.REFUSED), now
            )
            return
        addresses = cast("tuple[IPv4Address, ...]", result.value)
        usable = [address for address in addresses if address in self._unicast]
        if not usable:
            text = f"server {self._name.name} is {addresses[0]}, which is not a public address"
            self._fail(Down(text, "list its prefix in `private_deployment` if that is meant", ExitCode.REFUSED), now)
            return
        self._probe(self._servers.resolved(self._name, usable), now)

    def receive_advertisement(self, payload: Payload, remote: Endpoint, now: float) -> None:
        """Take what may be an answer. Raises Refused when it is none."""
        asked = next((one for one in (self._primary, self._secondary) if one.is_from(remote)), None)
        if asked is None or self.server is None:
            raise Refused(Drop.RA_UNASKED)
        try:
            asked.require_answer(payload)
        except KeyRefused:
            text = f"server {self.server} says that the key of this client is no longer valid"
            self._fail(Down(text, "get a new secret for `secure`", ExitCode.NO_PERMISSION), now)
            raise
        advertisement = read_advertisement(payload, self.server, self._unicast)
        asked.answered(now)
        if asked is self._primary:
            self._primary_answered(self.server, advertisement, now)
        else:
            self.nat.mapped_secondary = advertisement.mapped
            self._settle(self.server, now)

    def lets_strangers_in(self) -> None:
        """Note that the NAT lets everybody in at the mapping in use."""
        if self.mapped is not None and self.nat.kind is NatKind.PORT_RESTRICTED:
            self.nat.unfiltered = self.mapped
            self._name_nat(NatKind.FULL_CONE, self.mapped)

    def handle_timeout(self, now: float) -> None:
        """Do what is due."""
        if self._restart_at is not None and now >= self._restart_at:
            self._restart_at = None
            self._try(self._servers.begin(), now)
        if self.server is not None:
            self._probes_due(self.server, now)

    def next_timeout(self) -> float | None:
        questions = (self._primary.next_timeout(), self._secondary.next_timeout())
        return earliest(self._restart_at, self._patient_until, self._refresh_at, *questions)

    def news(self) -> list[News]:
        """Drain what the client must act on, in order."""
        news, self._news = self._news, []
        return news

    @property
    def round_trip(self) -> float | None:
        """Seconds to the primary address and back, as last measured."""
        return self._primary.round_trip

    @property
    def port_preserved(self) -> bool | None:
        """True if the NAT kept our port (RFC 6081 section 5.4.3)."""
        return None if self.mapped is None else self.mapped.port == self.local.port

    # -- towards an address -------------------------------------------------------------------------------------------

    def _try(self, name: ConfiguredServer | Server, now: float) -> None:
        if isinstance(name, Server):
            self._probe(name, now)
            return
        self._name = name
        if name.literal is not None:
            self._probe(name.at(name.literal), now)
            return
        self.state = QualificationState.RESOLVING
        self._resolving = Resolve(name.name)
        self._outbox.say(self._resolving)

    def _probe(self, server: Server, now: float) -> None:
        self.server = server
        self._began_at = now
        self.state = QualificationState.PROBING_PRIMARY
        self._ask_both(server, now)

    def _ask_both(self, server: Server, now: float) -> None:
        # RFC 4380 section 5.2.1 asks one after the other; at once costs no time, and either answer may come first.
        self._refresh_at = self._patient_until = None
        self._advertisement = self.nat.mapped_secondary = None
        self._refused = False
        self._primary.ask(server.primary_endpoint, now)
        self._secondary.ask(server.secondary_endpoint, now)

    def _probes_due(self, server: Server, now: float) -> None:
        self._primary.handle_timeout(now)
        self._secondary.handle_timeout(now)
        if self._primary.outcome is SolicitationOutcome.SILENT:
            hint = "check that UDP may leave to port 3544, and that the server runs"
            told = "; the network says it is unreachable" if self._refused else ""
            self._fail(Down(_silence(server.primary_endpoint) + told, hint), now)
            return
        if self._secondary.outcome is SolicitationOutcome.SILENT:
            self._secondary.cancel()
            self._secondary_silent(server, now)
        if self._patient_until is not None and now >= self._patient_until:
            self._qualify(server, now)
        if self._refresh_at is not None and now >= self._refresh_at:
            self._refresh(server, now)

    def _primary_answered(self, server: Server, advertisement: ServerAdvertisement, now: float) -> None:
        self._advertisement = advertisement
        if self.state is QualificationState.REFRESHING:
            self._refreshed(server, advertisement, now)
        elif self._secondary.outcome is not SolicitationOutcome.WAITING:
            self._settle(server, now)
        else:
            self.state = QualificationState.PROBING_SECONDARY
            self._patient_until = None if self._settings.strict else now + SECONDARY_PATIENCE

    def _secondary_silent(self, server: Server, now: float) -> None:
        text = _silence(server.secondary_endpoint)
        if self._settings.strict:
            self._fail(Down(f"{text}, the server's second address", "set `secondary`, or leave `strict` out"), now)
            return
        self._outbox.say(Notice("teredo.secondary-silent", f"{text}: the kind of NAT stays unknown"))

    def _settle(self, server: Server, now: float) -> None:
        """Act on an answer of either address, once the primary one has answered."""
        if self._advertisement is None:
            return
        kind = self.nat.judge(self.local, self._advertisement.mapped)
        if kind is NatKind.SYMMETRIC and self._settings.strict:
            text = f"NAT is symmetric: {self._advertisement.mapped} and {self.nat.mapped_secondary} for one port"
            self._fail(Down(text, "leave `strict` out to reach native hosts all the same", ExitCode.FAILED), now)
        elif self.state in {QualificationState.PROBING_PRIMARY, QualificationState.PROBING_SECONDARY}:
            self._qualify(server, now)
        else:
            self._name_nat(kind, self._advertisement.mapped)

    def _name_nat(self, kind: NatKind | None, mapped: Endpoint) -> None:
        if kind is not None:
            self.nat.name(kind, mapped)
            self._news.append(kind)

    def _qualify(self, server: Server, now: float) -> None:
        self._patient_until = None
        if self._advertisement is None:
            return
        mapped = self._advertisement.mapped
        self._name_nat(self.nat.judge(self.local, mapped), mapped)
        self._outbox.say(Notice("teredo.qualified", f"qualified in {now - self._began_at:.2f} s"))
        self._restart_delay = RESTART_DELAY
        if self._servers.settle(server.name):
            self._outbox.say(Remember(LAST_GOOD_SERVER, server.name.encode()))
        self._use(self._advertisement, now)

    def _use(self, advertisement: ServerAdvertisement, now: float) -> None:
        self.state = QualificationState.QUALIFIED
        self.mapped = advertisement.mapped
        self._in_use = advertisement
        self._news.append(advertisement)
        self._schedule_refresh(now)

    # -- keeping it ---------------------------------------------------------------------------------------------------

    def _schedule_refresh(self, now: float) -> None:
        self._refresh_at = now + self.refresh_interval * self._random.uniform(REFRESH_SHORTEST, 1.0)

    def _refresh(self, server: Server, now: float) -> None:
        # To the primary address alone: it keeps the mapping that peers know, and tells when that is another one.
        self._refresh_at = self.nat.mapped_secondary = None
        self._refused = False
        self.state = QualificationState.REFRESHING
        self._primary.ask(server.primary_endpoint, now)

    def _refreshed(self, server: Server, advertisement: ServerAdvertisement, now: float) -> None:
        moved = advertisement.mapped != self.mapped
        if moved:
            text = f"you appear as {advertisement.mapped} now, not {self.mapped}"
            self._outbox.say(Notice("teredo.mapping-changed", text))
        if advertisement != self._in_use:
            self._use(advertisement, now)
        else:
            self.state = QualificationState.QUALIFIED
            self._schedule_refresh(now)
        if self.nat.mapped_secondary is not None:
            self._settle(server, now)
        elif moved and self._secondary.outcome is not SolicitationOutcome.WAITING:
            # Another mapping may mean another NAT: a phone that has left the WLAN, a provider that has moved the customer.
            self._secondary.ask(server.secondary_endpoint, now)

    # -- losing it ----------------------------------------------------------------------------------------------------

    def _fail(self, lost: Down, now: float) -> None:
        """Go to the next server at once; when all have been tried, rest."""
        was_qualified = self.state in {QualificationState.QUALIFIED, QualificationState.REFRESHING}
        self._primary.cancel()
        self._secondary.cancel()
        self._patient_until = self._refresh_at = None
        self.mapped = self.nat.kind = None
        if was_qualified:
            self._news.append(lost)
        following = self._servers.next()
        # An address that is lost is told at once, for whoever waits. One that never was is told when no server is left.
        if following is not None:
            self._outbox.say(Notice("teredo.next-server", f"{lost.reason}; trying {following}"))
            self._try(following, now)
            return
        if not was_qualified:
            self._news.append(lost)
        self.state = QualificationState.OFFLINE
        self._restart_at = now + self._restart_delay * self._random.uniform(1 - RESTART_SPREAD, 1 + RESTART_SPREAD)
        self._restart_delay = min(2 * self._restart_delay, RESTART_DELAY_MAX)


def _silence(remote: Endpoint) -> str:
    return f"no answer from {remote} ({SOLICITATIONS_MAX} tries)"
