import asyncio

from tunnelmgr.api.events import Notice
from tunnelmgr.core.running.inbox import Due, Inbox


def test_what_is_due_is_looked_at_once_however_often_it_was_asked_for() -> None:
    async def main() -> None:
        inbox, first, second = Inbox(), Notice("a", "first"), Notice("b", "second")
        inbox.put(first)
        for _ in range(1000):
            inbox.put(Due.NETWORK)
        inbox.put(second)
        assert [await inbox.get() for _ in range(3)] == [first, Due.NETWORK, second]
        inbox.put(Due.NETWORK)
        assert await inbox.get() is Due.NETWORK

    asyncio.run(main())
