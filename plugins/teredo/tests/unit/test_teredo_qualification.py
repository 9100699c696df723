"""How a client gets its address and keeps it, verb by verb; whole stories are in the simulated tests."""

from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, IPv6Network

import pytest
from tests.teredo_world.bench import (
    MAPPED,
    SECONDARY,
    SERVER,
    Bench,
    ScriptedRandom,
    advertisement,
    network,
    udp_packet,
)
from tests.teredo_world.vectors import CLIENT_A, CLIENT_A_MAPPED, NATIVE_HOST, NONCE, PACKETS

from tunnelmgr.api.datagrams import ChannelFailed, IcmpReceived
from tunnelmgr.api.effects import Cancel, Done, Failed, FailureCode, OpenChannel, Remember, Resolve
from tunnelmgr.api.errors import ExitCode
from tunnelmgr.api.events import Down, Notice, Stopped, Up
from tunnelmgr.api.network import Endpoint, LocalAddress, Network
from tunnelmgr.api.packets import (
    IPv6Packet,
    PrefixInformation,
    RouterAdvertisement,
    RouterSolicitation,
    icmpv6_packet,
    parse_icmpv6,
)
from tunnelmgr_teredo.address import TeredoAddress, server_link_local
from tunnelmgr_teredo.constants import CLIENT_LINK_LOCAL, SERVICE_PORTS, TEREDO_PREFIX
from tunnelmgr_teredo.settings import ClientSettings
from tunnelmgr_teredo.wire import Authentication, OriginIndication, Payload

PRIMARY_ENDPOINT = Endpoint(SERVER, 3544)
SECONDARY_ENDPOINT = Endpoint(SECONDARY, 3544)


def client_a(**settings: object) -> Bench:
    """Return client A of the vectors, which has just asked its server."""
    return Bench(ScriptedRandom(nonce=NONCE, flags=0x1C2D), port=4096, **settings).start(network("192.168.1.10"))


def receive(bench: Bench, name: str) -> None:
    bench.receive(PACKETS[name].payload, PACKETS[name].source)


# -- the solicitation ---------------------------------------------------------------------------------------------------


@pytest.mark.requirement("T-CL-004", "T-CL-005", "T-CL-006")
def test_both_addresses_are_solicited_with_the_bytes_of_the_vector() -> None:
    sent = client_a().sent()
    assert [datagram.remote for datagram in sent] == [PRIMARY_ENDPOINT, SECONDARY_ENDPOINT]
    assert [datagram.data for datagram in sent] == [PACKETS["rs-restricted-nonce"].payload] * 2
    assert {datagram.channel for datagram in sent} == {"service"}


@pytest.mark.requirement("T-CL-005")
def test_a_solicitation_is_one_as_rfc_4861_wants_it() -> None:
    packet = IPv6Packet.parse(Payload.parse(Bench().start().sent()[0].data).packet)
    assert (packet.source, packet.destination) == (CLIENT_LINK_LOCAL, IPv6Address("ff02::2"))
    assert packet.hop_limit == 255
    assert parse_icmpv6(packet) == RouterSolicitation()


@pytest.mark.requirement("T-CL-006", "T-CL-007")
def test_three_solicitations_four_seconds_apart_have_nonces_of_their_own() -> None:
    bench = Bench().start()
    began, sent = bench.now, bench.sent()
    times = [bench.now - began] * 2
    while bench.state != "offline":
        bench.wake()
        new = bench.sent()
        sent += new
        times += [bench.now - began] * len(new)
    assert times == [0, 0, 4, 4, 8, 8]
    assert bench.now - began == 12
    headers = [Payload.parse(datagram.data).authentication for datagram in sent]
    assert len({header.nonce for header in headers if header is not None}) == 6


@pytest.mark.requirement("T-CL-002")
def test_the_service_port_is_drawn_from_the_dynamic_ones_unless_it_is_given() -> None:
    def opened(**settings: object) -> int:
        bench = Bench(**settings)
        bench.client.start(0.0, network(), {})
        return bench.take_events(OpenChannel)[0].local.port

    assert opened(port=3545) == 3545
    assert opened(port=0) in SERVICE_PORTS


@pytest.mark.requirement("T-CL-002")
def test_a_random_port_that_is_taken_is_drawn_anew() -> None:
    bench = Bench(port=0)
    bench.client.start(bench.now, network(), {})
    (first,) = bench.take_events(OpenChannel)
    bench.answer(first, Failed(FailureCode.IN_USE, "UDP port taken"))
    (second,) = bench.take_events(OpenChannel)
    assert second.local.port != first.local.port


@pytest.mark.requirement("T-CL-002")
def test_a_given_port_that_is_taken_is_told_and_tried_again() -> None:
    bench = Bench()
    bench.client.start(bench.now, network(), {})
    (opening,) = bench.take_events(OpenChannel)
    bench.answer(opening, Failed(FailureCode.IN_USE, "UDP port 8192 is taken"))
    (down,) = bench.take_events(Down)
    assert "8192" in down.reason
    assert "`port`" in down.hint
    assert not down.permanent
    bench.wake()
    assert bench.take_events(OpenChannel)


# -- the advertisement --------------------------------------------------------------------------------------------------

REFUSED_ADVERTISEMENTS = {
    "neg-ra-wrong-nonce": "ra-unasked",
    "neg-ra-no-origin": "ra-origin",
    "neg-ra-no-prefix": "ra-prefix",
    "neg-ra-two-prefixes": "ra-prefix",
    "neg-ra-foreign-server-prefix": "ra-prefix",
    "neg-ra-not-teredo-prefix": "ra-prefix",
    "neg-ra-wrong-dst-ll": "ra-link",
    "neg-ra-mtu-1279": "ra-mtu",
    "neg-ra-hoplimit-254": "ra-link",
    "neg-ra-confirmation-1": "ra-key-refused",
    "neg-ra-wrong-port": "ra-unasked",
    "neg-ra-wrong-source": "ra-unasked",
    "neg-ra-private-origin": "ra-origin",
    "neg-ra-bad-icmp6-checksum": "ra-content",
    "ra-obsolete-prefix": "ra-prefix",
    "ra-origin-only": "ra-unasked",
    "ra-from-secondary": "ra-link",  # an answer to the cone link-local address, which we never ask from
    "neg-origin-before-auth": "malformed",
}


@pytest.mark.requirement("T-CL-008", "T-CL-009", "T-CL-010", "T-CL-011", "T-CL-012")
@pytest.mark.requirement("T-CL-013", "T-CL-014", "T-CL-015", "T-CL-016", "T-CL-031")
@pytest.mark.parametrize(("name", "reason"), list(REFUSED_ADVERTISEMENTS.items()))
def test_an_advertisement_that_must_not_qualify_does_not(name: str, reason: str) -> None:
    bench = client_a()
    receive(bench, name)
    assert bench.dropped(reason) == 1
    assert bench.take_events(Up) == []
    assert bench.delivered() == []
    if name != "neg-ra-confirmation-1":
        receive(bench, "ra-primary")
        receive(bench, "ra-secondary-same-mapping")
        assert bench.state == "qualified", "and a good one still does"


def test_there_is_a_reason_for_every_negative_advertisement_of_the_vectors() -> None:
    assert {name for name in PACKETS if name.startswith("neg-ra-")} <= REFUSED_ADVERTISEMENTS.keys()


@pytest.mark.requirement("T-CL-013", "T-CL-014")
@pytest.mark.parametrize(
    ("source", "prefix", "reason"),
    [
        (IPv6Address("2001:db8::1"), IPv6Network("2001:0:cb00:7178::/64"), "ra-link"),
        (server_link_local(SERVER), IPv6Network("2001:0:cb00:7178::/63"), "ra-prefix"),
        (server_link_local(SERVER), IPv6Network("2001:0:cb00:7178:1::/80"), "ra-prefix"),
    ],
    ids=["global source", "/63", "/80"],
)
def test_an_advertisement_from_a_global_address_or_of_another_length_is_refused(
    source: IPv6Address, prefix: IPv6Network, reason: str
) -> None:
    bench = client_a()
    message = RouterAdvertisement(options=(PrefixInformation(prefix, False, True, 1, 1),))
    packet = icmpv6_packet(message, source, CLIENT_LINK_LOCAL).serialize()
    payload = Payload(packet, Authentication(NONCE), OriginIndication(CLIENT_A_MAPPED))
    bench.receive(payload.serialize(), PRIMARY_ENDPOINT)
    assert bench.dropped(reason) == 1
    assert bench.state == "probing-primary"


@pytest.mark.requirement("T-CL-013", "T-CL-021", "T-CL-032")
def test_the_advertisement_of_the_vector_makes_the_address_of_the_vector() -> None:
    bench = client_a()
    receive(bench, "ra-primary")
    receive(bench, "ra-secondary-same-mapping")
    (up,) = bench.take_events(Up)
    assert up.config.addresses == (IPv6Interface(CLIENT_A),)
    assert up.config.routes == (TEREDO_PREFIX,)
    assert (up.config.default_route, up.config.mtu) == (True, 1280)
    assert up.details == {"server": str(SERVER), "nat": "port-restricted", "mapped": str(CLIENT_A_MAPPED)}


@pytest.mark.requirement("T-CL-015")
def test_an_advertisement_without_an_mtu_leaves_1280() -> None:
    bench = client_a()
    receive(bench, "ra-no-mtu-option")
    receive(bench, "ra-secondary-same-mapping")
    assert bench.take_events(Up)[0].config.mtu == 1280


@pytest.mark.requirement("T-CL-015", "T-PK-009")
@pytest.mark.parametrize(("cap", "mtu"), [({}, 1280), ({"mtu": 1400}, 1400), ({"mtu": 9000}, 1472)])
def test_a_larger_mtu_is_taken_up_to_the_cap(cap: dict[str, object], mtu: int) -> None:
    bench = Bench(**cap).start()
    for sent in bench.sent():
        header = Payload.parse(sent.data).authentication
        assert header is not None
        bench.receive(advertisement(header.nonce, MAPPED, mtu=1472), sent.remote)
    assert bench.take_events(Up)[0].config.mtu == mtu


@pytest.mark.requirement("T-AD-011", "T-CL-031")
def test_the_obsolete_prefix_is_taken_for_the_real_one_only_with_the_knob() -> None:
    bench = client_a(accept_obsolete_prefix=True)
    receive(bench, "ra-obsolete-prefix")
    receive(bench, "ra-secondary-same-mapping")
    assert bench.take_events(Up)[0].config.addresses == (IPv6Interface(CLIENT_A),)


@pytest.mark.requirement("T-CL-017")
def test_nothing_is_taken_for_an_advertisement_while_none_is_asked_for() -> None:
    bench = client_a()
    receive(bench, "ra-primary")
    receive(bench, "ra-secondary-same-mapping")
    bench.take_events(Up)
    receive(bench, "ra-secondary-other-mapping")
    receive(bench, "ra-primary")
    assert bench.dropped("ra-unasked") == 2
    assert bench.take_events(Up) == []


@pytest.mark.requirement("T-CL-010", "T-CL-016", "T-AD-010")
def test_a_private_mapping_qualifies_only_in_a_private_deployment_that_names_it() -> None:
    bench = client_a(private_deployment=["10.0.0.0/8"])
    receive(bench, "neg-ra-private-origin")
    assert bench.state == "probing-secondary"


# -- the kind of NAT ----------------------------------------------------------------------------------------------------


@pytest.mark.requirement("T-CL-018", "T-CL-021")
def test_one_mapping_for_both_addresses_names_the_strictest_nat_it_may_be() -> None:
    bench = Bench().qualified()
    facts = bench.client.status(bench.now).facts
    assert facts["nat"] == "port-restricted"
    assert facts["nat_candidates"] == "full-cone, address-restricted, port-restricted"
    assert (facts["mapped"], facts["port_preserved"]) == (str(MAPPED), True)


@pytest.mark.requirement("T-CL-018", "T-CL-019", "T-CL-021")
def test_two_mappings_are_a_symmetric_nat_and_the_first_one_is_used() -> None:
    bench = client_a()
    receive(bench, "ra-primary")
    receive(bench, "ra-secondary-other-mapping")
    (up,) = bench.take_events(Up)
    assert up.details["nat"] == "symmetric"
    assert up.config.addresses == (IPv6Interface(CLIENT_A),)


@pytest.mark.requirement("T-CL-019")
def test_strictness_refuses_a_symmetric_nat() -> None:
    bench = client_a(strict=True)
    receive(bench, "ra-primary")
    receive(bench, "ra-secondary-other-mapping")
    (down,) = bench.take_events(Down)
    assert "symmetric" in down.reason
    assert "strict" in down.hint
    assert bench.state == "offline"


@pytest.mark.requirement("T-CL-021")
def test_an_endpoint_that_is_our_own_means_no_nat() -> None:
    bench = Bench().start(network("192.0.2.10"))
    for sent in bench.sent():
        bench.advertise(sent, MAPPED)
    assert bench.take_events(Notice)[0] == Notice("teredo.nat", f"no NAT, you appear as {MAPPED}")
    assert bench.client.status(bench.now).facts["nat"] == "none"


@pytest.mark.requirement("T-CL-020")
def test_a_silent_second_address_leaves_the_nat_unknown_and_delays_the_address_by_a_tenth_of_a_second() -> None:
    bench = Bench().start()
    bench.advertise(bench.sent()[0])
    assert bench.take_events(Up) == []
    assert bench.wake() == pytest.approx(0.1)
    (up,) = bench.take_events(Up)
    assert up.details["nat"] == "unknown"
    bench.wait(12)
    assert [notice.code for notice in bench.take_events(Notice)] == ["teredo.secondary-silent"]
    assert bench.state == "qualified"
    bench.refreshes = MAPPED
    bench.wait(60)
    assert bench.take_events(Notice) == [], "told once"


@pytest.mark.requirement("T-CL-018", "T-CL-020")
def test_a_late_answer_of_the_second_address_still_names_the_nat() -> None:
    bench = Bench().start()
    first, second = bench.sent()
    bench.advertise(first)
    bench.wake()
    bench.take_events(Up)
    bench.advertise(second)
    (up,) = bench.take_events(Up)
    assert up.details["nat"] == "port-restricted"


@pytest.mark.requirement("T-CL-020")
def test_strictness_waits_for_the_second_address_and_goes_offline_without_it() -> None:
    bench = Bench(strict=True).start()
    bench.advertise(bench.sent()[0])
    bench.wait(11.9)
    assert bench.state == "probing-secondary"
    assert bench.take_events(Up) == []
    bench.wait(0.2)
    (down,) = bench.take_events(Down)
    assert str(SECONDARY_ENDPOINT) in down.reason


def test_an_icmp_error_of_the_server_is_part_of_the_reason() -> None:
    bench = Bench().start()
    bench.client.channel_changed(IcmpReceived("service", 3, 3, 0, None, PRIMARY_ENDPOINT, b""), bench.now)
    bench.wait(12)
    (down,) = bench.take_events(Down)
    assert down.reason == "no answer from 203.0.113.120:3544 (3 tries); the network says it is unreachable"


# -- servers ------------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("T-CL-001")
def test_the_second_address_may_be_given() -> None:
    remotes = [datagram.remote for datagram in Bench(secondary="198.51.100.1").start().sent()]
    assert remotes == [PRIMARY_ENDPOINT, Endpoint(IPv4Address("198.51.100.1"), 3544)]


@pytest.mark.requirement("T-CL-001", "T-CL-023")
def test_a_name_is_resolved_and_resolved_again_after_a_loss() -> None:
    bench = Bench(server="teredo.example")
    bench.start()
    (resolve,) = bench.take_events(Resolve)
    assert resolve.name == "teredo.example"
    bench.answer(resolve, Done((SERVER,)))
    assert bench.sent()[0].remote == PRIMARY_ENDPOINT
    bench.wait(12)
    assert bench.state == "offline"
    bench.wake()
    assert bench.take_events(Resolve)


@pytest.mark.requirement("T-CL-023", "T-CL-030")
def test_a_name_is_asked_for_again_where_the_network_changed_meanwhile() -> None:
    bench = Bench(server="teredo.example")
    bench.start()
    (first,) = bench.take_events(Resolve)
    bench.client.network_changed(network("10.0.0.21"), bench.now)
    events = bench.client.events()
    assert [type(event) for event in events] == [Cancel, Resolve]
    bench.answer(first, Done((IPv4Address("198.51.100.1"),)))
    assert bench.sent() == [], "the answer of the network before"
    again = events[1]
    assert isinstance(again, Resolve)
    bench.answer(again, Done((SERVER,)))
    assert bench.sent()[0].remote == PRIMARY_ENDPOINT


@pytest.mark.requirement("T-CL-003")
def test_a_name_of_a_private_address_is_refused_and_tried_again_later() -> None:
    bench = Bench(server="teredo.example")
    bench.start()
    bench.answer(bench.take_events(Resolve)[0], Done((IPv4Address("10.0.0.1"), IPv4Address("127.0.0.1"))))
    (down,) = bench.take_events(Down)
    assert "10.0.0.1" in down.reason
    assert bench.sent() == []
    assert 5 * 0.75 <= bench.wake() <= 5 * 1.25
    assert bench.take_events(Resolve)


def test_a_name_that_does_not_resolve_is_told_with_its_exit_code() -> None:
    bench = Bench(server="teredo.example")
    bench.start()
    bench.answer(bench.take_events(Resolve)[0], Failed(FailureCode.NOT_FOUND, "no such name"))
    (down,) = bench.take_events(Down)
    assert down.code is ExitCode.REFUSED
    assert "teredo.example" in down.reason


@pytest.mark.requirement("T-CL-022", "T-CL-029")
def test_the_next_server_is_tried_at_once_and_all_again_after_a_rest() -> None:
    bench = Bench(server=["203.0.113.120", "198.51.100.118"]).start()
    bench.wait(11.9)
    bench.sent()
    assert bench.state == "probing-primary"
    bench.wait(0.1)
    assert [datagram.remote.address for datagram in bench.sent()] == [
        IPv4Address("198.51.100.118"),
        IPv4Address("198.51.100.119"),
    ]
    assert bench.take_events(Down) == []
    bench.wait(12)
    assert bench.state == "offline"
    (down,) = bench.take_events(Down)
    assert "198.51.100.118:3544" in down.reason


@pytest.mark.requirement("T-CL-022")
def test_rests_double_up_to_100_seconds_give_or_take_a_quarter() -> None:
    bench = Bench().start()
    for delay in (5, 10, 20, 40, 80, 100, 100):
        bench.wait(12)
        assert bench.state == "offline"
        rest = bench.wake()
        assert 0.75 * delay <= rest <= 1.25 * delay
        assert bench.state == "probing-primary"


@pytest.mark.requirement("T-CL-022")
def test_woken_early_during_a_rest_a_client_says_nothing_and_asks_nobody() -> None:
    bench = Bench().start()
    bench.wait(12)
    bench.take_events(Down)
    bench.sent()
    bench.client.handle_timeout(bench.now + 1)
    assert (bench.client.events(), bench.sent()) == ([], [])


@pytest.mark.requirement("T-CL-022", "T-MA-009")
def test_whoever_waits_for_an_answer_is_told_when_the_address_is_lost() -> None:
    bench = Bench().qualified()
    bench.wait(30)
    bench.send(udp_packet(bench.address, IPv6Address("2001:db8::1")))
    while bench.state != "offline":
        bench.wake()
    assert [packet[40:42] for packet in bench.delivered()] == [b"\x01\x03"], "address unreachable"
    assert bench.client.status(bench.now).facts["address"] is None


@pytest.mark.requirement("T-CL-022")
def test_success_makes_the_next_rest_short_again() -> None:
    bench = Bench().start()
    for _ in range(3):
        bench.wait(12)
        bench.wake()
    for sent in bench.sent()[-2:]:
        bench.advertise(sent)
    assert bench.state == "qualified"
    while bench.state != "offline":
        bench.wake()
    assert bench.wake() <= 5 * 1.25


@pytest.mark.requirement("T-CL-029")
def test_the_server_that_worked_last_is_remembered_and_tried_first() -> None:
    servers = ["198.51.100.118", str(SERVER)]
    bench = Bench(server=servers).start(memory={"server": str(SERVER).encode()})
    assert bench.sent()[0].remote == PRIMARY_ENDPOINT
    bench = Bench(server=servers).start()
    bench.wait(12)
    for sent in bench.sent()[-2:]:
        bench.advertise(sent)
    assert [effect.value for effect in bench.take_events(Remember)] == [str(SERVER).encode()]


# -- secure qualification -----------------------------------------------------------------------------------------------

SECURE = {"client_id": "alice", "secret": "correct horse battery"}


@pytest.mark.requirement("T-CL-024", "T-PK-016")
def test_secure_qualification_speaks_the_bytes_of_the_vectors() -> None:
    bench = client_a(secure=SECURE)
    assert bench.sent()[0].data == PACKETS["rs-secure-hmac-sha1"].payload
    receive(bench, "ra-secure-hmac-sha1")
    assert bench.state == "probing-secondary"


@pytest.mark.requirement("T-CL-024")
@pytest.mark.parametrize("name", ["ra-primary", "ra-no-mtu-option"])
def test_an_unsigned_advertisement_does_not_qualify_a_client_with_a_secret(name: str) -> None:
    bench = client_a(secure=SECURE)
    receive(bench, name)
    assert bench.dropped("ra-unsigned") == 1
    assert bench.state == "probing-primary"


@pytest.mark.requirement("T-CL-025")
def test_a_key_the_server_refuses_is_told_and_nothing_else_is_taken_from_the_answer() -> None:
    bench = client_a()
    receive(bench, "neg-ra-confirmation-1")
    (down,) = bench.take_events(Down)
    assert "key" in down.reason
    assert down.code is ExitCode.NO_PERMISSION
    assert bench.state == "offline"
    assert bench.dropped("ra-key-refused") == 1


def test_a_secret_is_not_shown() -> None:
    settings = ClientSettings.model_validate({"server": "192.0.2.1", "secure": SECURE})
    assert settings.secure is not None
    assert "battery" not in repr(settings) + repr(settings.secure.shared_secret)


# -- keeping the address ------------------------------------------------------------------------------------------------


@pytest.mark.requirement("T-MA-001", "T-MA-002")
@pytest.mark.parametrize(("interval", "settings"), [(30, {}), (60, {"refresh_interval": 60})])
def test_the_mapping_is_refreshed_after_75_to_100_percent_of_the_interval(
    interval: int, settings: dict[str, object]
) -> None:
    bench = Bench(**settings).qualified()
    waits = []
    for _ in range(200):
        waits.append(bench.wake())
        (sent,) = bench.sent()
        assert sent.remote == PRIMARY_ENDPOINT
        bench.advertise(sent)
    assert interval * 0.75 <= min(waits) < interval * 0.77
    assert interval * 0.98 < max(waits) <= interval


@pytest.mark.requirement("T-AD-006", "T-MA-004")
def test_the_same_mapping_keeps_the_address() -> None:
    bench = Bench().qualified()
    address = bench.address
    bench.wake()
    bench.advertise(bench.sent()[0])
    assert bench.address == address
    assert bench.take_events(Up) == []


@pytest.mark.requirement("T-AD-006", "T-MA-005")
def test_another_mapping_makes_another_address_with_other_flags_at_once() -> None:
    bench = Bench().qualified()
    before = bench.address
    bench.wake()
    bench.advertise(bench.sent()[0], Endpoint(MAPPED.address, 9000))
    (up,) = bench.take_events(Up)
    assert up.config.addresses == (IPv6Interface(bench.address),)
    assert bench.address.packed[12:] == before.packed[12:]
    assert bench.address.packed[8:12] != before.packed[8:12]
    assert [sent.remote for sent in bench.sent()] == [SECONDARY_ENDPOINT], "another mapping may mean another NAT"


@pytest.mark.requirement("T-MA-005", "T-MA-007")
def test_another_mapping_is_told_and_looked_at_and_the_same_one_is_neither() -> None:
    bench = Bench().qualified()
    for mapped, told, asked in ((MAPPED, [], []), (Endpoint(MAPPED.address, 9000), [True], [SECONDARY_ENDPOINT])):
        bench.take_events(Notice)
        bench.wake()
        (refresh,) = bench.sent()
        bench.advertise(refresh, mapped)
        notices = [notice.text for notice in bench.take_events(Notice) if notice.code == "teredo.mapping-changed"]
        assert [str(mapped) in text and str(MAPPED) in text for text in notices] == told
        assert [sent.remote for sent in bench.sent()] == asked


@pytest.mark.requirement("T-AD-006")
def test_an_address_is_used_again_after_a_loss_that_changed_nothing() -> None:
    bench = Bench().qualified()
    before = bench.address
    bench.wait(30 + 12)
    assert bench.state == "offline"
    bench.wake()
    for sent in bench.sent()[-2:]:
        bench.advertise(sent)
    assert bench.address == before


@pytest.mark.requirement("T-MA-009")
def test_three_refreshes_without_an_answer_end_the_address() -> None:
    bench = Bench().qualified()
    bench.wake()
    bench.wait(11.9)
    assert bench.take_events(Down) == []
    bench.wait(0.1)
    (down,) = bench.take_events(Down)
    assert down.reason == "no answer from 203.0.113.120:3544 (3 tries)"
    assert not down.permanent


@pytest.mark.requirement("T-MA-011")
def test_nothing_happens_before_its_time_and_a_long_pause_only_once() -> None:
    bench = Bench().qualified()
    bench.client.handle_timeout(bench.now)
    assert bench.sent() == []
    bench.send(udp_packet(bench.address, NATIVE_HOST))
    bench.sent()
    bench.now += 3600  # the process was stopped
    bench.client.handle_timeout(bench.now)
    (solicitation,) = bench.sent()
    assert solicitation.remote == PRIMARY_ENDPOINT
    again = bench.client.next_timeout()
    assert again is not None
    assert again > bench.now
    assert bench.client.status(bench.now).peers_total == 0, "idle peers are forgotten, too"


# -- changes of the network ---------------------------------------------------------------------------------------------


@pytest.mark.requirement("T-CL-030")
@pytest.mark.parametrize("net", [network("10.0.0.21"), network(resumed=True)], ids=["address", "resumed"])
def test_a_changed_network_is_asked_about_at_once_and_the_address_stays_meanwhile(net: object) -> None:
    bench = Bench().qualified()
    bench.client.network_changed(net, bench.now)  # type: ignore[arg-type]
    assert {sent.remote for sent in bench.sent()} == {PRIMARY_ENDPOINT, SECONDARY_ENDPOINT}
    assert bench.state == "refreshing"
    assert bench.take_events(Down) == []


@pytest.mark.requirement("T-CL-018", "T-CL-030")
@pytest.mark.parametrize("first", ["primary", "secondary"])
def test_the_kind_of_nat_is_found_out_anew_whichever_address_answers_first(first: str) -> None:
    bench = Bench().qualified()
    bench.client.network_changed(network("10.0.0.21"), bench.now)
    primary, secondary = bench.sent()
    answers = [(primary, Endpoint(MAPPED.address, 1111)), (secondary, Endpoint(MAPPED.address, 2222))]
    for sent, mapped in answers if first == "primary" else reversed(answers):
        bench.advertise(sent, mapped)
    assert bench.take_events(Up)[-1].details["nat"] == "symmetric"
    assert bench.sent() == [], "nobody is asked twice"


@pytest.mark.requirement("T-CL-030")
def test_the_same_network_told_again_changes_nothing() -> None:
    bench = Bench().qualified()
    bench.client.network_changed(network(), bench.now)
    assert bench.sent() == []
    assert bench.state == "qualified"


@pytest.mark.requirement("T-CL-030", "T-CL-022")
def test_a_changed_network_ends_a_rest() -> None:
    bench = Bench().start()
    bench.wait(12)
    bench.sent()
    bench.client.network_changed(network("10.0.0.21"), bench.now)
    assert len(bench.sent()) == 2


@pytest.mark.requirement("T-CL-030")
def test_a_network_that_cannot_be_reached_is_asked_about_within_two_seconds() -> None:
    bench = Bench().qualified()
    bench.client.channel_changed(ChannelFailed("service", 101), bench.now)
    assert bench.sent() == [], "not at once: while there is no route at all, asking fails likewise"
    assert bench.wake() <= 2
    assert len(bench.sent()) == 1


@pytest.mark.requirement("T-CL-027")
def test_native_ipv6_leaves_a_client_in_standby_without_a_default_route() -> None:
    bench = Bench().qualified()
    bench.client.network_changed(network(native_ipv6=True), bench.now)
    (up,) = bench.take_events(Up)
    assert not up.config.default_route
    assert up.config.routes == (TEREDO_PREFIX,)
    bench.client.network_changed(network(), bench.now)
    assert bench.take_events(Up)[0].config.default_route


@pytest.mark.requirement("T-SE-011")
@pytest.mark.parametrize("mode", ["standby", "run"])
def test_native_ipv6_that_appears_asks_whether_teredo_is_still_needed(mode: str) -> None:
    bench = Bench(native=mode).qualified()
    for native in (True, True, False):
        bench.client.network_changed(network(native_ipv6=native), bench.now)
    notices = [notice for notice in bench.take_events(Notice) if notice.code == "teredo.native"]
    assert [notice.text.partition(",")[0] for notice in notices] == ["this host has native IPv6"]


@pytest.mark.requirement("T-CL-027")
def test_native_ipv6_stops_a_client_that_is_to_stop_and_its_end_starts_it() -> None:
    bench = Bench(native="stop").qualified()
    bench.client.network_changed(network(native_ipv6=True), bench.now)
    (down,) = bench.take_events(Down)
    assert "native" in down.reason
    assert bench.state == "disabled"
    assert bench.client.status(bench.now).facts["address"] is None
    bench.wait(100)
    assert bench.sent() == []
    bench.client.network_changed(network(), bench.now)
    asked = bench.sent()
    assert len(asked) == 2
    for solicitation in asked:
        bench.advertise(solicitation)
    assert len(bench.take_events(Up)) == 1, "the same as before, and news all the same"


@pytest.mark.requirement("T-CL-030", "T-AD-008")
def test_the_broadcast_address_of_a_new_link_is_sent_nothing() -> None:
    bench = Bench().qualified()
    there = LocalAddress("eth0", IPv4Interface("192.0.2.130/25"))
    bench.client.network_changed(Network((there,), source=there.address.ip), bench.now)
    bench.sent()
    bench.send(udp_packet(bench.address, TeredoAddress(SERVER, 0, Endpoint(IPv4Address("192.0.2.255"), 4096)).ipv6))
    assert bench.sent() == []
    assert bench.client.status(bench.now).facts["local"] == "192.0.2.130:8192", "known without an answer"


@pytest.mark.requirement("T-CL-027")
def test_a_client_that_stands_down_says_so_once() -> None:
    bench = Bench(native="stop")
    bench.client.start(bench.now, network(native_ipv6=True), {})
    bench.open(bench.take_events(OpenChannel)[0])
    assert len(bench.take_events(Down)) == 1
    bench.client.network_changed(network("10.0.0.21", native_ipv6=True), bench.now)
    assert bench.take_events(Down) == []
    assert bench.sent() == []


@pytest.mark.requirement("T-CL-027")
def test_native_ipv6_does_not_bother_a_client_that_is_to_run() -> None:
    bench = Bench(native="run").qualified()
    bench.client.network_changed(network(native_ipv6=True), bench.now)
    assert bench.take_events(Up) == []
    assert bench.state == "qualified"


# -- the end ------------------------------------------------------------------------------------------------------------


def test_a_client_that_is_stopped_wants_nothing_more() -> None:
    bench = Bench().qualified()
    bench.client.stop(bench.now)
    assert bench.take_events(Stopped) == [Stopped()]
    assert bench.client.next_timeout() is None


@pytest.mark.requirement("T-SE-002")
def test_the_nonce_is_compared_as_a_whole() -> None:
    bench = client_a()
    payload = Payload.parse(PACKETS["ra-primary"].payload)
    for nonce in (NONCE[:7] + b"\x00", bytes(8), b"\x00" + NONCE[1:]):
        bench.receive(Payload(payload.packet, Authentication(nonce), payload.origin).serialize(), PRIMARY_ENDPOINT)
    assert bench.dropped("ra-unasked") == 3
