"""StructureMap/$transform: the mapping modules over the API."""

import base64
import json

import httpx

import mappings
from profiles import fhirjson
from tests.fhir.operations.support import parameters, row
from tests.fhir.support import Json, bundle, error, patient
from tests.support.server import MakeClient

VISIT: Json = fhirjson.decode(
    (mappings.language.SHIPPED / "vclaim/sep-insert/examples/sources/outpatient.json").read_bytes()
)
ADDRESS = "/StructureMap/$transform"


def asked(*rows: Json, source: str = "vclaim/sep-insert") -> Json:
    """Parameters of a call."""
    return json.loads(fhirjson.encode(parameters(row("source", valueUri=source), *rows)))


async def test_a_visit_becomes_a_payload(client: httpx.AsyncClient, make_client: MakeClient) -> None:
    for who in (client, await make_client("operator"), await make_client("simrs")):
        answer = await who.post(ADDRESS, json=asked(row("content", resource=VISIT)))
        assert answer.status_code == 200, answer.text
        made = answer.json()
        assert (made["resourceType"], made["contentType"]) == ("Binary", "application/json")
        payload = json.loads(base64.b64decode(made["data"]))
        assert payload["request"]["t_sep"]["ppkPelayanan"] == "0301R011"


async def test_a_stored_visit_is_gathered(client: httpx.AsyncClient, make_client: MakeClient) -> None:
    rows = [r for r in VISIT["entry"] if "id" in r["resource"]]
    entries = [
        {
            "resource": r["resource"],
            "request": {"method": "PUT", "url": f"{r['resource']['resourceType']}/{r['resource']['id']}"},
        }
        for r in rows
    ]
    stored = await client.post("", content=fhirjson.encode(bundle(*entries)))
    assert stored.status_code == 200, stored.text
    encounter = next(r["resource"]["id"] for r in rows if r["resource"]["resourceType"] == "Encounter")
    answer = await client.post(ADDRESS, json=asked(row("encounter", valueId=encounter)))
    assert answer.status_code == 200, answer.text
    operator = await make_client("operator")
    error(await operator.post(ADDRESS, json=asked(row("encounter", valueId=encounter))), 403, "GF-603")
    error(await client.post(ADDRESS, json=asked(row("encounter", valueId="none"))), 404, "GF-201")


async def test_what_is_missing_is_said_at_its_element(client: httpx.AsyncClient) -> None:
    kept = [r for r in VISIT["entry"] if r["resource"]["resourceType"] not in ("Condition", "Patient")]
    poor = row("content", resource={**VISIT, "entry": kept})
    answer = await client.post(ADDRESS, json=asked(poor))
    error(answer, 422)
    assert {issue["code"] for issue in answer.json()["issue"]} == {"business-rule"}
    assert all(issue["details"]["text"] and issue["expression"] for issue in answer.json()["issue"])
    indonesian = await client.post(ADDRESS, json=asked(poor), headers={"Accept-Language": "id"})
    assert indonesian.json()["issue"][0]["details"]["text"] != answer.json()["issue"][0]["details"]["text"]


async def test_what_cannot_be_run_is_refused(client: httpx.AsyncClient, make_client: MakeClient) -> None:
    content = row("content", resource=VISIT)
    issue = error(await client.post(ADDRESS, json=asked(content, source="vclaim/none")), 400, "GF-108")
    assert "vclaim/sep-insert" in issue["diagnostics"]
    error(await client.post(ADDRESS, json=asked()), 400, "GF-701")
    error(await client.post(ADDRESS, json=asked(content, row("encounter", valueId="x"))), 400, "GF-701")
    error(await client.post(ADDRESS, json=asked(content, source="satusehat/visit")), 400, "GF-108")
    error(await client.post(ADDRESS, json=asked(content, row("step", valueString="none"))), 400, "GF-108")
    error(await client.post(ADDRESS, json=asked(row("content", resource=patient()))), 422, "GF-706")
    error(await client.get(f"{ADDRESS}?source=vclaim/sep-insert"), 405, "GF-103")
    reader = await make_client("reader")
    error(await reader.post(ADDRESS, json=asked(content)), 403, "GF-603")
