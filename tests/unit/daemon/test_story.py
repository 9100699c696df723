"""The story of a process and its followers."""

import asyncio
from collections.abc import AsyncGenerator

from tunnelmgr.api.errors import ExitCode
from tunnelmgr.core.condition import UP, Code, Condition, Progress, State
from tunnelmgr.daemon.constants import FOLLOWER_LAG_MAX, STORY_LINES_MAX
from tunnelmgr.daemon.messages import Change, Chapter, Ended
from tunnelmgr.daemon.story import Story

END = Ended(ExitCode.DONE)


async def heard(chapters: AsyncGenerator[Chapter, None]) -> list[Chapter]:
    return [chapter async for chapter in chapters]


def test_a_late_follower_hears_the_lines_and_the_present_state_only() -> None:
    story = Story()
    told: list[Chapter] = [
        Progress("starting", "starting"),
        Change(Condition(State.DOWN, Code.DOWN, "lost")),
        Progress("up", "again"),
        Change(UP),
        END,
    ]
    for chapter in told:
        story.tell(chapter)
    assert asyncio.run(heard(story.follow())) == [told[0], told[2], told[3], END]


def test_the_lines_kept_are_bounded() -> None:
    story = Story()
    for number in range(STORY_LINES_MAX + 5):
        story.tell(Progress("line", str(number)))
    story.tell(END)
    chapters = asyncio.run(heard(story.follow()))
    assert len(chapters) == STORY_LINES_MAX + 2
    assert chapters[0] == Progress("line", "5")


async def _lag() -> list[Chapter]:
    story = Story()
    chapters = story.follow()
    assert await anext(chapters) == Change(Condition(State.STARTING))
    for number in range(FOLLOWER_LAG_MAX + 5):
        story.tell(Progress("line", str(number)))
    return await heard(chapters)


def test_a_follower_that_lags_too_far_behind_is_let_go() -> None:
    chapters = asyncio.run(_lag())
    assert len(chapters) == FOLLOWER_LAG_MAX
    assert END not in chapters
