"""FHIR resources that the simulated SATUSEHAT accepts, of its own people and places."""

from typing import Any

from profiles.fhirjson import Resource

ENCOUNTER = "http://sys-ids.kemkes.go.id/encounter/10000004"
CLASS_EXTENSION = "https://fhir.kemkes.go.id/r4/StructureDefinition/ServiceClass"


def coding(system: str, code: str, display: str) -> Resource:
    return {"coding": [{"system": system, "code": code, "display": display}]}


def encounter(number: str = "RJ-1", **changes: Any) -> Resource:
    """Sri Wahyuni arrives at internal medicine."""
    start = {"start": "2026-01-15T02:00:00+00:00"}
    service_class = {
        "url": CLASS_EXTENSION,
        "extension": [
            {
                "url": "value",
                "valueCodeableConcept": coding(
                    "http://terminology.kemkes.go.id/CodeSystem/locationServiceClass-Outpatient",
                    "reguler",
                    "Kelas Reguler",
                ),
            },
            {
                "url": "upgradeClassIndicator",
                "valueCodeableConcept": coding(
                    "http://terminology.kemkes.go.id/CodeSystem/locationUpgradeClass",
                    "kelas-tetap",
                    "Kelas Tetap Perawatan",
                ),
            },
        ],
    }
    return {
        "resourceType": "Encounter",
        "identifier": [{"system": ENCOUNTER, "value": number}],
        "status": "arrived",
        "class": {
            "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
            "code": "AMB",
            "display": "ambulatory",
        },
        "subject": {"reference": "Patient/P02100000001", "display": "SRI WAHYUNI"},
        "participant": [
            {
                "type": [coding("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "ATND", "attender")],
                "individual": {"reference": "Practitioner/10021000001", "display": "dr. Arief Hidayat Sp.PD"},
            }
        ],
        "period": start,
        "location": [
            {
                "location": {
                    "reference": "Location/3a1d7b10-5a3f-4a53-8d7e-2f0f4a9c0001",
                    "display": "Poli Penyakit Dalam",
                },
                "period": start,
                "extension": [service_class],
            }
        ],
        "statusHistory": [{"status": "arrived", "period": start}],
        "serviceProvider": {"reference": "Organization/10000004"},
        **changes,
    }


def condition(
    of: str, code: str = "E11.9", display: str = "Type 2 diabetes mellitus, Without complications"
) -> Resource:
    """A diagnosis in the encounter `of`, a reference."""
    return {
        "resourceType": "Condition",
        "clinicalStatus": coding("http://terminology.hl7.org/CodeSystem/condition-clinical", "active", "Active"),
        "category": [
            coding(
                "http://terminology.hl7.org/CodeSystem/condition-category", "encounter-diagnosis", "Encounter Diagnosis"
            )
        ],
        "code": coding("http://hl7.org/fhir/sid/icd-10", code, display),
        "subject": {"reference": "Patient/P02100000001", "display": "SRI WAHYUNI"},
        "encounter": {"reference": of},
    }


def transaction(*resources: Resource) -> Resource:
    """A transaction whose entries have the fullUrls of `urn(0)`, `urn(1)`, …"""
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"fullUrl": urn(index), "resource": row, "request": {"method": "POST", "url": row["resourceType"]}}
            for index, row in enumerate(resources)
        ],
    }


def urn(index: int) -> str:
    """The fullUrl of an entry of `transaction`."""
    return f"urn:uuid:00000000-0000-4000-8000-{index:012d}"


def patient(nik: str, birth: str, gender: str, name: str) -> Resource:
    """A patient to register by NIK."""
    return {
        "resourceType": "Patient",
        "meta": {"profile": ["https://fhir.kemkes.go.id/r4/StructureDefinition/Patient"]},
        "identifier": [{"use": "official", "system": "https://fhir.kemkes.go.id/id/nik", "value": nik}],
        "active": True,
        "name": [{"use": "official", "text": name}],
        "gender": gender,
        "birthDate": birth,
        "deceasedBoolean": False,
        "address": [
            {
                "use": "home",
                "line": ["Jl. Contoh No. 1"],
                "city": "PADANG",
                "country": "ID",
                "extension": [
                    {
                        "url": "https://fhir.kemkes.go.id/r4/StructureDefinition/administrativeCode",
                        "extension": [
                            {"url": "province", "valueCode": "13"},
                            {"url": "city", "valueCode": "1371"},
                            {"url": "district", "valueCode": "137101"},
                            {"url": "village", "valueCode": "1371011001"},
                            {"url": "rt", "valueCode": "1"},
                            {"url": "rw", "valueCode": "2"},
                        ],
                    }
                ],
            }
        ],
        "multipleBirthInteger": 0,
    }
