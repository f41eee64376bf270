"""The store against its budgets: index rows of an Observation (40 µs), import (4 500 resources/s), creates at 8 clients
and, with `--rows`, searches over large tables.

    python bench/store.py [--writes N] [--rows N] [--home DIR]

The baseline of the same run is bare asyncpg writing the very same rows on as many connections: no JSON, no extraction,
no search for what is current. `--rows` (a million, say) grows every index table by as many rows and times each search.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import uvloop

from gateway.settings import Settings
from gateway.store import Change, Store, new_id
from gateway.store.pool import connect
from gateway.store.rows import Batch
from profiles.fhirjson import Resource

FACILITY, CLIENTS, BUNDLE = "default", 8, 100
UCUM, LOINC = "http://unitsofmeasure.org", "http://loinc.org"


def observation(patient: str) -> Resource:
    """A blood pressure reading as a SIMRS sends it."""
    return {
        "resourceType": "Observation",
        "identifier": [{"system": "http://sys-ids.kemkes.go.id/observation/10000004", "value": new_id()}],
        "status": "final",
        "category": [{"coding": [{"system": "urn:category", "code": "vital-signs", "display": "Vital Signs"}]}],
        "code": {"coding": [{"system": LOINC, "code": "8480-6", "display": "Systolic blood pressure"}]},
        "subject": {"reference": f"Patient/{patient}"},
        "performer": [{"reference": "Practitioner/N10000001"}],
        "encounter": {"reference": f"Encounter/{patient}"},
        "effectiveDateTime": "2026-03-01T08:15:00+07:00",
        "valueQuantity": {"value": 120, "unit": "mmHg", "system": UCUM, "code": "mm[Hg]"},
    }


async def extraction(store: Store) -> float:
    """Microseconds for the index rows of one Observation."""
    plan, resource, best = await store._index.plan("Observation"), observation("p"), []
    place = store._facilities[FACILITY]
    for _ in range(20):
        started = time.perf_counter()
        for _ in range(200):
            plan.extract(resource, place.zone, place.bases)
        best.append((time.perf_counter() - started) / 200)
    return min(best) * 1e6


async def planned(store: Store, writes: list[list[Change]]) -> list[Batch]:
    """The rows that the writes would make."""
    async with store.connection() as connection:
        place = store._facilities[FACILITY]
        return [(await store._plan(connection, place, changes, {}, None))[1] for changes in writes]


async def in_turns(count: int, clients: int, act: Callable[[int, int], Awaitable[Any]]) -> tuple[float, float]:
    """(acts per second, 99th percentile in ms) of `act(client, n)` done by so many clients at once."""
    times: list[float] = []
    ahead = iter(range(count))

    async def client(number: int) -> None:
        for n in ahead:
            started = time.perf_counter()
            await act(number, n)
            times.append(time.perf_counter() - started)

    started = time.perf_counter()
    await asyncio.gather(*map(client, range(clients)))
    return count / (time.perf_counter() - started), statistics.quantiles(times, n=100)[98] * 1e3


async def compared(store: Store, name: str, size: int, count: int, clients: int) -> None:
    """Write `count` times `size` Observations, through the store and bare."""

    def writes() -> list[list[Change]]:
        return [[Change.create(observation(f"p{n % 500}"), new_id()) for _ in range(size)] for n in range(count)]

    ours, theirs = writes(), await planned(store, writes())
    connections = [await connect(store._database.url) for _ in range(clients)]
    try:
        bare, bare_99 = await in_turns(count, clients, lambda client, n: theirs[n].write(connections[client]))
    finally:
        for connection in connections:
            await connection.close()
    rate, rate_99 = await in_turns(count, clients, lambda _, n: store.write(FACILITY, ours[n]))
    print(
        f"{name:34} {rate * size:8.0f} resources/s, p99 {rate_99:6.1f} ms;"
        f" bare {bare * size:8.0f}/s, p99 {bare_99:6.1f} ms; ratio {rate / bare:.2f}"
    )


async def searched(store: Store, count: int) -> None:
    """A search by token with 20 results, eight at once."""
    asked = [("code", f"{LOINC}|8480-6"), ("_count", "20")]
    await store.search(FACILITY, "Observation", asked)
    rate, slow = await in_turns(count, CLIENTS, lambda *_: store.search(FACILITY, "Observation", asked))
    print(f"{'search by token, 20 results':34} {rate:8.0f} searches/s, p99 {slow:6.1f} ms")


GROW = {
    "token_index": "n % 7, 'code-' || n % 1000",
    "string_index": "'nama ' || n, 'Nama ' || n",
    "date_index": "timestamptz '2000-01-01' + n * interval '1 min', timestamptz '2000-01-01' + n * interval '2 min'",
    "number_index": "n, n",
    "quantity_index": "n, n, 1, 'kg', null, null, null",
    "reference_index": "'Patient', 'id-' || n",
    "uri_index": "'urn:' || n",
    "text_index": "'nama kata' || n || ' pasien'",
    "position_index": "n % 90, n % 180",
}
SEARCHES = {
    "token": ("Patient", "identifier=code-5"),
    "token, any code of a system": ("Patient", "identifier=urn:x|"),
    "token :not": ("Patient", "identifier:not=code-5"),
    "string": ("Patient", "name=nama 77"),
    "string :exact": ("Patient", "name:exact=Nama 77"),
    "date": ("Patient", "birthdate=2000-01-05"),
    "date, open": ("Patient", "birthdate=ge2000-01-05"),
    "number": ("RiskAssessment", "probability=5"),
    "quantity": ("Observation", "value-quantity=5||kg"),
    "reference": ("Observation", "subject=Patient/id-5"),
    "uri": ("ValueSet", "url=urn:5"),
    "uri :below": ("ValueSet", "url:below=urn:5"),
    "_text": ("Patient", "_text=kata77"),
    "_content": ("Patient", "_content=kata77"),
    "near": ("Location", "near=5|5|50"),
    ":missing": ("Patient", "name:missing=true"),
    "chain": ("Observation", "subject:Patient.name=nama 77"),
    "no parameter": ("Patient", ""),
}


async def grown(store: Store, rows: int) -> None:
    """Time each search over tables of so many rows."""
    for type, query in SEARCHES.values():
        await store.search(FACILITY, type, parse_qsl(query, keep_blank_values=True))
    types = json.dumps(sorted({type for type, _ in SEARCHES.values()}))
    async with store.connection() as connection:
        await connection.execute(
            "insert into resource (key, facility, type, id, version, last_updated, deleted)"
            " select -n, 1, ($2::jsonb)->>(n % jsonb_array_length($2::jsonb)), 'id-' || n, 1, now(), false"
            " from generate_series(1, $1::int) n",
            rows,
            types,
        )
        await connection.execute(
            "insert into resource_version select key, 1, facility, type, id, last_updated, 'POST', '{}' from resource"
            " where key < 0"
        )
        codes = {query.split("=")[0].split(":")[0].split(".")[0] for _, query in SEARCHES.values()}
        known = await connection.fetch("select id from search_parameter where code = any($1)", list(codes))
        for table, values in GROW.items():
            await connection.execute(
                f"insert into {table} select -n, ($2::int[])[1 + n % cardinality($2::int[])], 1, 0, {values}"
                " from generate_series(1, $1::int) n",
                rows,
                [row[0] for row in known],
            )
        await connection.execute("analyze")
    for name, (type, query) in SEARCHES.items():
        times = []
        for _ in range(5):
            started = time.perf_counter()
            await store.search(FACILITY, type, parse_qsl(query, keep_blank_values=True))
            times.append(time.perf_counter() - started)
        print(f"{name:34} {statistics.median(times) * 1e3:8.1f} ms at {rows} rows a table")


async def measure(home: Path, writes: int, rows: int) -> None:
    store = await Store.open(Settings(home=home))
    try:
        print(f"{'index rows of an Observation':34} {await extraction(store):8.1f} µs")
        await compared(store, f"import, Bundles of {BUNDLE}", BUNDLE, max(1, writes // BUNDLE), 2)
        await compared(store, f"create, {CLIENTS} clients", 1, writes, CLIENTS)
        await searched(store, writes)
        if rows:
            await grown(store, rows)
    finally:
        await store.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--writes", type=int, default=4000, help="resources that each part writes")
    parser.add_argument("--rows", type=int, default=0, help="rows by which every index table grows for the searches")
    parser.add_argument("--home", type=Path, help="data folder to use instead of a temporary one")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gapura-bench-") as folder:
        uvloop.run(measure(chosen.home or Path(folder), chosen.writes, chosen.rows))
