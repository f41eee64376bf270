"""Transactions: all entries or none, links rewritten, conditions, order, an answer for every entry."""

import asyncio
import base64
from typing import Any

import httpx
import pytest

from profiles import fhirxml
from tests.fhir.support import MRN, Json, bundle, condition, create, entry, error, patient

PARAMETERS: Json = {"resourceType": "Parameters"}
A, B, C = (f"urn:uuid:5f0c0e7e-0000-4000-8000-00000000000{n}" for n in "abc")


async def post(client: httpx.AsyncClient, *entries: Json, kind: str = "transaction") -> Json:
    """Post a Bundle that succeeds and return the answer."""
    answer = await client.post("", json=bundle(*entries, kind=kind))
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    assert found["type"] == f"{kind}-response"
    assert len(found["entry"]) == len(entries)
    return found


def statuses(answer: Json) -> list[str]:
    """The status codes of an answer's entries."""
    return [row["response"]["status"][:3] for row in answer["entry"]]


def reference(row: Json) -> str:
    """`Type/id` of what an entry of an answer is about."""
    location: str = row["response"]["location"]
    return location.partition("/_history/")[0]


async def total(client: httpx.AsyncClient, kind: str = "Patient") -> int:
    """How many resources of a type there are."""
    return int((await client.get(f"/{kind}?_summary=count")).json()["total"])


async def test_links_between_entries_become_what_was_stored(client: httpx.AsyncClient) -> None:
    answer = await post(
        client,
        entry("POST", "Condition", condition(A), B),
        entry("POST", "Patient", patient(), A),
    )
    assert statuses(answer) == ["201", "201"], "answered in the order of the entries"
    person = reference(answer["entry"][1])
    assert person.startswith("Patient/")
    stored = (await client.get(f"/{reference(answer['entry'][0])}")).json()
    assert stored["subject"]["reference"] == person


async def test_links_are_rewritten_wherever_they_may_stand(client: httpx.AsyncClient) -> None:
    document: Json = {
        "resourceType": "DocumentReference",
        "status": "current",
        "subject": {"reference": A, "display": A},
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": A}],
        "description": A,
        "extension": [{"url": "http://rs-melati.example/asal", "valueUri": A}],
        "contained": [{"resourceType": "Condition", "id": "c", "subject": {"reference": A}}],
        "text": {
            "status": "generated",
            "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{A}">pasien</a> {A}</div>',
        },
        "content": [{"attachment": {"url": A}}],
        "context": {"related": [{"reference": A}, {"reference": "#c"}]},
    }
    answer = await post(client, entry("POST", "Patient", patient(), A), entry("POST", "DocumentReference", document, B))
    person = reference(answer["entry"][0])
    stored = (await client.get(f"/{reference(answer['entry'][1])}")).json()
    assert stored["subject"] == {"reference": person, "display": A}
    assert stored["extension"][0]["valueUri"] == person
    assert stored["content"][0]["attachment"]["url"] == person
    assert stored["context"]["related"] == [{"reference": person}, {"reference": "#c"}]
    assert stored["contained"][0]["subject"]["reference"] == person
    assert f'<a href="{person}">pasien</a> {A}</div>' in stored["text"]["div"]
    assert stored["identifier"][0]["value"] == A, "an identifier is no link"
    assert stored["description"] == A, "nor is a text"


async def test_restful_full_urls_link_their_neighbours(client: httpx.AsyncClient) -> None:
    base = "http://simrs.example/fhir"
    answer = await post(
        client,
        entry("POST", "Patient", patient(), f"{base}/Patient/77"),
        entry("POST", "Condition", condition("Patient/77"), f"{base}/Condition/1"),
        entry("POST", "Condition", condition(f"{base}/Patient/77"), f"{base}/Condition/2"),
        entry("POST", "Condition", condition("Patient/77"), "http://other.example/Condition/3"),
    )
    person = reference(answer["entry"][0])
    subjects = [(await client.get(f"/{reference(row)}")).json()["subject"]["reference"] for row in answer["entry"][1:]]
    assert subjects == [person, person, "Patient/77"], "a relative reference is relative to its own entry"


async def test_one_bad_entry_undoes_all(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "",
        json=bundle(
            entry("POST", "Patient", patient(), A),
            entry("POST", "Patient", patient(gender="x"), B),
            entry("POST", "Condition", {"resourceType": "Condition"}, C),
        ),
    )
    assert answer.status_code == 422
    places = [issue["expression"][0] for issue in answer.json()["issue"] if issue["severity"] == "error"]
    assert "Bundle.entry[1].resource.gender" in places
    assert any(place.startswith("Bundle.entry[2].resource") for place in places), "every bad entry is named at once"
    assert await total(client) == 0


@pytest.mark.parametrize(
    ("asked", "status", "number"),
    [
        ("Patient/none", 404, "GF-201"),
        ("Patient/gone", 410, "GF-202"),
        ("Patient/p/_history/7", 404, "GF-203"),
        ("Patient?colour=red", 400, "GF-401"),
        ("Patient/none/$everything", 404, "GF-201"),
        ("CodeSystem/$lookup?system=urn:none&code=a", 404, "GF-702"),
    ],
)
async def test_a_read_that_is_refused_undoes_all(
    client: httpx.AsyncClient, asked: str, status: int, number: str
) -> None:
    await client.put("/Patient/gone", json=patient(id="gone"))
    await client.delete("/Patient/gone")
    entries = [entry("PUT", "Patient/p", patient(id="p")), entry("GET", "Patient/p"), entry("GET", asked)]
    issue = error(await client.post("", json=bundle(*entries)), status, number)
    assert issue["expression"] == ["Bundle.entry[2]"]
    assert await total(client) == 0
    assert (await client.post("", json=bundle(*entries, kind="batch"))).status_code == 200
    assert await total(client) == 1, "a batch does each for itself"


async def test_reads_see_what_their_transaction_wrote(client: httpx.AsyncClient) -> None:
    stored = await create(client, patient("RM-1"))
    codes = {"resourceType": "CodeSystem", "url": "urn:c", "status": "active", "content": "complete"}
    answer = await post(
        client,
        entry("GET", "Patient?identifier=RM-1,RM-2&_sort=identifier"),
        entry("GET", f"Patient/{stored['id']}"),
        entry("GET", "CodeSystem/$lookup?system=urn:c&code=a"),
        entry("GET", "Patient/new/$everything"),
        entry("PUT", f"Patient/{stored['id']}", patient("RM-1", id=stored["id"], active=True)),
        entry("PUT", "Patient/new", patient("RM-2", id="new")),
        entry("POST", "CodeSystem", {**codes, "concept": [{"code": "a", "display": "Satu"}]}),
    )
    found, one, code, whole = (row["resource"] for row in answer["entry"][:4])
    assert [row["resource"]["id"] for row in found["entry"]] == [stored["id"], "new"]
    assert (one["active"], one["meta"]["versionId"]) == (True, "2")
    assert {"name": "display", "valueString": "Satu"} in code["parameter"]
    assert [row["resource"]["id"] for row in whole["entry"]] == ["new"]


@pytest.mark.parametrize(
    ("entries", "status", "number", "place"),
    [
        ([entry("POST", "Condition", condition(B), A)], 400, "GF-507", 0),
        (
            [entry("PUT", "Patient/1", patient(id="1")), entry("DELETE", "Patient/1")],
            400,
            "GF-505",
            1,
        ),
        ([entry("POST", "Patient")], 400, "GF-504", 0),
        ([entry("POST", "Patiend", patient())], 404, "GF-101", 0),
        ([entry("PUT", "Patient/1", patient(id="2"))], 400, "GF-207", 0),
        ([entry("POST", "Encounter", patient())], 400, "GF-303", 0),
        ([entry("PUT", "Patient/1", patient(id="1"), ifMatch='W/"3"')], 412, "GF-213", 0),
        ([entry("PUT", "Patient/1", patient(id="1"), ifMatch="three")], 400, "GF-106", 0),
        ([entry("DELETE", "Patient?identifier=")], 412, "GF-206", 0),
        ([entry("POST", "Patient", patient(), ifNoneExist="nmae=x")], 400, "GF-401", 0),
        ([entry("POST", "Condition", condition("Patient?identifier=nobody"))], 412, "GF-508", 0),
        ([entry("PATCH", "Patient/none", {"resourceType": "Basic"})], 415, "GF-105", 0),
        ([entry("POST", "/", bundle(kind="collection") | {"entry": [{"resource": patient()}]})], 400, "GF-511", 0),
        ([entry("POST", "Patient/1/$purge", PARAMETERS)], 400, "GF-511", 0),
        ([entry("POST", "Patient/1/$meta-add", PARAMETERS)], 400, "GF-511", 0),
        ([entry("GET", "$export")], 400, "GF-511", 0),
        ([entry("POST", "Condition", condition("Patient?gender=female"))], 412, "GF-508", 0),
        ([entry("PUT", "Patient?identifier=none", patient(id="taken"))], 409, "GF-214", 0),
        ([entry("DELETE", "AuditEvent/1")], 405, "GF-211", 0),
    ],
)
async def test_a_refusal_names_its_entry(
    client: httpx.AsyncClient, entries: list[Json], status: int, number: str, place: int
) -> None:
    for name in ("taken", "another"):
        await client.put(f"/Patient/{name}", json=patient(f"RM-{name}", id=name))
    good = entry("POST", "Patient", patient("RM-9"), C)
    answer = await client.post("", json=bundle(*entries, good))
    issue = error(answer, status, number)
    assert issue["expression"][0].startswith(f"Bundle.entry[{place}]")
    assert await total(client) == 2


async def test_conditions_are_settled_together(client: httpx.AsyncClient) -> None:
    known = await create(client, patient("RM-1"))
    answer = await post(
        client,
        entry("POST", "Patient", patient("RM-1"), A, ifNoneExist=f"identifier={MRN}|RM-1"),
        entry("POST", "Patient", patient("RM-2"), B, ifNoneExist=f"identifier={MRN}|RM-2"),
        entry("POST", "Patient", patient("RM-2"), C, ifNoneExist=f"identifier={MRN}|RM-2"),
        entry("POST", "Condition", condition(A)),
        entry("POST", "Condition", condition(C)),
        entry("POST", "Condition", condition(f"Patient?identifier={MRN}|RM-1")),
        entry("POST", "Condition", condition(f"Patient?identifier={MRN}|RM-2")),
        entry("PUT", f"Organization?identifier={MRN}|poli", {"resourceType": "Organization", "name": "Poli"}),
    )
    assert statuses(answer) == ["200", "201", "200", "201", "201", "201", "201", "201"]
    new = reference(answer["entry"][1])
    assert reference(answer["entry"][0]) == f"Patient/{known['id']}"
    assert reference(answer["entry"][2]) == new, "the same condition twice makes one resource"
    subjects = [(await client.get(f"/{reference(row)}")).json()["subject"]["reference"] for row in answer["entry"][3:7]]
    assert subjects == [f"Patient/{known['id']}", new, f"Patient/{known['id']}", new]
    assert await total(client) == 2


async def test_rival_transactions_with_one_condition_make_one_resource(client: httpx.AsyncClient) -> None:
    visit = (
        entry("POST", "Patient", patient("RM-1"), A, ifNoneExist=f"identifier={MRN}|RM-1"),
        entry("POST", "Condition", condition(A), B),
    )
    answers = await asyncio.gather(*(post(client, *visit) for _ in range(6)))
    assert sorted(statuses(answer)[0] for answer in answers) == ["200"] * 5 + ["201"]
    assert len({reference(answer["entry"][0]) for answer in answers}) == 1
    assert await total(client) == 1
    assert await total(client, "Condition") == 6


async def test_every_method_in_one_transaction_in_the_right_order(client: httpx.AsyncClient) -> None:
    first, second, third = [await create(client, patient(f"RM-{n}")) for n in (1, 2, 3)]
    patch = base64.b64encode(b'[{"op":"add","path":"/active","value":true}]').decode()
    binary = {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": patch}
    answer = await post(
        client,
        entry("GET", "Patient?_summary=count"),
        entry("GET", f"Patient/{second['id']}"),
        entry("PATCH", f"Patient/{third['id']}", binary),
        entry("PUT", f"Patient/{second['id']}", {**second, "active": False}, ifMatch='W/"1"'),
        entry("POST", "Patient", patient("RM-1"), ifNoneExist=f"identifier={MRN}|RM-1"),
        entry("DELETE", f"Patient/{first['id']}"),
    )
    assert statuses(answer) == ["200", "200", "200", "200", "201", "204"]
    counted, read = answer["entry"][0]["resource"], answer["entry"][1]["resource"]
    assert counted["total"] == 3, "reads see what the transaction wrote"
    assert read["active"] is False
    assert (await client.get(f"/Patient/{third['id']}")).json()["active"] is True
    new = reference(answer["entry"][4])
    assert new != f"Patient/{first['id']}", "a condition does not meet what this transaction deletes"
    error(await client.get(f"/Patient/{first['id']}"), 410)


async def test_prefer_shows_what_was_written(client: httpx.AsyncClient) -> None:
    wanted = {"Prefer": "return=representation"}
    answer = await client.post("", json=bundle(entry("POST", "Patient", patient())), headers=wanted)
    (row,) = answer.json()["entry"]
    assert row["resource"]["id"] == reference(row).partition("/")[2]
    plain = await post(client, entry("POST", "Patient", patient()))
    assert "resource" not in plain["entry"][0]


async def test_a_batch_does_each_entry_for_itself(client: httpx.AsyncClient) -> None:
    answer = await post(
        client,
        entry("POST", "Patient", patient("RM-1")),
        entry("POST", "Patient", patient(gender="x")),
        entry("GET", "Patient/never"),
        entry("GET", "Patient?identifier=RM-1"),
        entry("GET", "Patiend"),
        kind="batch",
    )
    assert statuses(answer) == ["201", "422", "404", "200", "404"]
    assert answer["entry"][3]["resource"]["type"] == "searchset"
    for row in (answer["entry"][1], answer["entry"][2], answer["entry"][4]):
        assert row["response"]["outcome"]["issue"][0]["severity"] == "error"
    assert await total(client) == 1


async def test_a_bundle_of_another_kind_or_form_is_refused(client: httpx.AsyncClient) -> None:
    error(await client.post("", json=bundle(kind="collection")), 400, "GF-501")
    error(await client.post("", json=patient()), 400, "GF-303")
    bad: dict[str, Any] = {"resourceType": "Bundle", "type": "transaction", "entry": [{"request": {"method": "POST"}}]}
    assert (await client.post("", json=bad)).status_code == 422
    bad["entry"] = [{"resource": patient()}]
    assert (await client.post("", json=bad)).status_code == 422
    bad["entry"] = [entry("POST", "Patient", patient(), A), entry("POST", "Patient", patient(), A)]
    assert (await client.post("", json=bad)).status_code == 422, "a fullUrl is used once"
    bad["entry"] = "all of it"
    assert (await client.post("", json=bad)).status_code == 422
    empty = await client.post("", json={"resourceType": "Bundle", "type": "transaction"})
    assert empty.json() == {"resourceType": "Bundle", "type": "transaction-response"}


@pytest.mark.parametrize("kind", ["batch", "transaction"])
async def test_an_entry_that_asks_nothing_is_told_so(client: httpx.AsyncClient, kind: str) -> None:
    answer = await client.post("", json=bundle({"resource": patient()}, kind=kind))
    assert answer.status_code == 422
    rules = [issue["details"]["coding"][0]["code"] for issue in answer.json()["issue"]]
    assert rules == ["bdl-3"], "its resource is there; only its request is not"
    assert answer.json()["issue"][0]["expression"] == ["Bundle.entry[0].request"]


async def test_versions_stay_in_links_that_have_them(client: httpx.AsyncClient) -> None:
    base = "http://simrs.example/fhir"
    known = await create(client, patient("RM-1"))
    observation: Json = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "uji"},
        "focus": [{"reference": f"{A}/_history/7"}, {"reference": f"{base}/Patient/{known['id']}/_history/1"}],
        "subject": {"reference": "Patient/77/_history/3"},
    }
    answer = await post(
        client,
        entry("POST", "Patient", patient(), A),
        entry("PUT", f"Patient/{known['id']}", known, f"{base}/Patient/{known['id']}"),
        entry("POST", "Observation", observation),
    )
    stored = (await client.get(f"/{reference(answer['entry'][2])}")).json()
    made = reference(answer["entry"][0])
    assert [one["reference"] for one in stored["focus"]] == [f"{made}/_history/1", f"Patient/{known['id']}/_history/1"]
    assert stored["subject"]["reference"] == "Patient/77/_history/3", "what is not in the Bundle stays"
    wrong = {**observation, "focus": [{"reference": f"{B}/_history/1"}]}
    error(await client.post("", json=bundle(entry("POST", "Observation", wrong))), 400, "GF-507")


@pytest.mark.parametrize("kind", ["batch", "transaction"])
async def test_searches_and_operations_in_a_bundle(client: httpx.AsyncClient, kind: str) -> None:
    stored = await create(client, patient("RM-1"))
    address = f"Patient/{stored['id']}"
    answer = await post(
        client,
        entry("GET", "metadata"),
        entry("GET", "_history?_count=1"),
        entry("GET", "Patient/_history?_count=1"),
        entry("GET", "?_type=Patient&identifier=RM-1"),
        entry("POST", "Patient/_search?identifier=RM-1", PARAMETERS),
        entry("GET", f"{address}/$everything"),
        entry("POST", "Patient/$validate", patient()),
        entry("GET", "$meta"),
        entry("GET", f"http://gateway.test/fhir/{address}?_elements=gender"),
        entry("HEAD", address),
        entry("GET", address, ifNoneMatch='W/"1"'),
        kind=kind,
    )
    assert statuses(answer) == ["200"] * 10 + ["304"]
    shown = [row.get("resource", {}).get("resourceType") for row in answer["entry"]]
    assert shown[:8] == ["CapabilityStatement", *["Bundle"] * 5, "OperationOutcome", "Parameters"]
    assert shown[8:] == ["Patient", None, None]
    assert [len(answer["entry"][n]["resource"]["entry"]) for n in (1, 2, 3, 4)] == [1, 1, 1, 1]
    assert "name" not in answer["entry"][8]["resource"]


async def test_what_changes_something_may_stand_in_a_batch(client: httpx.AsyncClient) -> None:
    stored = await create(client, patient("RM-1"))
    tag = {"name": "meta", "valueMeta": {"tag": [{"code": "uji"}]}}
    answer = await post(
        client,
        entry("POST", f"Patient/{stored['id']}/$meta-add", {**PARAMETERS, "parameter": [tag]}),
        entry("POST", "$export", PARAMETERS),
        kind="batch",
    )
    assert statuses(answer) == ["200", "400"]
    assert (await client.get(f"/Patient/{stored['id']}")).json()["meta"]["tag"] == [{"code": "uji"}]


async def test_only_a_transaction_looks_up_a_reference_by_criteria(client: httpx.AsyncClient) -> None:
    await create(client, patient("RM-1"))
    sick = condition(f"Patient?identifier={MRN}|RM-1")
    error(await client.post("/Condition", json=sick), 400, "GF-510")
    error(await client.put("/Condition/c", json={**sick, "id": "c"}), 400, "GF-510")
    error(await client.put("/Condition?code=J18.9", json=sick), 400, "GF-510")
    xml = {"Content-Type": "application/fhir+xml"}
    error(await client.post("/Condition", content=fhirxml.encode(sick), headers=xml), 400, "GF-510")
    answer = await post(client, entry("POST", "Condition", sick), entry("GET", "Patient"), kind="batch")
    assert statuses(answer) == ["400", "200"]
    assert await total(client, "Condition") == 0
    assert statuses(await post(client, entry("POST", "Condition", sick))) == ["201"]
    question = condition("http://simrs.example/fhir?id=1")
    assert (await client.post("/Condition", json=question)).status_code == 201, "an address may have a query"
