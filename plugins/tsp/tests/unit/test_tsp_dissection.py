"""Every kind of TSP message in one sentence, over UDP and TCP."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunnelmgr.api.datagrams import ChannelKind
from tunnelmgr.api.dissection import Dissection, Outer
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets.icmp import EchoRequest
from tunnelmgr.api.packets.icmpv6 import icmpv6_packet
from tunnelmgr_tsp.dissection import TspDissector
from tunnelmgr_tsp.wire.capability import TunnelType
from tunnelmgr_tsp.wire.datagrams import ControlMessage
from tunnelmgr_tsp.wire.framing import SUCCESS, Reply, Status
from tunnelmgr_tsp.wire.messages import Action, BareRequest, Create, Offer, Referral

CLIENT, BROKER = Endpoint(IPv4Address("203.0.113.5"), 40000), Endpoint(IPv4Address("192.0.2.33"), 3653)
CREATE = Create(TunnelType.V6UDPV4, IPv4Address("192.168.1.2"), prefix_length=56).serialize()
OFFER = Offer(
    TunnelType.V6UDPV4,
    BROKER.address,
    IPv6Address("2001:db8:100::1"),
    CLIENT.address,
    IPv6Address("2001:db8:100::2"),
    lifetime=1440,
    prefix=IPv6Network("2001:db8:100:100::/56"),
)
REFERRAL = Reply(Status(1200, "Redirection"), Referral(("b1.example", "192.0.2.34")).serialize()).serialize()


def explained(data: bytes, *, from_client: bool, kind: ChannelKind = ChannelKind.UDP) -> Dissection:
    ends = (CLIENT, BROKER) if from_client else (BROKER, CLIENT)
    found = TspDissector().dissect(data, Outer(kind, *ends))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "from_client", "kind", "purpose"),
    [
        (b"VERSION=2.0.0\r\n", True, "version", "the client says which version of the protocol it speaks: 2.0.0"),
        (b"CAPABILITY TUNNEL=V6V4 AUTH=ANONYMOUS\r\n", False, "capability", "what it offers: TUNNEL=V6V4 AUTH=ANONYMOUS"),
        (b"AUTHENTICATE ANONYMOUS\r\n", True, "authenticate", "the client asks for a tunnel without an account"),
        (b"AUTHENTICATE DIGEST-MD5\r\n\0", True, "authenticate", "the client will log in by DIGEST-MD5"),
        (b"AUTHENTICATE PLAIN\r\n", True, "authenticate", "the client will log in by PLAIN"),
        (b'realm="r",nonce="n",qop="auth"\r\n', False, "challenge", "asks the client for a proof"),
        (b'username="alice",response=00\r\n', True, "proof", "proves that it knows the password, which is not sent"),
        (b"rspauth=00\r\n", False, "rspauth", "the broker proves that it knows the password, too"),
        (b"", True, "verdict-request", "the client asks whether its login is accepted"),
        (b"200 Success\r\n", False, "success", "the broker agrees: 200 Success"),
        (b"300 Authentication failed\r\n", False, "refusal", "the broker refuses: 300 Authentication failed"),
        (CREATE, True, "create", "the client at 192.168.1.2 asks for a v6udpv4 tunnel and a prefix /56"),
        (
            Reply(SUCCESS, OFFER.serialize()).serialize(),
            False,
            "offer",
            "the broker offers a v6udpv4 tunnel to 2001:db8:100::2, with the prefix 2001:db8:100:100::/56",
        ),
        (BareRequest(Action.ACCEPT).serialize(), True, "accept", "the client accepts the tunnel that was offered"),
        (BareRequest(Action.DELETE).serialize(), True, "delete", "the client gives its tunnel back"),
        (REFERRAL, False, "referral", "sends the client to others, 1200 Redirection: b1.example, 192.0.2.34"),
        (b"ECHO REQUEST", True, "echo-request", "the client asks the broker for a sign of life"),
        (b"Content-length: 99999999999\r\n", True, "malformed", "malformed: bad Content-length"),
        (b"HELO\r\n", True, "unknown", "the client says what TSP does not know: HELO"),
        (b"hello\r\n", False, "unknown", "the broker says what TSP does not know: hello"),
    ],
)
def test_each_message_has_its_sentence(text: bytes, from_client: bool, kind: str, purpose: str) -> None:
    over_udp = explained(ControlMessage(241, 7, text).serialize(), from_client=from_client)
    assert over_udp.kind == kind
    assert purpose in over_udp.purpose
    assert [field.value for field in over_udp.fields[:2]] == ["241", "7"]
    if text:
        over_tcp = explained(text, from_client=from_client, kind=ChannelKind.TCP_CONNECT)
        assert (over_tcp.kind, over_tcp.purpose) == (over_udp.kind, over_udp.purpose)


def test_a_password_is_not_shown() -> None:
    found = explained(b"\0alice\0wonder\r\n", from_client=True, kind=ChannelKind.TCP_CONNECT)
    assert found.kind == "credentials"
    assert "wonder" not in repr(found)


def test_what_a_tunnel_carries_is_data() -> None:
    ping = icmpv6_packet(EchoRequest(1, 2), IPv6Address("2001:db8::1"), IPv6Address("2001:db8::2")).serialize()
    found = explained(ping, from_client=True)
    assert (found.kind, found.purpose) == ("data", "data: echo request 2, 2001:db8::1 > 2001:db8::2")


def test_other_ports_are_not_tsp() -> None:
    outer = Outer(ChannelKind.UDP, CLIENT, Endpoint(BROKER.address, 53))
    assert TspDissector().dissect(b"\xf0" + bytes(7), outer) is None
    assert TspDissector().dissect(b"\xf0" + bytes(7), None) is None


@given(st.binary(max_size=300), st.booleans(), st.sampled_from([ChannelKind.UDP, ChannelKind.TCP_CONNECT]))
def test_whatever_the_bytes_something_clean_is_said(data: bytes, from_client: bool, kind: ChannelKind) -> None:
    found = explained(data, from_client=from_client, kind=kind)
    assert found.purpose.isprintable()
    assert all(field.value.isprintable() for field in found.fields)
    words = explained(b"\xf0" + bytes(7) + data, from_client=from_client)
    assert words.purpose.isprintable()
