"""What detection may ask the far end of a configured tunnel."""

from ipaddress import IPv6Address
from random import Random

import pytest

from tunnelmgr.api.datagrams import ChannelKind
from tunnelmgr.api.packets.icmp import EchoRequest
from tunnelmgr.api.packets.icmpv6 import icmpv6_packet, parse_icmpv6
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.reach import Heard
from tunnelmgr_sixinfour.configured.reachability import probes
from tunnelmgr_sixinfour.configured.settings import SixInFourSettings

OURS, FAR = IPv6Address("2001:db8:41::2"), IPv6Address("2001:db8:41::1")
SETTINGS = SixInFourSettings.model_validate({"remote": "192.0.2.80", "address": "2001:db8:41::2/64"})


def test_the_far_end_is_pinged_through_protocol_41() -> None:
    (probe,) = probes(SETTINGS, Random(1))
    packet = IPv6Packet.parse(probe.request)
    assert (probe.target, probe.kind, probe.port) == ("192.0.2.80", ChannelKind.RAW41, 0)
    assert (packet.source, packet.destination) == (OURS, FAR)


def test_its_reply_is_the_answer_and_nothing_else_is() -> None:
    (probe,) = probes(SETTINGS, Random(1))
    request = parse_icmpv6(IPv6Packet.parse(probe.request))
    assert isinstance(request, EchoRequest)
    assert probe.understand(icmpv6_packet(request.reply(), FAR, OURS, 64).serialize()) == Heard()
    stranger = EchoRequest(request.identifier, 2, request.data).reply()
    assert probe.understand(icmpv6_packet(stranger, FAR, OURS, 64).serialize()) is None


@pytest.mark.parametrize("data", [b"", b"\x60", b"\x45" + bytes(60)])
def test_nonsense_is_no_answer(data: bytes) -> None:
    (probe,) = probes(SETTINGS, Random(1))
    assert probe.understand(data) is None


def test_a_provider_that_must_be_told_our_address_first_is_not_asked() -> None:
    values = {"provider": "he", "tunnel": 123456, "username": "me", "key": "k"}
    settings = SixInFourSettings.model_validate(SETTINGS.model_dump(exclude_unset=True) | {"update": values})
    assert probes(settings, Random(1)) == ()
