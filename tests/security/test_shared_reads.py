"""Reads that share a statement: none sees what is another's, and none hurts another."""

import asyncio

import httpx
import pytest

from gateway.store import Change, NotFound, Store
from gateway.store.facilities import Place
from gateway.store.together import MOST, Reads
from tests.fhir.support import create, error, patient
from tests.support.server import MakeClient

MELATI, KENANGA = "rs-melati", "rs-kenanga"


async def written(store: Store, facility: str, count: int) -> None:
    """Patients 0, 1, … whose family is the facility."""
    people = ({"resourceType": "Patient", "name": [{"family": facility}]} for _ in range(count))
    await store.write(facility, [Change.update(person, str(number)) for number, person in enumerate(people)])


async def test_facilities_that_ask_at_once_each_get_their_own(store: Store) -> None:
    await written(store, MELATI, 20)
    await written(store, KENANGA, 20)
    asked = [(facility, str(number)) for number in range(20) for facility in (MELATI, KENANGA)]
    found = await asyncio.gather(*(store.read(facility, "Patient", id) for facility, id in asked))
    assert [(version.facility, version.id) for version in found] == asked
    assert all(version.facility.encode() in version.content for version in found)


async def test_who_may_not_read_gets_nothing_beside_those_who_may(make_client: MakeClient) -> None:
    admin, operator = await make_client("admin"), await make_client("operator", facility=MELATI)
    elsewhere, stranger = await make_client("reader", facility=KENANGA), await make_client(None)
    stored = await create(admin, patient())
    address = f"/Patient/{stored['id']}"
    askers = (admin, operator, elsewhere, stranger, admin)
    answers = await asyncio.gather(*(asker.get(address) for asker in askers for _ in range(5)))
    assert [answer.status_code for answer in answers[::5]] == [200, 403, 403, 401, 200]
    assert {answer.text for answer in answers[:5]} == {answers[0].text}
    for answer in answers[5:20]:
        assert stored["name"][0]["text"] not in answer.text
    hidden = await asyncio.gather(*(asker.get(f"http://gateway.test/{KENANGA}/fhir{address}") for asker in askers))
    assert error(hidden[2], 404, "GF-201")
    assert [answer.status_code for answer in hidden] == [404, 403, 404, 401, 404]


async def test_one_who_leaves_takes_nobody_along(store: Store) -> None:
    await written(store, MELATI, 10)
    for turns in (0, 1, 2):
        tasks = [asyncio.create_task(store.read(MELATI, "Patient", str(number))) for number in range(10)]
        for _ in range(turns):
            await asyncio.sleep(0)
        tasks[0].cancel()
        tasks[7].cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(one, asyncio.CancelledError) for one in found] == [n in (0, 7) for n in range(10)]
        assert [one.id for one in found if not isinstance(one, BaseException)] == list("12345689")


@pytest.mark.parametrize("id", ["a\0b", "\ud800", "é", "x" * 100_000, "' or true --", ""])
async def test_an_impossible_id_hurts_nobody_else(store: Store, id: str) -> None:
    await written(store, MELATI, 2)
    asked = [store.read(MELATI, "Patient", one) for one in ("0", id, "1")]
    first, none, last = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(none, NotFound)
    assert [one.id for one in (first, last) if not isinstance(one, BaseException)] == ["0", "1"]


async def test_more_than_one_statement_takes_are_all_answered(store: Store) -> None:
    await written(store, MELATI, MOST // 2)
    asked = [str(number % (MOST // 2)) for number in range(2 * MOST + 1)]
    found = await asyncio.gather(*(store.read(MELATI, "Patient", id) for id in asked))
    assert [version.id for version in found] == asked


async def test_a_statement_given_up_is_given_up_by_those_alone_who_share_it(store: Store) -> None:
    await written(store, MELATI, 2)
    place: Place = store._facilities[MELATI]
    reads = Reads(store.connection, 0)
    late = await asyncio.gather(*(reads.row(place, "Patient", id) for id in "01"), return_exceptions=True)
    assert [type(one) for one in late] == [TimeoutError, TimeoutError]
    assert (await store.read(MELATI, "Patient", "1")).id == "1"


async def test_a_caller_who_is_out_of_time_leaves_the_others_their_answer(client: httpx.AsyncClient) -> None:
    stored = await create(client, patient())
    address = f"/Patient/{stored['id']}"

    async def impatient() -> None:
        async with asyncio.timeout(0):
            await client.get(address)

    answers = await asyncio.gather(*(client.get(address) for _ in range(5)), impatient(), return_exceptions=True)
    assert [getattr(answer, "status_code", None) for answer in answers] == [200] * 5 + [None]
    assert (await client.get(address)).status_code == 200
