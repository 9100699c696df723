"""The search for an internet gateway (UPnP Device Architecture 1.1 section 1.3)."""

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunnelmgr.api.errors import WireError
from tunnelmgr.detect.upnp import GatewayFound, GatewaySearch

# What miniupnpd 2.3.1 of Debian 12 answered in a namespace of the lab.
ANSWER = (
    b"HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\n"
    b"ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n"
    b"USN: uuid:00000000-0000-4000-8000-000000000000::urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n"
    b"EXT:\r\nSERVER: Debian/6.18 UPnP/1.1 MiniUPnPd/2.3.1\r\nLOCATION: http://192.168.1.1:44557/rootDesc.xml\r\n"
    b'OPT: "http://schemas.upnp.org/upnp/1/0/"; ns=01\r\n01-NLS: 1795643778\r\nBOOTID.UPNP.ORG: 1795643778\r\n'
    b"CONFIGID.UPNP.ORG: 1337\r\n\r\n"
)


def test_a_gateway_s_answer_tells_its_version() -> None:
    assert GatewayFound.parse(ANSWER) == GatewayFound(1)
    assert GatewayFound.parse(ANSWER.replace(b"Device:1", b"Device:2")) == GatewayFound(2)


def test_the_search_is_for_one_device() -> None:
    lines = GatewaySearch(IPv4Address("192.168.1.1")).serialize().decode().split("\r\n")
    assert lines[:2] == ["M-SEARCH * HTTP/1.1", "HOST: 192.168.1.1:1900"]
    assert lines[-2:] == ["", ""]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        ANSWER.replace(b"200 OK", b"404 Not Found"),
        ANSWER.replace(b"InternetGatewayDevice", b"MediaServer"),
        ANSWER.replace(b"ST: ", b"X-ST: "),
        GatewaySearch(IPv4Address("192.168.1.1")).serialize(),
    ],
    ids=["nothing", "an error", "another device", "no target", "a search"],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        GatewayFound.parse(data)


@given(st.binary(max_size=200) | st.binary(max_size=60).map(ANSWER[:60].__add__))
def test_arbitrary_bytes_raise_nothing_but_wire_errors(data: bytes) -> None:
    try:
        GatewayFound.parse(data)
    except WireError:
        return
