"""The CapabilityStatement declares what there is (test_claims.py: and nothing else), and every type is validated."""

from typing import Any

import httpx
import pytest

from gateway.errors import refusals
from gateway.fhir.routes import ROUTES
from profiles import Validator
from profiles.definitions import RESOURCE_TYPES
from tests.fhir.support import error

Json = dict[str, Any]


@pytest.fixture
async def rest(client: httpx.AsyncClient) -> Json:
    """CapabilityStatement.rest of the server."""
    statement = (await client.get("/metadata")).json()
    assert [i for i in Validator().validate(statement) if i.severity in ("error", "fatal")] == []
    assert statement["fhirVersion"] == "4.0.1"
    assert statement["implementation"]["url"] == "http://gateway.test/fhir"
    (found,) = statement["rest"]
    return dict(found)


async def test_it_declares_every_type_and_every_route(rest: Json) -> None:
    assert {resource["type"] for resource in rest["resource"]} == RESOURCE_TYPES
    patient = next(resource for resource in rest["resource"] if resource["type"] == "Patient")
    declared = {i["code"] for i in patient["interaction"]} | {i["code"] for i in rest["interaction"]}
    declared |= {f"${operation['name']}" for operation in [*patient["operation"], *rest["operation"]]}
    declared |= {f"conditional-{what}" for what in ("update", "delete", "patch")} | {"capabilities"}
    assert {route.code for route in ROUTES if not route.types or "Patient" in route.types} <= declared
    for route in (route for route in ROUTES if route.types):
        having = {r["type"] for r in rest["resource"] if route.code[1:] in {o["name"] for o in r["operation"]}}
        assert route.types <= having, route.code


async def test_every_type_can_be_validated(client: httpx.AsyncClient, rest: Json) -> None:
    for resource in rest["resource"]:
        assert "validate" in {operation["name"] for operation in resource["operation"]}
        address = f"/{resource['type']}/$validate"
        answer = await client.post(address, json={"resourceType": resource["type"]})
        assert answer.json()["resourceType"] == "OperationOutcome", address
        assert answer.status_code == 200, address


async def test_it_is_the_facilitys_own(client: httpx.AsyncClient) -> None:
    there = (await client.get("http://gateway.test/rs-kenanga/fhir/metadata")).json()
    assert there["implementation"] == {
        "description": "RS Kenanga",
        "url": "http://gateway.test/rs-kenanga/fhir",
    }


def test_every_refusal_has_both_languages_and_a_remedy() -> None:
    for number, refusal in refusals().items():
        for language in ("id", "en"):
            wrong, remedy = refusal.text[language]
            assert wrong, number
            assert remedy, number
        assert refusal.text["id"] != refusal.text["en"]
        assert 400 <= refusal.status < 600


async def test_validate_judges_without_writing(client: httpx.AsyncClient) -> None:
    good: Json = {"resourceType": "Basic", "code": {"text": "uji"}}
    answer = await client.post("/Basic/$validate", json=good)
    assert answer.status_code == 200
    assert [i["severity"] for i in answer.json()["issue"]] == ["information"]
    bad = await client.post("/Basic/$validate", json={"resourceType": "Basic"})
    assert bad.status_code == 200
    assert any(i["severity"] == "error" for i in bad.json()["issue"])
    assert "entry" not in (await client.get("/Basic")).json()


async def test_validate_warns_of_references_to_nothing_that_is_stored(client: httpx.AsyncClient) -> None:
    await client.put("/Patient/here", json={"resourceType": "Patient", "id": "here", "active": True})
    await client.put("/Patient/gone", json={"resourceType": "Patient", "id": "gone", "active": True})
    await client.delete("/Patient/gone")

    async def warned(resource: Json) -> dict[str, str]:
        answer = await client.post(f"/{resource['resourceType']}/$validate", json=resource)
        return {i["expression"][0]: i["diagnostics"] for i in answer.json()["issue"] if i["code"] == "not-found"}

    def about(*targets: str) -> Json:
        rows = [{"item": {"reference": target}} for target in targets]
        return {"resourceType": "List", "status": "current", "mode": "working", "entry": rows}

    there = ("Patient/here", "Patient/here/_history/1", "http://elsewhere.example/Patient/x", "urn:uuid:1")
    assert await warned(about(*there)) == {}
    found = await warned(about("Patient/gone", "Patient/never", "Patient/here"))
    assert found.keys() == {"List.entry[0].item.reference", "List.entry[1].item.reference"}
    assert "Patient/never" in found["List.entry[1].item.reference"]
    entry = {"fullUrl": "http://x.example/fhir/Patient/new", "resource": {"resourceType": "Patient", "id": "new"}}
    listed = {"fullUrl": "http://x.example/fhir/List/l", "resource": {**about("Patient/new"), "id": "l"}}
    assert await warned({"resourceType": "Bundle", "type": "collection", "entry": [listed, entry]}) == {}


async def test_validate_takes_parameters_modes_and_profiles(client: httpx.AsyncClient) -> None:
    person: Json = {"resourceType": "Patient", "name": [{"text": "Wulan"}]}

    def wrapped(**more: Json) -> Json:
        rows = [{"name": "resource", "resource": person}, *({"name": n, **v} for n, v in more.items())]
        return {"resourceType": "Parameters", "parameter": rows}

    profile = "https://fhir.kemkes.go.id/r4/StructureDefinition/Patient"
    for answer in (
        await client.post("/Patient/$validate", json=wrapped(mode={"valueCode": "create"})),
        await client.post("/Patient/$validate", json=wrapped(profile={"valueUri": profile})),
        await client.post(f"/Patient/$validate?profile={profile}", json=person),
    ):
        assert answer.status_code == 200, answer.text
        assert answer.json()["resourceType"] == "OperationOutcome"
    stored = (await client.put("/Patient/p", json={**person, "id": "p"})).json()
    by_id = await client.get("/Patient/p/$validate")
    assert by_id.json()["resourceType"] == "OperationOutcome"
    same = await client.post("/Patient/p/$validate?mode=update", json=stored)
    assert same.status_code == 200
    error(await client.post("/Patient/p/$validate?mode=update", json={**stored, "id": "q"}), 400, "GF-207")
    error(await client.post("/Patient/$validate?mode=perhaps", json=person), 400, "GF-108")
    error(await client.post("/Patient/$validate", json=wrapped(depth={"valueCode": "x"})), 400, "GF-109")
    error(await client.post("/Patient/$validate"), 400, "GF-111")
    error(await client.post("/Encounter/$validate", json=person), 400, "GF-303")
    error(await client.get("/Patient/never/$validate"), 404, "GF-201")
