"""A provider that must know the endpoint, simulated: asked once per real change, and told the right thing."""

from collections.abc import Callable

import pytest
from tests.sixinfour_world.ends import FAR, HOME, add_far, home_end, is_trusted

from tunnelmgr.api.effects import Failed, FailureCode, Fetch, Response
from tunnelmgr.api.events import Notice
from tunnelmgr.lab.simulated import Internet, SimulatedHost
from tunnelmgr.lab.vocabulary import Nat

URL = "https://ipv4.tunnelbroker.net/nic/update"
UPDATE = {"provider": "he", "tunnel": 123456, "username": "me", "key": "S3CRET"}
LATER = "203.0.113.99"


class ScriptedProvider:
    """Answers in turn; the last answer stays."""

    def __init__(self, internet: Internet, *answers: str | Response | Failed) -> None:
        self.requests: list[Fetch] = []
        self._answers = list(answers)
        internet.web(URL, self._answer)

    def _answer(self, request: Fetch) -> Response | Failed:
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return Response(200, answer.encode()) if isinstance(answer, str) else answer

    def then(self, answer: str) -> None:
        self._answers = [answer]


def add_customer(internet: Internet, remembered: str = "", **how: object) -> SimulatedHost:
    host = internet.add(home_end(update=UPDATE), name="home", **({"address": HOME} | how))  # type: ignore[arg-type]
    if remembered:
        host.memory["endpoint"] = remembered.encode()
    return host


def said(host: SimulatedHost, code: str) -> list[str]:
    return [event.text for event in host.events if isinstance(event, Notice) and event.code == code]


@pytest.mark.requirement("S-UP-001", "S-UP-002")
def test_the_first_start_tells_the_provider_by_header_and_never_by_address() -> None:
    internet = Internet()
    provider = ScriptedProvider(internet, f"good {HOME}")
    home = add_customer(internet)
    internet.run(2)
    (request,) = provider.requests
    assert request.url == f"{URL}?hostname=123456&myip={HOME}"
    assert (request.username, request.password) == ("me", "S3CRET")
    assert "S3CRET" not in repr(request)
    assert home.memory["endpoint"] == HOME.encode()
    assert said(home, "6in4.updated") == [f"the provider knows this end at {HOME}"]


@pytest.mark.requirement("S-UP-003")
@pytest.mark.parametrize("lan", ["192.168.1.0/24", "10.7.0.0/24", "172.16.3.0/24", "100.64.0.0/24"])
def test_behind_a_nat_the_provider_is_left_to_see_for_itself(lan: str) -> None:
    internet = Internet()
    provider = ScriptedProvider(internet, f"good {HOME}")
    add_customer(internet, behind=internet.site(Nat(), address=HOME, lan=lan), address=None)
    internet.run(2)
    assert [request.url for request in provider.requests] == [f"{URL}?hostname=123456"]


@pytest.mark.requirement("S-UP-005")
def test_without_a_change_nobody_is_asked_again() -> None:
    internet = Internet()
    provider = ScriptedProvider(internet, f"good {HOME}")
    home = add_customer(internet)
    add_far(internet)
    internet.run(3600)
    for _ in range(3):
        home.restart()
        internet.run(3600)
        home.tell_network()
    assert len(provider.requests) == 1


@pytest.mark.requirement("S-UP-005", "S-UP-007")
def test_a_change_is_told_once_and_the_tunnel_works_within_a_minute() -> None:
    internet = Internet()
    provider = ScriptedProvider(internet, f"good {LATER}")
    home = add_customer(internet, remembered=HOME)
    far = add_far(internet, remote=LATER)
    internet.run(400)
    assert provider.requests == []
    home.change_address(LATER)
    assert internet.run_until(lambda: is_trusted(home) and is_trusted(far), within=60)
    internet.run(3600)
    assert [request.url for request in provider.requests] == [f"{URL}?hostname=123456&myip={LATER}"]


@pytest.mark.requirement("S-UP-005")
def test_an_address_that_flaps_is_told_once_in_five_minutes() -> None:
    internet = Internet()
    provider = ScriptedProvider(internet, "good")
    home = add_customer(internet)
    for number in range(59):
        internet.run(10)
        home.change_address(f"203.0.113.{number + 100}")
    assert len(provider.requests) == 2


@pytest.mark.requirement("S-UP-004", "S-UP-009")
@pytest.mark.parametrize("answer", ["badauth", "nohost", "notfqdn", "!yours"])
def test_a_refusal_is_final(answer: str) -> None:
    internet = Internet()
    provider = ScriptedProvider(internet, answer)
    home = add_customer(internet)
    internet.run(3600)
    home.change_address(LATER)
    internet.run(8000)
    assert len(provider.requests) == 1
    assert said(home, "6in4.update-refused") == [
        f"the provider refuses the update: {answer}; check username, key and tunnel under `update`"
    ]
    assert home.status().facts["provider"] == "refused"


@pytest.mark.requirement("S-UP-004", "S-UP-009")
@pytest.mark.parametrize(
    "answer", ["911", "dnserr", "what?", Response(503, b""), Failed(FailureCode.TIMEOUT, "no answer in 20 s")]
)
def test_trouble_over_there_is_met_with_patience(answer: str | Response | Failed) -> None:
    internet = Internet()
    provider = ScriptedProvider(internet, answer)
    add_customer(internet)
    internet.run(301)
    assert len(provider.requests) == 2
    internet.run(590)
    assert len(provider.requests) == 2, "the pause doubles"
    internet.run(5 * 3600)
    assert len(provider.requests) == 7, "300, 600, 1200, 2400, 4800 and 7200 seconds"
    provider.then(f"good {HOME}")
    internet.run(7300)
    internet.run(3 * 3600)
    assert len(provider.requests) == 8


@pytest.mark.requirement("S-UP-004")
def test_abuse_silences_us_for_a_day() -> None:
    internet = Internet()
    provider = ScriptedProvider(internet, "abuse")
    home = add_customer(internet)
    internet.run(3600)
    home.change_address(LATER)
    internet.run(22 * 3600)
    assert len(provider.requests) == 1
    internet.run(2 * 3600)
    assert len(provider.requests) == 2


def test_behind_a_nat_three_minutes_of_silence_are_a_reason_to_tell_once() -> None:
    internet = Internet()
    site = internet.site(Nat(), address=HOME)
    provider = ScriptedProvider(internet, f"good {LATER}")
    home = add_customer(internet, remembered="192.168.1.2", behind=site, address=None)
    add_far(internet)
    internet.run(10)
    assert is_trusted(home)
    site.change_address(LATER)
    internet.run(60 + 15 + 160)
    assert provider.requests == []
    internet.run(80)
    assert len(provider.requests) == 1
    internet.run(2 * 3600)
    assert len(provider.requests) == 1


def _echoing_the_key(request: Fetch) -> Response:
    return Response(200, f"-ERROR: wrong key {request.password}".encode())


@pytest.mark.parametrize("responder", [_echoing_the_key])
def test_a_provider_that_repeats_the_key_does_not_make_us_show_it(responder: Callable[[Fetch], Response]) -> None:
    internet = Internet()
    internet.web(URL, responder)
    home = add_customer(internet)
    internet.run(2)
    shown = f"{home.status()} {[event for event in home.events if isinstance(event, Notice)]}"
    assert "wrong key ***" in shown
    assert "S3CRET" not in shown
    assert FAR not in str(internet.directory.web), "only the provider was asked"
