"""What a profile's process tells while it runs, handed to whoever listens."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator

from tunnelmgr.core.condition import Condition, Progress, State
from tunnelmgr.daemon.constants import FOLLOWER_LAG_MAX, STORY_LINES_MAX
from tunnelmgr.daemon.messages import Change, Chapter, Ended


class Story:
    """Progress lines, changes of condition and the end, in order."""

    def __init__(self) -> None:
        self._lines: deque[Progress] = deque(maxlen=STORY_LINES_MAX)
        self._change = Change(Condition(State.STARTING))
        self._ended: Ended | None = None
        self._followers: set[asyncio.Queue[Chapter]] = set()

    def tell(self, chapter: Chapter) -> None:
        """Add to the story. A follower that lags too far behind hears no more of it."""
        match chapter:
            case Progress():
                self._lines.append(chapter)
            case Change():
                self._change = chapter
            case Ended():
                self._ended = chapter
        for follower in tuple(self._followers):
            if follower.full():
                self._followers.discard(follower)
            else:
                follower.put_nowait(chapter)

    async def follow(self) -> AsyncGenerator[Chapter, None]:
        """Yield the lines so far, the present condition, and what follows until the end.

        Conditions passed through before are left out, since a late follower would take "up" of an hour ago for news.
        """
        follower: asyncio.Queue[Chapter] = asyncio.Queue(FOLLOWER_LAG_MAX)
        so_far: list[Chapter] = [*self._lines, self._change]
        if self._ended:
            so_far.append(self._ended)
        for chapter in so_far:
            follower.put_nowait(chapter)
        self._followers.add(follower)
        try:
            while follower in self._followers or not follower.empty():
                chapter = await follower.get()
                yield chapter
                if isinstance(chapter, Ended):
                    return
        finally:
            self._followers.discard(follower)
