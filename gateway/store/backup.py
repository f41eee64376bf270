"""Backup and restore: one file holds everything, and a restore replaces everything or nothing."""

import os
import re
import subprocess
from pathlib import Path

from .database import Database, tool
from .errors import SchemaMismatch, StoreError
from .migrate import head, migrate
from .pool import connect, translated

OTHERS = """
select count(*) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'"""
TABLES = "select count(*) from pg_tables where schemaname = 'public'"
EMPTY = b"drop schema public cascade; create schema public;\n"


def backup(database: Database, file: Path) -> int:
    """Write the whole database, as it is at this moment, to a file that only its owner may read; returns its size.

    The file appears when it is complete. Raises FileExistsError, StoreUnavailable, StoreFull.
    """
    if file.exists():
        raise FileExistsError(f"{file} exists")
    part = file.with_name(f"{file.name}.part")
    try:
        with open(part, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as target:
            database.tool("pg_dump", "--format=custom", "--no-owner", "--no-privileges", stdout=target)
            target.flush()
            os.fsync(target.fileno())
        part.rename(file)
    finally:
        part.unlink(missing_ok=True)
    return file.stat().st_size


async def restore(database: Database, file: Path, *, replace: bool = False) -> tuple[str, str]:
    """Put back what a backup holds and migrate it; returns the revision of the backup and the one it is at now.

    Raises StoreError when other programs use the database, or it holds data and `replace` is False; SchemaMismatch for
    a backup of a newer version; StoreUnavailable for a file that is no backup. The database is then as it was.
    """
    revision = _revision(file)
    if revision > head():
        raise SchemaMismatch(f"{file} is at revision {revision}, this version of gapura knows up to {head()}")
    with translated():
        connection = await connect(database.url)
        try:
            if others := await connection.fetchval(OTHERS):
                raise StoreError(f"{others} other connections use the database: stop the gateway and its workers first")
            if await connection.fetchval(TABLES) and not replace:
                raise StoreError("the database holds data: --replace puts the backup in its place")
        finally:
            await connection.close()
        script = tool("pg_restore", "--file=-", "--no-owner", "--no-privileges", str(file), stdout=subprocess.PIPE)
        psql = ("--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1", "--output=/dev/null")
        database.tool("psql", *psql, input=EMPTY + script.stdout, stdout=subprocess.DEVNULL)
        connection = await connect(database.url)
        try:
            return revision, (await migrate(connection))[1]
        finally:
            await connection.close()


def _revision(file: Path) -> str:
    peek = tool("pg_restore", "--file=-", "--data-only", "--table=alembic_version", str(file), stdout=subprocess.PIPE)
    found = re.search(rb"^COPY .*alembic_version.*\n(\w+)\n", peek.stdout, re.MULTILINE)
    if found is None:
        raise StoreError(f"{file} is not a backup of gapura")
    return found[1].decode()
