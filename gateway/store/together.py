"""Reads of current versions that are asked for together share one statement.

A statement for one row costs the driver and PostgreSQL as much as the whole of HTTP; what callers ask for in the same
turn of the loop is looked up at once. Nobody waits for others to ask.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from .facilities import Place
from .model import Connection
from .read import READ_ALL

MOST = 1_000
"""Ids of one statement; who asks beyond them is in the next."""
Asked = list[tuple[str, "asyncio.Future[Any]"]]
"""Ids of one type and who waits for the row."""


class Reads:
    """The reads of one process. A statement that takes longer than `seconds` is given up."""

    def __init__(self, connection: Callable[[], AbstractAsyncContextManager[Connection]], seconds: float) -> None:
        self._connection, self._seconds = connection, seconds
        self._asked: dict[tuple[int, str], Asked] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def row(self, place: Place, type: str, id: str) -> Any:
        """The row of the current version, None where there is none. Raises what the statement raises."""
        if not id.isascii() or "\0" in id:
            return None  # no id, and the driver would refuse the whole statement for it
        loop = asyncio.get_running_loop()
        key = place.number, type
        asked = self._asked.get(key)
        if asked is None or len(asked) == MOST:
            asked = self._asked[key] = []
            loop.call_soon(self._begin, key, asked)
        future = loop.create_future()
        asked.append((id, future))
        return await future

    def _begin(self, key: tuple[int, str], asked: Asked) -> None:
        if self._asked.get(key) is asked:
            del self._asked[key]
        task = asyncio.create_task(self._answer(*key, asked))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _answer(self, facility: int, type: str, asked: Asked) -> None:
        try:
            async with asyncio.timeout(self._seconds), self._connection() as connection:
                rows = await connection.fetch(READ_ALL, facility, type, [id for id, _ in asked])
        except Exception as error:
            for _, future in asked:
                if not future.done():
                    future.set_exception(error)
            return
        found = {row[1]: row for row in rows}
        for id, future in asked:
            if not future.done():
                future.set_result(found.get(id))
