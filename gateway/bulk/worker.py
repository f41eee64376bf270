"""Doing the jobs: a worker in each process claims one at a time per lane, keeps its lease, and says how it ended.

A process that stops gives its jobs back; one that dies loses them when the lease ends. Nothing is lost: an export or
search begins anew, an import goes on where it stood.
"""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.bulk import export, files, imports, interaction, jobs
from gateway.bulk.jobs import File, Job, Lost
from gateway.errors import FhirError, HttpError
from gateway.fhir.call import Call
from gateway.fhir.search import refusal as search_refusal
from gateway.fhir.view import Prefer, View
from gateway.parts import Parts
from gateway.security.door import refusal
from gateway.security.keys import Principal
from gateway.security.roles import role
from gateway.store import BadParameter, StoreError, StoreFull, StoreUnavailable

log = logging.getLogger(__name__)

LANES = 2
"""Jobs that one process does at once."""
POLL_S = 2.0
BEAT_S = 1.0
SWEEP_S = 60.0
AGAIN_S = 5.0
"""When the database was away, a job waits this long."""
ORPHAN_S = 3_600.0
"""A folder that no job has is an upload that was broken off, once nothing was written to it for this long."""

HOLDER = """
SELECT id, role, facility, label FROM api_key
WHERE id = $1 AND revoked IS NULL AND (expires IS NULL OR expires > now())"""


@asynccontextmanager
async def working(services: Parts) -> AsyncIterator["Worker"]:
    """Do jobs while the block runs; those under way at its end are given back."""
    worker = Worker(services)
    tasks = [asyncio.create_task(worker.run(), name="bulk") for _ in range(LANES)]
    tasks.append(asyncio.create_task(worker.keep_sweeping(), name="bulk sweep"))
    try:
        yield worker
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Worker:
    """Claims and does jobs of all facilities. `wake` says that there is one."""

    def __init__(self, services: Parts) -> None:
        self._services = services
        self._bell = asyncio.Event()

    def wake(self) -> None:
        """A job was added."""
        self._bell.set()

    async def run(self) -> None:
        """One lane, until cancelled."""
        while True:
            try:
                async with self._services.store.connection() as connection:
                    job = await jobs.claim(connection)
                if job is not None:
                    await self.do(job)
                    continue
            except StoreError as error:
                log.warning("bulk jobs wait for the database: %s", error)
            except Exception:
                log.exception("a bulk job failed in an unforeseen way")
            self._bell.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._bell.wait(), POLL_S)

    async def do(self, job: Job) -> None:
        """Do a claimed job to its end."""
        work = asyncio.create_task(self._work(job))
        try:
            while not work.done():
                await asyncio.wait({work}, timeout=BEAT_S)
                if not work.done():
                    await self._tell(lambda connection: jobs.beat(connection, job))
            await self._settle(job, work)
        except Lost:
            await _stopped(work)
            await self._forget(job)
        except asyncio.CancelledError:
            await _stopped(work)
            with contextlib.suppress(StoreError, Lost):
                await self._tell(lambda connection: jobs.give_back(connection, job))
            raise

    async def _settle(self, job: Job, work: "asyncio.Task[list[File]]") -> None:
        error = work.exception()
        if error is None:
            await self._tell(lambda connection: jobs.finish(connection, job, work.result()))
        elif isinstance(error, Lost):
            raise error
        elif isinstance(error, StoreUnavailable) and not isinstance(error, StoreFull):
            await self._tell(lambda connection: jobs.give_back(connection, job, AGAIN_S))
        else:
            await self._failed(job, error)

    async def _failed(self, job: Job, error: BaseException) -> None:
        if not isinstance(error, Exception):
            raise error
        found = self._refusal(job, error)
        issues = found.issues(job.request["lang"])
        await self._tell(lambda connection: jobs.fail(connection, job, found.status, issues))

    def _refusal(self, job: Job, error: Exception) -> HttpError:
        if isinstance(error, BadParameter):
            return search_refusal(job.request["path"], error)
        if isinstance(error, TimeoutError):
            return FhirError("GF-903")
        if isinstance(error, files.Unwritable) and isinstance(error.__cause__, OSError):
            error = error.__cause__
        return refusal(error, self._services.settings, job.id)

    async def _tell(self, what: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
        """Say something to the database about a job. What it cannot hear now it learns when the lease ends."""
        try:
            async with self._services.store.connection() as connection:
                await what(connection)
        except StoreError as error:
            log.warning("a bulk job's state could not be written: %s", error)

    async def _work(self, job: Job) -> list[File]:
        if job.interruptions > jobs.INTERRUPTIONS:
            raise FhirError("GF-805", times=job.interruptions)
        call = self._call(job, await self._holder(job))
        if job.kind == "export":
            return await export.run(self._services, job)
        if job.kind == "import":
            return await imports.run(self._services, job, call)
        return await interaction.run(self._services, job, call)

    async def _holder(self, job: Job) -> Principal:
        """Who began the job. Raises FhirError GF-602 where the key is worth nothing any more."""
        async with self._services.store.connection() as connection:
            row = await connection.fetchrow(HOLDER, job.key)
        if row is None:
            raise FhirError("GF-602")
        return Principal(row["id"], row["label"], role(row["role"]), row["facility"])

    def _call(self, job: Job, who: Principal) -> Call:
        asked = job.request
        shown = asked.get("view", {})
        return Call(
            services=self._services,
            facility=self._services.facilities[job.facility],
            who=who,
            lang=asked["lang"],
            base=asked["base"],
            method=asked["method"],
            path=asked["path"],
            type=asked["type"],
            id=asked["id"],
            version="",
            query=[(name, value) for name, value in asked["query"]],
            headers={b"content-type": asked["media"].encode("latin-1")},
            view=View(summary=shown.get("summary", "false"), elements=tuple(shown.get("elements", ()))),
            prefer=Prefer(lenient=asked["lenient"]),
            remote=job.remote,
            request_id=job.id,
            body=asked.get("form", "").encode(),
        )

    async def _forget(self, job: Job) -> None:
        """Remove what nobody wants: all of a cancelled job, else the folder of the claim that was lost."""
        home = self._services.settings.home
        try:
            async with self._services.store.connection() as connection:
                wanted = await connection.fetchval(jobs.WANTED, [job.id])
        except StoreError:
            return
        if wanted is None:
            await asyncio.to_thread(files.remove, home, job.id)
        elif job.kind != "import":
            await asyncio.to_thread(files.remove, home, f"{job.id}/{job.claims}")

    # --- expiry

    async def keep_sweeping(self) -> None:
        """Remove files whose time is over, until cancelled."""
        while True:
            try:
                await self.sweep()
            except (StoreError, OSError) as error:
                log.warning("expired bulk files could not be removed: %s", error)
            await asyncio.sleep(SWEEP_S)

    async def sweep(self) -> None:
        """Remove the files of jobs that expired, and folders that no job has."""
        home = self._services.settings.home
        async with self._services.store.connection() as connection:
            await connection.execute(jobs.EXPIRE)
            there = await asyncio.to_thread(_folders, home / "bulk")
            known = {row[0] for row in await connection.fetch(jobs.KNOWN, there)}
            wanted = {row[0] for row in await connection.fetch(jobs.WANTED, there)}
        for name in there:
            if name not in wanted and (name in known or _abandoned(home / "bulk" / name)):
                await asyncio.to_thread(files.remove, home, name)


async def _stopped(work: "asyncio.Task[Any]") -> None:
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)


def _folders(place: Path) -> Sequence[str]:
    return [entry.name for entry in os.scandir(place)] if place.is_dir() else []


def _abandoned(place: Path) -> bool:
    try:
        newest = max(path.stat().st_mtime for path in (place, *place.iterdir()))
    except FileNotFoundError:
        return False
    return time.time() - newest > ORPHAN_S
