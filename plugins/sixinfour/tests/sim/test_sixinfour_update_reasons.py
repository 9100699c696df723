"""When the provider is told again: silence, addresses that come and go, other starts and other settings."""

from itertools import pairwise
from typing import Any

import pytest
from tests.sixinfour_world.ends import HOME, NOTICED, add_far, is_trusted
from tests.sixinfour_world.provider import (
    LATER,
    UPDATE,
    URL,
    ScriptedProvider,
    add_customer,
    memory_of_being_known_at,
    restart_often,
    said,
)

from tunnelmgr.lab.simulated import Internet
from tunnelmgr.lab.vocabulary import Nat
from tunnelmgr_sixinfour.constants import KEEPALIVE_INTERVAL, UPDATE_INTERVAL, UPDATE_SILENCE, UPDATE_TOLD_AGAIN


def test_behind_a_nat_three_minutes_of_silence_are_a_reason_to_tell_once() -> None:
    internet = Internet()
    site = internet.site(Nat(), address=HOME)
    provider = ScriptedProvider(internet, f"good {LATER}")
    home = add_customer(internet, remembered="192.168.1.2", behind=site, address=None)
    add_far(internet)
    internet.run(10)
    assert is_trusted(home)
    site.change_address(LATER)
    internet.run(UPDATE_SILENCE + KEEPALIVE_INTERVAL - 5)
    assert provider.requests == []
    internet.run(NOTICED + 5)
    assert len(provider.requests) == 1
    internet.run(3600)
    assert len(provider.requests) == 1


@pytest.mark.requirement("S-UP-005")
def test_behind_a_nat_a_silence_that_lasts_is_told_again_after_hours() -> None:
    internet = Internet()
    site = internet.site(Nat(), address=HOME)
    provider = ScriptedProvider(internet, "good")
    add_customer(internet, remembered="192.168.1.2", behind=site, address=None)
    far = add_far(internet)
    internet.run(10)
    site.change_address(LATER)  # and again and again, which nobody inside can see
    internet.run(7 * 86400)
    hours = [round((later - earlier) / 3600) for earlier, later in pairwise(provider.asked_at)]
    assert hours == [2, 4, 8, 16, 24, 24, 24, 24, 24]
    site.change_address(HOME)
    internet.run(600)
    far.kill()
    internet.run(3 * 3600)
    assert provider.asked_at[-1] - provider.asked_at[-2] == pytest.approx(
        UPDATE_TOLD_AGAIN[0], abs=2 * KEEPALIVE_INTERVAL
    ), "each silence for itself"


@pytest.mark.requirement("S-UP-005")
def test_the_far_ends_silence_at_a_public_address_is_told_once() -> None:
    internet = Internet()
    provider = ScriptedProvider(internet, f"good {HOME}")
    add_customer(internet, remembered=HOME)
    internet.run(UPDATE_SILENCE)
    assert provider.requests == []
    internet.run(NOTICED + 5)
    assert [request.url for request in provider.requests] == [f"{URL}?hostname=123456&myip={HOME}"]
    internet.run(86400)
    assert len(provider.requests) == 1


def test_each_silence_is_told_for_itself() -> None:
    internet = Internet()
    provider = ScriptedProvider(internet, f"nochg {HOME}")
    home, far = add_customer(internet, remembered=HOME), add_far(internet)
    for told in (1, 2):
        internet.run(600)
        assert is_trusted(home)
        far.kill()
        internet.run(3600)
        assert len(provider.requests) == told
        far.restart()


@pytest.mark.requirement("S-UP-005")
def test_an_address_that_comes_back_while_the_other_is_told_is_told_again() -> None:
    internet = Internet()
    provider = ScriptedProvider(internet, "good")
    internet.directory.fetch_delay = 5.0
    home = add_customer(internet, remembered=HOME)
    add_far(internet)
    internet.run(10)
    home.change_address(LATER)
    internet.run(1)
    home.change_address(HOME)
    internet.run(4000)
    assert [request.url[-len(LATER) :] for request in provider.requests] == [LATER, HOME]
    assert home.status().facts["provider"] == "current"


@pytest.mark.requirement("S-UP-005")
def test_what_was_asked_and_not_answered_before_the_end_counts_as_asked() -> None:
    internet = Internet()
    provider = ScriptedProvider(internet, "good")
    internet.directory.fetch_delay = 5.0
    home = add_customer(internet, remembered=HOME)
    add_far(internet)
    internet.run(10)
    home.change_address(LATER)
    internet.run(1)
    home.change_address(HOME)
    home.restart()
    internet.run(UPDATE_INTERVAL * 2 / 3)
    assert len(provider.requests) == 1
    internet.run(UPDATE_INTERVAL * 2 / 3)
    assert [request.url[-len(LATER) :] for request in provider.requests] == [LATER, HOME]


@pytest.mark.requirement("S-UP-005")
@pytest.mark.parametrize(
    "change",
    [{"tunnel": 456}, {"username": "you"}, {"key": "OTHER"}, {"url": "https://dyn.example/nic/update"}],
    ids=lambda change: next(iter(change)),
)
def test_another_registration_is_told_although_the_address_is_the_same(change: dict[str, Any]) -> None:
    memory = memory_of_being_known_at(HOME)
    for update, times in ((UPDATE | change, 1), (UPDATE, 0), (UPDATE | change, 0)):
        internet = Internet()
        provider = ScriptedProvider(internet, "good")
        home = add_customer(internet, update=update)
        add_far(internet)
        home.memory |= memory
        internet.run(4000)
        assert len(provider.requests) == times
        memory = home.memory


def test_behind_a_nat_lost_requests_at_the_start_are_a_reason_to_tell_however_short_it_lives() -> None:
    internet = Internet()
    site = internet.site(Nat(), address=LATER)
    provider = ScriptedProvider(internet, f"good {LATER}")
    home = add_customer(internet, remembered="192.168.1.2", behind=site, address=None)
    restart_often(internet, home, 20)
    assert [request.url for request in provider.requests] == [f"{URL}?hostname=123456"]
    internet.run(3600)
    restart_often(internet, home, 20)
    assert len(provider.requests) == 1, "it knows, and the silence has another cause"
    home.kill()
    internet.run(86400)
    restart_often(internet, home, 20)
    assert len(provider.requests) == 2, "by now the address may be another"


@pytest.mark.requirement("S-UP-005")
def test_behind_a_nat_a_start_that_is_answered_tells_nobody() -> None:
    internet = Internet()
    provider = ScriptedProvider(internet, "good")
    home = add_customer(internet, remembered="192.168.1.2", behind=internet.site(Nat(), address=HOME), address=None)
    add_far(internet)
    restart_often(internet, home, 20)
    internet.run(10)
    assert is_trusted(home)
    assert provider.requests == []


@pytest.mark.requirement("S-UP-004", "S-UP-005")
@pytest.mark.parametrize(
    ("answer", "asked_at"),
    [("badauth", [0]), ("abuse", [0, 86400]), ("911", [0, 300, 900, 2100, 4500, 9300, 16500, 23700])],
)
def test_a_pause_outlives_the_tunnel(answer: str, asked_at: list[float]) -> None:
    internet = Internet()
    provider = ScriptedProvider(internet, answer)
    home = add_customer(internet)
    restart_often(internet, home, int(asked_at[-1] + 600) // 30)
    assert provider.asked_at == pytest.approx(asked_at, abs=61)


@pytest.mark.requirement("S-UP-004")
def test_a_refusal_is_known_at_the_next_start_and_forgotten_when_the_key_is_another() -> None:
    internet = Internet()
    provider = ScriptedProvider(internet, "badauth")
    home = add_customer(internet)
    internet.run(10)
    home.restart()
    internet.run(10)
    assert (home.status().facts["provider"], home.status().facts["provider_said"]) == ("refused", "badauth")
    assert len(said(home, "6in4.update-refused")) == 2, "each start says why nothing is told"
    assert len(provider.requests) == 1
    memory, internet = home.memory, Internet()
    provider = ScriptedProvider(internet, "good")
    home = add_customer(internet, update=UPDATE | {"key": "CORRECTED"})
    home.memory |= memory
    internet.run(10)
    assert len(provider.requests) == 1
    assert home.status().facts["provider"] == "current"


@pytest.mark.requirement("S-UP-005")
@pytest.mark.parametrize("seconds", [7, 30, 290])
def test_starts_and_changes_however_many_make_one_request_in_five_minutes(seconds: float) -> None:
    internet = Internet()
    provider = ScriptedProvider(internet, "good", "911", "good")
    home = add_customer(internet)
    for number in range(int(7200 // seconds)):
        home.change_address(f"203.0.113.{number % 100 + 100}")
        home.restart()
        internet.run(seconds)
    assert len(provider.requests) >= 10
    assert min(later - earlier for earlier, later in pairwise(provider.asked_at)) >= UPDATE_INTERVAL
