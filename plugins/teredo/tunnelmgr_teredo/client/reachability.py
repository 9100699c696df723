"""How to find out whether a Teredo server can be reached: a solicitation, which a client sends too, to both its addresses.

What the two say of where they see us tells how the NAT maps. A solicitation with the cone bit, answered by the address
that was not asked, tells whether it lets in everybody (RFC 4380 section 5.2.1); which restricted kind it is, nothing tells.
"""

import hmac
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from random import Random

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.reach import Heard, ReachProbe
from tunnelmgr_teredo.client.settings import ClientSettings
from tunnelmgr_teredo.client.solicitation import CONE_SOLICITATION, SOLICITATION, question
from tunnelmgr_teredo.constants import NONCE_LENGTH, SERVER_PORT
from tunnelmgr_teredo.wire.datagram import Payload, SharedSecret


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
    request = question(packet, nonce, secret).serialize()
    return ReachProbe(
        what, target, SERVER_PORT, request=request, understand=partial(_understand, nonce, secret), offset=offset
    )


def _understand(nonce: bytes, secret: SharedSecret | None, data: bytes) -> Heard | None:
    try:
        payload = Payload.parse(data)
    except WireError:
        return None
    header = payload.authentication
    if header is None or not hmac.compare_digest(header.nonce, nonce):
        return None
    if secret is not None and not secret.verifies(payload):
        return None
    return Heard(payload.origin.endpoint if payload.origin is not None else None)
