"""Searches and histories with `Prefer: respond-async`. Source: https://hl7.org/fhir/R4/async.html"""

import httpx

from tests.bulk.support import ASYNC, begun, ended, error, lines, manifest
from tests.fhir.support import condition, create, patient
from tests.support.server import MakeClient


async def test_a_search_brings_every_page(client: httpx.AsyncClient) -> None:
    made = [await create(client, patient(f"RM-{n}")) for n in range(5)]
    found = await manifest(client, await client.get("/Patient?gender=female&_count=2", headers=ASYNC))
    assert [(row["type"], row["count"]) for row in found["output"]] == [("Bundle", 3)]
    pages = await lines(client, found)
    assert {page["type"] for page in pages} == {"searchset"}
    ids = [row["resource"]["id"] for page in pages for row in page["entry"]]
    assert sorted(ids) == sorted(row["id"] for row in made)


async def test_includes_warnings_and_elements_are_as_in_an_answer_at_once(client: httpx.AsyncClient) -> None:
    person = await create(client, patient())
    await create(client, condition(f"Patient/{person['id']}"))
    query = "/Condition?colour=red&_include=Condition:subject&_elements=Condition.subject"
    later = {"Prefer": "respond-async, handling=lenient"}
    (page,) = await lines(client, await manifest(client, await client.get(query, headers=later)))
    at_once = (await client.get(query, headers={"Prefer": "handling=lenient"})).json()
    assert page["entry"] == at_once["entry"]
    assert [row["search"]["mode"] for row in page["entry"]] == ["match", "include", "outcome"]


async def test_a_search_by_post_keeps_its_form(client: httpx.AsyncClient) -> None:
    for n in range(3):
        await create(client, patient(f"RM-{n}"))
    answer = await client.post("/Patient/_search?_count=1", data={"gender": "female"}, headers=ASYNC)
    found = await manifest(client, answer)
    assert "female" not in found["request"]
    assert len(await lines(client, found)) == 3


async def test_histories(client: httpx.AsyncClient) -> None:
    await client.put("/Patient/p", json={**patient(), "id": "p"})
    await client.delete("/Patient/p")
    for address in ("/Patient/p/_history", "/Patient/_history"):
        (page,) = await lines(client, await manifest(client, await client.get(address, headers=ASYNC)))
        assert [row["request"]["method"] for row in page["entry"]] == ["DELETE", "PUT"]
    everything = await lines(client, await manifest(client, await client.get("/_history?_count=1", headers=ASYNC)))
    assert len(everything) > 2


async def test_what_would_be_refused_at_once_is_the_answer_later(client: httpx.AsyncClient) -> None:
    where = await begun(await client.get("/Patient?colour=red", headers=ASYNC))
    error(await ended(client, where), 400, "GF-401")


async def test_rights_are_asked_first(make_client: MakeClient) -> None:
    error(await (await make_client("reader")).get("/AuditEvent", headers=ASYNC), 403, "GF-603")


async def test_other_interactions_are_not_done_later(client: httpx.AsyncClient) -> None:
    error(await client.get("/Patient/p", headers=ASYNC), 400, "GF-106")
    error(await client.post("/Patient", json=patient(), headers=ASYNC), 400, "GF-106")
    assert "entry" not in (await client.get("/Patient")).json()
