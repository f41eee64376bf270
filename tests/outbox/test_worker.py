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
from gateway.outbox import Attempt, Settlement, queue
from gateway.store import Store
from tests.outbox.support import SITE, planned, rows, until, working, write


def done(attempt: Attempt) -> Settlement:
    return Settlement(attempt.row, "done", result={"remote": "R/1"})


def raising(error: DestinationError) -> Callable[[Attempt], Awaitable[Settlement]]:
    async def deliver(attempt: Attempt) -> Settlement:
        attempt.watches = frozenset({"Patient/p"})
        raise error

    return deliver


def in_state(store: Store, *states: str) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return [row["state"] for row in await rows(store)] == list(states)

    return look


async def only(store: Store) -> dict[str, Any]:
    (row,) = await rows(store)
    return row


async def fall_due(store: Store) -> None:
    async with store.connection() as connection:
        await connection.execute("UPDATE outbox SET due = now() - interval '1 second' WHERE state = 'due'")


async def test_a_written_wish_is_delivered_and_its_result_kept(store: Store) -> None:
    async def deliver(attempt: Attempt) -> Settlement:
        return done(attempt)

    async with working(store, deliver):
        await write(store, planned("Encounter/1"))
        await until(in_state(store, "done"))
    row = await only(store)
    assert row["result"] == {"remote": "R/1"}
    assert row["finished"] is not None


async def test_a_wish_of_a_rolled_back_write_is_never_delivered(store: Store) -> None:
    async with store.connection() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await queue.wish(connection, SITE, [planned("Encounter/1")], [])
        await transaction.rollback()
        await queue.take_in(connection)
    assert await rows(store) == []


async def test_rows_of_a_visit_go_in_order_and_other_visits_do_not_wait(store: Store) -> None:
    started: list[str] = []
    gate = asyncio.Event()

    async def deliver(attempt: Attempt) -> Settlement:
        started.append(f"{attempt.row.visit}:{attempt.row.step}")
        if attempt.row.step == "first":
            await gate.wait()
        return done(attempt)

    async def second_visit_done() -> bool:
        return "Encounter/2:only" in started

    await write(store, planned("Encounter/1", step="first"), planned("Encounter/1", step="second"))
    await write(store, planned("Encounter/2", step="only"))
    async with working(store, deliver):
        await until(second_visit_done)
        await asyncio.sleep(0.05)
        assert "Encounter/1:second" not in started
        gate.set()
        await until(in_state(store, "done", "done", "done"))
    assert started.index("Encounter/1:first") < started.index("Encounter/1:second")


async def test_a_step_that_comes_late_still_goes_before_the_later_steps(store: Store) -> None:
    await write(store, planned("Encounter/1", step="close", rank=2))
    await write(store, planned("Encounter/1", step="clinical", rank=1))
    order: list[str] = []

    async def deliver(attempt: Attempt) -> Settlement:
        order.append(attempt.row.step)
        return done(attempt)

    async with store.connection() as connection:
        await queue.take_in(connection)
    async with working(store, deliver):
        await until(in_state(store, "done", "done"))
    assert order == ["clinical", "close"]


async def test_what_was_refused_is_not_asked_again_until_it_is_different(store: Store) -> None:
    contents = iter([b"wrong", b"wrong", b"right"])
    asked: list[bytes] = []

    async def deliver(attempt: Attempt) -> Settlement:
        attempt.watches = frozenset({"Patient/p"})
        content = next(contents)
        async with attempt.sending("test", content):
            asked.append(content)
            if content == b"wrong":
                raise Refused("No.Telepon Diisi Dengan Benar")
        return done(attempt)

    async def claimed_and_parked() -> bool:
        row = await only(store)
        return row["claims"] == 2 and row["state"] == "parked"

    await write(store, planned("Encounter/1"))
    async with working(store, deliver):
        await until(in_state(store, "parked"))
        await write(store, changed=("Patient/p",))
        await until(claimed_and_parked)
        assert "No.Telepon" in (await only(store))["reason"]["id"]
        await write(store, changed=("Patient/p",))
        await until(in_state(store, "done"))
    assert asked == [b"wrong", b"right"]


async def test_many_workers_deliver_each_row_once_and_in_order(store: Store) -> None:
    delivered: list[tuple[str, str]] = []

    async def deliver(attempt: Attempt) -> Settlement:
        await asyncio.sleep(0)
        delivered.append((attempt.row.visit, attempt.row.step))
        return done(attempt)

    steps = ("a", "b", "c")
    await write(store, *(planned(f"Encounter/{n}", step=step) for n in range(40) for step in steps))
    async with working(store, deliver, batch=7), working(store, deliver, batch=7), working(store, deliver):
        await until(in_state(store, *["done"] * 120))
    assert len(delivered) == 120
    for n in range(40):
        assert [step for visit, step in delivered if visit == f"Encounter/{n}"] == list(steps)


async def test_a_newer_version_renews_the_open_row_instead_of_doubling_it(store: Store) -> None:
    await write(store, planned("Encounter/1", version=1))
    await write(store, planned("Encounter/1", version=2))
    async with store.connection() as connection:
        await queue.take_in(connection)
    assert (await only(store))["source_version"] == 2


async def test_a_version_written_during_delivery_is_delivered_after_it(store: Store) -> None:
    seen: list[int] = []

    async def deliver(attempt: Attempt) -> Settlement:
        seen.append(attempt.row.source_version)
        if len(seen) == 1:
            await write(store, planned("Encounter/1", version=2))
            await until(taken_in)
        return done(attempt)

    async def taken_in() -> bool:
        return (await rows(store))[0]["newer"] == 2

    async with working(store, deliver):
        await write(store, planned("Encounter/1", version=1))
        await until(in_state(store, "done", "done"))
    assert seen == [1, 2]


async def test_unavailable_is_tried_again_later_and_then_parked(store: Store) -> None:
    await write(store, planned("Encounter/1"))
    async with working(store, raising(Unavailable("connection refused")), max_attempts=2):
        await until(in_state(store, "due"))

        async def failed_once() -> bool:
            return (await only(store))["attempts"] == 1

        await until(failed_once)
        row = await only(store)
        assert row["reason"]["code"] == "unavailable"
        assert row["due"] > row["created"]
        await fall_due(store)
        await until(in_state(store, "parked"))
    row = await only(store)
    assert row["reason"]["code"] == "exhausted"
    assert "connection refused" in row["reason"]["id"]
    assert f"gapura outbox retry {row['id']}" in row["reason"]["en"]


async def test_a_destination_that_answers_again_ends_the_waiting_of_all(store: Store) -> None:
    up = False

    async def deliver(attempt: Attempt) -> Settlement:
        if not up:
            raise Unavailable("down")
        return done(attempt)

    async def both_failed() -> bool:
        return [row["attempts"] for row in await rows(store)] == [1, 1]

    await write(store, planned("Encounter/1"), planned("Encounter/2"))
    async with store.connection() as connection:
        await queue.take_in(connection)
    async with working(store, deliver):
        await until(both_failed)
        async with store.connection() as connection:
            await connection.execute("UPDATE outbox SET due = now() + interval '1 hour' WHERE visit = 'Encounter/2'")
        up = True
        await until(in_state(store, "done", "done"))


async def test_the_destinations_own_pause_is_kept_and_costs_no_attempt(store: Store) -> None:
    await write(store, planned("Encounter/1"))
    async with working(store, raising(Throttled("slow down", retry_after=90.0))):

        async def throttled() -> bool:
            found = await rows(store)
            return bool(found) and found[0]["reason"] is not None

        await until(throttled)
    row = await only(store)
    assert row["state"] == "due"
    assert row["attempts"] == 0
    assert (row["due"] - row["created"]).total_seconds() > 80


async def test_a_refusal_is_parked_and_a_new_version_takes_it_up_again(store: Store) -> None:
    await write(store, planned("Encounter/1", version=1))
    async with working(store, raising(Refused("Tanggal rujukan tidak sesuai", code="201"))):
        await until(in_state(store, "parked"))
    row = await only(store)
    assert row["reason"]["code"] == "refused"
    assert "Tanggal rujukan tidak sesuai" in row["reason"]["en"]
    await write(store, planned("Encounter/1", version=2))

    async def deliver(attempt: Attempt) -> Settlement:
        return done(attempt)

    async with working(store, deliver):
        await until(in_state(store, "done"))


@pytest.mark.parametrize("changed", ["Encounter/1", "Patient/p"])
async def test_held_is_looked_at_again_when_what_it_read_changes(store: Store, changed: str) -> None:
    await write(store, planned("Encounter/1"))
    async with working(store, raising(Held("NIK"))):
        await until(in_state(store, "held"))
        await write(store, changed=("Patient/somebody-else",))
        await asyncio.sleep(0.1)
        assert (await only(store))["claims"] == 1
        await write(store, changed=(changed,))

        async def looked_again() -> bool:
            return (await only(store))["claims"] == 2

        await until(looked_again)


async def test_a_change_during_the_delivery_that_ends_in_held_is_not_missed(store: Store) -> None:
    async def deliver(attempt: Attempt) -> Settlement:
        if attempt.row.claims == 1:
            await write(store, changed=("Patient/p",))

            async def noticed() -> bool:
                return bool((await only(store))["stirred"])

            await until(noticed)
            raise Held("NIK")
        return done(attempt)

    await write(store, planned("Encounter/1"))
    async with working(store, deliver):
        await until(in_state(store, "done"))


async def test_a_held_row_is_looked_at_again_when_another_of_its_visit_is_done(store: Store) -> None:
    async def deliver(attempt: Attempt) -> Settlement:
        if attempt.row.operation == "test/needs" and attempt.row.claims == 1:
            raise Held("the other first")
        return done(attempt)

    await write(store, planned("Encounter/1", "test/needs"))
    async with working(store, deliver):
        await until(in_state(store, "held"))
        async with store.connection() as connection:
            await connection.execute("UPDATE outbox SET destination = 'elsewhere'")
        await write(store, planned("Encounter/1", "test/other"))
        await until(in_state(store, "due", "done"))


async def test_wrong_credentials_stop_the_queue_of_that_facility_only(store: Store) -> None:
    calls: list[str] = []

    async def deliver(attempt: Attempt) -> Settlement:
        calls.append(attempt.row.facility)
        if attempt.row.facility == SITE:
            raise Misconfigured("ClientId is Invalid")
        return done(attempt)

    async with working(store, deliver, batch=1):
        await write(store, planned("Encounter/1"))

        async def paused() -> bool:
            async with store.connection() as connection:
                return bool(await connection.fetch("SELECT FROM outbox_pause"))

        await until(paused)
        await write(store, planned("Encounter/2"))
        async with store.connection() as connection, connection.transaction():
            await queue.wish(connection, "elsewhere", [planned("Encounter/3")], [])

        async def other_done() -> bool:
            return any(r["state"] == "done" and r["facility"] == "elsewhere" for r in await rows(store))

        await until(other_done)
    assert calls.count(SITE) == 1


async def test_an_unknown_outcome_is_told_to_the_next_attempt(store: Store) -> None:
    seen: list[bool] = []

    async def deliver(attempt: Attempt) -> Settlement:
        seen.append(attempt.row.unsettled)
        async with attempt.sending("POST test", b"content"):
            if len(seen) == 1:
                raise OutcomeUnknown("no reply within 20 s")
        return done(attempt)

    await write(store, planned("Encounter/1"))
    async with working(store, deliver):

        async def tried() -> bool:
            return bool(await rows(store)) and (await only(store))["attempts"] == 1

        await until(tried)
        await fall_due(store)
        await until(in_state(store, "done"))
    assert seen == [False, True]
    assert (await only(store))["unsettled"] is False


async def test_a_worker_that_died_while_sending_leaves_a_row_that_says_so(store: Store) -> None:
    await write(store, planned("Encounter/1"))
    async with store.connection() as connection:
        await queue.take_in(connection)
        (row,) = await queue.claim(connection, "test", 1, 0.05)
        assert await queue.mark_unsettled(connection, row, "POST", b"x")
    seen: list[bool] = []

    async def deliver(attempt: Attempt) -> Settlement:
        seen.append(attempt.row.unsettled)
        return done(attempt)

    async with working(store, deliver):
        await until(in_state(store, "done"))
    assert seen == [True]


async def test_a_worker_that_overslept_its_lease_changes_nothing(store: Store) -> None:
    await write(store, planned("Encounter/1"))
    async with store.connection() as connection:
        await queue.take_in(connection)
        (late,) = await queue.claim(connection, "test", 1, 0.0)
        (now,) = await queue.claim(connection, "test", 1, 60.0)
        assert await queue.settle(connection, [Settlement(late, "parked")]) == set()
        assert await queue.mark_unsettled(connection, late, "POST", b"x") is None
        assert await queue.extend(connection, [late, now], 60.0) == {now.id}
        assert await queue.settle(connection, [Settlement(now, "done")]) == {now.id}


async def test_a_defect_parks_its_row_and_the_others_go_on(store: Store) -> None:
    async def deliver(attempt: Attempt) -> Settlement:
        if attempt.row.visit == "Encounter/1":
            raise KeyError("oops")
        return done(attempt)

    await write(store, planned("Encounter/1"), planned("Encounter/2"))
    async with working(store, deliver):
        await until(in_state(store, "parked", "done"))
    assert (await rows(store))[0]["reason"]["code"] == "defect"


async def test_stopping_gives_leases_back_at_once(store: Store) -> None:
    claimed = asyncio.Event()

    async def deliver(attempt: Attempt) -> Settlement:
        claimed.set()
        await asyncio.sleep(3600)
        return done(attempt)

    await write(store, planned("Encounter/1"))
    async with working(store, deliver, stop_s=0.05):
        await claimed.wait()
    row = await only(store)
    assert row["state"] == "due"
    assert row["attempts"] == 0


async def test_rows_set_aside_behind_a_held_one_come_back_when_it_is_done(store: Store) -> None:
    mended = False

    async def deliver(attempt: Attempt) -> Settlement:
        if not mended:
            raise Held("NIK")
        return done(attempt)

    await write(store, planned("Encounter/1", step="first"), planned("Encounter/1", step="second", rank=1))
    async with working(store, deliver):
        await until(in_state(store, "held", "due"))
        async with store.connection() as connection:
            await queue.set_aside(connection, "test")
            assert await queue.next_due(connection, "test") is None
        assert (await rows(store))[1]["due"].year == 9999
        mended = True
        await write(store, changed=("Encounter/1",))
        await until(in_state(store, "done", "done"))


async def test_rows_set_aside_without_need_are_brought_back(store: Store) -> None:
    await write(store, planned("Encounter/1"))
    async with store.connection() as connection:
        await queue.take_in(connection)
        await connection.execute("UPDATE outbox SET due = 'infinity'")
        assert await queue.claim(connection, "test", 1, 60.0) == []
        await queue.set_aside(connection, "test")
        assert len(await queue.claim(connection, "test", 1, 60.0)) == 1
