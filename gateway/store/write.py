"""Writing: from changes to versions, and from versions to rows that one commit keeps.

Optimism instead of locks: a change is planned on what is current, and two writers who both plan version 5 of a resource
collide on the key of `resource_version`. Concurrent writes share a statement and its commit; where one of them
collides, each is written alone.
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime

from profiles import fhirjson
from profiles.fhirjson import Resource

from .errors import Gone, NotFound, PreconditionFailed, StoreUnavailable, VersionConflict
from .model import NEW, Also, Change, Connection, Insertion, Judgement, Version
from .rows import Batch, Row, text_array

TOGETHER = 64
"""Concurrent writes that may share one commit."""
PATIENCE_S = 0.02
"""How long a write waits for the commit before its own; then it no longer waits for it."""
LANES = 4
"""Commits under way at once, when one holds up the others."""
LARGE_AT_ONCE = 2
PIECE = 50
"""Changes of a large write that PostgreSQL gets at once."""

HEADS = """
select r.type, r.id, r.key, r.version, r.deleted, r.last_updated,
    array(select c.key from contained c where c.container = r.key)
from unnest($2::text[], $3::text[]) as u (type, id)
join resource r on r.facility = $1 and r.type = u.type and r.id = u.id"""


@dataclass(frozen=True, slots=True)
class Head:
    """What is current of one resource."""

    key: int
    version: int
    deleted: bool
    last_updated: datetime
    inside: Sequence[int] = ()
    """Keys of what it contains."""


Heads = dict[tuple[str, str], Head]


def new_id() -> str:
    """A resource id that no one else makes: a UUID (version 7, so that neighbours in time are neighbours on disk)."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def now() -> datetime:
    """This instant in the precision of `meta.lastUpdated`."""
    instant = datetime.now(UTC)
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def instant(moment: datetime) -> str:
    """As FHIR writes it: `2026-11-21T02:03:04.567Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def stamped(resource: Resource, id: str, version: int, last_updated: datetime) -> Resource:
    """A copy with `id` and `meta.versionId/lastUpdated`; everything else stays as it came."""
    meta = {**resource.get("meta", {}), "versionId": str(version), "lastUpdated": instant(last_updated)}
    rest = {key: value for key, value in resource.items() if key not in ("resourceType", "id", "meta")}
    return {"resourceType": resource["resourceType"], "id": id, "meta": meta, **rest}


async def heads(connection: Connection, facility: int, changes: Sequence[Change], *, sure: bool) -> Heads:
    """The heads of what is changed. Unless `sure`, changes that make a new id are taken at their word."""
    asked = [c for c in changes if sure or c.expected != NEW]
    if not asked:
        return {}
    rows = await connection.fetch(HEADS, facility, [c.type for c in asked], [c.id for c in asked])
    return {(row[0], row[1]): Head(*row[2:]) for row in rows}


def plan(facility: str, changes: Sequence[Change], found: Heads) -> list[tuple[Change, Version]]:
    """The versions that the changes make; a deletion of nothing makes none.

    Raises VersionConflict, NotFound or Gone (PATCH), PreconditionFailed (one resource twice).
    """
    if len({(c.type, c.id) for c in changes}) != len(changes):
        names = [c.reference for c in changes]
        raise PreconditionFailed(f"changed twice in one write: {sorted({n for n in names if names.count(n) > 1})}")
    moment = now()
    planned = []
    for change in changes:
        head = found.get((change.type, change.id))
        _expect(change, head)
        if change.resource is None and (head is None or head.deleted):
            continue
        number = head.version + 1 if head else 1
        updated = max(moment, head.last_updated) if head else moment
        content = b""
        if change.resource is not None:
            content = fhirjson.encode(stamped(change.resource, change.id, number, updated))
        of = (facility, change.type, change.id, number, updated, change.method, content)
        planned.append((change, Version(*of, revives=head is not None and head.deleted)))
    return planned


def _expect(change: Change, head: Head | None) -> None:
    current = None if head is None or (head.deleted and change.expected == NEW) else head.version
    if change.expected is not None and change.expected != (current or NEW):
        raise VersionConflict(change.reference, change.expected, current)
    if change.method == "PATCH" and head is None:
        raise NotFound(f"{change.reference} does not exist")
    if change.method == "PATCH" and head and head.deleted:
        raise Gone(change.reference, head.version)


def version_row(key: str, facility: str, version: Version) -> Row:
    """The row of `resource_version`, from which the head of the resource is made, too."""
    number, moment = str(version.version), version.last_updated.isoformat()
    return (key, number, facility, version.type, version.id, moment, version.method, version.content)


def validation_row(key: str, facility: str, version: Version, said: Judgement) -> Row:
    """The row of `validation`."""
    return (
        key,
        str(version.version),
        facility,
        version.last_updated.isoformat(),
        "t" if said.valid else "f",
        fhirjson.encode(list(said.issues)).decode() if said.issues else "[]",
        text_array(said.profiles),
        text_array(said.rules),
        str(said.microseconds),
    )


@dataclass(slots=True)
class _Job:
    batch: Batch
    versions: Sequence[Version]
    also: Also | None
    since: float
    done: asyncio.Future[None]


class Committer:
    """Commits batches, several at once where they come at once: what comes while one commit is under way shares the
    next. Large ones commit alone, and one that is held up (by another's lock, a slow disk) holds up no other for long.
    """

    def __init__(self, connection: Callable[[], AbstractAsyncContextManager[Connection]]) -> None:
        self._connection = connection
        self._queue: deque[_Job] = deque()
        self._lanes: set[asyncio.Task[None]] = set()
        self._alarm: asyncio.TimerHandle | None = None
        self._alone = asyncio.Semaphore(LARGE_AT_ONCE)

    async def commit(self, batch: Batch, versions: Sequence[Version], also: Also | None) -> None:
        """Return when the batch is durable. Raises what the database said of it; then nothing of it is kept."""
        loop = asyncio.get_running_loop()
        job = _Job(batch, versions, also, loop.time(), loop.create_future())
        if batch.large:
            async with self._alone:
                await self._write([job])
            return
        self._queue.append(job)
        if not self._lanes:
            self._open_lane()
        elif self._alarm is None:
            self._alarm = loop.call_later(PATIENCE_S, self._look)
        await job.done

    async def close(self) -> None:
        """Wait for the commits under way."""
        while self._lanes:
            await asyncio.gather(*self._lanes)

    def _open_lane(self) -> None:
        lane = asyncio.create_task(self._drain())
        self._lanes.add(lane)
        lane.add_done_callback(self._lanes.discard)

    def _look(self) -> None:
        """Open another lane where the oldest job has waited for too long."""
        self._alarm = None
        if not self._queue or len(self._lanes) >= LANES:
            return
        loop = asyncio.get_running_loop()
        left = self._queue[0].since + PATIENCE_S - loop.time()
        if left <= 0:
            self._open_lane()
        self._alarm = loop.call_later(max(left, PATIENCE_S / 4), self._look)

    async def _drain(self) -> None:
        while self._queue:
            jobs = [self._queue.popleft() for _ in range(min(TOGETHER, len(self._queue)))]
            try:
                await self._write(jobs)
            except Exception as error:
                # After a lost connection nobody knows what was kept, so nothing is written a second time.
                if len(jobs) == 1 or isinstance(error, StoreUnavailable):
                    _settle(jobs, error)
                else:
                    await self._write_each(jobs)
            except BaseException as error:
                _settle(jobs, error)
                raise
            else:
                _settle(jobs, None)

    async def _write_each(self, jobs: Sequence[_Job]) -> None:
        for job in jobs:
            try:
                await self._write([job])
            except Exception as error:
                _settle([job], error)
            else:
                _settle([job], None)

    async def _write(self, jobs: Sequence[_Job]) -> None:
        batch = jobs[0].batch if len(jobs) == 1 else Batch.merged(job.batch for job in jobs)
        wanted: dict[Also, list[Version]] = {}
        for job in jobs:
            if job.also:
                wanted.setdefault(job.also, []).extend(job.versions)
        async with self._connection() as connection:
            match list(wanted.items()):
                case []:
                    await batch.write(connection)
                case [(Insertion() as also, versions)]:
                    await batch.write(connection, also.sql, also.values(versions))
                case several:
                    async with connection.transaction():
                        await batch.write(connection)
                        for act, versions in several:
                            await act(connection, versions)


def _settle(jobs: Sequence[_Job], error: BaseException | None) -> None:
    for job in jobs:
        if job.done.done():
            continue
        if error is None:
            job.done.set_result(None)
        else:
            job.done.set_exception(error)
