"""A provider that must know the endpoint, simulated: asked once per real change, and told the right thing."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from tests.sixinfour_world.ends import FAR, HOME, add_far, is_trusted
from tests.sixinfour_world.provider import (
    LATER,
    UNREACHED,
    URL,
    ScriptedProvider,
    add_customer,
    memory_of_being_known_at,
    said,
)

from tunnelmgr.api.effects import Failed, FailureCode, Fetch, Response
from tunnelmgr.api.events import Notice
from tunnelmgr.lab.simulated import Internet
from tunnelmgr.lab.vocabulary import Nat
from tunnelmgr_sixinfour.constants import UPDATE_ABUSE_PAUSE, UPDATE_REFUSED_PAUSE, UPDATE_RETRY


@pytest.mark.requirement("S-UP-001", "S-UP-002")
def test_the_first_start_tells_the_provider_by_header_and_never_by_address() -> None:
    internet = Internet()
    provider = ScriptedProvider(internet, f"good {HOME}")
    home = add_customer(internet)
    internet.run(2)
    (request,) = provider.requests
    assert request.url == f"{URL}?hostname=123456&myip={HOME}"
    assert str(request.source) == str(HOME), "with several uplinks another one would be registered"
    assert (request.username, request.password) == ("me", "S3CRET")
    assert "S3CRET" not in repr(request)
    assert home.status().facts["provider"] == "current"
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
    internet.run(100)
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
def test_a_refusal_holds_for_a_day(answer: str) -> None:
    internet = Internet()
    provider = ScriptedProvider(internet, answer)
    home = add_customer(internet)
    internet.run(UPDATE_REFUSED_PAUSE / 24)
    home.change_address(LATER)
    internet.run(UPDATE_REFUSED_PAUSE * 22 / 24)
    assert len(provider.requests) == 1
    hint = "check username, key and tunnel under `update`; if they are right, mend it there: it is asked again in a day"
    assert said(home, "6in4.update-refused") == [
        f"ipv4.tunnelbroker.net refuses the update of tunnel 123456: {answer}; {hint}"
    ]
    assert home.status().facts["provider"] == "refused"
    provider.then("good")  # somebody has mended it
    internet.run(UPDATE_REFUSED_PAUSE / 24)
    assert [request.url[-len(LATER) :] for request in provider.requests[1:]] == [LATER]
    assert home.status().facts["provider"] == "current"


@pytest.mark.requirement("S-UP-004")
def test_a_refusal_of_an_earlier_start_is_asked_about_a_day_later() -> None:
    internet = Internet()
    provider = ScriptedProvider(internet, "nohost", "good")
    home = add_customer(internet)
    internet.run(10)
    home.restart()
    internet.run(UPDATE_REFUSED_PAUSE - 10)
    assert len(provider.requests) == 1
    internet.run(20)
    assert len(provider.requests) == 2
    assert home.status().facts["provider"] == "current"


def test_without_an_address_to_tell_a_refusal_is_left_alone() -> None:
    internet = Internet()
    provider = ScriptedProvider(internet, "nohost", "good")
    home = add_customer(internet)
    internet.run(10)
    home.lose_default_route()
    home.restart()
    internet.run(2 * UPDATE_REFUSED_PAUSE)
    assert home.status().state == "no-route"
    assert len(provider.requests) == 1
    home.restore_default_route()
    internet.run(2)
    assert len(provider.requests) == 2


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


def test_trouble_names_the_tunnel_and_who_was_asked() -> None:
    internet = Internet()
    provider = ScriptedProvider(internet, "911", "abuse")
    home = add_customer(internet)
    internet.run(UPDATE_RETRY[0] + 10)
    assert len(provider.requests) == 2
    assert said(home, "6in4.update-failed") == [
        "no update of tunnel 123456: 911; ipv4.tunnelbroker.net is asked again in 5 min"
    ]
    hint = "see that nothing else updates it: it is asked again in a day"
    assert said(home, "6in4.update-blocked") == [
        f"ipv4.tunnelbroker.net has blocked tunnel 123456 for too many updates; {hint}"
    ]


@pytest.mark.requirement("S-UP-004")
def test_months_after_trouble_the_next_begins_with_a_short_pause() -> None:
    internet = Internet()
    provider = ScriptedProvider(internet, "911")
    home = add_customer(internet)
    internet.run(5 * 3600)
    home.kill()
    internet.run(90 * 86400)
    home.restart()
    internet.run(UPDATE_RETRY[0] + 10)
    first, second = provider.asked_at[-2:]
    assert second - first == pytest.approx(UPDATE_RETRY[0], abs=2)


@pytest.mark.requirement("S-UP-007")
@pytest.mark.parametrize("code", [FailureCode.UNREACHABLE, FailureCode.NOT_FOUND, FailureCode.NO_PERMISSION])
def test_a_request_that_did_not_get_there_is_made_again_soon(code: FailureCode) -> None:
    internet = Internet()
    provider = ScriptedProvider(internet, replace(UNREACHED, code=code))
    home = add_customer(internet, behind=internet.site(Nat(), address=HOME), address=None)
    internet.run(4 * 3600)
    pauses = [later - earlier for earlier, later in pairwise(provider.asked_at)]
    assert pauses[:5] == pytest.approx([10, 20, 40, 60, 60], abs=1)
    assert max(pauses) < 61
    assert 4 <= len(said(home, "6in4.update-failed")) <= 5, "the same is said once an hour"
    assert home.memory == {}
    provider.then(f"good {HOME}")
    internet.run(60)
    assert home.status().facts["provider"] == "current"
    provider.then(UNREACHED)
    told = len(provider.requests)
    internet.run(3 * 3600)  # of silence, which is told again
    pauses = [later - earlier for earlier, later in pairwise(provider.asked_at[told:])]
    assert pauses[:3] == pytest.approx([10, 20, 40], abs=1), "each outage for itself"


@pytest.mark.requirement("S-UP-007")
def test_after_an_outage_another_start_tells_a_new_address_at_once() -> None:
    internet = Internet()
    provider = ScriptedProvider(internet, UNREACHED)
    home = add_customer(internet, remembered=HOME)
    home.change_address("203.0.113.90")
    internet.run(3 * 3600 + 700)
    provider.then(f"good {LATER}")
    home.change_address(LATER)
    home.restart()
    internet.run(5)
    assert home.status().facts["provider"] == "current"


@pytest.mark.requirement("S-UP-007")
@pytest.mark.parametrize("news", ["another address", "another network", "the same address again", "awake again"])
def test_news_of_the_network_have_what_did_not_get_there_tried_at_once(news: str) -> None:
    internet = Internet()
    provider = ScriptedProvider(internet, UNREACHED)
    home = add_customer(internet)
    internet.run(100)
    provider.then("good")
    match news:
        case "another address":
            home.change_address(LATER)
        case "another network":
            home.tell_network()
        case "the same address again":
            home.lose_default_route()
            internet.run(1)
            home.restore_default_route()
        case "awake again":
            home.suspend()
            internet.run(2)
            home.resume()
    internet.run(1)
    assert home.status().facts["provider"] == "current"


@pytest.mark.requirement("S-UP-004", "S-UP-005")
@pytest.mark.parametrize("answer", ["911", Failed(FailureCode.TIMEOUT, "no answer in 20 s"), Response(503, b"")])
def test_news_of_the_network_do_not_shorten_what_the_provider_is_owed(answer: str | Response | Failed) -> None:
    internet = Internet()
    provider = ScriptedProvider(internet, answer)
    home = add_customer(internet)
    for number in range(29):
        internet.run(10)
        home.change_address(f"203.0.113.{100 + number}")
        home.tell_network()
    assert len(provider.requests) == 1


def test_a_start_says_how_long_an_earlier_one_has_it_wait() -> None:
    internet = Internet()
    ScriptedProvider(internet, "911")
    home = add_customer(internet)
    internet.run(901)
    assert said(home, "6in4.update-waits") == []
    home.change_address(LATER)
    home.restart()
    internet.run(10)
    assert said(home, "6in4.update-waits") == [
        "ipv4.tunnelbroker.net hears where tunnel 123456 ends in 20 min, no sooner after the latest request"
    ]


@pytest.mark.requirement("S-UP-004")
def test_abuse_silences_us_for_a_day() -> None:
    internet = Internet()
    provider = ScriptedProvider(internet, "abuse")
    home = add_customer(internet)
    internet.run(3600)
    home.change_address(LATER)
    internet.run(UPDATE_ABUSE_PAUSE * 22 / 24)
    assert len(provider.requests) == 1
    internet.run(UPDATE_ABUSE_PAUSE / 12)
    assert len(provider.requests) == 2


def test_before_anybody_is_asked_nothing_is_known_of_the_provider() -> None:
    internet = Internet()
    ScriptedProvider(internet, "good")
    home = add_customer(internet, start_at=60.0)
    internet.run(30)
    assert home.status().facts["provider"] is None


@pytest.mark.parametrize("key", ["outcome", "pause"])
def test_a_memory_that_makes_no_sense_is_as_good_as_none(key: str) -> None:
    internet = Internet()
    provider = ScriptedProvider(internet, "good")
    home = add_customer(internet)
    (lasting,) = memory_of_being_known_at(HOME)
    home.memory[lasting.replace("outcome", key)] = b"at \xff"
    internet.run(10)
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
