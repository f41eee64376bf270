"""A real PostgreSQL, migrated, shared by the outbox's tests; every test finds its tables empty."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.outbox import Database
from gateway.store.embedded import EmbeddedServer
from gateway.store.migrate import migrate
from gateway.store.pool import Pool


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedServer]:
    server = EmbeddedServer(Path(tmp_path_factory.mktemp("outbox")))
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def database(server: EmbeddedServer) -> AsyncIterator[Database]:
    pool = Pool(server.url, 10)
    async with pool.connection() as connection:
        await migrate(connection)
        await connection.execute("TRUNCATE outbox_wish, outbox, outbox_attempt, outbox_pause, outbox_sent")
    yield Database(pool, server.url)
    await pool.close()
