"""What the outbox's tests share: wishes, and a worker that is waited for."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from gateway.outbox import Deliver, Planned, Worker
from gateway.outbox.queue import wish
from gateway.store import Store

SITE = "default"


def planned(
    visit: str, operation: str = "test/send", *, step: str = "", version: int = 1, source: str = "", rank: int = 0
) -> Planned:
    return Planned("test", operation, step, rank, visit, source or visit, version)


async def write(store: Store, *rows: Planned, changed: tuple[str, ...] = ()) -> None:
    async with store.connection() as connection, connection.transaction():
        await wish(connection, SITE, rows, [(reference, 1) for reference in changed])


async def rows(store: Store) -> list[dict[str, Any]]:
    async with store.connection() as connection:
        found = [dict(r) for r in await connection.fetch("SELECT * FROM outbox ORDER BY id")]
    for row in found:
        row["reason"], row["result"] = (json.loads(row[key] or "null") for key in ("reason", "result"))
    return found


@asynccontextmanager
async def working(store: Store, deliver: Deliver, **settings: Any) -> AsyncIterator[Worker]:
    worker = Worker(store, {"test": deliver}, **settings)
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await task


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 60.0) -> None:
    """Wait for what must happen; the limit only ends a test that fails."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 (what is waited for lies in the database)
            await asyncio.sleep(0.01)
