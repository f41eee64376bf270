"""Contained resources: searched where they are asked for, and followed by every chain.

Source: https://hl7.org/fhir/R4/search.html#contained
"""

from urllib.parse import parse_qsl

import pytest

from gateway.store import Change, Page, Store
from gateway.store.rows import COLUMNS
from profiles import fhirjson
from profiles.fhirjson import Resource
from tests.store.search.hospital import HERE, THERE, ids, reference

MIXTURE = "http://acme.example/medications"


def prescription(id: str, code: str, **more: object) -> Resource:
    """A prescription of a mixture that it contains, for a person that it contains."""
    mixture = {"itemCodeableConcept": {"coding": [{"system": MIXTURE, "code": code}]}}
    return {
        "resourceType": "MedicationRequest",
        "id": id,
        "status": "active",
        "intent": "order",
        "contained": [
            {
                "resourceType": "Medication",
                "id": "racikan",
                "manufacturer": reference("#pabrik"),
                "ingredient": [mixture],
            },
            {"resourceType": "Organization", "id": "pabrik", "name": f"Pabrik {code}"},
            {"resourceType": "Patient", "id": "orang", "name": [{"text": f"Orang {code}"}], "gender": "male"},
        ],
        "medicationReference": reference("#racikan"),
        "subject": reference("#orang"),
        **more,
    }


@pytest.fixture
async def pharmacy(store: Store) -> Store:
    """Two prescriptions, a Medication of its own, and one that contains two."""
    twice: Resource = {
        "resourceType": "List",
        "id": "daftar",
        "status": "current",
        "mode": "working",
        "contained": [
            {"resourceType": "Medication", "id": "m1", "code": {"coding": [{"code": "z"}]}},
            {"resourceType": "Medication", "id": "m2", "code": {"coding": [{"code": "a"}]}},
        ],
        "entry": [{"item": reference("#m1")}, {"item": reference("#m2")}],
    }
    own: Resource = {
        "resourceType": "Medication",
        "id": "obat",
        "code": {"coding": [{"code": "m"}]},
        "ingredient": [{"itemCodeableConcept": {"coding": [{"system": MIXTURE, "code": "abc"}]}}],
    }
    resources = [prescription("r1", "abc"), prescription("r2", "xyz"), twice, own]
    await store.write(HERE, [Change.update(r, r["id"]) for r in resources])
    return store


async def found(store: Store, type: str, query: str) -> list[str]:
    return [v.reference for v in (await asked(store, type, query)).matches]


async def asked(store: Store, type: str, query: str) -> Page:
    return await store.search(HERE, type, parse_qsl(query))


async def test_a_chain_is_followed_into_what_is_contained(pharmacy: Store) -> None:
    for query, wanted in (
        ("medication.ingredient-code=abc", ["r1"]),
        ("medication.ingredient-code=abc,xyz&subject.name=orang x", ["r2"]),
        ("subject:Patient.gender=male", ["r2", "r1"]),
        ("patient.name=orang abc", ["r1"]),
        ("medication:Medication.manufacturer.name=pabrik xyz", ["r2"]),
        ("medication.manufacturer:Organization.name=pabrik abc", ["r1"]),
        ("subject:Group.code=abc", []),
        ("_filter=subject[gender eq male].name co xyz", ["r2"]),
        ("patient:missing=true", []),
    ):
        assert await ids(pharmacy, "MedicationRequest", query) == wanted, query


async def test_contained_resources_are_found_only_where_they_are_asked_for(pharmacy: Store) -> None:
    search = "ingredient-code=abc"
    assert await found(pharmacy, "Medication", search) == ["Medication/obat"]
    assert await found(pharmacy, "Medication", f"{search}&_contained=false") == ["Medication/obat"]
    assert await found(pharmacy, "Medication", f"{search}&_contained=true") == ["MedicationRequest/r1"]
    both = await found(pharmacy, "Medication", f"{search}&_contained=both")
    assert sorted(both) == ["Medication/obat", "MedicationRequest/r1"]
    assert await found(pharmacy, "Patient", "") == []
    assert len(await found(pharmacy, "Patient", "_contained=true&gender=male")) == 2
    assert await found(pharmacy, "Patient", "_contained=true&gender:not=male") == []
    assert await found(pharmacy, "Patient", "_contained=true&_id=orang&name=orang x") == ["MedicationRequest/r2"]
    assert len(await found(pharmacy, "Patient", "_contained=true&_lastUpdated=gt2000")) == 2


async def test_they_are_shown_alone_where_that_is_asked_for(pharmacy: Store) -> None:
    page = await asked(pharmacy, "Medication", "ingredient-code=abc&_contained=both&_containedType=contained")
    assert [v.reference for v in page.matches] == ["Medication/obat", "MedicationRequest/r1#racikan"]
    shown = fhirjson.decode(page.matches[1].content)
    assert (shown["resourceType"], shown["id"]) == ("Medication", "racikan")


async def test_what_contains_several_is_shown_once(pharmacy: Store) -> None:
    assert await found(pharmacy, "Medication", "_contained=true&code=a,z") == ["List/daftar"]
    page = await asked(pharmacy, "Medication", "_contained=true&code=a,z&_total=accurate&_count=0")
    assert page.total == 1
    alone = "_contained=true&_containedType=contained&code=a,z"
    assert await found(pharmacy, "Medication", f"{alone}&_sort=code") == ["List/daftar#m2", "List/daftar#m1"]
    assert (await asked(pharmacy, "Medication", f"{alone}&_total=accurate&_count=0")).total == 2


@pytest.mark.parametrize("how", ["container", "contained"])
@pytest.mark.parametrize("sort", ["code", "-code", "-_lastUpdated,_id"])
async def test_order_and_pages_of_both(pharmacy: Store, how: str, sort: str) -> None:
    query = f"_contained=both&_containedType={how}&_sort={sort}"
    whole = await found(pharmacy, "Medication", query)
    assert len(whole) == (4 if how == "container" else 5)
    seen, cursor = [], ""
    while True:
        page = await asked(pharmacy, "Medication", f"{query}&_count=1{cursor}")
        seen += [v.reference for v in page.matches]
        if page.next is None:
            break
        cursor = f"&_cursor={page.next}"
    assert seen == whole
    if sort == "code":
        first = "List/daftar" if how == "container" else "List/daftar#m2"
        assert whole[:2] == [first, "Medication/obat"]


async def test_who_refers_to_them_is_asked_too(pharmacy: Store) -> None:
    by = "_has:MedicationRequest:patient:status=active"
    assert await found(pharmacy, "Patient", by) == []
    assert len(await found(pharmacy, "Patient", f"{by}&_contained=true")) == 2
    within = "_has:Medication:manufacturer:ingredient-code=xyz&_contained=true&_containedType=contained"
    assert await found(pharmacy, "Organization", within) == ["MedicationRequest/r2#pabrik"]


async def test_what_they_refer_to_is_chained_and_included(store: Store) -> None:
    patient: Resource = {"resourceType": "Patient", "id": "siti", "name": [{"text": "Siti"}]}
    measured = {"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"}}
    report: Resource = {
        "resourceType": "DiagnosticReport",
        "id": "lab",
        "status": "final",
        "code": {"text": "x"},
        "contained": [{**measured, "subject": reference("Patient/siti"), "focus": [reference("#")]}],
        "result": [reference("#o")],
    }
    await store.write(HERE, [Change.update(r, r["id"]) for r in (patient, report)])
    assert await ids(store, "DiagnosticReport", "result.subject:Patient.name=siti") == ["lab"]
    assert await found(store, "Patient", "_has:Observation:subject:status=final") == ["Patient/siti"]
    assert await found(store, "Observation", "_contained=true&focus:DiagnosticReport.status=final") == [
        "DiagnosticReport/lab"
    ]
    alone = await asked(
        store, "Observation", "_contained=true&_containedType=contained&_include=Observation:subject&patient=siti"
    )
    assert [v.reference for v in alone.matches] == ["DiagnosticReport/lab#o"]
    assert [v.reference for v in alone.included] == ["Patient/siti"]


async def test_several_types_may_be_contained(pharmacy: Store) -> None:
    page = await pharmacy.search(HERE, "", [("_id", "orang,pabrik"), ("_contained", "true")])
    assert [v.reference for v in page.matches] == ["MedicationRequest/r2", "MedicationRequest/r1"]
    alone = [("_containedType", "contained"), ("_contained", "true"), ("_type", "Patient,Organization")]
    page = await pharmacy.search(HERE, "", [*alone, ("_sort", "_id"), ("_count", "2")])
    assert [v.reference.partition("#")[2] for v in page.matches] == ["orang", "orang"]


async def test_no_container_is_shown_that_the_asker_may_not_search(pharmacy: Store) -> None:
    async def seen(among: set[str]) -> list[str]:
        page = await pharmacy.search(HERE, "Medication", [("_contained", "true")], among=among)
        return sorted(v.type for v in page.matches)

    assert await seen({"Medication", "List"}) == ["List"]
    assert await seen({"Medication", "List", "MedicationRequest"}) == ["List", "MedicationRequest", "MedicationRequest"]


async def test_they_follow_updates_and_deletions_of_their_container(pharmacy: Store) -> None:
    await pharmacy.write(HERE, [Change.update(prescription("r1", "xyz"), "r1")])
    assert await found(pharmacy, "Medication", "_contained=true&ingredient-code=abc") == []
    assert sorted(await ids(pharmacy, "MedicationRequest", "medication.ingredient-code=xyz")) == ["r1", "r2"]
    await pharmacy.write(HERE, [Change.delete("MedicationRequest", "r1"), Change.delete("MedicationRequest", "r2")])
    assert await found(pharmacy, "Patient", "_contained=true") == []
    assert await ids(pharmacy, "MedicationRequest", "subject:Patient.gender=male") == []
    await pharmacy.write(HERE, [Change.delete("List", "daftar")])
    assert (await rows(pharmacy))["contained"] == 0


async def test_they_are_read_again_like_everything(pharmacy: Store) -> None:
    before = await rows(pharmacy)
    await pharmacy.reindex(HERE)
    while (progress := await pharmacy.reindexing(HERE)) is None or progress.finished is None:
        pass
    assert await rows(pharmacy) == before
    assert await found(pharmacy, "Medication", "ingredient-code=abc&_contained=true") == ["MedicationRequest/r1"]
    assert await ids(pharmacy, "MedicationRequest", "medication.ingredient-code=abc") == ["r1"]


async def test_no_search_crosses_facilities(pharmacy: Store) -> None:
    await pharmacy.write(THERE, [Change.update(prescription("r9", "abc"), "r9")])
    assert await ids(pharmacy, "MedicationRequest", "medication.ingredient-code=abc", THERE) == ["r9"]
    assert await found(pharmacy, "Medication", "ingredient-code=abc&_contained=true") == ["MedicationRequest/r1"]


async def rows(store: Store) -> dict[str, int]:
    async with store.connection() as connection:
        counted = {table: await connection.fetchval(f"select count(*) from {table}") for table in COLUMNS}
    return {table: count for table, count in counted.items() if table.endswith("_index") or table == "contained"}
