"""Fixtures for every suite that needs the database: one server per test process, one fresh database per test."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest
import yaml

from gateway.settings import Settings
from gateway.store import Store
from gateway.store.embedded import EmbeddedServer
from gateway.store.migrate import migrate
from gateway.store.pool import connect

FACILITIES = [
    {
        "slug": "rs-melati",
        "name": "RS Melati",
        "organization_id": "10000004",
        "kode_faskes": "0301R011",
        "time_zone": "WIB",
    },
    {
        "slug": "rs-kenanga",
        "name": "RS Kenanga",
        "organization_id": "10000005",
        "kode_faskes": "0301R012",
        "time_zone": "WIT",
    },
]


@pytest.fixture
def home() -> Iterator[Path]:
    """An empty GAPURA_HOME. Not below pytest's own folder: pytest closes that one to the server's user."""
    with TemporaryDirectory(prefix="gapura-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedServer]:
    """The embedded server of this test process; stopped at the end."""
    with TemporaryDirectory(prefix="gapura-") as folder:
        server = EmbeddedServer(Path(folder))
        server.start()
        yield server
        server.stop()


@pytest.fixture(scope="session")
async def migrated(postgres: EmbeddedServer) -> str:
    """The name of a migrated database that others are copied from."""
    connection = await connect(postgres.url)
    try:
        await migrate(connection)
    finally:
        await connection.close()
    return "gapura"


@asynccontextmanager
async def fresh_database(postgres: EmbeddedServer, migrated: str) -> AsyncIterator[str]:
    """The url of an empty, migrated database that lasts as long as the block."""
    name = f"test_{uuid4().hex}"
    administrator = await connect(postgres.url.replace(f"/{migrated}?", "/postgres?"))
    try:
        await administrator.execute(f"create database {name} template {migrated}")
        yield postgres.url.replace(f"/{migrated}?", f"/{name}?")
        await administrator.execute(f"drop database {name} with (force)")
    finally:
        await administrator.close()


@pytest.fixture
async def database_url(postgres: EmbeddedServer, migrated: str) -> AsyncIterator[str]:
    """An empty, migrated database of this test's own."""
    async with fresh_database(postgres, migrated) as url:
        yield url


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings with two facilities, `rs-melati` (WIB, the default) and `rs-kenanga` (WIT), on a fresh database."""
    facilities = tmp_path / "facilities.yaml"
    facilities.write_text(yaml.safe_dump(FACILITIES), "utf-8")
    return Settings(home=tmp_path, database_url=database_url, facilities_file=facilities, _env_file=None)


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    """An open store on a fresh database."""
    opened = await Store.open(settings)
    yield opened
    await opened.close()
