"""The visit Bundle: all that belongs to an Encounter, and nothing of another."""

import pytest

from gateway.store import Change, Gone, NotFound, Store
from profiles import fhirjson
from profiles.fhirjson import Resource

HERE, THERE = "rs-melati", "rs-kenanga"


def to(reference: str) -> Resource:
    return {"reference": reference}


VISIT: list[Resource] = [
    {"resourceType": "Patient", "id": "budi", "managingOrganization": to("Organization/rs")},
    {"resourceType": "Organization", "id": "rs", "partOf": to("Organization/grup")},
    {"resourceType": "Organization", "id": "grup"},
    {"resourceType": "Practitioner", "id": "rina"},
    {"resourceType": "Location", "id": "poli", "managingOrganization": to("Organization/rs")},
    {"resourceType": "Coverage", "id": "kartu", "beneficiary": to("Patient/budi")},
    {
        "resourceType": "Encounter",
        "id": "igd",
        "subject": to("Patient/budi"),
        "location": [{"location": to("Location/igd")}],
    },
    {"resourceType": "Location", "id": "igd"},
    {"resourceType": "Condition", "id": "di-igd", "encounter": to("Encounter/igd")},
    {
        "resourceType": "Encounter",
        "id": "ranap",
        "subject": to("Patient/budi"),
        "participant": [{"individual": to("Practitioner/rina")}],
        "location": [{"location": to("Location/poli")}],
        "partOf": to("Encounter/igd"),
    },
    {"resourceType": "Condition", "id": "dx", "encounter": to("Encounter/ranap"), "subject": to("Patient/budi")},
    {
        "resourceType": "MedicationRequest",
        "id": "resep",
        "encounter": to("Encounter/ranap"),
        "medicationReference": to("Medication/obat"),
    },
    {"resourceType": "Medication", "id": "obat"},
    {"resourceType": "MedicationDispense", "id": "serah", "authorizingPrescription": [to("MedicationRequest/resep")]},
    {"resourceType": "ServiceRequest", "id": "lab", "encounter": to("Encounter/ranap"), "subject": to("Patient/budi")},
    {"resourceType": "Specimen", "id": "darah", "request": [to("ServiceRequest/lab")]},
    {
        "resourceType": "CoverageEligibilityRequest",
        "id": "sep",
        "patient": to("Patient/budi"),
        "supportingInfo": [{"sequence": 1, "information": to("Encounter/ranap")}],
        "insurance": [{"coverage": to("Coverage/kartu")}],
        "facility": to("Location/poli"),
    },
    {"resourceType": "CoverageEligibilityResponse", "id": "jawab", "request": to("CoverageEligibilityRequest/sep")},
    {"resourceType": "Encounter", "id": "lain", "subject": to("Patient/budi")},
    {"resourceType": "Condition", "id": "dx-lain", "encounter": to("Encounter/lain"), "subject": to("Patient/budi")},
    {"resourceType": "AuditEvent", "id": "jejak", "entity": [{"what": to("Encounter/ranap")}]},
]


@pytest.fixture
async def written(store: Store) -> Store:
    await store.write(HERE, [Change.update(r, r["id"]) for r in VISIT])
    return store


async def names(store: Store, encounter: str) -> list[str]:
    bundle = await store.visit(HERE, encounter)
    assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "collection")
    assert all(e["fullUrl"] == f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in bundle["entry"])
    return [e["fullUrl"] for e in bundle["entry"]]


async def test_a_visit_holds_what_refers_to_it_and_what_that_refers_to(written: Store) -> None:
    found = await names(written, "ranap")
    assert found[0] == "Encounter/ranap"
    others = {"Encounter/lain", "Condition/dx-lain", "Condition/di-igd", "Location/igd", "AuditEvent/jejak"}
    assert set(found) == {f"{r['resourceType']}/{r['id']}" for r in VISIT} - others
    assert len(found) == len(set(found))


async def test_what_was_deleted_is_no_longer_part_of_it(written: Store) -> None:
    await written.write(HERE, [Change.delete("Condition", "dx"), Change.delete("Practitioner", "rina")])
    found = await names(written, "ranap")
    assert "Condition/dx" not in found
    assert "Practitioner/rina" not in found


async def test_a_visit_that_is_not_there(written: Store) -> None:
    with pytest.raises(NotFound):
        await written.visit(HERE, "tidak-ada")
    with pytest.raises(NotFound):
        await written.visit(THERE, "ranap")
    await written.write(HERE, [Change.delete("Encounter", "ranap")])
    with pytest.raises(Gone):
        await written.visit(HERE, "ranap")


async def test_numbers_keep_their_digits(store: Store) -> None:
    await store.write(HERE, [Change.update({"resourceType": "Encounter", "id": "e"}, "e")])
    observation = (
        b'{"resourceType":"Observation","encounter":{"reference":"Encounter/e"},"valueQuantity":{"value":1.50}}'
    )
    await store.write(HERE, [Change.update(fhirjson.decode(observation), "o")])
    assert b'"value":1.50' in fhirjson.encode(await store.visit(HERE, "e"))
