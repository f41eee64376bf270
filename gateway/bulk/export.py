"""$export: every resource that was asked for, as of one moment, into NDJSON files, type by type.

Source: https://hl7.org/fhir/uv/bulkdata/STU2/export.html
"""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import msgspec

from gateway.bulk import files, jobs
from gateway.bulk.files import Output
from gateway.bulk.jobs import File, Job
from gateway.fhir.references import references
from gateway.fhir.view import View, subset
from gateway.parts import Parts
from gateway.store import ANYONE, Gone, NotFound, Selection, Snapshot, Store
from profiles import definitions, fhirjson
from profiles.fhirjson import Resource

BREATH = 500
"""Resources written before other requests get their turn."""
TOMBSTONES = 100
"""Deletions of one Bundle."""

SETTLE_S = 0.3
"""Versions bear the instant of their planning; this is longer than it takes them to reach the database."""
MOST_SETTLING_S = 60.0
WRITERS = """
SELECT 1 FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_xid IS NOT NULL AND xact_start < $1
LIMIT 1"""


class Asked(msgspec.Struct):
    """What an export is to hold. `patients`: None whoever, else the ids that the caller named; `group`: the id of the
    Group whose members count; `compartment`: only records of patients. `filters`: type → queries."""

    types: list[str]
    since: datetime | None = None
    filters: dict[str, list[str]] = {}
    compartment: bool = False
    group: str = ""
    patients: list[str] | None = None
    summary: str = "false"
    elements: list[str] = []


async def run(services: Parts, job: Job) -> list[File]:
    """Write the files. The snapshot is taken once everything written until the job's transaction time is in it."""
    asked = msgspec.convert(job.request["export"], Asked)
    store = services.store
    job.transaction_time = datetime.now(UTC)
    async with store.connection() as connection:
        await jobs.restamp(connection, job, job.transaction_time)
    await _settled(store, job.transaction_time)
    patients = await _patients(store, job.facility, asked)
    place = files.prepared(services.settings.home, job.id, str(job.claims))
    with files.writing(place) as output:
        async with store.snapshot(job.facility) as snapshot:
            for number, type in enumerate(asked.types, 1):
                await _type(snapshot, job, asked, type, patients, output)
                if asked.since is not None:
                    await _deleted(snapshot, asked, type, patients, output)
                job.progress = f"{output.lines} resources, {number} of {len(asked.types)} types"
        return await output.close()


def elements_of(type: str, asked: Sequence[str]) -> tuple[str, ...]:
    """Those of the elements asked for that a type has: `Type.element`, or `element` of whatever type has it."""
    structure = definitions.structure(type)
    assert structure is not None
    paths = {element["path"].removesuffix("[x]") for element in structure["snapshot"]["element"]}
    whole = [name if name.partition(".")[0] in definitions.RESOURCE_TYPES else f"{type}.{name}" for name in asked]
    return tuple(name for name in whole if name in paths)


async def _settled(store: Store, moment: datetime) -> None:
    """Wait until nobody is about to commit what he wrote before a moment."""
    await asyncio.sleep(SETTLE_S)
    async with asyncio.timeout(MOST_SETTLING_S), store.connection() as connection:
        while await connection.fetchval(WRITERS, moment):  # noqa: ASYNC110 - the database rings no bell for this
            await asyncio.sleep(SETTLE_S)


async def _type(
    snapshot: Snapshot, job: Job, asked: Asked, type: str, patients: Sequence[str] | None, output: Output
) -> None:
    queries = [parse_qsl(query, keep_blank_values=True) for query in asked.filters.get(type, ())]
    how = View(summary=asked.summary, elements=elements_of(type, asked.elements))
    if asked.elements and not how.elements:
        how = how._replace(elements=("id",))
    done = job.progress
    async for content in snapshot.select(Selection(type, queries, asked.since, patients)):
        line = fhirjson.encode(subset(fhirjson.decode(content), how)) if how.subset else content
        await output.add("output", type, line)
        if output.lines % BREATH == 0:
            job.progress = f"{output.lines} resources ({type}; {done})" if done else f"{output.lines} resources"
            await asyncio.sleep(0)
    await output.end("output", type)


async def _deleted(snapshot: Snapshot, asked: Asked, type: str, patients: Sequence[str] | None, output: Output) -> None:
    """Bundles that say what was deleted since. A filter cannot judge what is gone; a patient's record can still be told
    by what the last version referred to."""
    assert asked.since is not None
    gone: list[str] = []
    async for reference, content in snapshot.deleted(type, asked.since):
        if _concerns(reference, content, patients):
            gone.append(reference)
        if len(gone) == TOMBSTONES:
            await output.add("deleted", "Bundle", _tombstones(gone))
            gone = []
    if gone:
        await output.add("deleted", "Bundle", _tombstones(gone))


def _concerns(reference: str, content: bytes, patients: Sequence[str] | None) -> bool:
    if patients is None:
        return True
    named = {reference, *(references(fhirjson.decode(content)) if content else ())}
    if patients is ANYONE:
        return any(name.startswith("Patient/") for name in named)
    return any(f"Patient/{patient}" in named for patient in patients)


def _tombstones(gone: Sequence[str]) -> bytes:
    entries = [{"request": {"method": "DELETE", "url": reference}} for reference in gone]
    return fhirjson.encode({"resourceType": "Bundle", "type": "transaction", "entry": entries})


async def _patients(store: Store, facility: str, asked: Asked) -> Sequence[str] | None:
    """The ids of the patients that count; ANYONE for all of them, None for no such bound."""
    if not asked.compartment:
        return None
    if not asked.group:
        return ANYONE if asked.patients is None else asked.patients
    members = await _members(store, facility, asked.group, {asked.group})
    return sorted(members if asked.patients is None else members & set(asked.patients))


async def _members(store: Store, facility: str, group: str, seen: set[str]) -> set[str]:
    """Patients of a Group and of the Groups in it, without those that it calls inactive."""
    try:
        version = await store.read(facility, "Group", group)
    except (NotFound, Gone):
        return set()
    found: set[str] = set()
    for type, identity in _entities(fhirjson.decode(version.content)):
        if type == "Patient":
            found.add(identity)
        elif type == "Group" and identity not in seen:
            seen.add(identity)
            found |= await _members(store, facility, identity, seen)
    return found


def _entities(group: Resource) -> Iterator[tuple[str, str]]:
    for member in group.get("member", ()):
        if not member.get("inactive"):
            type, _, identity = str(member.get("entity", {}).get("reference", "")).partition("/")
            yield type, identity.partition("/")[0]
