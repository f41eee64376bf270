"""Bring a database to this version's schema: Alembic renders the SQL, asyncpg runs it in one transaction."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import asyncpg

from .errors import SchemaMismatch
from .model import Connection

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK = 0x67617075  # one migration at a time, whatever the number of processes that start


def head() -> str:
    """The newest revision that is shipped, read from the file names (`0002_outbox.py` → `0002`)."""
    return max(re.match(r"\d+", file.name)[0] for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))  # type: ignore[index]


async def current(connection: Connection) -> str | None:
    """The revision that the database is at; None: it is empty."""
    try:
        revision = await connection.fetchval("select version_num from alembic_version")
    except asyncpg.UndefinedTableError:
        return None
    return str(revision)


async def migrate(connection: Connection) -> tuple[str | None, str]:
    """Migrate to the head; returns the revisions before and after.

    Raises SchemaMismatch when the database is newer than this program.
    """
    newest = head()
    if (await current(connection)) == newest:
        return newest, newest
    await connection.execute("select pg_advisory_lock($1)", LOCK)
    try:
        found = await current(connection)
        if found is not None and found > newest:
            raise SchemaMismatch(f"the database is at revision {found}, this version of gapura knows up to {newest}")
        if found != newest:
            async with connection.transaction():
                await connection.execute(await asyncio.to_thread(_script, found))
        return found, newest
    finally:
        await connection.execute("select pg_advisory_unlock($1)", LOCK)


def _script(found: str | None) -> str:
    command = [sys.executable, "-m", "gateway.store.render", *([found] if found else [])]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout  # noqa: S603 (our own program)
