"""The Subscriptions of one process: what writes mean for them, and their delivery."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.outbox import Worker, delivering
from gateway.settings import Settings
from gateway.store import Store
from gateway.subscriptions.events import DESTINATION
from gateway.subscriptions.notifier import Notifier
from gateway.subscriptions.watch import Watch


@asynccontextmanager
async def delivering_all(store: Store, settings: Settings, watch: Watch) -> AsyncIterator[Worker]:
    """Deliver what is due to every destination, subscribers included, while the block runs."""
    notifier = Notifier(store, settings, watch)
    try:
        async with delivering(store, settings, plans=watch.plans, more={DESTINATION: notifier}) as worker:
            yield worker
    finally:
        await notifier.close()
