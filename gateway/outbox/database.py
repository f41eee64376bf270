"""What the outbox has of the database: short connections from the store's pool, and one ear for NOTIFY."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from gateway.store.model import Connection
from gateway.store.pool import Pool, connect


class Database:
    """The store's pool, and the address to listen at."""

    def __init__(self, pool: Pool, url: str) -> None:
        self._pool, self._url = pool, url

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        """A connection of the pool for as long as the block lasts."""
        return self._pool.connection()

    @asynccontextmanager
    async def listen(self, channel: str, heard: Callable[[str], None]) -> AsyncIterator[Callable[[], bool]]:
        """Call `heard` with each payload notified on `channel`; gives a function that tells whether the line is up."""
        line = await connect(self._url)
        try:
            await line.add_listener(channel, lambda _connection, _pid, _channel, payload: heard(str(payload)))
            yield lambda: not line.is_closed()
        finally:
            await line.close(timeout=5)
