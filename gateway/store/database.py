"""Where the data lies: the embedded server of a home, or the cluster that `GAPURA_DATABASE_URL` names."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from gateway.settings import Settings

from .embedded import EmbeddedServer, binaries
from .errors import StoreFull, StoreUnavailable


class Database:
    """A database that is there to be connected to, until `close`."""

    def __init__(self, url: str, server: EmbeddedServer | None) -> None:
        self.url, self._server = url, server

    @classmethod
    async def open(cls, settings: Settings) -> "Database":
        """Start or join the embedded server, unless the settings name another. Raises StoreUnavailable, StoreFull."""
        if settings.database_url:
            return cls(settings.database_url.get_secret_value(), None)
        server = EmbeddedServer(settings.home)
        await asyncio.to_thread(server.start)
        return cls(server.url, server)

    async def close(self) -> None:
        """Leave the embedded server; the last to leave stops it."""
        if self._server:
            await asyncio.to_thread(self._server.stop)

    @classmethod
    @asynccontextmanager
    async def opened(cls, settings: Settings) -> AsyncIterator["Database"]:
        """Open for as long as the block lasts."""
        database = await cls.open(settings)
        try:
            yield database
        finally:
            await database.close()

    def tool(self, program: str, *arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
        """Run `pg_dump`, `pg_restore` or `psql` on this database. Raises StoreUnavailable with what it said."""
        url = urlsplit(self.url)
        environment = {**os.environ, "PGCONNECT_TIMEOUT": "10"}
        if url.password:  # other users of the machine see a program's arguments
            environment["PGPASSWORD"] = unquote(url.password)
            url = url._replace(netloc=url.netloc.replace(f":{url.password}@", "@", 1))
        return tool(program, f"--dbname={url.geturl()}", *arguments, env=environment, **options)


def tool(program: str, *arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run one of PostgreSQL's client programs. Raises StoreUnavailable or StoreFull with what it said."""
    command = [str(binaries() / program), *arguments]
    ended = subprocess.run(command, check=False, stderr=subprocess.PIPE, **options)  # noqa: S603 - our own programs
    if ended.returncode:
        said = ended.stderr.decode("utf-8", "replace").strip()
        raise (StoreFull if "No space left" in said else StoreUnavailable)(f"{Path(program).name}: {said}")
    return ended
