"""A full disk and a lost connection: a clear error, and nothing half-written."""

import asyncio

import pytest

from gateway.store import Change, Connection, Store, StoreFull, StoreUnavailable, Version, new_id
from gateway.store.pool import connect

HERE = "rs-melati"
PATIENT = {"resourceType": "Patient", "name": [{"text": "Budi"}]}

DISK_FULL = """
create function no_room() returns trigger language plpgsql as $$ begin
  raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$;
create trigger no_room before insert on string_index for each statement execute function no_room()"""


async def count(store: Store, table: str) -> int:
    async with store.connection() as connection:
        return int(await connection.fetchval(f"select count(*) from {table}"))


@pytest.mark.parametrize("many", [1, 300])
async def test_a_full_disk_keeps_nothing_of_the_write(store: Store, many: int) -> None:
    async with store.connection() as connection:
        await connection.execute(DISK_FULL)
    with pytest.raises(StoreFull):
        await store.write(HERE, [Change.create(PATIENT, new_id()) for _ in range(many)])
    assert [await count(store, t) for t in ("resource", "resource_version", "token_index")] == [0, 0, 0]
    async with store.connection() as connection:
        await connection.execute("drop trigger no_room on string_index")
    await store.write(HERE, [Change.create(PATIENT, new_id())])
    assert await count(store, "resource") == 1


async def test_what_another_room_refuses_undoes_the_write_and_only_that(store: Store) -> None:
    async def refuse(connection: Connection, versions: list[Version]) -> None:
        raise ZeroDivisionError

    ended = await asyncio.gather(
        *(store.write(HERE, [Change.create(PATIENT, new_id())]) for _ in range(5)),
        store.write(HERE, [Change.create(PATIENT, new_id())], also=refuse),
        return_exceptions=True,
    )
    assert [type(e) for e in ended if isinstance(e, Exception)] == [ZeroDivisionError]
    assert await count(store, "resource_version") == 5


async def test_the_audit_and_the_act_are_kept_together(store: Store) -> None:
    def audits(versions: list[Version]) -> list[dict[str, object]]:
        return [
            {
                "resourceType": "AuditEvent",
                "entity": [{"what": {"reference": v.reference}} for v in versions],
            }
        ]

    [written] = await store.write(HERE, [Change.create(PATIENT, new_id())], audits=audits)
    page = await store.search(HERE, "AuditEvent", [("entity", written.reference)])
    assert len(page.matches) == 1
    taken = Change.create(PATIENT, written.id)
    with pytest.raises(Exception, match=written.id):
        await store.write(HERE, [taken], audits=audits)
    assert await count(store, "resource where type = 'AuditEvent'") == 1


async def test_connections_that_were_cut_are_replaced(store: Store, database_url: str) -> None:
    [written] = await store.write(HERE, [Change.create(PATIENT, new_id())])
    administrator = await connect(database_url)
    try:
        await administrator.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )
        for _ in range(20):
            try:
                read = await store.read(HERE, "Patient", written.id)
                break
            except StoreUnavailable:
                continue
        assert read.content == written.content
    finally:
        await administrator.close()


async def test_a_connection_cut_during_a_write_is_said_and_keeps_nothing(store: Store, database_url: str) -> None:
    administrator = await connect(database_url)
    try:
        async with administrator.transaction():
            await administrator.execute("lock table resource_version in exclusive mode")
            writing = asyncio.create_task(store.write(HERE, [Change.create(PATIENT, new_id())]))
            waiting = None
            while waiting is None:
                waiting = await administrator.fetchval(
                    "select pid from pg_locks where not granted and database = "
                    "(select oid from pg_database where datname = current_database())"
                )
            await administrator.execute("select pg_terminate_backend($1)", waiting)
            with pytest.raises(StoreUnavailable):
                await writing
        assert await count(store, "resource") == 0
    finally:
        await administrator.close()


async def test_a_closed_store_says_so(store: Store) -> None:
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.read(HERE, "Patient", "x")
