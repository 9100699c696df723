from tunnelmgr.lab.simulated.clock import Clock


def test_alarms_go_off_in_the_order_of_their_instants_and_then_of_their_making() -> None:
    clock, order = Clock(), list[str]()
    clock.at(2.0, lambda: order.append("late"))
    clock.at(1.0, lambda: order.append("first"))
    clock.at(1.0, lambda: order.append("second"))
    clock.run_until(3.0)
    assert order == ["first", "second", "late"]


def test_during_an_alarm_the_clock_shows_exactly_its_instant() -> None:
    clock, seen = Clock(), list[float]()
    clock.at(1.25, lambda: seen.append(clock.now))
    clock.run_until(10.0)
    assert seen == [1.25]
    assert clock.now == 10.0


def test_an_alarm_due_exactly_at_the_end_goes_off_and_a_later_one_does_not() -> None:
    clock, order = Clock(), list[str]()
    clock.at(5.0, lambda: order.append("due"))
    clock.at(5.001, lambda: order.append("later"))
    clock.run_until(5.0)
    assert order == ["due"]


def test_an_alarm_for_the_past_goes_off_now_but_never_within_the_call_that_sets_it() -> None:
    clock, order = Clock(), list[object]()
    clock.run_until(5.0)
    clock.at(1.0, lambda: order.append(clock.now))
    order.append("set")
    clock.run_until(5.0)
    assert order == ["set", 5.0]


def test_a_cancelled_alarm_stays_silent() -> None:
    clock, order = Clock(), list[str]()
    alarm = clock.at(1.0, lambda: order.append("no"))
    alarm.cancel()
    clock.run_until(2.0)
    assert order == []


def test_time_stops_where_the_condition_holds() -> None:
    clock, order = Clock(), list[int]()
    for number in range(5):
        clock.at(float(number), lambda number=number: order.append(number))  # type: ignore[misc]
    assert clock.run_until(10.0, lambda: 2 in order)
    assert clock.now == 2.0
    assert order == [0, 1, 2]


def test_a_condition_that_never_holds_is_said_not_to() -> None:
    clock = Clock()
    assert not clock.run_until(10.0, lambda: False)
    assert clock.now == 10.0
