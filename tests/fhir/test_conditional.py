"""Conditional create, update, delete and patch: criteria decide; rivals with the same criteria make one resource."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
import yaml

from gateway.app import create_app
from gateway.security import keys
from gateway.settings import Settings
from tests.fhir.support import MRN, Json, bundle, create, entry, error, patient
from tests.support.database import FACILITIES

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
    error(taken, 409, "GF-214")


async def test_conditional_delete_removes_the_one_match(client: httpx.AsyncClient) -> None:
    stored = await create(client, patient("RM-1"))
    await create(client, patient("RM-2"))
    assert (await client.delete(f"/Patient?{CRITERIA}")).status_code == 204
    error(await client.get(f"/Patient/{stored['id']}"), 410)
    assert (await client.delete(f"/Patient?{CRITERIA}")).status_code == 204, "nothing to delete is no error"
    assert await count(client) == 1


@pytest.fixture
async def deleting(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a facility where a conditional delete may remove many."""
    facilities = [{**row, "delete_many": True} for row in FACILITIES]
    (settings.home / "many.yaml").write_text(yaml.safe_dump(facilities), "utf-8")
    few = {"facilities_file": settings.home / "many.yaml", "max_page_size": 3}
    app = create_app(Settings(home=settings.home, database_url=settings.database_url, _env_file=None, **few))
    async with app.router.lifespan_context(app):
        async with app.state.services.store.connection() as connection:
            key = await keys.create(connection, "admin", None, "admin")
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {key}", "Accept-Language": "en"}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://gateway.test/fhir", headers=headers
        ) as client:
            yield client


async def test_a_facility_may_let_a_conditional_delete_remove_many(deleting: httpx.AsyncClient) -> None:
    (rest,) = (await deleting.get("/metadata")).json()["rest"]
    kinds = {resource["type"]: resource["conditionalDelete"] for resource in rest["resource"]}
    assert (kinds["Patient"], kinds["AuditEvent"]) == ("multiple", "not-supported")
    stored = [await create(deleting, patient("RM-1")) for _ in range(3)]
    other = await create(deleting, patient("RM-2"))
    error(await deleting.put(f"/Patient?{CRITERIA}", json=patient("RM-1")), 412, "GF-205")
    assert (await deleting.delete(f"/Patient?{CRITERIA}")).status_code == 204
    for one in stored:
        error(await deleting.get(f"/Patient/{one['id']}"), 410, "GF-202")
    assert (await deleting.get(f"/Patient/{other['id']}")).status_code == 200
    (event,) = (await deleting.get("/AuditEvent?action=D")).json()["entry"]
    written = {one["what"]["reference"] for one in event["resource"]["entity"]}
    assert {f"Patient/{one['id']}/_history/2" for one in stored} <= written, "the trail names every one"


async def test_more_than_a_page_is_not_deleted_at_once(deleting: httpx.AsyncClient) -> None:
    for _ in range(4):
        await create(deleting, patient("RM-1"))
    issue = error(await deleting.delete(f"/Patient?{CRITERIA}"), 412, "GF-205")
    assert "more than 3" in issue["details"]["text"]
    assert await count(deleting) == 4


async def test_many_may_be_deleted_in_a_transaction(deleting: httpx.AsyncClient) -> None:
    for _ in range(3):
        await create(deleting, patient("RM-1"))
    new = entry("POST", "Patient", patient("RM-1"), ifNoneExist=CRITERIA)
    answer = await deleting.post("", json=bundle(new, entry("DELETE", f"Patient?{CRITERIA}&gender=female")))
    assert answer.status_code == 412, "who creates unless it exists may meet one only"
    gone = await deleting.post("", json=bundle(entry("DELETE", f"Patient?{CRITERIA}"), entry("GET", "Patient")))
    assert [row["response"]["status"][:3] for row in gone.json()["entry"]] == ["204", "200"]
    assert "entry" not in gone.json()["entry"][1]["resource"]
    both = entry("DELETE", f"Patient?{CRITERIA}"), entry("PUT", f"Patient?{CRITERIA}", patient("RM-1"))
    for _ in range(2):
        await create(deleting, patient("RM-1"))
    error(await deleting.post("", json=bundle(*both)), 412, "GF-205")


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
