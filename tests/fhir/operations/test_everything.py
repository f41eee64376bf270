"""$everything, $lastn and $document: records as a whole."""

import httpx
import pytest

from profiles import Validator
from tests.fhir.operations.support import parameters, row
from tests.fhir.support import Json, bundle, entry, error
from tests.support.server import MakeClient


def to(reference: str) -> Json:
    """A reference."""
    return {"reference": reference}


def code(value: str, system: str = "http://loinc.org") -> Json:
    """A coded concept."""
    return {"coding": [{"system": system, "code": value}]}


def observation(name: str, value: str, day: str, patient: str = "wulan", **more: object) -> Json:
    """A vital sign."""
    return {
        "resourceType": "Observation",
        "id": name,
        "status": "final",
        "code": code(value),
        "category": [code("vital-signs", "http://terminology.hl7.org/CodeSystem/observation-category")],
        "subject": to(f"Patient/{patient}"),
        "effectiveDateTime": day,
        **more,
    }


def encounter(name: str, patient: str, **more: object) -> Json:
    """A visit."""
    made: Json = {"resourceType": "Encounter", "id": name, "status": "finished", "class": {"code": "AMB"}}
    return {**made, "subject": to(f"Patient/{patient}"), **more}


RECORD: list[Json] = [
    {"resourceType": "Organization", "id": "rs", "name": "RS Melati", "partOf": to("Organization/grup")},
    {"resourceType": "Organization", "id": "grup", "name": "Grup"},
    {"resourceType": "Practitioner", "id": "rina", "name": [{"text": "dr. Rina"}]},
    {
        "resourceType": "Patient",
        "id": "wulan",
        "name": [{"text": "Wulan"}],
        "managingOrganization": to("Organization/rs"),
    },
    {"resourceType": "Patient", "id": "siti", "name": [{"text": "Siti"}]},
    {"resourceType": "Medication", "id": "obat", "code": {"text": "amoksisilin"}},
    encounter(
        "satu",
        "wulan",
        period={"start": "2026-01-05", "end": "2026-01-05"},
        participant=[{"individual": to("Practitioner/rina")}],
    ),
    encounter("dua", "wulan", period={"start": "2026-03-05"}),
    encounter("lain", "siti"),
    {
        "resourceType": "Condition",
        "id": "dx",
        "code": {"text": "batuk"},
        "subject": to("Patient/wulan"),
        "encounter": to("Encounter/satu"),
        "recordedDate": "2026-01-05",
    },
    {
        "resourceType": "MedicationRequest",
        "id": "resep",
        "status": "active",
        "intent": "order",
        "subject": to("Patient/wulan"),
        "encounter": to("Encounter/satu"),
        "authoredOn": "2026-01-05",
        "medicationReference": to("Medication/obat"),
    },
    observation("suhu-1", "8310-5", "2026-01-05", encounter=to("Encounter/satu"), performer=[to("Patient/siti")]),
    observation("suhu-2", "8310-5", "2026-03-05", encounter=to("Encounter/dua")),
    observation("nadi", "8867-4", "2026-02-01"),
    observation("suhu-siti", "8310-5", "2026-04-01", "siti"),
]


@pytest.fixture
async def record(client: httpx.AsyncClient) -> None:
    """Two patients' records."""
    entries = [entry("PUT", f"{resource['resourceType']}/{resource['id']}", resource) for resource in RECORD]
    answer = await client.post("", json=bundle(*entries))
    assert answer.status_code == 200, answer.text


def names(answer: httpx.Response) -> set[str]:
    """`Type/id` of the entries."""
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["resourceType"], found["type"]) == ("Bundle", "searchset")
    listed = [f"{row['resource']['resourceType']}/{row['resource']['id']}" for row in found.get("entry", [])]
    assert len(listed) == len(set(listed)), "nothing twice"
    return set(listed)


OWN = {
    *("Patient/wulan", "Encounter/satu", "Encounter/dua", "Condition/dx", "MedicationRequest/resep"),
    *("Observation/suhu-1", "Observation/suhu-2", "Observation/nadi"),
}
SPOKEN_OF = {"Organization/rs", "Organization/grup", "Practitioner/rina", "Medication/obat"}


@pytest.mark.usefixtures("record")
async def test_a_patients_whole_record_and_no_other(client: httpx.AsyncClient) -> None:
    answer = await client.get("/Patient/wulan/$everything")
    assert names(answer) == OWN | SPOKEN_OF
    first = answer.json()["entry"][0]
    assert (first["resource"]["id"], first["search"]["mode"]) == ("wulan", "match")
    modes = {row["resource"]["id"]: row["search"]["mode"] for row in answer.json()["entry"]}
    assert {name for name, mode in modes.items() if mode == "include"} == {name.split("/")[1] for name in SPOKEN_OF}
    assert names(await client.get("/Patient/siti/$everything")) == {
        *("Patient/siti", "Encounter/lain", "Observation/suhu-siti"),
        *("Observation/suhu-1",),
    }, "she is a performer of one of the other's observations: her compartment holds it, and nobody else's record"


@pytest.mark.usefixtures("record")
async def test_a_visit_as_a_whole(client: httpx.AsyncClient) -> None:
    assert names(await client.get("/Encounter/satu/$everything")) == {
        *("Encounter/satu", "Condition/dx", "MedicationRequest/resep", "Observation/suhu-1", "Patient/wulan"),
        *SPOKEN_OF,
    } - {"Observation/suhu-2"}
    only = await client.post("/Encounter/satu/$everything", json=parameters(row("_type", valueCode="Condition")))
    assert names(only) == {"Condition/dx"}


@pytest.mark.usefixtures("record")
async def test_parts_of_a_record(client: httpx.AsyncClient) -> None:
    address = "/Patient/wulan/$everything"
    assert names(await client.get(f"{address}?_type=Observation,Condition")) == {
        *("Observation/suhu-1", "Observation/suhu-2", "Observation/nadi", "Condition/dx")
    }
    january = names(await client.get(f"{address}?start=2026-01&end=2026-01&_type=Observation,Encounter,Condition"))
    assert january == {"Observation/suhu-1", "Encounter/satu", "Condition/dx"}
    later = names(await client.get(f"{address}?start=2026-02-01&_type=Observation,Encounter,Patient"))
    assert later == {"Observation/nadi", "Observation/suhu-2", "Encounter/dua", "Patient/wulan"}
    stored = (await client.get("/Observation/nadi")).json()
    changed = (await client.put("/Observation/nadi", json={**stored, "status": "amended"})).json()
    since = changed["meta"]["lastUpdated"]
    assert names(await client.get(address, params={"_since": since})) == {"Observation/nadi"}


@pytest.mark.usefixtures("record")
@pytest.mark.parametrize("count", [1, 3, 11, 12, 13])
async def test_pages_hold_everything_once(client: httpx.AsyncClient, count: int) -> None:
    address, found, pages = f"/Patient/wulan/$everything?_count={count}", list[str](), 0
    while address:
        answer = await client.get(address)
        page = names(answer)
        assert 0 < len(page) <= count
        found += page
        pages += 1
        address = next((link["url"] for link in answer.json()["link"] if link["relation"] == "next"), "")
    assert sorted(found) == sorted(OWN | SPOKEN_OF)
    assert pages == -(-len(found) // count)


@pytest.mark.usefixtures("record")
async def test_what_makes_no_sense_is_refused(client: httpx.AsyncClient, make_client: MakeClient) -> None:
    address = "/Patient/wulan/$everything"
    error(await client.get(f"{address}?_type=Observatoin"), 400, "GF-108")
    error(await client.get(f"{address}?_since=yesterday"), 400, "GF-108")
    error(await client.get(f"{address}?_sort=date"), 400, "GF-109")
    error(await client.get(f"{address}?_cursor=x"), 400, "GF-403")
    error(await client.get("/Patient/none/$everything"), 404, "GF-201")
    error(await client.get("/Condition/dx/$everything"), 404, "GF-112")
    await client.delete("/Patient/siti")
    error(await client.get("/Patient/siti/$everything"), 410, "GF-202")
    reader = await make_client("reader")
    error(await reader.get(f"{address}?_type=AuditEvent"), 403, "GF-603")
    assert "AuditEvent" not in {name.split("/")[0] for name in names(await reader.get(address))}
    error(await (await make_client("operator")).get(address), 403, "GF-603")


@pytest.mark.usefixtures("record")
async def test_the_newest_of_each_code(client: httpx.AsyncClient) -> None:
    address = "/Observation/$lastn?patient=Patient/wulan&category=vital-signs"
    assert names(await client.get(address)) == {"Observation/suhu-2", "Observation/nadi"}
    assert names(await client.get(f"{address}&max=5")) == {
        "Observation/suhu-1",
        "Observation/suhu-2",
        "Observation/nadi",
    }
    assert names(await client.get(f"{address}&date=le2026-02-15")) == {"Observation/suhu-1", "Observation/nadi"}
    asked = parameters(row("subject", valueString="Patient/wulan"), row("code", valueString="http://loinc.org|8310-5"))
    assert names(await client.post("/Observation/$lastn", json=asked)) == {"Observation/suhu-2"}
    both = code("8310-5")
    both["coding"].append({"system": "http://loinc.org", "code": "8867-4"})
    await client.put("/Observation/dua", json={**observation("dua", "8310-5", "2026-05-05"), "code": both})
    assert names(await client.get(address)) == {"Observation/dua"}, "a shared coding makes one group"


@pytest.mark.usefixtures("record")
async def test_lastn_needs_a_patient_and_a_kind(client: httpx.AsyncClient) -> None:
    error(await client.get("/Observation/$lastn?patient=wulan"), 400, "GF-701")
    error(await client.get("/Observation/$lastn?code=8310-5"), 400, "GF-701")
    error(await client.get("/Observation/$lastn?patient=wulan&code=8310-5&max=0"), 400, "GF-108")
    error(await client.get("/Observation/$lastn?patient=wulan&code=8310-5&_sort=date"), 400, "GF-109")
    issue = error(await client.get("/Observation/$lastn?patient=wulan&code=8310-5&colour=red"), 400, "GF-401")
    assert "category" in issue["diagnostics"]


SUMMARY: Json = {
    "resourceType": "Composition",
    "id": "resume",
    "status": "final",
    "type": code("18842-5"),
    "subject": to("Patient/wulan"),
    "encounter": to("Encounter/satu"),
    "date": "2026-01-06",
    "author": [to("Practitioner/rina")],
    "title": "Resume medis",
    "section": [
        {"title": "Diagnosis", "entry": [to("Condition/dx")]},
        {"title": "Obat", "entry": [to("MedicationRequest/resep")]},
    ],
}


@pytest.mark.usefixtures("record")
async def test_a_composition_becomes_a_document(client: httpx.AsyncClient) -> None:
    await client.put("/Composition/resume", json=SUMMARY)
    made = (await client.get("/Composition/resume/$document")).json()
    assert (made["type"], made["entry"][0]["resource"]["title"]) == ("document", "Resume medis")
    assert made["identifier"]["value"].startswith("urn:uuid:")
    assert {row["fullUrl"].removeprefix("http://gateway.test/fhir/") for row in made["entry"]} == {
        *("Composition/resume", "Patient/wulan", "Encounter/satu", "Practitioner/rina", "Condition/dx"),
        *("MedicationRequest/resep", "Medication/obat", "Organization/rs", "Organization/grup"),
    }
    assert [
        issue for issue in Validator(rules=None).validate(made) if issue.tier == "base" and issue.severity == "error"
    ] == []
    assert "entry" not in (await client.get("/Bundle")).json()


@pytest.mark.usefixtures("record")
async def test_a_document_is_kept_when_asked(client: httpx.AsyncClient, make_client: MakeClient) -> None:
    await client.put("/Composition/resume", json=SUMMARY)
    answer = await client.post("/Composition/resume/$document", json=parameters(row("persist", valueBoolean=True)))
    kept = answer.json()
    assert (await client.get(f"/Bundle/{kept['id']}")).json() == kept
    assert answer.headers["location"].endswith(f"/Bundle/{kept['id']}/_history/1")
    reader = await make_client("reader")
    assert (await reader.get("/Composition/resume/$document")).status_code == 200
    error(await reader.get("/Composition/resume/$document?persist=true"), 403, "GF-603")


@pytest.mark.usefixtures("record")
async def test_a_document_is_whole_or_none(client: httpx.AsyncClient) -> None:
    await client.put("/Composition/resume", json=SUMMARY)
    await client.delete("/Condition/dx")
    issue = error(await client.get("/Composition/resume/$document"), 422, "GF-705")
    assert "Condition/dx" in issue["details"]["text"]
