"""A visit's resources, of nobody, for the tests of this folder."""

from decimal import Decimal
from typing import Any

import pytest


@pytest.fixture
def patient() -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": "siti",
        "active": True,
        "extension": [
            {"url": "http://example.org/age", "valueAge": {"value": 38, "unit": "tahun", "code": "a"}},
            {"url": "http://example.org/key", "valueUuid": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"},
        ],
        "identifier": [
            {"use": "official", "system": "https://fhir.kemkes.go.id/id/nik", "value": "3171234509870001"},
            {"system": "http://sys-ids.kemkes.go.id/mr/10000004", "value": "RM-0042"},
        ],
        "name": [
            {"use": "official", "text": "Siti Rahayu", "family": "Rahayu", "given": ["Siti", None], "_given": [
                None, {"extension": [{"url": "http://example.org/unknown", "valueBoolean": True}]}]},
            {"use": "nickname", "given": ["Iti"]},
        ],
        "gender": "female",
        "birthDate": "1987-09-05",
        "_birthDate": {"extension": [{
            "url": "http://hl7.org/fhir/StructureDefinition/patient-birthTime",
            "valueDateTime": "1987-09-05T04:10:00+07:00"}]},
        "_language": {"id": "l1"},
        "multipleBirthInteger": 2,
        "telecom": [{"system": "phone", "value": "021-555", "rank": 2}, {"system": "email", "value": "s@example.org"}],
        "contact": [{"name": {"family": "Budi"}}, {"telecom": [{"system": "phone", "value": "0812"}]}],
        "contained": [{"resourceType": "Organization", "id": "org", "name": "Klinik Melati"}],
        "managingOrganization": {"reference": "#org"},
        "generalPractitioner": [{"reference": "Practitioner/dr-1"}, {"reference": "urn:uuid:0"}],
    }  # fmt: skip


@pytest.fixture
def observation() -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": "bp",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]},
        "subject": {"reference": "Patient/siti"},
        "effectiveDateTime": "2026-03-01T09:30:00+07:00",
        "valueQuantity": {"value": Decimal("72.50"), "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
        "component": [
            {"code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]},
             "valueQuantity": {"value": 120, "code": "mm[Hg]", "system": "http://unitsofmeasure.org"}},
            {"code": {"coding": [{"system": "http://loinc.org", "code": "8462-4"}]}, "valueString": "eighty"},
        ],
    }  # fmt: skip
