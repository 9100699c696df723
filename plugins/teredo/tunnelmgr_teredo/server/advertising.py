"""Answers router solicitations: tells a client its mapping, and this server's prefix (RFC 4380 section 5.3.2).

A route to this host's own native address goes along (RFC 4191): clients that know it may ask there if packets pass, through
a relay and back, and all others skip it. The address answers pings like any host's.
Nothing is remembered of any client.
"""

from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network
from typing import NamedTuple

from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.errors import WireError
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.packets.discovery import RouterAdvertisement, RouterSolicitation
from tunnelmgr.api.packets.discovery_options import (
    LIFETIME_INFINITE,
    DiscoveryOption,
    MtuOption,
    PrefixInformation,
    RouteInformation,
)
from tunnelmgr.api.packets.icmpv6 import icmpv6_packet, parse_icmpv6
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr_teredo.constants import SERVER_RETRANSMIT_TIMER, SOLICITATIONS_KEPT
from tunnelmgr_teredo.drops import Drop, Refused
from tunnelmgr_teredo.relay.guests import Guests
from tunnelmgr_teredo.server.limits import ServerLimits
from tunnelmgr_teredo.server.settings import ServerSettings
from tunnelmgr_teredo.wire.address import InterfaceIdentifier, server_link_local, server_prefix
from tunnelmgr_teredo.wire.datagram import Authentication, OriginIndication, Payload, SharedSecret

PRIMARY, SECONDARY = "primary", "secondary"
"""The channels of a server's two addresses."""


class Advertising:
    """Answers each solicitation it is given, or refuses it by raising."""

    def __init__(
        self,
        settings: ServerSettings,
        limits: ServerLimits,
        guests: Guests,
        outbox: Outbox,
    ) -> None:
        primary, *second = settings.addresses
        self._link_local = server_link_local(primary)
        self._prefix = server_prefix(primary)
        self._mtu = settings.mtu
        self._secrets = settings.shared_secrets
        """By client identifier. Without any this server answers everybody."""
        self._others = {PRIMARY: SECONDARY, SECONDARY: PRIMARY} if second else {}
        """The channel of the other address, where there is one."""
        self._limits = limits
        self._guests = guests
        self._outbox = outbox
        self._native: IPv6Address | None = None
        # The same few link-local addresses ask all day long.
        self._advertisement_for = lru_cache(SOLICITATIONS_KEPT)(self._advertisement)

    def native_changed(self, address: IPv6Address | None) -> None:
        """Take this host's own native address, None if it has none that clients can reach."""
        if address != self._native:
            self._native = address
            self._advertisement_for.cache_clear()

    def answer(self, payload: Payload, datagram: Datagram, now: float) -> None:
        """Answer the solicitation in `payload`. Raises Refused."""
        client = _solicitor(payload.packet)
        secret = self._secret_of(payload)
        channel = self._others.get(datagram.channel) if client.cone else datagram.channel
        if channel is None:
            raise Refused(Drop.NO_SECONDARY)
        if not self._limits.allows_answer(datagram.remote.address, now):
            raise Refused(Drop.SOLICITATION_LIMIT)
        self._guests.welcome(datagram.remote, now)
        if not self._guests.admits(datagram.remote, now):
            raise Refused(self._guests.refusal)
        packet = self._advertisement_for(client.address)
        answer = _answer(packet, payload.authentication, OriginIndication(datagram.remote), secret)
        self._outbox.count("advertisements-sent")
        self._outbox.send(Datagram(channel, answer.serialize(), datagram.remote))

    def _secret_of(self, payload: Payload) -> SharedSecret | None:
        if not self._secrets:
            return None
        header = payload.authentication
        secret = self._secrets.get(header.client_id) if header is not None else None
        if secret is None or not secret.verifies(payload):
            raise Refused(Drop.UNSIGNED)
        return secret

    def _advertisement(self, client: IPv6Address) -> bytes:
        prefix = PrefixInformation(self._prefix, False, True, LIFETIME_INFINITE, LIFETIME_INFINITE)
        options: list[DiscoveryOption] = [prefix, MtuOption(self._mtu)]
        if self._native is not None:
            options.append(RouteInformation(IPv6Network(self._native), LIFETIME_INFINITE))
        message = RouterAdvertisement(retransmit_timer=SERVER_RETRANSMIT_TIMER, options=tuple(options))
        return icmpv6_packet(message, self._link_local, client).serialize()


class _Solicitor(NamedTuple):
    """Who sent a router solicitation."""

    address: IPv6Address
    cone: bool
    """True if it wants to know if unasked packets reach it, as old clients do (RFC 4380 section 5.2.1)."""


@lru_cache(SOLICITATIONS_KEPT)
def _solicitor(packet: bytes) -> _Solicitor:
    """Read a router solicitation. Raises Refused for one that RFC 4861 section 6.1.1 refuses."""
    try:
        parsed = IPv6Packet.parse(packet)
        message = parse_icmpv6(parsed)
    except WireError:
        raise Refused(Drop.SOLICITATION) from None
    if not isinstance(message, RouterSolicitation) or not parsed.source.is_link_local:
        raise Refused(Drop.SOLICITATION)
    return _Solicitor(parsed.source, InterfaceIdentifier.parse(parsed.source.packed[8:]).cone)


def _answer(packet: bytes, asked: Authentication | None, origin: OriginIndication, secret: SharedSecret | None) -> Payload:
    if asked is None:
        return Payload(packet, None, origin)
    if secret is not None:
        return secret.sign(packet, asked.nonce, origin)
    return Payload(packet, Authentication(asked.nonce, asked.client_id), origin)
