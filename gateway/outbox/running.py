"""A worker with its deliveries, for as long as a block lasts: in `gapura serve`, and alone in `gapura worker`."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from gateway.outbox.desk import Desk
from gateway.outbox.plan import Plans, accounts, of_modules, steps
from gateway.outbox.satusehat import SatusehatDelivery
from gateway.outbox.vclaim import VClaimDelivery
from gateway.outbox.worker import Deliver, Worker
from gateway.settings import Settings
from gateway.store import Store


@asynccontextmanager
async def delivering(
    store: Store, settings: Settings, *, plans: Plans = of_modules, more: Mapping[str, Deliver] | None = None
) -> AsyncIterator[Worker]:
    """Deliver what is due while the block runs; what is under way at its end is finished or given back.

    `plans` says what the writing of a destination's answers calls for; `more` are the deliveries of other rooms.
    """
    desk = Desk(store, settings, plans)
    worker = Worker(
        store,
        {"vclaim": VClaimDelivery(desk), "satusehat": SatusehatDelivery(desk), **(more or {})},
        batch=settings.worker_batch,
        lease_s=settings.lease_s,
        max_attempts=settings.max_attempts,
    )
    running = asyncio.create_task(worker.run())
    warming = asyncio.create_task(asyncio.to_thread(_warm, settings))
    try:
        yield worker
    finally:
        worker.stop()
        await asyncio.gather(running, warming)
        await desk.close()


def _warm(settings: Settings) -> None:
    """Compile the mapping modules beside the work: the first write would otherwise wait for it."""
    for overlay in {facility.mappings for facility in settings.facilities if accounts(facility)}:
        steps(overlay)
