"""The migrations make what the schema describes, and the rows that are written fit it."""

from collections import defaultdict

import asyncpg
import pytest
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateSequence, CreateTable

from gateway.settings import Settings
from gateway.store import SchemaMismatch, Store
from gateway.store.database import Database
from gateway.store.keys import KEYS_PER_DRAW
from gateway.store.migrate import current, head, migrate
from gateway.store.pool import connect
from gateway.store.rows import COLUMNS
from gateway.store.schema import SQUEEZED, metadata, resource_key
from gateway.store.search import matching

COLUMNS_OF = """
select table_name, column_name, data_type, is_nullable, collation_name, is_identity
from information_schema.columns where table_schema = current_schema() and table_name = any($1)
order by table_name, ordinal_position"""
INDEXES_OF = "select indexdef from pg_indexes where schemaname = current_schema() and tablename = any($1)"


async def described(connection: asyncpg.Connection) -> tuple[list[asyncpg.Record], list[str]]:
    tables = list(metadata.tables)
    columns = await connection.fetch(COLUMNS_OF, tables)
    schema = await connection.fetchval("select current_schema()")
    indexes = [row[0].replace(f" {schema}.", " ") for row in await connection.fetch(INDEXES_OF, tables)]
    return columns, sorted(indexes)


async def test_the_migrations_make_the_described_tables(database_url: str) -> None:
    connection = await connect(database_url)
    try:
        migrated = await described(connection)
        await connection.execute("create schema as_described; set search_path = as_described")
        dialect = postgresql.dialect()
        statements = [CreateSequence(resource_key), *map(CreateTable, metadata.tables.values())]
        statements += [CreateIndex(index) for table in metadata.tables.values() for index in table.indexes]
        for statement in statements:
            await connection.execute(str(statement.compile(dialect=dialect)))
        assert await described(connection) == migrated
    finally:
        await connection.close()


def test_the_written_columns_are_the_described_ones() -> None:
    shorter = {"smallint": "SMALLINT", "integer": "INTEGER", "bigint": "BIGINT", "text": 'TEXT COLLATE "C"'}
    shorter |= {"timestamptz": "TIMESTAMP WITH TIME ZONE", "bytea": "BYTEA", "boolean": "BOOLEAN"}
    shorter |= {"numeric": "NUMERIC", "jsonb": "JSONB", "double precision": "DOUBLE PRECISION"}
    arrays = {"profiles": "TEXT[]", "rules": "TEXT[]"}
    dialect = postgresql.dialect()
    for table, columns in COLUMNS.items():
        written = {name: arrays.get(name, shorter[kind]) for name, kind in columns.items()}
        assert written == {c.name: c.type.compile(dialect=dialect) for c in metadata.tables[table].columns}


def test_what_is_said_twice_is_the_same() -> None:
    assert resource_key.increment == KEYS_PER_DRAW
    assert matching.SQUEEZED == SQUEEZED


async def test_migrating_twice_changes_nothing_and_from_nothing_makes_everything(database_url: str) -> None:
    connection = await connect(database_url)
    try:
        assert await migrate(connection) == (head(), head())
        await connection.execute("drop schema public cascade; create schema public")
        assert await current(connection) is None
        assert await migrate(connection) == (None, head())
        assert await current(connection) == head()
    finally:
        await connection.close()


async def test_a_database_newer_than_the_program_is_left_alone(settings: Settings, database_url: str) -> None:
    connection = await connect(database_url)
    try:
        await connection.execute("update alembic_version set version_num = '9999'")
        with pytest.raises(SchemaMismatch, match="9999"):
            await Store.open(settings)
        assert await current(connection) == "9999"
    finally:
        await connection.close()


async def test_an_older_database_is_named_where_migrating_is_not_wanted(settings: Settings, database_url: str) -> None:
    connection = await connect(database_url)
    try:
        await connection.execute("update alembic_version set version_num = '0001'")
        with pytest.raises(SchemaMismatch, match="gapura db migrate"):
            await Store.open(settings, migrating=False)
    finally:
        await connection.close()


async def test_every_row_carries_its_facility(database_url: str) -> None:
    columns = defaultdict(set)
    connection = await connect(database_url)
    try:
        for row in await connection.fetch(
            "select table_name, column_name from information_schema.columns where table_schema = 'public'"
        ):
            columns[row[0]].add(row[1])
    finally:
        await connection.close()
    without = {table for table, names in columns.items() if "facility" not in names}
    about_all = {"alembic_version", "facility", "search_parameter"}
    of_a_row_that_does = {"outbox_attempt"}
    assert without <= about_all | of_a_row_that_does


async def test_a_secret_in_the_database_url_is_no_program_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    from gateway.store import database

    seen: dict[str, object] = {}

    def tool(program: str, *arguments: str, env: dict[str, str]) -> None:
        seen.update(arguments=arguments, password=env["PGPASSWORD"])

    monkeypatch.setattr(database, "tool", tool)
    Database("postgresql://gapura:r%40hasia@db.contoh.id/gapura", None).tool("pg_dump")
    assert seen == {"arguments": ("--dbname=postgresql://gapura@db.contoh.id/gapura",), "password": "r@hasia"}


async def test_a_migration_that_fails_says_why_and_leaves_nothing_of_it(store: Store) -> None:
    async with store.connection() as connection:
        await connection.execute("update alembic_version set version_num = '0007'")
        with pytest.raises(asyncpg.DuplicateColumnError):
            await migrate(connection)
        assert await connection.fetchval("select version_num from alembic_version") == "0007"
