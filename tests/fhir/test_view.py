"""How answers look: _summary, _elements, _pretty, _format, gzip."""

import gzip
import json

import httpx
import pytest

from tests.fhir.support import create, error, patient

SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
WHOLE = patient(
    text={"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Wulan</div>'},
    maritalStatus={"text": "kawin"},
    contact=[{"name": {"text": "Ibu"}}],
    meta={"tag": [{"system": "http://rs-melati.example/tag", "code": "uji"}]},
)


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("_summary=true", {"identifier", "name", "gender", "birthDate"}),
        ("_summary=text", {"text"}),
        ("_summary=data", {"identifier", "name", "gender", "birthDate", "maritalStatus", "contact"}),
        ("_elements=name,gender", {"name", "gender"}),
        ("_elements=Patient.birthDate", {"birthDate"}),
        ("_elements=contact.name", {"contact"}),
    ],
)
async def test_a_part_of_a_resource_is_tagged_as_a_part(client: httpx.AsyncClient, query: str, kept: set[str]) -> None:
    stored = await create(client, WHOLE)
    read = (await client.get(f"/Patient/{stored['id']}?{query}")).json()
    assert set(read) - {"resourceType", "id", "meta"} == kept
    assert read["meta"]["tag"] == [*stored["meta"]["tag"], SUBSETTED]
    assert read["meta"]["versionId"] == "1"
    (found,) = (await client.get(f"/Patient?{query}")).json()["entry"]
    assert found["resource"] == read, "a search cuts each match the same way"
    history = (await client.get(f"/Patient/{stored['id']}/_history/1?{query}")).json()
    assert history == read


async def test_summary_keeps_what_the_definition_marks_inside_backbones(client: httpx.AsyncClient) -> None:
    statement = (await client.get("/metadata?_summary=true")).json()
    assert "rest" in statement
    encounter = await create(
        client,
        {
            "resourceType": "Encounter",
            "status": "in-progress",
            "class": {"code": "AMB"},
            "diagnosis": [{"condition": {"reference": "Condition/1"}, "rank": 1}],
            "participant": [{"period": {"start": "2026-01-01"}, "individual": {"display": "dr. Contoh"}}],
            "hospitalization": {"origin": {"display": "Puskesmas"}},
        },
    )
    read = (await client.get(f"/Encounter/{encounter['id']}?_summary=true")).json()
    assert read["diagnosis"] == [{"condition": {"reference": "Condition/1"}}]
    assert read["participant"] == [{"individual": {"display": "dr. Contoh"}}]
    assert "hospitalization" not in read


async def test_required_and_modifying_elements_stay(client: httpx.AsyncClient) -> None:
    stored = await create(
        client, {"resourceType": "Observation", "status": "final", "code": {"text": "suhu"}, "valueInteger": 37}
    )
    read = (await client.get(f"/Observation/{stored['id']}?_elements=value")).json()
    assert set(read) == {"resourceType", "id", "meta", "status", "code", "valueInteger"}


async def test_an_element_that_does_not_exist_is_refused(client: httpx.AsyncClient) -> None:
    stored = await create(client, patient())
    issue = error(await client.get(f"/Patient/{stored['id']}?_elements=nama"), 400, "GF-108")
    assert "name" in issue["diagnostics"]


async def test_summary_false_is_the_whole(client: httpx.AsyncClient) -> None:
    stored = await create(client, WHOLE)
    assert (await client.get(f"/Patient/{stored['id']}?_summary=false")).json() == stored


async def test_pretty_is_the_same_json_on_more_lines(client: httpx.AsyncClient) -> None:
    body = '{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":36.500}}'
    made = await client.post("/Observation", content=body, headers={"Content-Type": "application/fhir+json"})
    address = f"/Observation/{made.json()['id']}"
    plain, pretty = await client.get(address), await client.get(f"{address}?_pretty=true")
    assert pretty.text.count("\n") > 5
    assert '"value": 36.500' in pretty.text
    assert "".join(line.strip() for line in pretty.text.splitlines()).replace('": ', '":') == plain.text


@pytest.mark.parametrize("name", ["json", "application/json", "application/fhir%2Bjson", "application/fhir+json"])
async def test_format_may_name_json(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.get(f"/Patient?_format={name}", headers={"Accept": "application/xml"})
    assert answer.status_code == 200, "_format overrides Accept"


async def test_long_answers_are_zipped_for_who_can_unzip(client: httpx.AsyncClient) -> None:
    stored = await create(client, patient(address=[{"text": "Jalan " * 400}]))
    address = f"/Patient/{stored['id']}"
    plain = await client.get(address, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    async with client.stream("GET", address, headers={"Accept-Encoding": "gzip"}) as answer:
        raw = b"".join([part async for part in answer.aiter_raw()])
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) == len(raw) < len(plain.content)
    assert json.loads(gzip.decompress(raw)) == plain.json()
    short = await client.get("/Patient?name=nobody", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in short.headers
