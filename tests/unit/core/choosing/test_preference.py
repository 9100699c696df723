"""Which method shall run: first choice, second chances, and no flapping. On a simulated clock."""

from ipaddress import IPv4Address
from typing import Any

import pytest

from tests.unit.core.choosing.test_choice import method
from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.api.network import DefaultRoute, Network
from tunnelmgr.api.report import NetworkReport
from tunnelmgr.api.transport import Fit
from tunnelmgr.core.choosing.choice import Survey
from tunnelmgr.core.choosing.method_status import MethodState
from tunnelmgr.core.choosing.preference import (
    FIRST_HOLD,
    LOOK_INTERVAL,
    RECOVERY_TIMEOUT,
    RETURN_TIMEOUT,
    TRIAL_TIMEOUT,
    Leaving,
    Preference,
)
from tunnelmgr.core.condition import UP, Code, Condition, State

FAILURE = TunnelError("nobody home")
LOST = Condition(State.IMPAIRED, Code.PACKETS_STOPPED, "packets stopped")


def at(source: str = "192.168.1.2", *, close: bool = True, unreached: tuple[int, ...] = (), **facts: Any) -> Survey:
    """A look at the network of this address."""
    network = Network(default_route=DefaultRoute("eth0", None), source=IPv4Address(source))
    return Survey(NetworkReport(network, **facts), frozenset(unreached), close)


def of(*fits: Fit) -> Preference:
    """Methods a, b, c ... that fit so, looked at."""
    preference = Preference(tuple(method(name, fit) for name, fit in zip("abcdef", fits, strict=False)))
    preference.looked(at(), 0.0)
    return preference


@pytest.fixture
def two() -> Preference:
    """Two good methods: a is preferred, has failed, and b carries since."""
    preference = of(Fit.GOOD, Fit.GOOD)
    preference.failed(0, FAILURE, 0.0)
    preference.began(1, 1.0)
    preference.stands(UP, 2.0)
    return preference


def test_the_first_that_suits_is_tried_first() -> None:
    assert of(Fit.UNSUITABLE, Fit.POSSIBLE, Fit.GOOD).choose(0.0) == 1


def test_where_none_suits_none_is_chosen() -> None:
    assert of(Fit.UNSUITABLE).choose(0.0) is None


def test_a_far_end_that_kept_silent_comes_last() -> None:
    preference = of(Fit.GOOD, Fit.GOOD)
    preference.looked(at(unreached=(0,)), 1.0)
    assert preference.choose(1.0) == 1


def test_what_failed_has_to_wait_and_the_next_has_its_turn() -> None:
    preference = of(Fit.GOOD, Fit.GOOD)
    preference.failed(0, FAILURE, 10.0)
    assert preference.choose(10.0) == 1


def test_where_all_failed_the_one_that_waits_longest_is_next_and_none_starves() -> None:
    preference = of(Fit.GOOD, Fit.GOOD)
    tried = []
    for now in range(0, 200, 15):
        number = preference.choose(float(now))
        assert number is not None
        tried.append(number)
        preference.failed(number, FAILURE, now + 14.0)
    assert tried[:6] == [0, 1, 0, 1, 0, 1]


def test_bad_credentials_are_not_tried_again() -> None:
    preference = of(Fit.GOOD, Fit.GOOD)
    preference.failed(0, TunnelError("login refused", exit_code=ExitCode.NO_PERMISSION), 0.0)
    assert preference.choose(1e9) == 1
    assert preference.statuses(1.0)[0].state is MethodState.FAILED


def test_probes_that_are_lost_end_a_method_at_once_where_there_is_another() -> None:
    preference = of(Fit.GOOD, Fit.GOOD)
    preference.began(0, 0.0)
    preference.stands(UP, 1.0)
    assert preference.leaving(99.0) is None
    preference.stands(LOST, 100.0)
    assert preference.leaving(100.0) == Leaving("packets stopped", failed=True)


def test_what_stands_alone_stays_whatever_happens() -> None:
    preference = of(Fit.GOOD)
    preference.began(0, 0.0)
    preference.stands(UP, 1.0)
    preference.stands(LOST, 2.0)
    assert preference.leaving(1e6) is None


@pytest.mark.parametrize(("carried", "patience"), [(False, TRIAL_TIMEOUT), (True, RECOVERY_TIMEOUT)])
def test_one_that_says_itself_that_it_does_not_work_has_a_while_to_recover(carried: bool, patience: float) -> None:
    preference = of(Fit.GOOD, Fit.GOOD)
    preference.began(0, 0.0)
    if carried:
        preference.stands(UP, 0.0)
    preference.stands(Condition(State.DOWN, Code.DOWN, "no answer from 192.0.2.1"), 0.0)
    assert preference.next_timeout(0.0) == patience
    assert preference.leaving(patience - 0.1) is None
    leaving = preference.leaving(patience)
    assert leaving == Leaving(f"no packets flowed for {patience:.0f} s: no answer from 192.0.2.1", failed=True)


def test_one_that_is_lost_waits_a_while_before_it_gives_way_to_one_that_has_just_failed(two: Preference) -> None:
    two.stands(LOST, 5.0)
    assert two.leaving(5.0) is None
    assert two.next_timeout(5.0) == 5.0 + RECOVERY_TIMEOUT
    assert two.leaving(5.0 + TRIAL_TIMEOUT) is not None


def test_a_better_one_is_looked_at_when_its_time_is_over_and_taken_when_it_looks_well(two: Preference) -> None:
    assert two.next_timeout(3.0) == FIRST_HOLD
    assert not two.look_due(FIRST_HOLD - 1)
    assert two.leaving(FIRST_HOLD) is None, "nobody has looked"
    assert two.look_due(FIRST_HOLD)
    two.looked(at(), FIRST_HOLD + 1)
    assert two.leaving(FIRST_HOLD + 1) == Leaving("a is to be had, which the profile prefers", failed=False)


def test_a_better_one_that_only_looked_well_is_given_up_sooner(two: Preference) -> None:
    two.looked(at(), FIRST_HOLD)
    two.ended()
    two.began(0, FIRST_HOLD)
    assert two.next_timeout(FIRST_HOLD) == FIRST_HOLD + RETURN_TIMEOUT
    assert two.leaving(FIRST_HOLD + RETURN_TIMEOUT) is not None


def test_a_better_one_whose_far_end_keeps_silent_is_looked_at_less_and_less(two: Preference) -> None:
    looks, now = 0, 3.0
    while now < 3600.0:
        instant = two.next_timeout(now)
        assert instant is not None
        now = max(now, instant)
        assert two.look_due(now)
        two.looked(at(unreached=(0,)), now)
        looks += 1
        assert two.leaving(now) is None
    assert looks <= 8


def test_a_look_from_afar_does_not_show_that_a_better_one_works(two: Preference) -> None:
    two.looked(at(close=False), FIRST_HOLD + 1)
    assert two.leaving(FIRST_HOLD + 1) is None
    assert two.look_due(FIRST_HOLD + 1)


def test_what_failed_elsewhere_may_work_here(two: Preference) -> None:
    two.looked(at("203.0.113.7"), 3.0)
    assert two.leaving(3.0) == Leaving("a is to be had, which the profile prefers", failed=False)
    two.looked(at("192.168.1.2"), 4.0)
    assert two.leaving(4.0) is None, "and what failed here is remembered"


def test_what_kept_silent_elsewhere_may_answer_here() -> None:
    preference = of(Fit.GOOD, Fit.GOOD)
    preference.looked(at(unreached=(0,)), 0.0)
    preference.looked(at("203.0.113.7", close=False), 1.0)
    assert preference.choose(1.0) == 0


def test_one_that_does_not_suit_any_more_gives_way_if_another_does() -> None:
    preference = Preference((method("a", public_ipv4=False), method("b")))
    preference.looked(at(), 0.0)
    preference.began(0, 0.0)
    preference.stands(UP, 0.0)
    preference.looked(at(public_ipv4=IPv4Address("203.0.113.7")), 1.0)
    assert preference.leaving(1.0) == Leaving("it does not suit any more", failed=False)


def test_a_condition_is_kept_even_where_nothing_else_is_left() -> None:
    preference = Preference((method("a", interface="eth*"), method("b", Fit.UNSUITABLE)))
    preference.looked(at(), 0.0)
    preference.began(0, 0.0)
    preference.stands(UP, 0.0)
    network = Network(default_route=DefaultRoute("wwan0", None))
    preference.looked(Survey(NetworkReport(network), close=True), 1.0)
    assert preference.leaving(1.0) is not None
    preference.ended()
    assert preference.choose(1.0) is None


def test_one_that_carries_is_not_given_up_for_nothing() -> None:
    preference = Preference((method("a"),))
    preference.began(0, 0.0)
    preference.stands(UP, 0.0)
    assert preference.leaving(1e6) is None
    assert preference.next_timeout(1.0) is None


def test_what_does_not_suit_is_looked_at_again_now_and_then_though_nothing_was_announced() -> None:
    preference = of(Fit.UNSUITABLE, Fit.GOOD)
    preference.began(1, 0.0)
    preference.stands(UP, 0.0)
    assert preference.next_timeout(1.0) == LOOK_INTERVAL


def test_a_better_method_that_fails_every_twenty_seconds_for_an_hour_does_not_make_it_flap() -> None:
    """Method a works for twenty seconds each time it is taken; b always works."""
    preference, now, switches, carried = of(Fit.GOOD, Fit.GOOD), 0.0, 0, 0.0
    while now < 3600.0:
        number = preference.choose(now)
        assert number is not None
        switches += 1
        preference.began(number, now)
        began_at, now = now, now + 0.5
        preference.stands(UP, now)
        if number == 0:
            now += 20.0
            preference.stands(LOST, now)
        while (leaving := preference.leaving(now)) is None and now < 3600.0:
            now = max(now, preference.next_timeout(now) or 3600.0)
            if preference.look_due(now):
                preference.looked(at(), now)
        carried += now - began_at - 0.5
        preference.ended()
        if leaving and leaving.failed:
            preference.failed(number, TunnelError(leaving.reason), now)
    assert switches <= 15
    assert carried >= 0.99 * 3600.0


def test_every_method_is_listed_with_how_it_stands_and_why(two: Preference) -> None:
    failed, runs = two.statuses(10.0)
    assert (failed.state, failed.reason, failed.waits) == (MethodState.HELD, "nobody home", 20.0)
    assert (runs.method, runs.described, runs.state, runs.reason) == ("b", "as scripted", MethodState.RUNNING, "")
    refused, ready = of(Fit.UNSUITABLE, Fit.GOOD).statuses(0.0)
    assert (refused.state, refused.reason, refused.waits) == (MethodState.REFUSED, "a says so", None)
    assert (ready.state, ready.reason) == (MethodState.READY, "b says so")
