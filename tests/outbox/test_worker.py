"""What becomes of a row: order, renewal, retries, holding, parking, pausing, and what a crash leaves."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.connectors.errors import (
    DestinationError,
    Held,
    Misconfigured,
    OutcomeUnknown,
    Refused,
    Throttled,
    Unavailable,
)
from gateway.outbox import Attempt, Database, Settlement, queue
from tests.outbox.support import SITE, planned, rows, until, working, write


def done(attempt: Attempt) -> Settlement:
    return Settlement(attempt.row, "done", result={"remote": "R/1"})


def raising(error: DestinationError) -> Callable[[Attempt], Awaitable[Settlement]]:
    async def deliver(attempt: Attempt) -> Settlement:
        attempt.watches = frozenset({"Patient/p"})
        raise error

    return deliver


def in_state(database: Database, *states: str) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return [row["state"] for row in await rows(database)] == list(states)

    return look


async def only(database: Database) -> dict[str, Any]:
    (row,) = await rows(database)
    return row


async def fall_due(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("UPDATE outbox SET due = now() - interval '1 second' WHERE state = 'due'")


async def test_a_written_wish_is_delivered_and_its_result_kept(database: Database) -> None:
    async def deliver(attempt: Attempt) -> Settlement:
        return done(attempt)

    async with working(database, deliver):
        await write(database, planned("Encounter/1"))
        await until(in_state(database, "done"))
    row = await only(database)
    assert row["result"] == {"remote": "R/1"}
    assert row["finished"] is not None


async def test_a_wish_of_a_rolled_back_write_is_never_delivered(database: Database) -> None:
    async with database.connection() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await queue.wish(connection, SITE, [planned("Encounter/1")], [])
        await transaction.rollback()
        await queue.take_in(connection)
    assert await rows(database) == []


async def test_rows_of_a_visit_go_in_order_and_other_visits_do_not_wait(database: Database) -> None:
    started: list[str] = []
    gate = asyncio.Event()

    async def deliver(attempt: Attempt) -> Settlement:
        started.append(f"{attempt.row.visit}:{attempt.row.step}")
        if attempt.row.step == "first":
            await gate.wait()
        return done(attempt)

    async def second_visit_done() -> bool:
        return "Encounter/2:only" in started

    await write(database, planned("Encounter/1", step="first"), planned("Encounter/1", step="second"))
    await write(database, planned("Encounter/2", step="only"))
    async with working(database, deliver):
        await until(second_visit_done)
        await asyncio.sleep(0.05)
        assert "Encounter/1:second" not in started
        gate.set()
        await until(in_state(database, "done", "done", "done"))
    assert started.index("Encounter/1:first") < started.index("Encounter/1:second")


async def test_many_workers_deliver_each_row_once_and_in_order(database: Database) -> None:
    delivered: list[tuple[str, str]] = []

    async def deliver(attempt: Attempt) -> Settlement:
        await asyncio.sleep(0)
        delivered.append((attempt.row.visit, attempt.row.step))
        return done(attempt)

    steps = ("a", "b", "c")
    await write(database, *(planned(f"Encounter/{n}", step=step) for n in range(40) for step in steps))
    async with working(database, deliver, batch=7), working(database, deliver, batch=7), working(database, deliver):
        await until(in_state(database, *["done"] * 120))
    assert len(delivered) == 120
    for n in range(40):
        assert [step for visit, step in delivered if visit == f"Encounter/{n}"] == list(steps)


async def test_a_newer_version_renews_the_open_row_instead_of_doubling_it(database: Database) -> None:
    await write(database, planned("Encounter/1", version=1))
    await write(database, planned("Encounter/1", version=2))
    async with database.connection() as connection:
        await queue.take_in(connection)
    assert (await only(database))["source_version"] == 2


async def test_a_version_written_during_delivery_is_delivered_after_it(database: Database) -> None:
    seen: list[int] = []

    async def deliver(attempt: Attempt) -> Settlement:
        seen.append(attempt.row.source_version)
        if len(seen) == 1:
            await write(database, planned("Encounter/1", version=2))
            await until(taken_in)
        return done(attempt)

    async def taken_in() -> bool:
        return (await rows(database))[0]["newer"] == 2

    async with working(database, deliver):
        await write(database, planned("Encounter/1", version=1))
        await until(in_state(database, "done", "done"))
    assert seen == [1, 2]


async def test_unavailable_is_tried_again_later_and_then_parked(database: Database) -> None:
    await write(database, planned("Encounter/1"))
    async with working(database, raising(Unavailable("connection refused")), max_attempts=2):
        await until(in_state(database, "due"))

        async def failed_once() -> bool:
            return (await only(database))["attempts"] == 1

        await until(failed_once)
        row = await only(database)
        assert row["reason"]["code"] == "unavailable"
        assert row["due"] > row["created"]
        await fall_due(database)
        await until(in_state(database, "parked"))
    row = await only(database)
    assert row["reason"]["code"] == "exhausted"
    assert "connection refused" in row["reason"]["id"]
    assert f"gapura outbox retry {row['id']}" in row["reason"]["en"]


async def test_a_destination_that_answers_again_ends_the_waiting_of_all(database: Database) -> None:
    up = False

    async def deliver(attempt: Attempt) -> Settlement:
        if not up:
            raise Unavailable("down")
        return done(attempt)

    async def both_failed() -> bool:
        return [row["attempts"] for row in await rows(database)] == [1, 1]

    await write(database, planned("Encounter/1"), planned("Encounter/2"))
    async with database.connection() as connection:
        await queue.take_in(connection)
    async with working(database, deliver):
        await until(both_failed)
        async with database.connection() as connection:
            await connection.execute("UPDATE outbox SET due = now() + interval '1 hour' WHERE visit = 'Encounter/2'")
        up = True
        await until(in_state(database, "done", "done"))


async def test_the_destinations_own_pause_is_kept_and_costs_no_attempt(database: Database) -> None:
    await write(database, planned("Encounter/1"))
    async with working(database, raising(Throttled("slow down", retry_after=90.0))):

        async def throttled() -> bool:
            found = await rows(database)
            return bool(found) and found[0]["reason"] is not None

        await until(throttled)
    row = await only(database)
    assert row["state"] == "due"
    assert row["attempts"] == 0
    assert (row["due"] - row["created"]).total_seconds() > 80


async def test_a_refusal_is_parked_and_a_new_version_takes_it_up_again(database: Database) -> None:
    await write(database, planned("Encounter/1", version=1))
    async with working(database, raising(Refused("Tanggal rujukan tidak sesuai", code="201"))):
        await until(in_state(database, "parked"))
    row = await only(database)
    assert row["reason"]["code"] == "refused"
    assert "Tanggal rujukan tidak sesuai" in row["reason"]["en"]
    await write(database, planned("Encounter/1", version=2))

    async def deliver(attempt: Attempt) -> Settlement:
        return done(attempt)

    async with working(database, deliver):
        await until(in_state(database, "done"))


@pytest.mark.parametrize("changed", ["Encounter/1", "Patient/p"])
async def test_held_is_looked_at_again_when_what_it_read_changes(database: Database, changed: str) -> None:
    await write(database, planned("Encounter/1"))
    async with working(database, raising(Held("NIK"))):
        await until(in_state(database, "held"))
        await write(database, changed=("Patient/somebody-else",))
        await asyncio.sleep(0.1)
        assert (await only(database))["claims"] == 1
        await write(database, changed=(changed,))

        async def looked_again() -> bool:
            return (await only(database))["claims"] == 2

        await until(looked_again)


async def test_a_change_during_the_delivery_that_ends_in_held_is_not_missed(database: Database) -> None:
    async def deliver(attempt: Attempt) -> Settlement:
        if attempt.row.claims == 1:
            await write(database, changed=("Patient/p",))

            async def noticed() -> bool:
                return bool((await only(database))["stirred"])

            await until(noticed)
            raise Held("NIK")
        return done(attempt)

    await write(database, planned("Encounter/1"))
    async with working(database, deliver):
        await until(in_state(database, "done"))


async def test_a_held_row_is_looked_at_again_when_another_of_its_visit_is_done(database: Database) -> None:
    async def deliver(attempt: Attempt) -> Settlement:
        if attempt.row.operation == "test/needs" and attempt.row.claims == 1:
            raise Held("the other first")
        return done(attempt)

    await write(database, planned("Encounter/1", "test/needs"))
    async with working(database, deliver):
        await until(in_state(database, "held"))
        async with database.connection() as connection:
            await connection.execute("UPDATE outbox SET destination = 'elsewhere'")
        await write(database, planned("Encounter/1", "test/other"))
        await until(in_state(database, "due", "done"))


async def test_wrong_credentials_stop_the_queue_of_that_facility_only(database: Database) -> None:
    calls: list[str] = []

    async def deliver(attempt: Attempt) -> Settlement:
        calls.append(attempt.row.facility)
        if attempt.row.facility == SITE:
            raise Misconfigured("ClientId is Invalid")
        return done(attempt)

    async with working(database, deliver, batch=1):
        await write(database, planned("Encounter/1"))

        async def paused() -> bool:
            async with database.connection() as connection:
                return bool(await connection.fetch("SELECT FROM outbox_pause"))

        await until(paused)
        await write(database, planned("Encounter/2"))
        async with database.connection() as connection, connection.transaction():
            await queue.wish(connection, "elsewhere", [planned("Encounter/3")], [])

        async def other_done() -> bool:
            return any(r["state"] == "done" and r["facility"] == "elsewhere" for r in await rows(database))

        await until(other_done)
    assert calls.count(SITE) == 1


async def test_an_unknown_outcome_is_told_to_the_next_attempt(database: Database) -> None:
    seen: list[bool] = []

    async def deliver(attempt: Attempt) -> Settlement:
        seen.append(attempt.row.unsettled)
        async with attempt.sending():
            if len(seen) == 1:
                raise OutcomeUnknown("no reply within 20 s")
        return done(attempt)

    await write(database, planned("Encounter/1"))
    async with working(database, deliver):

        async def tried() -> bool:
            return bool(await rows(database)) and (await only(database))["attempts"] == 1

        await until(tried)
        await fall_due(database)
        await until(in_state(database, "done"))
    assert seen == [False, True]
    assert (await only(database))["unsettled"] is False


async def test_a_worker_that_died_while_sending_leaves_a_row_that_says_so(database: Database) -> None:
    await write(database, planned("Encounter/1"))
    async with database.connection() as connection:
        await queue.take_in(connection)
        (row,) = await queue.claim(connection, "test", 1, 0.05)
        assert await queue.mark_unsettled(connection, row)
    seen: list[bool] = []

    async def deliver(attempt: Attempt) -> Settlement:
        seen.append(attempt.row.unsettled)
        return done(attempt)

    async with working(database, deliver):
        await until(in_state(database, "done"))
    assert seen == [True]


async def test_a_worker_that_overslept_its_lease_changes_nothing(database: Database) -> None:
    await write(database, planned("Encounter/1"))
    async with database.connection() as connection:
        await queue.take_in(connection)
        (late,) = await queue.claim(connection, "test", 1, 0.0)
        (now,) = await queue.claim(connection, "test", 1, 60.0)
        assert await queue.settle(connection, [Settlement(late, "parked")]) == set()
        assert await queue.mark_unsettled(connection, late) is False
        assert await queue.extend(connection, [late, now], 60.0) == {now.id}
        assert await queue.settle(connection, [Settlement(now, "done")]) == {now.id}


async def test_a_defect_parks_its_row_and_the_others_go_on(database: Database) -> None:
    async def deliver(attempt: Attempt) -> Settlement:
        if attempt.row.visit == "Encounter/1":
            raise KeyError("oops")
        return done(attempt)

    await write(database, planned("Encounter/1"), planned("Encounter/2"))
    async with working(database, deliver):
        await until(in_state(database, "parked", "done"))
    assert (await rows(database))[0]["reason"]["code"] == "defect"


async def test_stopping_gives_leases_back_at_once(database: Database) -> None:
    claimed = asyncio.Event()

    async def deliver(attempt: Attempt) -> Settlement:
        claimed.set()
        await asyncio.sleep(3600)
        return done(attempt)

    await write(database, planned("Encounter/1"))
    async with working(database, deliver, stop_s=0.05):
        await claimed.wait()
    row = await only(database)
    assert row["state"] == "due"
    assert row["attempts"] == 0
