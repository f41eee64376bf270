"""A site's own search parameters, and reading every resource again for them in the background.

A SearchParameter that was stored is `written` from the moment `$reindex` is asked for: every process makes its index
rows within FRESH seconds. It is `searched` when all resources that were there before have been read again. Another
process goes on with the reading if this one ends.
"""

import asyncio
import json
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from profiles import fhirjson

from .catalogue import SHIPPED, Catalogue, checked
from .errors import BadParameter
from .extract import plan
from .facilities import Facilities, Place
from .index import SearchIndex
from .indexing import Indexer
from .keys import Keys
from .model import Connection
from .pool import connect
from .rows import CONTAINED, INDEXES, Batch

FRESH = 1.0
"""Seconds for which a process trusts what it knows of the sites' parameters."""
AT_ONCE = 100
"""Resources that are read again in one transaction; writers wait for it."""
LOCK = 0x67617073

STORED = """
select v.content
from resource r join resource_version v on v.resource = r.key and v.version = r.version
where r.facility = $1 and r.type = 'SearchParameter' and not r.deleted order by r.key"""
BEGIN = """
insert into reindexing (facility, written, searched, position, done, total, started)
values ($1, $2, '[]', -1, 0, (select count(*) from resource where facility = $1 and not deleted), clock_timestamp())
on conflict (facility) do update set written = excluded.written, position = -1, done = 0, total = excluded.total,
    started = excluded.started, finished = null,
    searched = (select coalesce(jsonb_agg(p), '[]') from jsonb_array_elements(reindexing.searched) p
                where excluded.written @> jsonb_build_array(p))"""
ALL = "select facility, written, searched, done, total, started, finished from reindexing"
OPEN = "select facility from reindexing where finished is null order by facility"
AHEAD = "select position, written, started from reindexing where facility = $1 and finished is null for update"
NEXT = """
select r.key, r.id, v.content
from resource r join resource_version v on v.resource = r.key and v.version = r.version
where r.facility = $1 and r.key > $2 and not r.deleted order by r.key limit $3"""
INSIDE = "select key from contained where container = any($1)"
GONE_ON = "update reindexing set position = $2, done = done + $3 where facility = $1"
FINISHED = "update reindexing set searched = written, total = done, finished = clock_timestamp() where facility = $1"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a facility's resources are read again. `parameters` are the urls of the site's own, `searched` those
    that a search may name already."""

    parameters: tuple[str, ...]
    searched: tuple[str, ...]
    done: int
    total: int
    started: datetime
    finished: datetime | None


class Site:
    """The search parameters of each facility as this process knows them."""

    def __init__(self, url: str, facilities: Facilities, index: SearchIndex, keys: Keys) -> None:
        self._url, self._index, self._keys = url, index, keys
        self._places = {place.number: place for place in facilities.values()}
        self._known: dict[int, tuple[Catalogue, Catalogue]] = {}
        self._progress: dict[int, Progress] = {}
        self._until = 0.0
        self._reading: asyncio.Task[None] | None = None

    def written(self, place: Place) -> Catalogue:
        """What is indexed of a resource that is written now."""
        return self._known.get(place.number, (SHIPPED, SHIPPED))[0]

    def searched(self, place: Place) -> Catalogue:
        """What a search may name."""
        return self._known.get(place.number, (SHIPPED, SHIPPED))[1]

    async def fresh(self, connection: Connection) -> None:
        """Learn what another process began or ended, if it is time to ask."""
        if time.monotonic() < self._until:
            return
        self._until = time.monotonic() + FRESH
        for number, written, searched, *rest in await connection.fetch(ALL):
            old = self._known.get(number, (SHIPPED, SHIPPED))
            lists = [json.loads(written), json.loads(searched)]
            self._known[number] = tuple(  # type: ignore[assignment]
                known if list(known.own) == own else Catalogue(own) for known, own in zip(old, lists, strict=True)
            )
            indexed, usable = (tuple(p["url"] for p in own) for own in lists)
            self._progress[number] = Progress(indexed, usable, *rest)

    @property
    def stale(self) -> bool:
        """It is time to ask again."""
        return time.monotonic() >= self._until

    async def progress(self, connection: Connection, place: Place) -> Progress | None:
        """How far it is; None: nobody ever asked for it."""
        self._until = 0
        await self.fresh(connection)
        return self._progress.get(place.number)

    async def begin(self, connection: Connection, place: Place) -> Progress:
        """Take in the SearchParameters that are stored and read every resource again, in the background.

        Raises BadParameter for one that cannot be used; then nothing changes.
        """
        own = []
        for row in await connection.fetch(STORED, place.number):
            resource = fhirjson.decode(row[0])
            if resource.get("status") == "active":
                own.append(checked(resource))
        await self._compiled(own)
        await connection.execute(BEGIN, place.number, json.dumps(own))
        self._until = 0
        await self.fresh(connection)
        self.read_on()
        return self._progress[place.number]

    async def _compiled(self, own: list[Mapping[str, object]]) -> None:
        for parameter in own:
            alone = Catalogue([parameter])
            for type in parameter["base"]:  # type: ignore[attr-defined]
                try:
                    plan(type, await self._index.numbers(type, alone), alone)
                except Exception as error:  # whatever the expression does to the compiler, it is the parameter's fault
                    raise BadParameter(str(parameter["url"]), f"cannot be indexed: {error}") from None

    def read_on(self) -> None:
        """Go on with what is unfinished, whoever began it."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())

    async def close(self) -> None:
        """Stop reading; what is unfinished goes on at the next start."""
        if self._reading:
            self._reading.cancel()
            with suppress(asyncio.CancelledError):
                await self._reading

    async def _read(self) -> None:
        try:
            connection = await connect(self._url)
            try:
                if await connection.fetchval("select pg_try_advisory_lock($1)", LOCK):
                    while unread := await self._unread(connection):
                        await asyncio.sleep(2 * FRESH)  # until every process writes the new parameters
                        for place in unread:
                            await self._facility(connection, place)
            finally:
                await connection.close()
        except Exception as error:  # the next start, or the next `$reindex`, goes on
            logging.getLogger(__name__).warning("reading again for the search index stopped: %s", error)

    async def _unread(self, connection: Connection) -> list[Place]:
        # what a facility that is not in the settings left unfinished waits until it is there again
        return [self._places[row[0]] for row in await connection.fetch(OPEN) if row[0] in self._places]

    async def _facility(self, connection: Connection, place: Place) -> None:
        more = True
        while more:
            more = await self._batch(connection, place)

    async def _batch(self, connection: Connection, place: Place) -> bool:
        """Read some resources again; False at the end."""
        async with connection.transaction():
            # Before its snapshot is taken every writer waits here, so that none deletes less than there is.
            await connection.execute("lock table resource in share row exclusive mode")
            ahead = await connection.fetchrow(AHEAD, place.number)
            if ahead is None:
                return False
            catalogue = Catalogue(json.loads(ahead["written"]))
            if list(self.written(place).own) == list(catalogue.own):
                catalogue = self.written(place)
            rows = await connection.fetch(NEXT, place.number, ahead["position"], AT_ONCE)
            if not rows:
                await connection.execute(FINISHED, place.number)
                return False
            batch, keys = Batch(), [row[0] for row in rows]
            indexer = Indexer(place, self._index, catalogue, self._keys)
            for key, id, content in rows:
                await indexer.add(fhirjson.decode(content), id, str(key), batch, connection)
            keys += [row[0] for row in await connection.fetch(INSIDE, keys)]
            for table in (CONTAINED, *INDEXES):
                which = "key" if table == CONTAINED else "resource"
                await connection.execute(f"delete from {table} where {which} = any($1)", keys)
            await batch.write_index(connection)
            await connection.execute(GONE_ON, place.number, rows[-1][0], len(rows))
        return True
