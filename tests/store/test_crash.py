"""Nothing lost, nothing doubled: many write at once, and the database is killed in the middle of it."""

import asyncio
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from gateway.security.audit import Visitor, of_write
from gateway.settings import Settings
from gateway.store import Change, Insertion, Store, StoreUnavailable, Version, new_id
from gateway.store.forms import Filled
from profiles.fhirjson import Resource

HERE = "default"
WRITERS, ENOUGH = 8, 60
VISITOR = Visitor(HERE, None, "")
TOLD = Insertion(
    lambda first: f"insert into told select unnest(${first}::text[])", lambda made: [[v.reference for v in made]]
)


def patient(name: str) -> Resource:
    return {"resourceType": "Patient", "name": [{"text": name}]}


class Writing:
    """Writers that create patients and change one that all share, and what they were promised."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.kept, self.tried, self.updates = set[str](), set[str](), 0
        self.enough = asyncio.Event()

    async def write(self, writer: int) -> None:
        try:
            for n in range(10_000):
                change = Change.create(patient(f"P{writer}x{n}"), new_id())
                self.tried.add(change.id)
                await self._commit(change)
                self.kept.add(change.id)
                if len(self.kept) == ENOUGH:
                    self.enough.set()
                if n % 5 == 0:
                    await self._commit(Change.update(patient(f"S{writer}x{n}"), "semua"))
                    self.updates += 1
        except StoreUnavailable:
            return

    async def _commit(self, change: Change) -> None:
        def audits(versions: Sequence[Version]) -> list[Resource | Filled]:
            return [of_write(VISITOR, "create", versions, {change.reference: change.resource})]

        await self.store.write(HERE, [change], audits=audits, also=TOLD)


async def test_what_was_promised_is_there_once_with_all_that_belongs_to_it(home: Path) -> None:
    settings = Settings(home=home, _env_file=None)
    store = await Store.open(settings)
    async with store.connection() as connection:
        await connection.execute("create table told (reference text)")
    writing = Writing(store)
    writers = [asyncio.create_task(writing.write(number)) for number in range(WRITERS)]
    async with asyncio.timeout(120):
        await writing.enough.wait()
        os.kill(int((home / "postgres" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        await asyncio.gather(*writers)
    await store.close()
    again = await Store.open(settings)
    try:
        async with again.connection() as connection:
            there = await connection.fetch("select id, key from resource where type = 'Patient' and id <> 'semua'")
            events = await connection.fetchval("select count(*) from resource where type = 'AuditEvent'")
            told = [row[0] for row in await connection.fetch("select reference from told")]
            named = await connection.fetch("select resource, count(*) from string_index group by resource")
            version = await connection.fetchval("select version from resource where id = 'semua'")
            versions = await connection.fetchval("select count(*) from resource_version where id = 'semua'")
    finally:
        await again.close()
    ids = {row[0] for row in there}
    assert writing.kept <= ids <= writing.tried
    assert len(ids) == len(there)
    assert writing.updates <= version <= writing.updates + WRITERS
    assert versions == version
    assert sorted(told) == sorted([f"Patient/{id}" for id in ids] + ["Patient/semua"] * version)
    assert events == len(ids) + version
    assert {row[1] for row in there} <= {row[0] for row in named}
