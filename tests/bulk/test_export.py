"""$export: what it holds, what it refuses. Source: https://hl7.org/fhir/uv/bulkdata/STU2/export.html"""

import asyncio
from datetime import datetime

import httpx
import pytest

from gateway.bulk import files
from gateway.services import Services
from tests.bulk.support import ASYNC, Json, error, exported, lines, manifest
from tests.fhir.support import condition, create, observation, patient
from tests.support.server import MakeClient


async def test_a_system_export_holds_everything_as_it_is_stored(client: httpx.AsyncClient) -> None:
    person = await create(client, patient())
    sick = await create(client, condition(f"Patient/{person['id']}"))
    found = await manifest(client, await client.get("/$export?_type=Patient,Condition", headers=ASYNC))
    assert found["requiresAccessToken"] is True
    assert found["request"] == "http://gateway.test/fhir/$export?_type=Patient,Condition"
    assert datetime.fromisoformat(found["transactionTime"]) >= datetime.fromisoformat(sick["meta"]["lastUpdated"])
    assert (found["deleted"], found["error"]) == ([], [])
    assert await lines(client, found) == [sick, person]


async def test_without_type_it_holds_all_that_the_role_may_search(
    client: httpx.AsyncClient, make_client: MakeClient
) -> None:
    person = await create(client, patient())
    assert f"Patient/{person['id']}" in (everything := await exported(client))
    assert any(name.startswith("AuditEvent/") for name in everything)
    reader = await make_client("reader")
    assert await exported(reader) == [f"Patient/{person['id']}"]
    error(await reader.get("/$export?_type=AuditEvent", headers=ASYNC), 403, "GF-603")
    error(await (await make_client("operator")).get("/$export", headers=ASYNC), 403, "GF-603")


async def test_deleted_resources_and_other_facilities_are_not_in_it(client: httpx.AsyncClient) -> None:
    kept, gone = await create(client, patient("RM-1")), await create(client, patient("RM-2"))
    await client.delete(f"/Patient/{gone['id']}")
    other = "http://gateway.test/rs-kenanga/fhir"
    await client.post(f"{other}/Patient", json=patient("RM-3"))
    assert await exported(client, _type="Patient") == [f"Patient/{kept['id']}"]


async def test_since_brings_what_changed_and_what_was_deleted(client: httpx.AsyncClient) -> None:
    old, gone = await create(client, patient("RM-1")), await create(client, patient("RM-2"))
    await asyncio.sleep(0.01)
    first = await manifest(client, await client.get("/$export?_type=Patient", headers=ASYNC))
    await client.delete(f"/Patient/{gone['id']}")
    new = await create(client, patient("RM-3"))
    query = {"_type": "Patient", "_since": first["transactionTime"]}
    found = await manifest(client, await client.get("/$export", params=query, headers=ASYNC))
    assert [row["id"] for row in await lines(client, found)] == [new["id"]]
    (bundle,) = await lines(client, found, "deleted")
    assert bundle["type"] == "transaction"
    assert bundle["entry"] == [{"request": {"method": "DELETE", "url": f"Patient/{gone['id']}"}}]
    assert old["id"] not in str(found)


@pytest.fixture
async def ward(client: httpx.AsyncClient) -> Json:
    """Two patients with an Observation and a Condition each, and one Organization; ids by what they are."""
    ids: Json = {}
    for name in ("wulan", "budi"):
        ids[name] = (await client.put(f"/Patient/{name}", json={**patient(name), "id": name})).json()["id"]
        ids[f"{name}-o"] = (await create(client, observation(f"Patient/{name}")))["id"]
        ids[f"{name}-c"] = (await create(client, condition(f"Patient/{name}")))["id"]
    ids["org"] = (await create(client, {"resourceType": "Organization", "name": "RS Melati"}))["id"]
    return ids


def group(*members: str, **more: object) -> Json:
    """A Group of references."""
    rows: list[Json] = [{"entity": {"reference": member}} for member in members]
    return {"resourceType": "Group", "type": "person", "actual": True, "member": rows, **more}


async def test_a_patient_export_holds_the_records_of_patients(client: httpx.AsyncClient, ward: Json) -> None:
    found = await exported(client, "Patient/$export")
    assert {name for name in found if not name.startswith("AuditEvent")} == {
        "Patient/budi",
        "Patient/wulan",
        *(f"Observation/{ward[f'{name}-o']}" for name in ("budi", "wulan")),
        *(f"Condition/{ward[f'{name}-c']}" for name in ("budi", "wulan")),
    }
    error(await client.get("/Patient/$export?_type=Organization", headers=ASYNC), 400, "GF-108")


async def test_a_group_export_holds_its_members_those_of_groups_in_it_and_no_inactive_one(
    client: httpx.AsyncClient, ward: Json
) -> None:
    inner = await create(client, group("Patient/wulan"))
    outer = group(f"Group/{inner['id']}")
    outer["member"].append({"entity": {"reference": "Patient/budi"}, "inactive": True})
    made = await create(client, outer)
    wanted = [f"Condition/{ward['wulan-c']}", f"Observation/{ward['wulan-o']}", "Patient/wulan"]
    assert await exported(client, f"Group/{made['id']}/$export", _type="Patient,Observation,Condition") == wanted
    error(await client.get("/Group/never/$export", headers=ASYNC), 404, "GF-201")
    error(await client.get("/Patient/wulan/$export", headers=ASYNC), 404, "GF-112")


async def test_a_group_export_says_only_of_its_members_what_was_deleted(client: httpx.AsyncClient, ward: Json) -> None:
    made = await create(client, group("Patient/wulan"))
    for name in ("wulan-o", "budi-o"):
        await client.delete(f"/Observation/{ward[name]}")
    query = "_type=Observation&_since=2020-01-01T00:00:00Z"
    found = await manifest(client, await client.get(f"/Group/{made['id']}/$export?{query}", headers=ASYNC))
    (bundle,) = await lines(client, found, "deleted")
    assert [row["request"]["url"] for row in bundle["entry"]] == [f"Observation/{ward['wulan-o']}"]


async def test_named_patients_by_post(client: httpx.AsyncClient, ward: Json) -> None:
    rows = [
        {"name": "_type", "valueString": "Patient,Condition"},
        {"name": "patient", "valueReference": {"reference": "Patient/budi"}},
    ]
    asked = {"resourceType": "Parameters", "parameter": rows}
    found = await manifest(client, await client.post("/Patient/$export", json=asked, headers=ASYNC))
    names = {f"{row['resourceType']}/{row['id']}" for row in await lines(client, found)}
    assert names == {"Patient/budi", f"Condition/{ward['budi-c']}"}
    wrong = {"resourceType": "Parameters", "parameter": [{"name": "depth", "valueString": "1"}]}
    error(await client.post("/Patient/$export", json=wrong, headers=ASYNC), 400, "GF-109")
    error(await client.post("/$export", json=asked, headers=ASYNC), 400, "GF-109")


async def test_type_filters_are_searches_and_alternatives(client: httpx.AsyncClient, ward: Json) -> None:
    one = "Observation?patient=Patient/budi&code=http://loinc.org|8310-5"
    names = await exported(client, _type="Observation,Patient", _typeFilter=one)
    assert names == [f"Observation/{ward['budi-o']}", "Patient/budi", "Patient/wulan"]
    both = f"{one},Observation?patient=Patient/wulan"
    assert len(await exported(client, _type="Observation", _typeFilter=both)) == 2
    for wrong, number in (
        ("Observation?colour=red", "GF-401"),
        ("Observation?_sort=date", "GF-108"),
        ("Observation", "GF-108"),
        ("Condition?code=x", "GF-108"),
        ("Observation?date=yesterday", "GF-401"),
    ):
        params = {"_type": "Observation", "_typeFilter": wrong}
        error(await client.get("/$export", params=params, headers=ASYNC), 400, number)


async def test_elements(client: httpx.AsyncClient, ward: Json) -> None:
    query = {"_type": "Patient,Observation", "_elements": "Patient.gender,code"}
    found = await manifest(client, await client.get("/$export", params=query, headers=ASYNC))
    rows = await lines(client, found)
    people = [row for row in rows if row["resourceType"] == "Patient"]
    assert all(row["gender"] == "female" and "name" not in row for row in people)
    assert people[0]["meta"]["tag"][-1]["code"] == "SUBSETTED"
    assert all(row["code"] and "subject" not in row for row in rows if row["resourceType"] == "Observation")
    error(await client.get("/$export?_type=Patient&_elements=colour", headers=ASYNC), 400, "GF-108")


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("_since=yesterday", "GF-108"),
        ("_since=2026-13-01T00:00:00Z", "GF-108"),
        ("_outputFormat=application/fhir+xml", "GF-108"),
        ("_type=Pasien", "GF-108"),
        ("depth=1", "GF-109"),
        ("patient=Patient/1", "GF-109"),
        ("_summary=count", "GF-108"),
    ],
)
async def test_what_is_not_understood_is_refused(client: httpx.AsyncClient, query: str, number: str) -> None:
    error(await client.get(f"/$export?{query}", headers=ASYNC), 400, number)


async def test_it_must_be_asked_for_in_the_background(client: httpx.AsyncClient) -> None:
    error(await client.get("/$export"), 400, "GF-801")
    answer = await client.get("/$export?_outputFormat=ndjson", headers=ASYNC)
    assert answer.json()["issue"][0]["severity"] == "information"
    assert answer.headers["content-location"].startswith("http://gateway.test/fhir/$job?id=")


async def test_large_results_are_split(
    client: httpx.AsyncClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MOST_LINES", 2)
    for number in range(5):
        await create(client, patient(f"RM-{number}"))
    found = await manifest(client, await client.get("/$export?_type=Patient", headers=ASYNC))
    assert [row["count"] for row in found["output"]] == [2, 2, 1]
    assert len({row["id"] for row in await lines(client, found)}) == 5


async def test_a_filter_knows_the_codes_that_were_uploaded(client: httpx.AsyncClient) -> None:
    rooms = {"resourceType": "CodeSystem", "url": "urn:rs:ruang", "status": "active", "content": "complete"}
    await create(client, {**rooms, "concept": [{"code": "rawat", "concept": [{"code": "icu"}]}, {"code": "poli"}]})
    kept: list[str] = []
    for code in ("icu", "poli"):
        made = await create(
            client, {"resourceType": "Basic", "code": {"coding": [{"system": "urn:rs:ruang", "code": code}]}}
        )
        kept.append(f"Basic/{made['id']}")
    assert await exported(client, _type="Basic", _typeFilter="Basic?code:below=urn:rs:ruang|rawat") == kept[:1]
    refused = await client.get("/$export?_type=Basic&_typeFilter=Basic?code:below=urn:unknown|x", headers=ASYNC)
    error(refused, 400)
