"""The outbox against its budget: claim to done with a no-op destination (10 000/s), and the wake-up (3 ms).

    python bench/outbox.py [--rows N] [--workers N] [--home DIR]

Every row is a visit of its own, taken in from wishes, claimed, settled and durable. The baseline of the same run is the
bare statement pair (claim and acknowledge, no order, no fence) over a table of the same rows.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import uvloop

from gateway.outbox import Attempt, Planned, Settlement, Worker, queue
from gateway.settings import Settings
from gateway.store import Store

BARE = """
DROP TABLE IF EXISTS bare;
CREATE TABLE bare (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, visit text NOT NULL, state smallint NOT NULL
    DEFAULT 0, due timestamptz NOT NULL DEFAULT now());
CREATE INDEX ON bare (due, id) WHERE state = 0;"""
BARE_CLAIM = """
UPDATE bare o SET state = 1 FROM (SELECT id FROM bare WHERE state = 0 AND due <= now() ORDER BY due, id LIMIT $1
    FOR UPDATE SKIP LOCKED) AS p
WHERE o.id = p.id RETURNING o.id"""


async def no_op(attempt: Attempt) -> Settlement:
    return Settlement(attempt.row, "done")


async def fill(store: Store, rows: int) -> float:
    async with store.connection() as connection:
        await connection.execute("TRUNCATE outbox_wish, outbox, outbox_attempt")
        for start in range(0, rows, 1000):
            planned = [
                Planned("bench", "bench/send", "", 0, f"Encounter/{n}", f"Encounter/{n}", 1)
                for n in range(start, min(start + 1000, rows))
            ]
            await queue.wish(connection, "default", planned, [])
        started = time.perf_counter()
        await queue.take_in(connection)
        taken = time.perf_counter() - started
        await connection.execute("ANALYZE outbox")
        return rows / taken


async def drain(store: Store, rows: int, workers: int, batch: int) -> float:
    crew = [Worker(store, {"bench": no_op}, batch=batch) for _ in range(workers)]
    started = time.perf_counter()
    tasks = [asyncio.create_task(worker.run()) for worker in crew]
    async with store.connection() as connection:
        while await connection.fetchval("SELECT EXISTS (SELECT FROM outbox WHERE state <> 'done')"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    took = time.perf_counter() - started
    for worker in crew:
        worker.stop()
    await asyncio.gather(*tasks)
    return rows / took


async def bare(store: Store, rows: int, batch: int) -> float:
    async with store.connection() as connection:
        await connection.execute(BARE)
        await connection.execute(
            "INSERT INTO bare (visit) SELECT 'Encounter/' || n FROM generate_series(1, $1) n", rows
        )
        await connection.execute("ANALYZE bare")
        started = time.perf_counter()
        while claimed := await connection.fetch(BARE_CLAIM, batch):
            await connection.execute("UPDATE bare SET state = 2 WHERE id = ANY ($1::bigint[])", [r[0] for r in claimed])
        took = time.perf_counter() - started
        await connection.execute("DROP TABLE bare")
    return rows / took


async def wake_up(store: Store, times: int) -> list[float]:
    """Milliseconds from the commit of a write to the start of its delivery."""
    waits: list[float] = []
    committed = 0.0
    reached = asyncio.Event()

    async def deliver(attempt: Attempt) -> Settlement:
        waits.append((time.perf_counter() - committed) * 1000)
        reached.set()
        return Settlement(attempt.row, "done")

    worker = Worker(store, {"bench": deliver})
    running = asyncio.create_task(worker.run())
    await asyncio.sleep(0.5)
    for n in range(times):
        reached.clear()
        async with store.connection() as connection:
            await queue.wish(connection, "default", [Planned("bench", "b/s", "", 0, f"W/{n}", f"W/{n}", 1)], [])
        committed = time.perf_counter()
        await reached.wait()
        await asyncio.sleep(0.003)
    worker.stop()
    await running
    return sorted(waits)


async def main(arguments: argparse.Namespace, home: Path) -> None:
    store = await Store.open(Settings(home=home))
    try:
        for batch in (20, 50, 100):
            intake = await fill(store, arguments.rows)
            rate = await drain(store, arguments.rows, arguments.workers, batch)
            base = await bare(store, arguments.rows, batch)
            print(
                f"batch {batch:3}: {rate:7.0f} rows/s claim to done ({arguments.workers} worker), "
                f"bare statements {base:7.0f}/s, ratio {rate / base:.2f}; intake {intake:7.0f} wishes/s"
            )
        waits = await wake_up(store, 300)
        print(f"wake-up: p50 {statistics.median(waits):.2f} ms, p95 {waits[284]:.2f} ms, p99 {waits[296]:.2f} ms")
    finally:
        await store.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--home", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        uvloop.run(main(chosen, chosen.home or Path(folder)))
