"""Writers of this process at one resource, one after another: none of them plans on what the one before it changes."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

Name = tuple[int, str, str]
"""Facility, type, id."""


class Turns:
    """Who has a resource keeps it until its write has ended; the others wait in the order in which they came."""

    def __init__(self) -> None:
        self._waiting: dict[Name, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def of(self, names: Iterable[Name]) -> AsyncIterator[None]:
        """Hold all of these while the block runs."""
        held: list[Name] = []
        try:
            for name in sorted(names):  # in one order, so that no two wait for each other
                await self._take(name)
                held.append(name)
            yield
        finally:
            for name in held:
                self._leave(name)

    async def _take(self, name: Name) -> None:
        if name not in self._waiting:
            self._waiting[name] = deque()
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting[name].append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave(name)
            raise

    def _leave(self, name: Name) -> None:
        waiting = self._waiting[name]
        while waiting:
            turn = waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        del self._waiting[name]
