"""One store per process: the door to everything in this package."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import datetime
from typing import Any

from gateway.settings import Settings
from profiles import definitions
from profiles.fhirjson import Resource

from . import crosswalk, judged, read
from .database import Database
from .errors import SchemaMismatch
from .facilities import Facilities, Place
from .forms import Filled
from .index import SearchIndex
from .indexing import Indexer
from .keys import Keys
from .migrate import current, head, migrate
from .model import ALWAYS, NEW, Also, Audits, Change, Connection, Judged, Page, Query, Remote, Version, When
from .pool import Pool, connect, translated
from .reindex import Progress, Site
from .retry import ATTEMPTS, step_aside
from .rows import VALIDATION, VERSIONS, Batch
from .search.query import Search
from .search.run import numbers, run
from .search.syntax import named_types, parse
from .selection import Selection, Snapshot
from .together import Reads
from .transaction import Outrun, Transaction, Undone, collisions
from .turns import Turns
from .visit import gather
from .write import PIECE, Committer, Head, Heads, heads, new_id, plan, validation_row, version_row

CONNECTIONS = 16
SEARCHES = 8
"""Connections for searches that are planned anew each time."""
RESTORE = """
update resource set deleted = false where facility = $1 and type = $2 and id = any($3::text[]) returning key, id"""


class Store:
    """Resources of all facilities. Every call names the facility by its slug and sees no other's rows.

    Every method may raise UnknownFacility, StoreUnavailable and StoreFull besides what it names.
    """

    def __init__(self, database: Database, settings: Settings, facilities: Facilities, index: SearchIndex) -> None:
        self.settings = settings
        self._database, self._facilities = database, facilities
        self._pool = Pool(database.url, CONNECTIONS)
        # How common a value is decides how a search with several is best done: it is planned each time.
        self._planned = Pool(database.url, SEARCHES, plan_cache_mode="force_custom_plan")
        self._reads = Reads(self._pool.connection, settings.request_timeout_s)
        # What changes a resource may wait for another's lock on it; what creates one never does, nor for such a change.
        self._creates, self._changes = Committer(self._pool.connection), Committer(self._pool.connection)
        self._keys, self._turns = Keys(), Turns()
        self._index = index
        self._site = Site(database.url, facilities, index, self._keys)

    @classmethod
    async def open(cls, settings: Settings, *, migrating: bool = True) -> "Store":
        """Start or join the embedded server (unless `database_url` names another), migrate, and be ready.

        Raises StoreUnavailable when there is no database, SchemaMismatch when its schema is newer than this program,
        or older and `migrating` is False.
        """
        database = await Database.open(settings)
        try:
            with translated():
                connection = await connect(database.url)
                try:
                    await _prepare(connection, migrating=migrating)
                    facilities = await Facilities.of(connection, settings)
                    index = await SearchIndex.of(connection, database.url)
                finally:
                    await connection.close()
        except BaseException:
            await database.close()
            raise
        store = cls(database, settings, facilities, index)
        store._site.read_on()
        return store

    async def close(self) -> None:
        """Finish the commits under way, close the connections, leave the embedded server (the last one stops it)."""
        await self._site.close()
        await self._creates.close()
        await self._changes.close()
        await self._pool.close()
        await self._planned.close()
        await self._database.close()

    # --- writing

    async def write(
        self, facility: str, changes: Sequence[Change], *, audits: Audits | None = None, also: Also | None = None
    ) -> list[Version]:
        """Commit the changes, their AuditEvents and what `also` does in one transaction, or nothing of it.

        Returns the versions in the order of the changes; deleting what is not there yields none. `audits` and `also`
        may be called again when another writer was quicker and the write is planned anew.
        Raises VersionConflict, NotFound and Gone (PATCH only), PreconditionFailed.
        """
        place = self._facilities[facility]
        async with self._turns.of({(place.number, c.type, c.id) for c in changes if c.expected != NEW}):
            for attempt in range(ATTEMPTS - 1):
                with suppress(Outrun):
                    return await self._write(place, changes, audits, also, sure=attempt > 0)
                await step_aside(attempt)
            return await self._write(place, changes, audits, also, sure=True)

    async def _write(
        self, place: Place, changes: Sequence[Change], audits: Audits | None, also: Also | None, *, sure: bool
    ) -> list[Version]:
        async with self._pool.connection() as connection:
            known = await heads(connection, place.number, changes, sure=sure)
            versions, batch = await self._plan(connection, place, changes, known, audits)
        if versions or also or not batch.empty:
            with collisions(changes):
                await (self._changes if batch.forget else self._creates).commit(batch, versions, also)
        return versions

    @asynccontextmanager
    async def transaction(self, facility: str) -> AsyncIterator["Transaction"]:
        """Several reads and writes that see and keep one state: conditional interactions, transaction Bundles.

        An exception leaving the block undoes everything. Raises VersionConflict when another writer was quicker.
        """
        async with self._pool.connection() as connection:
            with collisions(()):
                async with connection.transaction():
                    yield Transaction(self, connection, self._facilities[facility])

    async def _plan(
        self, connection: Connection, place: Place, changes: Sequence[Change], known: Heads, audits: Audits | None
    ) -> tuple[list[Version], Batch]:
        batch = Batch()
        versions, planned = await self._planned_in(batch, connection, place, changes, known, audits)
        for change, version in planned:
            old = known.get((change.type, change.id))
            await self._add(connection, place, batch, change, version, old, self._keys)
        return versions, batch

    async def _planned_in(
        self,
        batch: Batch,
        connection: Connection,
        place: Place,
        changes: Sequence[Change],
        known: Heads,
        audits: Audits | None,
    ) -> tuple[list[Version], list[tuple[Change, Version]]]:
        """The versions of the changes, and all that is to be added to the batch, in which filled forms are already."""
        planned = plan(place.slug, changes, known)
        versions = [version for _, version in planned]
        await self._site.fresh(connection)
        if audits:
            events = audits(versions)
            resources = [await self._fill(connection, place, batch, event) for event in events]
            planned += plan(place.slug, [Change.create(event, new_id()) for event in resources if event], {})
        return versions, planned

    async def _write_in_pieces(
        self, connection: Connection, place: Place, changes: Sequence[Change], known: Heads, audits: Audits | None
    ) -> list[Version]:
        """Write many changes within the caller's transaction: while PostgreSQL writes some, the rows of the next are
        made."""
        batch = Batch()
        versions, planned = await self._planned_in(batch, connection, place, changes, known, audits)
        inside = sum(len(change.resource.get("contained", ())) for change, _ in planned if change.resource)
        keys = await self._keys.some(connection, len(planned) + inside)
        writing: asyncio.Task[None] | None = None
        try:
            for start in range(0, len(planned), PIECE):
                for change, version in planned[start : start + PIECE]:
                    old = known.get((change.type, change.id))
                    await self._add(connection, place, batch, change, version, old, keys)
                if writing:
                    await writing
                writing, batch = asyncio.create_task(batch.write(connection)), Batch()
                await asyncio.sleep(0)  # the statement is on its way
            if writing:
                await writing
        finally:
            if writing and not writing.done():
                writing.cancel()
                await asyncio.gather(writing, return_exceptions=True)
        return versions

    async def _fill(
        self, connection: Connection, place: Place, batch: Batch, event: Resource | Filled
    ) -> Resource | None:
        """Add a filled form; what is to be added as other resources are is answered."""
        if not isinstance(event, Filled):
            return event
        type = event.form.resource["resourceType"]
        if self._site.written(place).added(type):
            return event.resource
        version, block = event.made(place, await self._index.plan(type))
        key, number = str(await self._keys.draw(connection)), str(place.number)
        batch.rows[VERSIONS].append(version_row(key, number, version))
        batch.blocks.append((key, number, block))
        return None

    async def _add(
        self,
        connection: Connection,
        place: Place,
        batch: Batch,
        change: Change,
        version: Version,
        old: Head | None,
        keys: Keys,
    ) -> None:
        key = str(old.key if old else await keys.draw(connection))
        number = str(place.number)
        batch.rows[VERSIONS].append(version_row(key, number, version))
        if old:
            batch.forget += (key, *map(str, old.inside))
        if change.resource is not None:
            indexer = Indexer(place, self._index, self._site.written(place), keys)
            await indexer.add(change.resource, change.id, key, batch, connection)
        if change.judgement:
            batch.rows[VALIDATION].append(validation_row(key, number, version, change.judgement))

    # --- reading

    async def read(self, facility: str, type: str, id: str) -> Version:
        """The current version. Raises NotFound, Gone."""
        place = self._facilities[facility]
        return read.there(place, await self._reads.row(place, type, id), f"{type}/{id}")

    async def existing(self, facility: str, references: Sequence[str]) -> frozenset[str]:
        """Those of the references (`Type/id`) that are stored and not deleted."""
        async with self._pool.connection() as connection:
            return await read.existing(connection, self._facilities[facility], references)

    async def vread(self, facility: str, type: str, id: str, version: int) -> Version:
        """One version. Raises NotFound; Gone where that version is the deletion."""
        async with self._pool.connection() as connection:
            return await read.read_version(connection, self._facilities[facility], type, id, version)

    async def history(
        self,
        facility: str,
        type: str | None = None,
        id: str | None = None,
        when: When = ALWAYS,
        *,
        count: int | None = None,
        cursor: str | None = None,
        oldest_first: bool = False,
        among: Collection[str] | None = None,
    ) -> Page:
        """Versions of an instance, a type or the whole facility (there of the types `among`), the newest first,
        deletions included; a `count` of 0 gives their number alone.

        Raises NotFound for an instance that never was, BadParameter for a cursor that is not one.
        """
        count = self.settings.default_page_size if count is None else min(count, self.settings.max_page_size)
        of = [name for name in (type, id) if name is not None]
        async with self._pool.connection() as connection:
            place = self._facilities[facility]
            return await read.history(
                connection, place, of, when, count, cursor, oldest_first=oldest_first, among=among
            )

    async def search(
        self,
        facility: str,
        type: str,
        query: Query,
        *,
        compartment: tuple[str, str] | None = None,
        among: Collection[str] | None = None,
    ) -> Page:
        """One page of the resources that meet a query, with `_cursor` the page after another.

        `compartment` restricts it: `("Patient", "123")`. Without `_sort` the newest resource comes first.
        An empty `type` searches those that `_type` names, or all; every parameter must mean something in each of them.
        `among` are the types that the asker may search (None: all): no chain, inclusion or search of everything leads
        to another.
        Raises BadParameter for every parameter that is unknown or malformed, naming those that are known, and
        OutOfSight for a type that is named and not `among` them.
        """
        place = self._facilities[facility]
        if self._site.stale:
            async with self._pool.connection() as connection:
                await self._site.fresh(connection)
        known = self._site.searched(place)
        within = frozenset(definitions.compartment(compartment[0])) if compartment else None
        searches = [parse(type, query, known, among)] if type else await self._of_types(place, query, among, within)
        pool = self._pool if len(searches) == 1 and searches[0].ordered else self._planned
        async with pool.connection() as connection:
            return await self._search(connection, place, searches, compartment, among)

    def understood(self, facility: str, type: str, query: Query, among: Collection[str] | None = None) -> Search:
        """What a query means that `search` may be asked. Raises what `search` raises, but for malformed values."""
        return parse(type, query, self._site.searched(self._facilities[facility]), among)

    async def checked(self, facility: str, type: str, query: Query) -> frozenset[str]:
        """The types that a search leads to which is made later. Raises what `search` raises."""
        async with self.snapshot(facility) as snapshot:
            await snapshot.statement(Selection(type, [query]))
        return frozenset(self.understood(facility, type, query).types())

    async def meeting(
        self,
        connection: Connection,
        facility: str,
        search: Search,
        ids: Sequence[str],
        *,
        deleted: Mapping[str, Resource] | None = None,
    ) -> frozenset[str]:
        """Which of these resources of its type meet a search, as the caller's transaction sees them.

        `deleted` are resources that it has deleted, as they were: they are judged as if they were there.
        Raises BadParameter.
        """
        place = self._facilities[facility]
        statement, arguments = await self._snapshot(connection, place).meeting(search, ids)
        if not deleted:
            return frozenset(row[0] for row in await connection.fetch(statement, *arguments))
        found: frozenset[str] = frozenset()
        with suppress(Undone):
            async with connection.transaction():
                await self._restore(connection, place, search.type, deleted)
                found = frozenset(row[0] for row in await connection.fetch(statement, *arguments))
                raise Undone
        return found

    async def _restore(self, connection: Connection, place: Place, type: str, deleted: Mapping[str, Resource]) -> None:
        batch = Batch()
        indexer = Indexer(place, self._index, self._site.written(place), self._keys)
        for key, id in await connection.fetch(RESTORE, place.number, type, list(deleted)):
            await indexer.add(deleted[id], id, str(key), batch, connection)
        await batch.write_index(connection)

    def _snapshot(self, connection: Connection, place: Place) -> Snapshot:
        return Snapshot(connection, place, self._index, self._site.searched(place))

    async def _of_types(
        self, place: Place, query: Query, among: Collection[str] | None, within: Collection[str] | None
    ) -> list[Search]:
        types, rest = named_types(query)
        if types is None:
            # what is wrong with it is said even where there is nothing to find
            parse("Basic", rest, self._site.searched(place))
            async with self._pool.connection() as connection:
                rows = await connection.fetch(read.TYPES, place.number)
                if any(name == "_contained" for name, _ in rest):
                    rows += await connection.fetch(read.INSIDE_TYPES, place.number)
            types = [row[0] for row in rows if all(some is None or row[0] in some for some in (among, within))]
            types = list(dict.fromkeys(types))
        return [parse(type, rest, self._site.searched(place), among) for type in types]

    async def _search(
        self,
        connection: Connection,
        place: Place,
        searches: Sequence[Search],
        compartment: tuple[str, str] | None,
        among: Collection[str] | None,
    ) -> Page:
        if not searches:
            return Page(total=0)
        count = self.settings.default_page_size if searches[0].count is None else searches[0].count
        known: dict[str, Mapping[str, int]] = {}
        for search in searches:
            known |= await numbers(search, self._index, self._site.searched(place))
        count = min(count, self.settings.max_page_size)
        return await run(connection, place, searches, known, count, self._site.searched(place), compartment, among)

    async def reindex(self, facility: str) -> Progress:
        """Take in the facility's own SearchParameters and read all its resources again, in the background.

        Raises BadParameter for a SearchParameter that cannot be used; then nothing changes.
        """
        place = self._facilities[facility]
        async with self._pool.connection() as connection:
            return await self._site.begin(connection, place)

    async def reindexing(self, facility: str) -> Progress | None:
        """How far `reindex` is; None: nobody ever asked for it."""
        async with self._pool.connection() as connection:
            return await self._site.progress(connection, self._facilities[facility])

    def parameters(self, facility: str) -> Sequence[Mapping[str, Any]]:
        """The site's own SearchParameters that a search may name: url, code, type, base, expression."""
        return self._site.searched(self._facilities[facility]).own

    async def visit(self, facility: str, encounter_id: str) -> Resource:
        """The visit as one `collection` Bundle: the Encounter first, then what belongs to it (see `visit.py`).

        Raises NotFound, Gone.
        """
        async with self._pool.connection() as connection:
            return await gather(connection, self._facilities[facility], encounter_id)

    @asynccontextmanager
    async def snapshot(self, facility: str) -> AsyncIterator[Snapshot]:
        """The facility as it is at this moment, for reads that take long and must agree with each other."""
        async with (
            self._planned.connection() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield self._snapshot(connection, self._facilities[facility])

    async def judged(self, facility: str, since: datetime, until: datetime) -> AsyncIterator[Judged]:
        """What the validator said of the versions written from `since` up to `until`, in the order of their writing."""
        async with self._pool.connection() as connection:
            async for found in judged.of_period(connection, self._facilities[facility], since, until):
                yield found

    async def judgements(self, facility: str, references: Sequence[str]) -> list[Judged]:
        """What the validator said of every version of these resources (`Type/id`), in the order of their writing."""
        async with self._pool.connection() as connection:
            return await judged.of_resources(connection, self._facilities[facility], references)

    # --- the crosswalk

    async def remote(self, facility: str, destination: str, local: Sequence[str]) -> dict[str, str]:
        """Local `Type/id` → remote `Type/id` at a destination, for those that are known there."""
        async with self._pool.connection() as connection:
            return await crosswalk.remote(connection, self._facilities[facility], destination, local)

    async def local(self, facility: str, destination: str, remote: Sequence[str]) -> dict[str, str]:
        """Remote `Type/id` → local `Type/id`, for those that are known."""
        async with self._pool.connection() as connection:
            return await crosswalk.local(connection, self._facilities[facility], destination, remote)

    async def record(self, facility: str, destination: str, pairs: Iterable[Remote]) -> None:
        """Remember where local resources live at a destination."""
        async with self._pool.connection() as connection:
            await crosswalk.record(connection, self._facilities[facility], destination, pairs)

    # --- for the rooms that keep tables of their own

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        """A connection of the pool for as long as the block lasts. Leave no setting, lock or transaction behind."""
        return self._pool.connection()

    @asynccontextmanager
    async def listen(self, channel: str, heard: Callable[[str], None]) -> AsyncIterator[None]:
        """Call `heard` with each payload notified on `channel` for as long as the block lasts."""
        with translated():
            connection = await connect(self._database.url)

            def ring(_: Any, __: int, ___: str, payload: Any) -> None:
                heard(str(payload))

            try:
                await connection.add_listener(channel, ring)
                yield
            finally:
                await connection.close(timeout=5)


async def _prepare(connection: Connection, *, migrating: bool) -> None:
    if migrating:
        await migrate(connection)
    elif (found := await current(connection)) != head():
        raise SchemaMismatch(f"the database is at revision {found or 'none'}, not {head()}: run `gapura db migrate`")
