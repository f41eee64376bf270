"""A real PostgreSQL, shared by the outbox's tests; every test finds its tables empty."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.settings import Settings
from gateway.store import Store
from gateway.store.embedded import EmbeddedServer


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("outbox")
    server = EmbeddedServer(home)
    server.start()
    yield home
    server.stop()


@pytest.fixture
async def store(home: Path) -> AsyncIterator[Store]:
    store = await Store.open(Settings(home=home))
    async with store.connection() as connection:
        await connection.execute("TRUNCATE outbox_wish, outbox, outbox_attempt, outbox_pause, outbox_sent")
    yield store
    await store.close()
