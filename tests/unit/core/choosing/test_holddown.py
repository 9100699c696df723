"""Growing times of distrust."""

from tunnelmgr.core.choosing.holddown import HoldDown


def test_each_failure_doubles_the_time_up_to_the_longest() -> None:
    hold = HoldDown(30.0, 100.0)
    assert not hold.holds(-1e9)
    assert [hold.failed(now) - now for now in (0.0, 40.0, 120.0, 250.0)] == [30.0, 60.0, 100.0, 100.0]


def test_it_holds_until_the_time_is_over() -> None:
    hold = HoldDown(30.0, 100.0)
    assert not hold.holds(0.0)
    hold.failed(10.0)
    assert hold.holds(39.9)
    assert not hold.holds(40.0)


def test_what_has_not_failed_for_the_longest_time_is_as_good_as_new() -> None:
    hold = HoldDown(30.0, 100.0)
    hold.failed(0.0)
    assert hold.failed(129.0) == 129.0 + 60.0
    assert hold.failed(300.0) == 300.0 + 30.0


def test_a_failure_nobody_suffered_from_takes_as_long_as_the_last() -> None:
    hold = HoldDown(30.0, 100.0)
    hold.failed(0.0)
    hold.failed_again(50.0)
    assert hold.until == 80.0
    assert hold.failed(90.0) == 90.0 + 60.0
