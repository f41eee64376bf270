"""`gapura serve`: the gateway's HTTP server, on the loopback interface unless told otherwise."""

import argparse
import asyncio
import ctypes
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.settings import Settings
    from gateway.store.database import Database

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGE_BYTES = 128 * 1024
STOP_S = 15
"""How long requests under way may take to end after a stop signal."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the sub-command; what they do not say the settings do."""
    parser.add_argument("--host", help="address to listen on (default: GAPURA_HOST, 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (default: GAPURA_PORT, 8080)")
    parser.add_argument("--workers", type=int, default=1, help="processes (default: 1)")


def run(args: argparse.Namespace) -> int:
    """Serve until a signal; 2 where the database cannot be reached or the port cannot be had."""
    from gateway.settings import load
    from gateway.store import StoreError

    if args.workers < 1:
        print("--workers must be at least 1", file=sys.stderr)
        return 2
    # the processes that serve read the environment too; links and absolute references name the address
    os.environ |= {name: str(value) for name, value in _address(args) if value is not None}
    try:
        settings = load()
        database = asyncio.run(_prepare(settings))
    except (StoreError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, _end)
    try:
        return _serve(settings.host, settings.port, args.workers)
    finally:
        asyncio.run(database.close())


def _address(args: argparse.Namespace) -> list[tuple[str, str | int | None]]:
    return [("GAPURA_HOST", args.host), ("GAPURA_PORT", args.port)]


def _serve(host: str, port: int, workers: int) -> int:
    import uvicorn

    from gateway.protocol import Protocol

    _lean()
    try:
        uvicorn.run(
            "gateway.app:from_environment",
            factory=True,
            host=host,
            port=port,
            workers=workers,
            loop="uvloop",
            http=Protocol,
            access_log=False,
            server_header=False,
            log_level="warning",
            timeout_graceful_shutdown=STOP_S,
            lifespan="on",
        )
    except SystemExit as stopped:  # uvicorn's way to say that it could not start
        return 2 if stopped.code else 0
    return 0


def _lean() -> None:
    """Have large pieces of memory given back as soon as they are free, where the C library can be told to: left to
    itself, glibc keeps what a large Bundle took for as long as the process lives."""
    if tell := getattr(ctypes.CDLL(None), "mallopt", None):
        for option in (M_TRIM_THRESHOLD, M_MMAP_THRESHOLD):
            tell(option, LARGE_BYTES)


def _end(*_: Any) -> None:
    # uvicorn raises the signal again when it is done; unheard, it would end the process before the database is left
    raise SystemExit(0)


async def _prepare(settings: "Settings") -> "Database":
    """The database, open for as long as this process serves; a key is made and printed where none ever was."""
    from gateway.security import keys
    from gateway.store import Store
    from gateway.store.database import Database

    database = await Database.open(settings)
    try:
        store = await Store.open(settings)
        try:
            async with store.connection() as connection:
                if not await keys.exists(connection):
                    key = await keys.create(connection, "admin", None, "first key")
                    print(f"First start. API key (role admin, all facilities), shown only now:\n  {key}", flush=True)
        finally:
            await store.close()
    except BaseException:
        await database.close()
        raise
    return database
