"""Conditional create, update, delete and patch: criteria decide; rivals with the same criteria make one resource."""

import asyncio

import httpx

from tests.fhir.support import MRN, Json, create, error, patient

CRITERIA = f"identifier={MRN}|RM-1"
PATCH = {"Content-Type": "application/json-patch+json"}


async def count(client: httpx.AsyncClient) -> int:
    """How many patients there are."""
    found: Json = (await client.get("/Patient?_summary=count")).json()
    return int(found["total"])


async def test_create_unless_it_exists(client: httpx.AsyncClient) -> None:
    first = await client.post("/Patient", json=patient("RM-1"), headers={"If-None-Exist": CRITERIA})
    again = await client.post("/Patient", json=patient("RM-1"), headers={"If-None-Exist": CRITERIA})
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    assert await count(client) == 1


async def test_rivals_with_the_same_criteria_make_one_resource(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(
        *(client.post("/Patient", json=patient("RM-1"), headers={"If-None-Exist": CRITERIA}) for _ in range(8))
    )
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await count(client) == 1


async def test_criteria_that_meet_several_or_nothing_in_particular_are_refused(client: httpx.AsyncClient) -> None:
    for _ in range(2):
        await create(client, patient("RM-1"))
    error(await client.post("/Patient", json=patient(), headers={"If-None-Exist": CRITERIA}), 412, "GF-205")
    error(await client.put(f"/Patient?{CRITERIA}", json=patient("RM-1")), 412, "GF-205")
    error(await client.delete(f"/Patient?{CRITERIA}"), 412, "GF-205")
    error(await client.put("/Patient", json=patient()), 412, "GF-206")
    error(await client.delete("/Patient"), 412, "GF-206")
    error(await client.delete("/Patient?identifier="), 412, "GF-206")
    error(await client.delete("/Patient?_count=1"), 412, "GF-206")
    error(await client.delete("/Patient?nmae=x"), 400, "GF-401")
    assert await count(client) == 2


async def test_conditional_update_creates_then_updates(client: httpx.AsyncClient) -> None:
    made = await client.put(f"/Patient?{CRITERIA}", json=patient("RM-1"))
    assert made.status_code == 201
    changed = await client.put(f"/Patient?{CRITERIA}", json=patient("RM-1", active=True))
    assert changed.status_code == 200
    assert changed.json()["id"] == made.json()["id"]
    assert changed.headers["etag"] == 'W/"2"'
    other = await client.put(f"/Patient?{CRITERIA}", json=patient("RM-1", id="someone-else"))
    error(other, 400, "GF-207")
    own = await client.put(f"/Patient?identifier={MRN}|RM-2", json=patient("RM-2", id="pasien-2"))
    assert (own.status_code, own.json()["id"]) == (201, "pasien-2")
    taken = await client.put(f"/Patient?identifier={MRN}|RM-3", json=patient("RM-3", id="pasien-2"))
    error(taken, 412, "GF-208")


async def test_conditional_delete_removes_the_one_match(client: httpx.AsyncClient) -> None:
    stored = await create(client, patient("RM-1"))
    await create(client, patient("RM-2"))
    assert (await client.delete(f"/Patient?{CRITERIA}")).status_code == 204
    error(await client.get(f"/Patient/{stored['id']}"), 410)
    assert (await client.delete(f"/Patient?{CRITERIA}")).status_code == 204, "nothing to delete is no error"
    assert await count(client) == 1


async def test_conditional_patch_needs_its_match(client: httpx.AsyncClient) -> None:
    patch = '[{"op":"add","path":"/active","value":true}]'
    error(await client.patch(f"/Patient?{CRITERIA}", content=patch, headers=PATCH), 412, "GF-210")
    await create(client, patient("RM-1"))
    answer = await client.patch(f"/Patient?{CRITERIA}", content=patch, headers=PATCH)
    assert (answer.status_code, answer.json()["active"]) == (200, True)


async def test_criteria_in_the_address_of_a_create_mean_the_same(client: httpx.AsyncClient) -> None:
    first = await client.post(f"/Patient?{CRITERIA}", json=patient("RM-1"))
    again = await client.post(f"/Patient?{CRITERIA}", json=patient("RM-1"))
    assert (first.status_code, again.status_code) == (201, 200)
    assert await count(client) == 1
