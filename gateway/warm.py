"""What is made when it is first asked for, asked for at the start: so that the first visit is as quick as the next.

Validators, index plans and rules of a type are compiled once a process. The shipped visits pass them in the background,
one resource at a time between requests, and a write that is undone makes the plans of the index and the statement.
"""

import asyncio
import gc
import logging
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

from gateway.demo.visits import SENT, VISITS, bundles
from gateway.outbox.plan import accounts, steps
from gateway.security import audit
from gateway.security.audit import Visitor
from gateway.services import Services
from gateway.settings import load
from gateway.store import Change, StoreError, new_id
from profiles import Validator
from profiles.fhirjson import Resource

log = logging.getLogger(__name__)


@asynccontextmanager
async def warming(services: Services) -> AsyncIterator[None]:
    """Warm up while the block runs."""
    task = asyncio.create_task(_warm(services), name="warm-up")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _warm(services: Services) -> None:
    resources = sent()
    try:
        if not all(validator.compiled for validator in _validators(services)):
            await compile_elsewhere()
        for validator in _validators(services):
            for resource in resources:
                validator.validate(resource)
                await asyncio.sleep(0)
        for overlay in {facility.mappings for facility in services.facilities.values() if accounts(facility)}:
            await asyncio.to_thread(steps, overlay)  # half a second in one piece: no request is to wait for it
        visitor = Visitor(services.default.slug, None, "")
        event = audit.event(visitor, "create", datetime.now(UTC), list(audit.written("POST", "Patient/1", None)))
        await _write_for_nothing(services, [event, *resources])
        gc.freeze()
    except StoreError as error:
        log.warning("the warm-up ended early: %s", error)


def sent() -> list[Resource]:
    """The resources of the shipped visits."""
    entries = [entry for visit in VISITS for bundle in bundles(visit, SENT) for entry in bundle["entry"]]
    return [entry["resource"] for entry in entries if "resource" in entry]


def _validators(services: Services) -> Iterable[Validator]:
    return dict.fromkeys(map(services.validator, services.facilities.values()))


async def compile_elsewhere() -> None:
    """Compile what the visits need, in a process of its own: what that takes would stay in this one's memory."""
    compiling = await asyncio.create_subprocess_exec(sys.executable, "-m", "gateway.warm")
    try:
        await compiling.wait()
    finally:
        if compiling.returncode is None:
            compiling.kill()


class Undone(Exception):
    """Leaves a transaction so that nothing of it is kept."""


async def _write_for_nothing(services: Services, resources: list[Resource]) -> None:
    one_of_each = {resource["resourceType"]: resource for resource in resources}
    with suppress(Undone):
        async with services.store.transaction(services.default.slug) as transaction:
            for resource in one_of_each.values():
                await transaction.write([Change.create(resource, new_id())])
            raise Undone


if __name__ == "__main__":
    compiling = Services(load())
    compiling.prepare()
    for validator in _validators(compiling):
        for resource in sent():
            validator.validate(resource)
