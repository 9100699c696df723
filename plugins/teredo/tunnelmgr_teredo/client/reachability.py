"""How to find out whether a Teredo server can be reached: a solicitation, which a client sends too, to both its addresses.

What the two say of where they see us tells how the NAT maps. A solicitation with the cone bit, answered by the address
that was not asked, tells whether it lets in everybody (RFC 4380 section 5.2.1); which restricted kind it is, nothing tells.
"""

import hmac
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.reach import Heard, ReachProbe
from tunnelmgr_teredo.client.settings import ClientSettings
from tunnelmgr_teredo.client.solicitation import CONE_SOLICITATION, SOLICITATION
from tunnelmgr_teredo.constants import NONCE_LENGTH, SERVER_PORT
from tunnelmgr_teredo.wire.datagram import Authentication, Payload, SharedSecret


def probes(settings: ClientSettings, random: Random) -> Iterator[ReachProbe]:
    """Yield three questions for each server: one to each of its addresses, and one that the other address answers."""
    for server in settings.server_names:
        what = f"server {server.name}, UDP {SERVER_PORT}"
        yield _probe(what, server.name, 0, settings, random)
        if server.secondary is None:
            yield _probe(f"{what}, second address", server.name, 1, settings, random)
        else:
            yield _probe(f"{what}, second address", str(server.secondary), 0, settings, random)
        yield replace(_probe(what, server.name, 0, settings, random, CONE_SOLICITATION), stranger=True)


def _probe(
    what: str, target: str, offset: int, settings: ClientSettings, random: Random, packet: bytes = SOLICITATION
) -> ReachProbe:
    nonce, secret = random.randbytes(NONCE_LENGTH), settings.shared_secret
    request = Payload(packet, Authentication(nonce)) if secret is None else secret.sign(packet, nonce)
    understand = _Advertisement(nonce, secret)
    return ReachProbe(what, target, SERVER_PORT, request=request.serialize(), understand=understand, offset=offset)


@dataclass(frozen=True, slots=True)
class _Advertisement:
    """Understands the answer to one solicitation."""

    nonce: bytes
    secret: SharedSecret | None

    def __call__(self, data: bytes) -> Heard | None:
        try:
            payload = Payload.parse(data)
        except WireError:
            return None
        header = payload.authentication
        if header is None or not hmac.compare_digest(header.nonce, self.nonce):
            return None
        if self.secret is not None and not self.secret.verifies(payload):
            return None
        return Heard(payload.origin.endpoint if payload.origin is not None else None)
