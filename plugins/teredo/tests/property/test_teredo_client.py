"""A client under fire: whatever strangers send, it stays qualified, bounded, and true to its friends."""

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite
from tests.teredo_world.bench import Bench, network
from tests.teredo_world.friends import PEERS_MAX, client_with_friends, friends
from tests.teredo_world.vectors import (
    CLIENT_A,
    CLIENT_A_MAPPED,
    CLIENT_B,
    CLIENT_B_MAPPED,
    NATIVE_HOST,
    PACKETS,
    RELAY,
    SERVER_2,
)

from tunnelmgr.api.datagrams import ChannelFailed, Datagram, IcmpReceived
from tunnelmgr.api.events import Down, PathDown
from tunnelmgr.api.network import Endpoint

# The profile `deep` takes minutes a test, more on a busy machine.
pytestmark = pytest.mark.timeout(1800)

WAKES_MAX = 100  # at one instant

payloads = [vector.payload for vector in PACKETS.values()]
remotes = st.one_of(
    st.sampled_from([vector.source for vector in PACKETS.values()]),
    st.builds(Endpoint, st.ip_addresses(v=4), st.integers(0, 65535)),
)


@composite
def mutated(draw: DrawFn) -> bytes:
    """Return a datagram of the vectors, damaged in a few places, perhaps with the tail of another one."""
    data = bytearray(draw(st.sampled_from(payloads)))
    for _ in range(draw(st.integers(0, 4))):
        if data:
            data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    if draw(st.booleans()):
        other = draw(st.sampled_from(payloads))
        data = data[: draw(st.integers(0, len(data)))] + other[draw(st.integers(0, len(other))) :]
    return bytes(data)


@given(st.lists(st.tuples(mutated(), remotes, st.floats(0, 3)), min_size=1, max_size=20))
def test_no_datagram_moves_a_qualified_client(fire: list[tuple[bytes, Endpoint, float]]) -> None:
    bench = client_with_friends()
    before = friends(bench)
    assert before == {str(CLIENT_A): str(CLIENT_A_MAPPED), str(NATIVE_HOST): str(RELAY)}
    bench.take_events(PathDown)
    for data, remote, pause in fire:
        bench.receive(data, remote)
        bench.wait(pause)
        assert bench.client.status(bench.now).peers_total <= PEERS_MAX
    assert bench.state in {"qualified", "refreshing"}
    assert bench.address == CLIENT_B
    assert friends(bench) == before
    assert bench.take_events(Down) == []
    assert not {str(event.prefix.network_address) for event in bench.said if isinstance(event, PathDown)} & before.keys()


@given(st.lists(st.tuples(mutated(), remotes), min_size=1, max_size=20))
def test_no_datagram_makes_a_client_send_to_private_addresses(fire: list[tuple[bytes, Endpoint]]) -> None:
    bench = client_with_friends()
    for data, remote in fire:
        bench.receive(data, remote)
        bench.wait(1)
    for sent in bench.sent():
        assert not sent.remote.address.is_private or sent.remote.address in _documentation(sent.remote.address)


def _documentation(address: IPv4Address) -> set[IPv4Address]:
    """The blocks of RFC 5737 count as private for Python, and as the internet here."""
    blocks = ("192.0.2.", "198.51.100.", "203.0.113.")
    return {address} if str(address).startswith(blocks) else set()


@given(st.lists(st.tuples(mutated(), remotes), max_size=10))
def test_no_datagram_qualifies_a_client(fire: list[tuple[bytes, Endpoint]]) -> None:
    bench = Bench(server=str(SERVER_2)).start()
    for data, remote in fire:
        bench.receive(data, remote)
    assert bench.state == "probing-primary"


inputs = st.one_of(
    st.tuples(st.just("datagram"), mutated(), remotes),
    st.tuples(st.just("packet"), st.one_of(mutated(), st.binary(max_size=100)), st.none()),
    st.tuples(st.just("wait"), st.floats(0, 400), st.none()),
    st.tuples(st.just("answer"), st.none(), st.none()),
    st.tuples(st.just("network"), st.sampled_from(["10.0.0.20", "10.0.0.21"]), st.booleans()),
    st.tuples(st.just("failure"), st.sampled_from([101, 113, 111, 1]), st.none()),
    st.tuples(st.just("icmp"), remotes, st.none()),
)


@given(st.lists(inputs, max_size=30))
def test_any_input_in_any_state_leaves_a_client_that_works(story: list[tuple[str, object, object]]) -> None:
    bench = Bench(server=str(SERVER_2), peers_max=PEERS_MAX).start()
    for what, first, second in story:
        _give(bench, what, first, second)
        assert bench.client.status(bench.now).peers_total <= PEERS_MAX
        for _ in range(WAKES_MAX):
            at = bench.client.next_timeout()
            if at is None or at > bench.now:
                break
            bench.client.handle_timeout(bench.now)
        else:
            raise AssertionError(f"woken {WAKES_MAX} times at one instant")
    bench.client.network_changed(network("10.0.0.30"), bench.now)
    for sent in bench.sent():
        if sent.data[:2] == b"\x00\x01" and sent.remote.port == 3544:
            bench.advertise(sent, CLIENT_B_MAPPED, SERVER_2)
    bench.refreshes = CLIENT_B_MAPPED
    bench.wait(5)
    assert bench.state == "qualified"


def _give(bench: Bench, what: str, first: object, second: object) -> None:
    match what, first, second:
        case "datagram", bytes() as data, Endpoint() as remote:
            bench.client.receive_datagram(Datagram("service", data, remote), bench.now)
        case "packet", bytes() as packet, _:
            bench.send(packet)
        case "wait", float() as seconds, _:
            bench.wait(seconds)
        case "answer", _, _:
            for sent in bench.sent():
                if sent.data[:2] == b"\x00\x01":
                    bench.advertise(sent, CLIENT_B_MAPPED, SERVER_2)
        case "network", str() as source, bool() as native:
            bench.client.network_changed(network(source, native_ipv6=native), bench.now)
        case "failure", int() as number, _:
            bench.client.channel_changed(ChannelFailed("service", number), bench.now)
        case "icmp", Endpoint() as remote, _:
            bench.client.channel_changed(IcmpReceived("service", 3, 3, 0, None, remote, b""), bench.now)
