"""What detection may ask a Teredo server, and what it takes for an answer."""

from ipaddress import IPv4Address
from random import Random

import pytest

from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.reach import Heard, ReachProbe
from tunnelmgr_teredo.client.settings import ClientSettings
from tunnelmgr_teredo.constants import CLIENT_LINK_LOCAL_CONE
from tunnelmgr_teredo.transport import Teredo
from tunnelmgr_teredo.wire.datagram import Authentication, OriginIndication, Payload, SharedSecret

SEEN = Endpoint(IPv4Address("203.0.113.1"), 51631)


def probes(**settings: object) -> list[ReachProbe]:
    values = ClientSettings.model_validate({"server": "192.0.2.1"} | settings)
    return list(Teredo("client", values).probes(Random(1)))


def answer(probe: ReachProbe, origin: OriginIndication | None = OriginIndication(SEEN)) -> Payload:  # noqa: B008 (frozen)
    asked = Payload.parse(probe.request)
    assert asked.authentication is not None
    return Payload(asked.packet, Authentication(asked.authentication.nonce), origin)


def test_each_server_is_asked_at_both_its_addresses() -> None:
    asked = [(probe.target, probe.offset, probe.port) for probe in probes(server=["teredo.example", "192.0.2.65"])]
    servers = ("teredo.example", "192.0.2.65")
    assert asked == [(server, offset, 3544) for server in servers for offset in (0, 1, 0)]


def test_the_third_question_is_one_the_other_address_answers() -> None:
    *plain, cone = probes()
    assert [one.stranger for one in plain] == [False, False]
    assert (cone.stranger, cone.offset, cone.understand(answer(cone).serialize())) == (True, 0, Heard(SEEN))
    packet = IPv6Packet.parse(Payload.parse(cone.request).packet)
    assert packet.source == CLIENT_LINK_LOCAL_CONE


def test_a_second_address_of_its_own_is_asked_there() -> None:
    asked = [(one.target, one.offset) for one in probes(secondary="192.0.2.9") if not one.stranger]
    assert asked == [("192.0.2.1", 0), ("192.0.2.9", 0)]


def test_the_origin_indication_tells_where_the_server_sees_us() -> None:
    probe = probes()[0]
    assert probe.understand(answer(probe).serialize()) == Heard(SEEN)
    assert probe.understand(answer(probe, origin=None).serialize()) == Heard(None)


@pytest.mark.parametrize("data", [b"", b"\x00\x01", b"not Teredo at all"])
def test_nonsense_and_the_answer_to_another_question_are_none(data: bytes) -> None:
    first, second, _ = probes()
    assert first.understand(data) is None
    assert first.understand(answer(second).serialize()) is None


def test_a_server_that_shares_a_secret_must_sign() -> None:
    secret = {"client_id": "laptop", "secret": "abc"}
    probe = probes(secure=secret)[0]
    asked = Payload.parse(probe.request)
    assert asked.authentication is not None
    signed = SharedSecret(b"laptop", b"abc").sign(asked.packet, asked.authentication.nonce, OriginIndication(SEEN))
    assert probe.understand(signed.serialize()) == Heard(SEEN)
    assert probe.understand(answer(probe).serialize()) is None


@pytest.mark.parametrize("role", ["server", "relay"])
def test_who_serves_others_asks_nobody(role: str) -> None:
    values = {"server": {"addresses": ["192.0.2.1", "192.0.2.2"]}, "relay": {"address": "192.0.2.1"}}[role]
    assert Teredo(role, Teredo.roles[role].model_validate(values)).probes(Random(1)) == ()
