"""Plain asyncpg connections, handed out without a reset round trip: whoever borrows one leaves it as found.

asyncpg keeps each connection's statements prepared, so a named query is parsed and planned once per connection.
"""

import asyncio
from collections import deque
from contextlib import AbstractAsyncContextManager
from typing import Any

import asyncpg

from .errors import StoreFull, StoreUnavailable
from .model import Connection

STATEMENTS_PER_CONNECTION = 500
SESSION = {"application_name": "gapura", "enable_seqscan": "off", "jit": "off"}
"""Every lookup has its index. A statement prepared while a table was empty would keep reading it whole as it grows."""

FULL = (asyncpg.DiskFullError, asyncpg.OutOfMemoryError, asyncpg.ConfigurationLimitExceededError)
LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.ReadOnlySQLTransactionError,
    OSError,
)


class Pool:
    """Up to `size` connections, opened as they are needed; a broken one is dropped and replaced."""

    def __init__(self, url: str, size: int, **session: str) -> None:
        self._url, self._size, self._session, self._open = url, size, session, 0
        self._idle: list[Connection] = []
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._closed = False

    def connection(self) -> "Loan":
        """Borrow a connection. Raises StoreUnavailable or StoreFull for what the database or the wire did."""
        return Loan(self)

    async def close(self) -> None:
        """Close every idle connection; the borrowed ones close when they come back."""
        self._closed = True
        while self._idle:
            self._open -= 1
            await self._idle.pop().close(timeout=5)

    async def borrow(self) -> Connection:
        """An open connection, when there is one to be had. Raises StoreUnavailable of a pool that is closed."""
        while True:
            if self._closed:
                raise StoreUnavailable("the store is closed")
            if self._idle:
                connection = self._idle.pop()
                if not connection.is_closed():
                    return connection
                self._open -= 1
            elif self._open < self._size:
                return await self._connect()
            else:
                turn = asyncio.get_running_loop().create_future()
                self._waiting.append(turn)
                try:
                    await turn
                except asyncio.CancelledError:
                    if turn.done() and not turn.cancelled():
                        self._wake()
                    raise

    async def _connect(self) -> Connection:
        self._open += 1
        try:
            return await connect(self._url, **self._session)
        except BaseException:
            self._open -= 1
            self._wake()
            raise

    def give_back(self, connection: Connection) -> None:
        """The borrower is done with it."""
        if connection.is_closed() or connection.is_in_transaction() or self._closed:
            connection.terminate()
            self._open -= 1
        else:
            self._idle.append(connection)
        self._wake()

    def _wake(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return


class Lent(Pool):
    """One connection that somebody holds, lent on to those who read what its transaction has written, one at a time."""

    def __init__(self, connection: Connection) -> None:
        super().__init__("", 0)
        self._lent = connection

    async def borrow(self) -> Connection:
        """The connection."""
        return self._lent

    def give_back(self, connection: Connection) -> None:
        """It stays with who holds it."""


class Loan(AbstractAsyncContextManager[Connection, None]):
    """A connection for as long as a block lasts; a class, for a generator in its place costs every read more."""

    __slots__ = ("_borrowed", "_pool")

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def __aenter__(self) -> Connection:
        """Borrow it."""
        try:
            self._borrowed = await self._pool.borrow()
        except Exception as error:
            _translate(error)
            raise
        return self._borrowed

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        """Give it back."""
        if error is None:
            self._pool.give_back(self._borrowed)
            return
        if isinstance(error, LOST):
            self._borrowed.terminate()  # whatever state the driver thinks it is in
        self._pool.give_back(self._borrowed)
        _translate(error)


async def connect(url: str, **session: str) -> Connection:
    """One connection, with PostgreSQL settings of its own. JSON columns go in and come out as text."""
    return await asyncpg.connect(
        url,
        statement_cache_size=STATEMENTS_PER_CONNECTION,
        max_cached_statement_lifetime=0,
        timeout=10,
        server_settings=SESSION | session,
    )


class translated:
    """Turn what the driver raises about the disk and the wire into the store's own errors; let the rest through."""

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        """Raise StoreFull or StoreUnavailable in the place of `error`."""
        if error is not None:
            _translate(error)


def _translate(error: BaseException) -> None:
    if isinstance(error, FULL):
        raise StoreFull(f"the database has no room: {error}") from error
    if isinstance(error, LOST):
        raise StoreUnavailable(f"the database is not reachable: {error}") from error
