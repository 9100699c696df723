"""Whole sessions byte for byte, as gogoc has them on the wire (docs/protocols/tsp.md sections 13, 14 and 15)."""

import base64
import re
from ipaddress import IPv4Address

import pytest
from tests.tsp_world.broker_desk import CLIENT, BrokerDesk

from tunnelmgr.api.network import Endpoint
from tunnelmgr_tsp.wire.digest import DigestSecret

HOST = (
    b'Content-length: 213\r\n<tunnel action="create" type="%s" proxy="no">\r\n <client>\r\n'
    b'  <address type="ipv4">%s</address>\r\n  <keepalive interval="30">\r\n   <address type="ipv6">::</address>\r\n'
    b"  </keepalive>\r\n </client>\r\n</tunnel>\r\n"
)
ROUTER = (
    b'Content-length: 262\r\n<tunnel action="create" type="v6anyv4" proxy="no">\r\n <client>\r\n'
    b'  <address type="ipv4">192.0.2.2</address>\r\n  <keepalive interval="30">\r\n   <address type="ipv6">::</address>\r\n'
    b'  </keepalive>\r\n  <router>\r\n   <prefix length="56"/>\r\n  </router>\r\n </client>\r\n</tunnel>\r\n'
)
ACCEPT = b'Content-length: 35\r\n<tunnel action="accept"></tunnel>\r\n'
OFFER = (
    b'200 Success\r\n<tunnel action="info" type="%s" lifetime="1440">\r\n'
    b" <server>\r\n"
    b'  <address type="ipv4">192.0.2.1</address>\r\n'
    b'  <address type="ipv6">2001:0db8:0100:0000:0000:0000:0000:0001</address>\r\n'
    b" </server>\r\n"
    b" <client>\r\n"
    b'  <address type="ipv4">203.0.113.5</address>\r\n'
    b'  <address type="ipv6">2001:0db8:0100:0000:0000:0000:0000:0002</address>\r\n'
    b"  <dns_server>\r\n"
    b'   <address type="ipv6">%s</address>\r\n'
    b"  </dns_server>\r\n"
    b"%s"
    b'  <keepalive interval="30">\r\n'
    b'   <address type="ipv6">2001:0db8:0100:0000:0000:0000:0000:0001</address>\r\n'
    b"  </keepalive>\r\n"
    b" </client>\r\n"
    b"</tunnel>\r\n"
)
PREFIX = b'  <router>\r\n   <prefix length="56">2001:0db8:0100:0100:0000:0000:0000:0000</prefix>\r\n  </router>\r\n'
NO_RESOLVER = b"0000:0000:0000:0000:0000:0000:0000:0000"
CAPABILITY = b"CAPABILITY TUNNEL=V6V4 TUNNEL=V6UDPV4 AUTH=ANONYMOUS AUTH=DIGEST-MD5%s\r\n"


def offer(kind: bytes, resolver: bytes = NO_RESOLVER, prefix: bytes = b"") -> bytes:
    body = OFFER % (kind, resolver, prefix)
    return b"Content-length: %d\r\n%s" % (len(body), body)


def on_the_wire(desk: BrokerDesk, *exchange: tuple[str, bytes, str, bytes]) -> None:
    """Each: header and text of a request, header and text of the one datagram that answers it."""
    for asked, text, answered, answer in exchange:
        desk.hear(bytes.fromhex(asked) + text)
        assert [one.data for one in desk.take()] == [bytes.fromhex(answered) + answer]


def test_an_anonymous_host_behind_a_nat() -> None:
    on_the_wire(
        BrokerDesk(),
        ("f00000f0 0000011c", b"VERSION=2.0.2\r\n", "f00000f0 0000011c", CAPABILITY % b""),
        ("f00000f1 0000011c", b"AUTHENTICATE ANONYMOUS\r\n\0", "f00000f1 0000011c", b"200 Success\r\n"),
        ("f00000f2 0000011d", HOST % (b"v6anyv4", b"192.0.2.2"), "f00000f2 0000011d", offer(b"v6udpv4")),
        ("f00000f3 0000011e", ACCEPT, "f00000f3 0000011e", b""),
    )


def test_a_user_with_a_plain_password_and_a_prefix() -> None:
    on_the_wire(
        BrokerDesk(plain=True, dns=["2001:db8::53"]),
        ("f00000f0 00000001", b"VERSION=2.0.2\r\n", "f00000f0 00000001", CAPABILITY % b" AUTH=PLAIN"),
        ("f00000f1 00000002", b"AUTHENTICATE PLAIN\r\n\0", "f00000f1 00000002", b""),
        ("f00000f2 00000035", b"\0alice\0wonder\r\n", "f00000f2 00000035", b"200 Success\r\n"),
        (
            "f00000f3 00000036",
            ROUTER,
            "f00000f3 00000036",
            offer(b"v6udpv4", b"2001:0db8:0000:0000:0000:0000:0000:0053", PREFIX),
        ),
        ("f00000f4 00000037", ACCEPT, "f00000f4 00000037", b""),
    )


def test_a_lost_answer_is_sent_again_with_the_timestamp_of_the_copy() -> None:
    version = ("f00000f0 0000024e", b"VERSION=2.0.2\r\n", "f00000f0 0000024e", CAPABILITY % b"")
    again = ("f00000f0 00000a1e", b"VERSION=2.0.2\r\n", "f00000f0 00000a1e", CAPABILITY % b"")
    on_the_wire(BrokerDesk(), version, again)


def proof(challenge: bytes) -> tuple[bytes, bytes]:
    """What gogoc answers to a challenge, and what it must hear then."""
    said = base64.b64decode(challenge)
    match = re.fullmatch(rb'realm="tunnelmgr",nonce="([0-9a-f]{32})",qop="auth",algorithm=md5-sess,charset=utf-8', said)
    assert match is not None
    nonce, cnonce, uri = match[1], b"1795399249", b"tsp/192.0.2.1"
    secret = DigestSecret.of(b"alice", b"tunnelmgr", b"wonder")
    words = (
        b'charset=utf-8,username="alice",realm="tunnelmgr",nonce="%s",nc=00000001,cnonce="%s",digest-uri="%s",'
        b"response=%s,qop=auth" % (nonce, cnonce, uri, secret.response(nonce, cnonce, uri))
    )
    due = b"rspauth=" + secret.rspauth(nonce, cnonce, uri)
    return base64.b64encode(words) + b"\r\n", base64.b64encode(due) + b"\r\n"


def test_digest_md5_over_udp_with_an_empty_datagram_for_the_status() -> None:
    desk = BrokerDesk()
    on_the_wire(desk, ("f00000f0 00000001", b"VERSION=2.0.2\r\n", "f00000f0 00000001", CAPABILITY % b""))
    desk.hear(bytes.fromhex("f00000f1 00000002") + b"AUTHENTICATE DIGEST-MD5\r\n\0")
    [challenge] = [one.data for one in desk.take()]
    assert challenge[:8].hex() == "f00000f100000002"
    said, due = proof(challenge[8:])
    on_the_wire(
        desk,
        ("f00000f2 00000003", said, "f00000f2 00000003", due),
        ("f00000f3 00000004", b"", "f00000f3 00000004", b"200 Success\r\n"),
        ("f00000f4 00000005", ROUTER, "f00000f4 00000005", offer(b"v6udpv4", NO_RESOLVER, PREFIX)),
    )


@pytest.mark.parametrize("cut", [1, 7, 40])
def test_plain_over_tcp_in_one_breath_and_one_answer(cut: int) -> None:
    """Both messages without waiting, the NUL of the first before the second; one segment or several."""
    desk = BrokerDesk(plain=True)
    channel = desk.connect(1, Endpoint(IPv4Address("203.0.113.5"), 40000))
    desk.hear(b"VERSION=2.0.2\r\n", channel=channel)
    assert [one.data for one in desk.take()] == [CAPABILITY % b" AUTH=PLAIN"]
    said = b"AUTHENTICATE PLAIN\r\n\0\0alice\0wonder\r\n"
    for start in range(0, len(said), cut):
        desk.hear(said[start : start + cut], channel=channel)
    assert [one.data for one in desk.take()] == [b"200 Success\r\n"]
    create = (HOST % (b"v6v4", b"203.0.113.5")).replace(b"213", b"212")
    desk.hear(create, channel=channel)
    assert [one.data for one in desk.take()] == [offer(b"v6v4")]
    desk.hear(ACCEPT, CLIENT, channel)
    assert desk.take() == []


def test_a_probe_is_answered_in_any_state_and_leaves_none() -> None:
    desk = BrokerDesk()
    on_the_wire(desk, ("f00000f0 00000001", b"ECHO REQUEST", "f00000f0 00000001", b"200 Success\r\n"))
    assert desk.broker.status(0.0).facts["sessions"] == 0
