"""What a Tunnel asks for: answered once, in its time, or when its deadline passes."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

import pytest

from tests.scripted_tunnel import ScriptedTunnel, endpoint, listener, say, script, send
from tunnelmgr.api.effects import (
    Ask,
    Cancel,
    Done,
    Effect,
    EffectResult,
    Failed,
    FailureCode,
    Fetch,
    MapPort,
    Ping,
    Remember,
    Resolve,
    Response,
    UnmapPort,
)
from tunnelmgr.lab.simulated import Internet, SimulatedHost
from tunnelmgr.lab.vocabulary import Link, Nat, NatKind


@pytest.fixture
def internet() -> Internet:
    return Internet()


@pytest.fixture
def host(internet: Internet) -> SimulatedHost:
    host = internet.add(lambda _: ScriptedTunnel(), services={"leases": Leases()})
    internet.run(seconds=0)
    return host


@dataclass
class Leases:
    """A service that counts, and raises at nonsense."""

    given: int = 0

    def handle(self, request: object) -> object:
        if request != "lease":
            raise KeyError(request)
        self.given += 1
        return self.given

    def close(self) -> None: ...


def answer(internet: Internet, host: SimulatedHost, effect: Effect) -> EffectResult:
    """The answer to one effect, which must come back as the very object."""
    say(host, effect)
    assert internet.run_until(lambda: bool(script(host).answers), within=effect.timeout)
    asked, result = script(host).answers.pop()
    assert asked is effect
    return result


def code(result: EffectResult) -> FailureCode:
    assert isinstance(result, Failed)
    return result.code


def test_an_answer_never_comes_before_the_asking_has_returned(internet: Internet, host: SimulatedHost) -> None:
    say(host, Remember("key", b"value"))
    assert script(host).answers == []
    internet.run(seconds=0)
    assert [result for _, result in script(host).answers] == [Done(None)]


def test_a_known_name_resolves_to_all_its_addresses(internet: Internet, host: SimulatedHost) -> None:
    internet.name("teredo.example", "192.0.2.1", "192.0.2.9")
    result = answer(internet, host, Resolve("teredo.example"))
    assert result == Done((IPv4Address("192.0.2.1"), IPv4Address("192.0.2.9")))


@pytest.mark.parametrize("known", [True, False], ids=["no-address", "unknown"])
def test_a_name_without_an_address_is_not_found(internet: Internet, host: SimulatedHost, known: bool) -> None:
    if known:
        internet.name("six-only.example")
    assert code(answer(internet, host, Resolve("six-only.example"))) is FailureCode.NOT_FOUND


def test_resolving_takes_the_time_the_internet_gives_it(internet: Internet, host: SimulatedHost) -> None:
    internet.name("teredo.example", "192.0.2.1")
    internet.directory.resolve_delay = 0.3
    answer(internet, host, Resolve("teredo.example"))
    assert internet.now == 0.3


def test_what_takes_longer_than_its_deadline_times_out_at_the_deadline(internet: Internet, host: SimulatedHost) -> None:
    internet.name("teredo.example", "192.0.2.1")
    internet.directory.resolve_delay = 60.0
    assert code(answer(internet, host, Resolve("teredo.example", timeout=4.0))) is FailureCode.TIMEOUT
    assert internet.now == 4.0


def test_a_name_server_that_does_not_answer_and_a_host_without_a_route_time_out(
    internet: Internet, host: SimulatedHost
) -> None:
    internet.directory.names["silent.example"] = None
    internet.name("teredo.example", "192.0.2.1")
    assert code(answer(internet, host, Resolve("silent.example"))) is FailureCode.TIMEOUT
    host.lose_default_route()
    assert code(answer(internet, host, Resolve("teredo.example"))) is FailureCode.TIMEOUT


def test_a_cancelled_effect_is_never_answered(internet: Internet, host: SimulatedHost) -> None:
    one, other = Resolve("a.example"), Resolve("a.example")
    say(host, one, other, Cancel(one))
    internet.run(seconds=60)
    assert [effect for effect, _ in script(host).answers] == [other]
    assert script(host).answers[0][0] is other


def test_what_a_tunnel_remembers_the_next_one_is_told(internet: Internet, host: SimulatedHost) -> None:
    answer(internet, host, Remember("kept", b"yes"))
    answer(internet, host, Remember("forgotten", b"no"))
    answer(internet, host, Remember("forgotten", b""))
    assert script(host).memory == {}
    host.restart()
    assert script(host).memory == {"kept": b"yes"}


def test_what_is_remembered_for_a_time_is_forgotten_after_the_latest(internet: Internet, host: SimulatedHost) -> None:
    answer(internet, host, Remember("told", b"yes", lifetime=300.0))
    internet.run(seconds=200)
    answer(internet, host, Remember("told", b"yes", lifetime=300.0))
    internet.run(seconds=200)
    host.restart()
    assert script(host).memory == {"told": b"yes"}
    internet.run(seconds=100)
    host.restart()
    assert script(host).memory == {}


def test_what_a_killed_tunnel_asked_is_not_answered_to_the_next(internet: Internet, host: SimulatedHost) -> None:
    say(host, Resolve("a.example", timeout=5.0), Fetch("https://nowhere.example/", timeout=5.0))
    host.restart()
    internet.run(seconds=60)
    assert script(host).answers == []


def test_a_service_answers_in_order_and_what_it_raises_is_crashed(internet: Internet, host: SimulatedHost) -> None:
    assert answer(internet, host, Ask("leases", "lease")) == Done(1)
    assert answer(internet, host, Ask("leases", "lease")) == Done(2)
    assert code(answer(internet, host, Ask("leases", "nonsense"))) is FailureCode.CRASHED


def test_a_service_the_transport_did_not_name_is_unsupported(internet: Internet, host: SimulatedHost) -> None:
    assert code(answer(internet, host, Ask("nobody", "lease"))) is FailureCode.UNSUPPORTED


def test_a_request_is_answered_by_the_longest_address_that_fits(internet: Internet, host: SimulatedHost) -> None:
    internet.web("https://he.example/", lambda fetch: Response(404, b""))
    internet.web("https://he.example/nic", lambda fetch: Response(200, fetch.username.encode()))
    result = answer(internet, host, Fetch("https://he.example/nic/update?x=1", username="me"))
    assert result == Done(Response(200, b"me"))
    assert answer(internet, host, Fetch("https://he.example/other")) == Done(Response(404, b""))


def test_a_body_longer_than_allowed_is_a_protocol_error(internet: Internet, host: SimulatedHost) -> None:
    internet.web("https://he.example/", lambda fetch: Response(200, bytes(11)))
    result = answer(internet, host, Fetch("https://he.example/", response_max=10))
    assert code(result) is FailureCode.PROTOCOL


def test_a_server_that_does_not_exist_times_out_and_one_may_fail_as_it_likes(
    internet: Internet, host: SimulatedHost
) -> None:
    internet.web("https://down.example/", lambda fetch: Failed(FailureCode.REFUSED, "connection refused"))
    assert code(answer(internet, host, Fetch("https://nowhere.example/"))) is FailureCode.TIMEOUT
    assert code(answer(internet, host, Fetch("https://down.example/"))) is FailureCode.REFUSED


@pytest.mark.parametrize("behind", [NatKind.NONE, NatKind.PORT_RESTRICTED])
def test_ports_are_mapped_only_where_the_nat_offers_it(internet: Internet, behind: NatKind) -> None:
    host = internet.add(ScriptedTunnel(), behind=behind)
    internet.run(seconds=0)
    assert code(answer(internet, host, MapPort(4000))) is FailureCode.UNSUPPORTED


def test_a_mapped_port_lets_strangers_in_until_it_is_given_back(internet: Internet) -> None:
    inside = internet.add(listener(), behind=Nat(maps_ports=True))
    stranger = internet.add(listener(), address="192.0.2.9")
    internet.run(seconds=0)
    script(inside).answers.clear()
    assert answer(internet, inside, MapPort(4000)) == Done(endpoint("203.0.113.1:4000"))
    send(stranger, b"let me in", "203.0.113.1:4000")
    internet.run(seconds=1)
    assert answer(internet, inside, UnmapPort(4000)) == Done(None)
    send(stranger, b"again", "203.0.113.1:4000")
    internet.run(seconds=1)
    assert script(inside).payloads == [b"let me in"]


def test_a_ping_tells_its_round_trip_past_the_tunnel(internet: Internet) -> None:
    far = internet.ipv6_host("2001:db8::9", link=Link(delay=0.05))
    host = internet.add(ScriptedTunnel(), native_ipv6=True)
    internet.run(seconds=0)
    assert answer(internet, host, Ping(far.address)) == Done(pytest.approx(0.1))


def test_a_ping_nobody_answers_times_out_and_one_without_a_way_is_unreachable(
    internet: Internet, host: SimulatedHost
) -> None:
    native = internet.add(ScriptedTunnel(), native_ipv6=True)
    internet.run(seconds=0)
    nobody = IPv6Address("2001:db8::dead")
    assert code(answer(internet, native, Ping(nobody))) is FailureCode.TIMEOUT
    assert code(answer(internet, host, Ping(nobody))) is FailureCode.UNREACHABLE
