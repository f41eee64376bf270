"""`gapura serve`: the gateway's HTTP server, on the loopback interface unless told otherwise."""

import argparse
import asyncio
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.settings import Settings

STOP_S = 15
"""How long requests under way may take to end after a stop signal."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the sub-command; what they do not say the settings do."""
    parser.add_argument("--host", help="address to listen on (default: GAPURA_HOST, 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (default: GAPURA_PORT, 8080)")
    parser.add_argument("--workers", type=int, default=1, help="processes (default: 1)")


def run(args: argparse.Namespace) -> int:
    """Serve until a signal; 2 where the database cannot be reached or the port cannot be had."""
    import uvicorn

    from gateway.settings import load
    from gateway.store import StoreError

    if args.workers < 1:
        print("--workers must be at least 1", file=sys.stderr)
        return 2
    try:
        settings = load()
        asyncio.run(_first_key(settings))
    except (StoreError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    host, port = args.host or settings.host, settings.port if args.port is None else args.port
    os.environ["GAPURA_HOST"], os.environ["GAPURA_PORT"] = host, str(port)
    uvicorn.run(
        "gateway.app:from_environment",
        factory=True,
        host=host,
        port=port,
        workers=args.workers,
        loop="uvloop",
        http="httptools",
        access_log=False,
        server_header=False,
        log_level="warning",
        timeout_graceful_shutdown=STOP_S,
        lifespan="on",
    )
    return 0


async def _first_key(settings: "Settings") -> None:
    """Migrate the database and, where no key was ever made, make one and print it."""
    from gateway.security import keys
    from gateway.store import Store

    store = await Store.open(settings)
    try:
        async with store.connection() as connection:
            if not await keys.exists(connection):
                key = await keys.create(connection, "admin", None, "first key")
                print(f"First start. API key (role admin, all facilities), shown only now:\n  {key}", flush=True)
    finally:
        await store.close()
