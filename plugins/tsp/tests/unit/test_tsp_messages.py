"""The XML of docs/protocols/tsp.md section 7, as written by us and by others."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest

from tunnelmgr.api.errors import WireError
from tunnelmgr_tsp.wire.capability import Capability, Mechanism, TunnelType
from tunnelmgr_tsp.wire.documents import parse_document
from tunnelmgr_tsp.wire.framing import framed
from tunnelmgr_tsp.wire.messages import Action, BareRequest, Create, KeepaliveWish, Offer, Referral, parse_request

OFFER = Offer(
    TunnelType.V6UDPV4,
    IPv4Address("192.0.2.1"),
    IPv6Address("2001:db8:1::1"),
    IPv4Address("203.0.113.5"),
    IPv6Address("2001:db8:1::2"),
    1440,
    "alice.broker.example",
    (IPv6Address("2001:db8::53"),),
    IPv6Network("2001:db8:100:5600::/56"),
    KeepaliveWish(30, IPv6Address("2001:db8:1::1")),
)
FROM_THE_FIELD = b"""<tunnel action='info' type='V6UDPV4' lifetime="1440" mtu="9">
 <!-- spaces as in the examples of the RFC -->
 <server> <address type="ipv4"> 192.0.2.1
 </address> <address type="ipv6">2001:DB8:1:0:0::1</address></server>
 <client><address type="ipv4">203.0.113.5</address><address type="ipv6">2001:db8:1::2</address>
  <surprise x="1"><deep/></surprise>
  <keepalive interval="30"></keepalive></client></tunnel>"""


def test_a_request_is_laid_out_as_others_lay_it_out_and_read_back() -> None:
    create = Create(TunnelType.V6UDPV4, IPv4Address("10.1.1.2"), 30, 56, ("ns1.example.net", "192.0.2.53"))
    assert parse_request(create.serialize()) == create
    assert b'<keepalive interval="30">\r\n   <address type="ipv6">::</address>' in create.serialize()
    assert BareRequest(Action.ACCEPT).serialize() == b'Content-length: 35\r\n<tunnel action="accept"></tunnel>\r\n'


def test_an_offer_is_written_out_for_clients_that_cut_text() -> None:
    written = OFFER.serialize()
    assert b'<prefix length="56">2001:0db8:0100:5600:0000:0000:0000:0000</prefix>' in written
    assert b'<dns_server>\r\n   <address type="ipv6">2001:0db8:0000:' in written
    assert Offer.parse(written) == OFFER


def test_an_offer_is_read_however_it_is_laid_out() -> None:
    offer = Offer.parse(FROM_THE_FIELD)
    assert offer.server_ipv4 == OFFER.server_ipv4
    assert offer.client_ipv6 == OFFER.client_ipv6
    assert offer.keepalive == KeepaliveWish(30, None)
    assert offer.prefix is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"2001:0db8:0001:0000:0000:0000:0000:0002", b"203.0.113.5"),
        (b'length="56"', b'length="0x38"'),
        (b'length="56"', b'length="129"'),
        (b'length="56"', b'length="48"'),
        (b'length="56"', b'length="-1"'),
        (b'length="56"', b""),
        (b'interval="30"', b'interval="-5"'),
        (b'type="v6udpv4"', b'type="v9"'),
        (b"<server>", b"<serer>"),
        (b"</server>", b""),
        (b"<tunnel", b"<!DOCTYPE x [<!ENTITY a 'b'>]><tunnel"),
        (b"alice.broker.example", b"&a;"),
        (b"alice.broker.example", b"x" * 1025),
        (b"<client>", b"<client>" + b"<a>" * 9 + b"</a>" * 9),
        (b"<client>", b"<client>" + b"<a/>" * 64),
        (b"<server>", b'<server><address type="ipv6">2001:db8:1::9</address>'),
        (b'action="info"', b'action="info" action="info"'),
    ],
)
def test_an_offer_that_says_nonsense_is_refused(old: bytes, new: bytes) -> None:
    written = OFFER.serialize()
    assert old in written
    with pytest.raises(WireError):
        Offer.parse(written.replace(old, new))


@pytest.mark.parametrize("address", ["", "nonsense", "2001:db8::1", "10.1.1"])
def test_a_request_without_an_ipv4_address_is_refused(address: str) -> None:
    body = f'<tunnel action="create" type="v6v4"><client><address type="ipv4">{address}</address></client></tunnel>'
    with pytest.raises(WireError):
        parse_request(framed(body.encode()))


@pytest.mark.parametrize(
    "document",
    [
        (
            b'<tunnel action="list" type="broker"><broker><address type="ipv4">192.0.2.9</address></broker>'
            b'<broker><address type="dn">b2.example</address></broker></tunnel>'
        ),
        (
            b'<tunnel action="info"><broker><address type="ipv4">192.0.2.9</address>'
            b'<address type="dn">b2.example</address></broker></tunnel>'
        ),
    ],
)
def test_both_shapes_of_a_referral_are_read(document: bytes) -> None:
    assert Referral.parse(document) == Referral(("192.0.2.9", "b2.example"))
    assert Referral.parse(Referral.parse(document).serialize()) == Referral(("192.0.2.9", "b2.example"))


@pytest.mark.requirement("TSP-18")
def test_sixteen_brokers_of_a_list_are_taken() -> None:
    many = Referral(tuple(f"b{number}.example" for number in range(40)))
    assert len(Referral.parse(many.serialize()).brokers) == 16


def test_a_capability_is_read_in_any_case_and_written_in_one() -> None:
    read = Capability.parse(b"capability tunnel=v6v4 TUNNEL=V6UDPV4 TUNNEL=V7 AUTH=plain AUTH= what AUTH=DIGEST-MD5")
    assert read == Capability(
        frozenset({TunnelType.V6V4, TunnelType.V6UDPV4}), frozenset({Mechanism.PLAIN, Mechanism.DIGEST_MD5})
    )
    assert read.serialize() == b"CAPABILITY TUNNEL=V6V4 TUNNEL=V6UDPV4 AUTH=DIGEST-MD5 AUTH=PLAIN\r\n"
    assert read.offers(TunnelType.V6ANYV4)
    assert not read.offers(TunnelType.V4V6)
    assert read.strongest(Mechanism) is Mechanism.DIGEST_MD5
    assert read.strongest([Mechanism.ANONYMOUS]) is None
    with pytest.raises(WireError):
        Capability.parse(b"")


def test_text_that_is_no_utf_8_is_read_all_the_same() -> None:
    assert parse_document(b"<tunnel><!-- \xe9 --></tunnel>").tag == "tunnel"
