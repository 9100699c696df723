"""A far end's real process under datagrams of strangers: nothing is left of them."""

import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Final

import pytest

from tests.churn import CONVERSATIONS, KEPT_MAX, kept_of_each
from tests.netns.program import Tunnelmgr
from tests.netns.strangers import STRANGERS, strangers_host
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets.discovery import RouterSolicitation
from tunnelmgr.api.packets.icmp import EchoRequest
from tunnelmgr.api.packets.icmpv6 import icmpv6_packet
from tunnelmgr.lab.namespaces import NamespaceInternet
from tunnelmgr_teredo.constants import ALL_ROUTERS, CLIENT_LINK_LOCAL, RELAY_PORT, SERVER_PORT
from tunnelmgr_teredo.wire.address import TeredoAddress
from tunnelmgr_teredo.wire.datagram import bubble

SERVER: Final = IPv4Address("192.0.2.17")
NATIVE: Final = IPv6Address("2001:db8:6::1")
PORT: Final = 20_000  # of each stranger, who come again and again
WAITING: Final = 100  # bytes more of each: the allocator settles late while packets wait for clients that never answer
FAR_END: Final = f"name: far-end\nmethod: {{type: teredo, role: server, addresses: [{SERVER}], relay: true, exit: nat66}}\n"


def teredo(mapped: Endpoint) -> IPv6Address:
    return TeredoAddress(SERVER, 0, mapped).ipv6


def solicitation(_: Endpoint) -> bytes:
    return icmpv6_packet(RouterSolicitation(), CLIENT_LINK_LOCAL, ALL_ROUTERS).serialize()


def bubble_to_another(stranger: Endpoint) -> bytes:
    return bubble(teredo(stranger), teredo(Endpoint(stranger.address, stranger.port + 1)))


def echo_request(stranger: Endpoint) -> bytes:
    return icmpv6_packet(EchoRequest(7, 1), teredo(stranger), NATIVE, 64).serialize()


def junk(_: Endpoint) -> bytes:
    return bytes(1400)


@pytest.mark.parametrize(
    ("port", "said", "kept_max"),
    [
        (SERVER_PORT, solicitation, KEPT_MAX),
        (SERVER_PORT, bubble_to_another, KEPT_MAX),
        (SERVER_PORT, echo_request, KEPT_MAX + WAITING),
        (RELAY_PORT, echo_request, KEPT_MAX),
        (RELAY_PORT, junk, KEPT_MAX),
    ],
)
def test_datagrams_by_the_ten_thousand_leave_nothing(
    internet: NamespaceInternet, tmp_path: Path, port: int, said: Callable[[Endpoint], bytes], kept_max: int
) -> None:
    far_end = Tunnelmgr(internet.host("far-end", str(SERVER), "2001:db8:1::1"), tmp_path, FAR_END)
    far_end.run("up", far_end.profile)

    def begin(number: int) -> socket.socket:
        stranger = Endpoint(STRANGERS[number % len(STRANGERS)], PORT)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((str(stranger.address), stranger.port))
            sock.sendto(said(stranger), (str(SERVER), port))
            return sock

    with strangers_host(internet).enter():
        assert kept_of_each(far_end.control("far-end"), begin) < kept_max
    counters = far_end.tunnel("far-end")["counters"]
    assert counters["datagrams-received" if port == SERVER_PORT else "relay-datagrams-received"] >= CONVERSATIONS
    far_end.run("down", "far-end")
    assert far_end.traces() == []
