"""Whether packets flow: doubts, bursts of probes, and trust that comes back slowly. On a simulated clock."""

from collections.abc import Callable
from random import Random

import pytest

from tunnelmgr.core.running.probe import Pace
from tunnelmgr.core.running.proof import BURST, FIRST_HOLD, IDLE_INTERVAL, SILENCE, THOROUGH, Phase, Proof

STEP = 0.5  # seconds
ROUND_TRIP = 0.1

Link = Callable[[float], bool]


class World:
    """A tunnel whose link passes packets or not, with traffic of this host in it."""

    def __init__(self, link: Link = lambda _: True) -> None:
        self.link = link
        self.proof = Proof(Random(7))
        self.now = 0.0
        self.sends = False
        """Whether this host sends something every second."""
        self.gets_answers = True
        self.asked: list[tuple[float, Pace]] = []
        self.changes: list[tuple[float, bool]] = []
        self._sent = self._received = 0
        self._answer_at: float | None = None
        self._answered = False

    def begin(self) -> None:
        self.proof.configured(self.now, askable=True)

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self._step()
            self.now += STEP

    def _step(self) -> None:
        carried = self.proof.carries
        if self.sends and self.proof.carries and self.now % 1.0 == 0.0:
            self._sent += 1
            self._received += self.gets_answers and self.link(self.now)
        if pace := self.proof.pace(self.now):
            self.asked.append((self.now, pace))
            self._answered = self.link(self.now)
            self._sent += 1
            self._answer_at = self.now + (ROUND_TRIP if self._answered else pace.probes * pace.interval)
        if self._answer_at is not None and self.now >= self._answer_at:
            self._answer_at = None
            if self._answered:
                self._received += 1
                self.proof.answered(self._sent, self._received, self.now)
            else:
                self.proof.unanswered(self.now)
        elif self.now % 1.0 == 0.0:
            self.proof.counted(self._sent, self._received, self.now)
            if self.proof.phase is Phase.PROVEN:
                self._answer_at = None
        self.proof.handle_timeout(self.now)
        if self.proof.carries is not carried:
            self.changes.append((self.now, self.proof.carries))


@pytest.fixture
def world() -> World:
    world = World()
    world.begin()
    world.run(1)
    assert world.proof.phase is Phase.PROVEN
    assert world.asked == [(0.0, THOROUGH)]
    world.asked.clear()
    return world


def test_while_packets_come_in_nobody_is_asked(world: World) -> None:
    world.sends = True
    world.run(600)
    assert world.asked == []


def test_packets_that_bring_nothing_back_for_three_seconds_start_a_burst_whose_loss_ends_it(world: World) -> None:
    world.sends = True
    world.run(9)
    broke_at, world.link = world.now, lambda _: False
    world.run(20)
    asked_at, pace = world.asked[0]
    assert pace == BURST == Pace(probes=4, interval=1.0, enough=1)
    assert SILENCE - 1 <= asked_at - broke_at <= SILENCE
    [_, (lost_at, carries)] = world.changes
    assert not carries
    assert lost_at - broke_at <= 7.0, "which leaves three seconds of ten to the next method"


def test_what_wants_no_answer_is_asked_about_less_and_less(world: World) -> None:
    world.sends, world.gets_answers = True, False
    world.run(300)
    pauses = [later - sooner for (sooner, _), (later, _) in zip(world.asked, world.asked[1:], strict=False)]
    assert pauses == sorted(pauses)
    assert pauses[-1] >= IDLE_INTERVAL
    assert world.proof.carries


def test_traffic_that_comes_in_answers_a_doubt(world: World) -> None:
    world.proof.doubt(world.now)
    world.proof.counted(5, 5, world.now)
    assert world.proof.phase is Phase.PROVEN
    assert world.proof.pace(world.now) is None


def test_an_idle_link_is_asked_every_half_minute_and_its_death_shows_within_forty_seconds(world: World) -> None:
    world.run(100)
    assert len(world.asked) == 3
    broke_at, world.link = world.now, lambda _: False
    world.run(60)
    assert world.changes[-1][0] - broke_at <= 40.0
    assert not world.proof.carries


def test_what_was_lost_is_given_back_when_it_answers_after_the_hold_down(world: World) -> None:
    world.sends = True
    world.link = lambda now: not 10.0 <= now < 19.0
    world.run(60)
    [_, (lost_at, _), (back_at, carries)] = world.changes
    assert carries
    assert FIRST_HOLD <= back_at - lost_at <= FIRST_HOLD + 3


def test_a_link_that_fails_every_twenty_seconds_for_an_hour_does_not_make_the_default_route_flap() -> None:
    world = World(lambda now: now % 20.0 < 10.0)
    world.sends = True
    world.begin()
    world.run(3600)
    assert len(world.changes) <= 26, world.changes
    assert max(later[0] - sooner[0] for sooner, later in zip(world.changes, world.changes[1:], strict=False)) >= 500.0


def test_a_tunnel_that_was_never_proven_is_not_held_down(world: World) -> None:
    fresh = Proof(Random(7))
    fresh.configured(0.0, askable=True)
    fresh.gone(1.0)
    fresh.configured(1.1, askable=True)
    assert fresh.phase is Phase.UNPROVEN


def test_a_tunnel_that_was_up_and_comes_back_is_held_down(world: World) -> None:
    world.proof.gone(world.now)
    world.proof.configured(world.now, askable=True)
    assert world.proof.phase is Phase.LOST
    came_at = world.now
    world.run(10)
    assert world.changes[-1][1]
    assert FIRST_HOLD <= world.changes[-1][0] - came_at <= FIRST_HOLD + 1


def test_whom_nobody_can_ask_is_believed_at_once_but_not_after_a_loss() -> None:
    proof = Proof(Random(7))
    proof.configured(0.0, askable=False)
    assert proof.carries
    proof.gone(10.0)
    proof.configured(11.0, askable=False)
    assert not proof.carries
    assert proof.next_timeout(11.0) == 10.0 + FIRST_HOLD
    proof.handle_timeout(10.0 + FIRST_HOLD)
    assert proof.carries


def test_another_address_is_proven_anew_and_carries_meanwhile(world: World) -> None:
    world.proof.configured(world.now, askable=True)
    assert world.proof.carries
    assert world.proof.pace(world.now) == THOROUGH


def test_news_of_probes_after_the_end_is_no_news(world: World) -> None:
    world.proof.gone(world.now)
    world.proof.answered(9, 9, world.now)
    world.proof.unanswered(world.now)
    assert world.proof.phase is Phase.ABSENT
