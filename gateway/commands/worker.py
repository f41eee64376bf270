"""`gapura worker`: a delivery worker alone, beside `gapura serve` or on another host."""

import argparse
import asyncio
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None: a worker takes everything from the settings."""


def run(args: argparse.Namespace) -> int:
    """Deliver until a signal; 2 where the database cannot be reached or the settings are wrong."""
    import uvloop

    from gateway.settings import load
    from gateway.store import StoreError

    try:
        uvloop.run(_work(load()))
    except (StoreError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


async def _work(settings: "Settings") -> None:
    from gateway.store import Store
    from gateway.subscriptions import Watch, delivering_all

    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    store = await Store.open(settings)
    try:
        watch = Watch(store, settings)
        async with watch.listening(), delivering_all(store, settings, watch):
            print("delivering", flush=True)
            await told.wait()
    finally:
        await store.close()
