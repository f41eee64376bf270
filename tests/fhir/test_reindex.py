"""$reindex over HTTP: from a stored SearchParameter to one that searches, the statement and the progress know."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx

from tests.bulk.support import exported
from tests.fhir.support import create, error, patient

RELIGION = "https://fhir.kemkes.go.id/r4/StructureDefinition/religion"
PARAMETER = {
    "resourceType": "SearchParameter",
    "url": "https://rs-melati.example/fhir/SearchParameter/agama",
    "name": "agama",
    "status": "active",
    "description": "Agama",
    "code": "agama",
    "base": ["Patient"],
    "type": "token",
    "expression": f"Patient.extension.where(url = '{RELIGION}').value",
}


async def test_a_stored_search_parameter_searches_after_reindex(client: httpx.AsyncClient) -> None:
    stored = await create(client, patient("RM-1", extension=[{"url": RELIGION, "valueCode": "hindu"}]))
    await create(client, patient("RM-2"))
    await create(client, PARAMETER)
    error(await client.get("/$reindex"), 404)
    error(await client.get("/Patient?agama=hindu"), 400, "GF-401")
    begun = await client.post("/$reindex")
    assert begun.status_code == 202
    assert {"name": "state", "valueCode": "in-progress"} in begun.json()["parameter"]
    async with asyncio.timeout(60):
        while True:
            told = (await client.get("/$reindex")).json()["parameter"]
            if {"name": "state", "valueCode": "completed"} in told:
                break
            await asyncio.sleep(0.1)
    usable = [{"name": "url", "valueUri": PARAMETER["url"]}, {"name": "usable", "valueBoolean": True}]
    assert {"name": "parameter", "part": usable} in told
    found = (await client.get("/Patient?agama=hindu")).json()
    assert [e["resource"]["id"] for e in found["entry"]] == [stored["id"]]
    resources = (await client.get("/metadata")).json()["rest"][0]["resource"]
    declaring = {r["type"] for r in resources if "agama" in {p["name"] for p in r["searchParam"]}}
    assert declaring == {"Patient"}
    made = await client.post("/Patient", json=patient("RM-1"), headers={"If-None-Exist": "agama=hindu"})
    assert (made.status_code, made.json()["id"]) == (200, stored["id"]), "conditions of writes know it"
    assert await exported(client, _type="Patient", _typeFilter="Patient?agama=hindu") == [f"Patient/{stored['id']}"]


async def test_it_says_that_it_was_never_begun(client: httpx.AsyncClient) -> None:
    error(await client.get("/$reindex"), 404, "GF-708")


async def test_reindex_refuses_a_parameter_that_cannot_be_used_and_a_caller_who_may_not(
    client: httpx.AsyncClient, make_client: Callable[[str], Awaitable[httpx.AsyncClient]]
) -> None:
    await create(client, {**PARAMETER, "code": "name"})
    answer = await client.post("/$reindex")
    assert "already has a parameter" in error(answer, 400)["details"]["text"]
    assert (await (await make_client("simrs")).post("/$reindex")).status_code == 403
