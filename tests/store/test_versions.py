"""Create, update, delete, read and history as a client would notice them."""

import asyncio
from collections.abc import Sequence

import asyncpg
import pytest

from gateway.store import (
    Change,
    Gone,
    Insertion,
    NotFound,
    PreconditionFailed,
    Store,
    StoreUnavailable,
    UnknownFacility,
    Version,
    VersionConflict,
    When,
    new_id,
)
from profiles import fhirjson

HERE, THERE = "rs-melati", "rs-kenanga"


def patient(family: str = "Budi") -> fhirjson.Resource:
    return {"resourceType": "Patient", "name": [{"family": family}]}


async def created(store: Store, resource: fhirjson.Resource, facility: str = HERE) -> Version:
    [version] = await store.write(facility, [Change.create(resource, new_id())])
    return version


async def test_a_created_resource_is_read_back_with_only_id_and_meta_added(store: Store) -> None:
    raw = b'{"resourceType":"Observation","meta":{"source":"urn:x"},"valueQuantity":{"value":1.00,"unit":"\xc2\xb5g"}}'
    written = await created(store, fhirjson.decode(raw))
    answered = await store.read(HERE, "Observation", written.id)
    assert answered.content == written.content
    assert b'"value":1.00' in answered.content
    back = fhirjson.decode(answered.content)
    assert back.pop("id") == written.id
    assert back["meta"].pop("versionId") == "1"
    assert back["meta"].pop("lastUpdated") == written.last_updated.isoformat(timespec="milliseconds").replace(
        "+00:00", "Z"
    )
    assert back == fhirjson.decode(raw)


async def test_text_of_every_kind_is_kept_and_found(store: Store) -> None:
    names = ['kata "kutip"', "garis \\ miring", "{kurung, koma}", "NULL", "", "émigré\tdua"]
    for name in names:
        await created(store, {"resourceType": "Patient", "name": [{"text": f"x{name}"}]})
    for name in names:
        asked = [("name:exact", f"x{name}".replace("\\", "\\\\").replace(",", "\\,"))]
        page = await store.search(HERE, "Patient", asked)
        assert [fhirjson.decode(v.content)["name"][0]["text"] for v in page.matches] == [f"x{name}"]


async def test_every_version_stays_readable(store: Store) -> None:
    first = await created(store, patient("Budi"))
    [second] = await store.write(HERE, [Change.update(patient("Santoso"), first.id, expected=1)])
    assert (second.version, second.created) == (2, False)
    assert (await store.read(HERE, "Patient", first.id)).content == second.content
    assert (await store.vread(HERE, "Patient", first.id, 1)).content == first.content
    with pytest.raises(NotFound):
        await store.vread(HERE, "Patient", first.id, 3)


async def test_an_update_may_create_under_the_clients_own_id(store: Store) -> None:
    [version] = await store.write(HERE, [Change.update(patient(), "rm-0042")])
    assert version.created
    assert version.reference == "Patient/rm-0042"


async def test_a_stale_expected_version_writes_nothing(store: Store) -> None:
    first = await created(store, patient())
    await store.write(HERE, [Change.update(patient("Kedua"), first.id)])
    other = Change.create(patient("Lain"), new_id())
    with pytest.raises(VersionConflict) as conflict:
        await store.write(HERE, [other, Change.update(patient("Ketiga"), first.id, expected=1)])
    assert (conflict.value.expected, conflict.value.current) == (1, 2)
    with pytest.raises(NotFound):
        await store.read(HERE, "Patient", other.id)


async def test_an_expected_version_of_what_never_was_is_a_conflict(store: Store) -> None:
    with pytest.raises(VersionConflict):
        await store.write(HERE, [Change.update(patient(), "baru", expected=1)])


async def test_creating_under_an_id_in_use_is_a_conflict(store: Store) -> None:
    first = await created(store, patient())
    with pytest.raises(VersionConflict):
        await store.write(HERE, [Change.create(patient("Lain"), first.id)])
    assert (await store.read(HERE, "Patient", first.id)).version == 1


async def test_a_deleted_resource_is_gone_keeps_its_history_and_may_come_back(store: Store) -> None:
    first = await created(store, patient())
    [gone] = await store.write(HERE, [Change.delete("Patient", first.id)])
    assert gone.deleted
    with pytest.raises(Gone) as raised:
        await store.read(HERE, "Patient", first.id)
    assert raised.value.version == 2
    assert (await store.vread(HERE, "Patient", first.id, 1)).content == first.content
    with pytest.raises(Gone):
        await store.vread(HERE, "Patient", first.id, 2)
    [back] = await store.write(HERE, [Change.update(patient(), first.id)])
    assert back.version == 3
    page = await store.history(HERE, "Patient", first.id)
    assert [(v.version, v.method) for v in page.matches] == [(3, "PUT"), (2, "DELETE"), (1, "POST")]


async def test_deleting_what_is_not_there_is_no_error_and_makes_no_version(store: Store) -> None:
    assert await store.write(HERE, [Change.delete("Patient", "tidak-ada")]) == []
    first = await created(store, patient())
    await store.write(HERE, [Change.delete("Patient", first.id)])
    assert await store.write(HERE, [Change.delete("Patient", first.id)]) == []


async def test_patching_what_is_not_there_says_so(store: Store) -> None:
    with pytest.raises(NotFound):
        await store.write(HERE, [Change.update(patient(), "tidak-ada", method="PATCH")])
    first = await created(store, patient())
    await store.write(HERE, [Change.delete("Patient", first.id)])
    with pytest.raises(Gone):
        await store.write(HERE, [Change.update(patient(), first.id, method="PATCH")])


async def test_one_resource_twice_in_a_write_is_refused(store: Store) -> None:
    with pytest.raises(PreconditionFailed, match="Patient/a"):
        await store.write(HERE, [Change.update(patient(), "a"), Change.update(patient("B"), "a")])


async def test_concurrent_updates_of_one_resource_each_get_a_version(store: Store) -> None:
    first = await created(store, patient())
    written = await asyncio.gather(
        *(store.write(HERE, [Change.update(patient(f"Nama {n}"), first.id)]) for n in range(40))
    )
    assert sorted(v.version for [v] in written) == list(range(2, 42))


async def test_of_concurrent_updates_with_one_expected_version_one_wins(store: Store) -> None:
    first = await created(store, patient())
    ended = await asyncio.gather(
        *(store.write(HERE, [Change.update(patient(f"Nama {n}"), first.id, expected=1)]) for n in range(6)),
        return_exceptions=True,
    )
    assert [type(e) for e in ended if isinstance(e, Exception)] == [VersionConflict] * 5
    assert (await store.read(HERE, "Patient", first.id)).version == 2


async def test_concurrent_creates_share_commits_and_one_that_fails_fails_alone(store: Store) -> None:
    taken = await created(store, patient())
    ended = await asyncio.gather(
        *(store.write(HERE, [Change.create(patient(), new_id())]) for _ in range(10)),
        store.write(HERE, [Change.create(patient(), taken.id)]),
        *(store.write(HERE, [Change.create(patient(), new_id())]) for _ in range(10)),
        return_exceptions=True,
    )
    assert [type(e) for e in ended if isinstance(e, Exception)] == [VersionConflict]
    assert len((await store.history(HERE, "Patient", count=100)).matches) == 21


async def test_many_changes_of_a_transaction_are_kept_whole_or_not_at_all(store: Store) -> None:
    taken = await created(store, patient())
    inside = {"resourceType": "Patient", "contained": [{"resourceType": "Organization", "id": "o", "name": "Melati"}]}
    many = [Change.create(inside | {"managingOrganization": {"reference": "#o"}}, new_id()) for _ in range(130)]
    for place in (0, 60, 130):
        bad = [*many[:place], Change.create(patient(), taken.id), *many[place:]]
        with pytest.raises(VersionConflict):
            async with store.transaction(HERE) as transaction:
                await transaction.write(bad)
    async with store.transaction(HERE) as transaction:
        versions = await transaction.write([*many, Change.update(patient("Sari"), taken.id)])
        found = await transaction.search("Patient", [("organization.name", "melati"), ("_count", "200")])
    assert len(found.matches) == 130
    assert [v.reference for v in versions] == [*(c.reference for c in many), taken.reference]
    assert len((await store.history(HERE, "Patient", count=500)).matches) == 132


@pytest.mark.parametrize("place", [0, 60, 129])
async def test_many_changes_that_fail_under_way_leave_nothing(store: Store, place: int) -> None:
    async with store.connection() as connection:
        await connection.execute(REFUSED)
    many = [Change.create(patient(), "ditolak" if n == place else new_id()) for n in range(130)]
    with pytest.raises(asyncpg.RaiseError):
        async with store.transaction(HERE) as transaction:
            await transaction.write(many)
    assert not (await store.history(HERE, "Patient", count=500)).matches
    await created(store, patient())


REFUSED = """
create function refused() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$;
create trigger refused before insert on resource for each row when (new.id = 'ditolak') execute function refused()"""


async def test_what_is_inserted_with_a_write_is_kept_with_it_and_only_then(store: Store) -> None:
    async with store.connection() as connection:
        await connection.execute("create table told (reference text)")
    told = Insertion(lambda first: f"insert into told select unnest(${first}::text[])", lambda made: [references(made)])
    taken = await created(store, patient())
    changes = [Change.create(patient(), new_id()) for _ in range(20)]
    changes.insert(10, Change.create(patient(), taken.id))
    done = await asyncio.gather(*(store.write(HERE, [change], also=told) for change in changes), return_exceptions=True)
    assert [n for n, outcome in enumerate(done) if isinstance(outcome, VersionConflict)] == [10]
    await store.write(HERE, [Change.update(patient("Sari"), taken.id)], also=told)
    async with store.transaction(HERE) as transaction:
        versions = await transaction.write([Change.delete("Patient", taken.id)])
        await told(transaction.connection, versions)
    async with store.connection() as connection:
        kept = [row[0] for row in await connection.fetch("select reference from told")]
    assert sorted(kept) == sorted([*(c.reference for n, c in enumerate(changes) if n != 10), *[taken.reference] * 2])


def references(versions: Sequence[Version]) -> list[str]:
    return [version.reference for version in versions]


async def test_a_write_that_waits_for_anothers_lock_holds_up_no_other(store: Store) -> None:
    held = await created(store, patient())
    async with store.transaction(HERE) as transaction:
        await transaction.write([Change.update(patient("Sari"), held.id)])
        waiting = asyncio.create_task(store.write(HERE, [Change.update(patient("Tono"), held.id)]))
        others = [asyncio.create_task(created(store, patient())) for _ in range(3)]
        done, _ = await asyncio.wait(others, timeout=30)
        assert len(done) == 3
        assert not waiting.done()
    [version] = await waiting
    assert version.version == 3


async def test_a_large_write_is_kept_whole_or_not_at_all(store: Store) -> None:
    taken = await created(store, patient())
    many = [Change.create(patient(f"Pasien {n}"), new_id()) for n in range(300)]
    with pytest.raises(VersionConflict):
        await store.write(HERE, [*many, Change.create(patient(), taken.id)])
    assert len((await store.history(HERE, count=1000)).matches) == 1
    versions = await store.write(HERE, [*many, Change.update(patient("Baru"), taken.id)])
    assert [v.id for v in versions] == [c.id for c in many] + [taken.id]
    assert len((await store.history(HERE, count=1000)).matches) == 302


async def test_no_read_crosses_from_one_facility_to_another(store: Store) -> None:
    mine = await created(store, patient())
    with pytest.raises(NotFound):
        await store.read(THERE, "Patient", mine.id)
    with pytest.raises(NotFound):
        await store.vread(THERE, "Patient", mine.id, 1)
    with pytest.raises(NotFound):
        await store.history(THERE, "Patient", mine.id)
    assert (await store.history(THERE)).matches == []
    [theirs] = await store.write(THERE, [Change.update(patient("Lain"), mine.id)])
    assert theirs.version == 1
    assert (await store.read(HERE, "Patient", mine.id)).content == mine.content
    with pytest.raises(UnknownFacility):
        await store.read("rs-tidak-ada", "Patient", mine.id)


async def test_reads_asked_for_at_once_are_each_answered_with_their_own(store: Store) -> None:
    kept = [await created(store, patient(f"Keluarga {n}")) for n in range(5)]
    [theirs] = await store.write(THERE, [Change.update(patient("Lain"), kept[0].id)])
    lost = await created(store, patient())
    await store.write(HERE, [Change.delete("Patient", lost.id)])
    asked = [*kept, kept[0], lost]
    reading = [asyncio.create_task(store.read(HERE, "Patient", version.id)) for version in asked]
    none = asyncio.create_task(store.read(HERE, "Patient", "tidak-ada"))
    other_type = asyncio.create_task(store.read(HERE, "Encounter", kept[0].id))
    there = asyncio.create_task(store.read(THERE, "Patient", kept[0].id))
    await asyncio.sleep(0)
    reading[1].cancel()
    answers = await asyncio.gather(*reading, none, other_type, there, return_exceptions=True)
    assert [type(answer) for answer in answers[1::5]] == [asyncio.CancelledError, Gone]
    assert [answers[n] for n in (0, 2, 3, 4, 5)] == [kept[n] for n in (0, 2, 3, 4, 0)]
    assert [type(answer) for answer in answers[7:9]] == [NotFound, NotFound]
    assert answers[9] == theirs


async def test_readers_who_share_a_statement_share_its_failure(store: Store) -> None:
    written = await created(store, patient())
    await store._pool.close()
    answers = await asyncio.gather(*(store.read(HERE, "Patient", written.id) for _ in range(3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [StoreUnavailable] * 3


async def test_history_pages_do_not_move_when_others_write(store: Store) -> None:
    for n in range(5):
        await store.write(HERE, [Change.update(patient(f"Nama {n}"), "a")])
    await store.write(HERE, [Change.update({"resourceType": "Basic", "code": {"text": "x"}}, "b")])
    first = await store.history(HERE, count=3)
    assert [v.reference for v in first.matches] == ["Basic/b", "Patient/a", "Patient/a"]
    await store.write(HERE, [Change.update(patient("Baru"), "a")])
    assert first.next
    second = await store.history(HERE, count=3, cursor=first.next)
    assert [v.version for v in second.matches] == [3, 2, 1]
    assert second.next is None


async def test_history_since_and_until(store: Store) -> None:
    first = await created(store, patient())
    await asyncio.sleep(0.005)
    [second] = await store.write(HERE, [Change.update(patient("Dua"), first.id)])
    since = await store.history(HERE, "Patient", first.id, When(since=second.last_updated))
    until = await store.history(HERE, "Patient", first.id, When(until=first.last_updated))
    assert [v.version for v in since.matches] == [2]
    assert [v.version for v in until.matches] == [1]
