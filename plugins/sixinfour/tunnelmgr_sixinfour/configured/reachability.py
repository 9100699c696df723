"""How to find out whether protocol 41 passes to the far end and back: an echo request through the tunnel that is to be.

A provider that must first be told this host's address is not asked: its silence would say nothing about the network.
"""

from functools import partial
from random import Random

from tunnelmgr.api.datagrams import ChannelKind
from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.icmp import EchoReply, EchoRequest
from tunnelmgr.api.packets.icmpv6 import icmpv6_packet, parse_icmpv6
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.reach import Heard, ReachProbe
from tunnelmgr_sixinfour.configured.settings import SixInFourSettings
from tunnelmgr_sixinfour.constants import ECHO_HOP_LIMIT, NONCE_LENGTH


def probes(settings: SixInFourSettings, random: Random) -> tuple[ReachProbe, ...]:
    """Return the one question to the far end."""
    if settings.update is not None:
        return ()
    request = EchoRequest(random.getrandbits(16), 1, random.randbytes(NONCE_LENGTH))
    packet = icmpv6_packet(request, settings.address.ip, settings.far, ECHO_HOP_LIMIT).serialize()
    what = f"far end {settings.remote}, protocol 41"
    return (ReachProbe(what, str(settings.remote), 0, ChannelKind.RAW41, packet, partial(_understood, request.reply())),)


def _understood(expected: EchoReply, data: bytes) -> Heard | None:
    try:
        message = parse_icmpv6(IPv6Packet.parse(data))
    except WireError:
        return None
    return Heard() if message == expected else None
