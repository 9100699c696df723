"""What the machine of a running method is woken by, one thing at a time."""

import asyncio
from enum import Enum

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.core.driving.driver import TunnelNews


class Due(Enum):
    """What shall be looked at, beside what the Tunnel says."""

    PROOF = "packets flow, or do not any more"
    NETWORK = "addresses, routes or links changed"
    PATHS = "what a kernel tunnel would have to carry has changed"
    STOP = "the tunnel shall go down"


Inboxed = TunnelNews | Due | TunnelError


class Inbox:
    """A queue in which what is due stands once: who looks sees everything that changed until then."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Inboxed] = asyncio.Queue()
        self._due: set[Due] = set()

    def put(self, news: Inboxed) -> None:
        """Put something at the end."""
        if isinstance(news, Due):
            if news in self._due:
                return
            self._due.add(news)
        self._queue.put_nowait(news)

    async def get(self) -> Inboxed:
        """Wait for the next one."""
        news = await self._queue.get()
        if isinstance(news, Due):
            self._due.discard(news)
        return news
