"""What comes along. Source: https://hl7.org/fhir/R4/search.html#include"""

from urllib.parse import parse_qsl

import pytest

from gateway.store import Store
from tests.store.search.hospital import HERE


@pytest.mark.parametrize(
    ("type", "query", "included"),
    [
        ("Observation", "_id=berat&_include=Observation:subject", "Patient/budi"),
        ("Observation", "_include=Observation:subject", "Patient/budi"),
        ("Observation", "_id=berat&_include=Observation:subject:Group", ""),
        ("Observation", "_id=berat&_include=Observation:*", "Encounter/rajal Patient/budi"),
        (
            "Observation",
            "_id=berat&_include=Observation:subject&_include:iterate=Patient:organization",
            "Organization/rs Patient/budi",
        ),
        (
            "Observation",
            "_id=berat&_include=Observation:subject&_include:iterate=Patient:organization&_include:iterate=Organization:partof",
            "Organization/grup Organization/rs Patient/budi",
        ),
        ("Observation", "_id=berat&_include=Observation:subject&_include=Patient:organization", "Patient/budi"),
        ("Patient", "_id=budi&_revinclude=Encounter:subject", "Encounter/rajal"),
        (
            "Patient",
            "_id=budi&_revinclude=Encounter:subject&_revinclude:iterate=Condition:encounter",
            "Condition/isk Encounter/rajal",
        ),
        ("Patient", "_id=siti&_revinclude=Observation:subject", ""),
    ],
)
async def test_includes(hospital: Store, type: str, query: str, included: str) -> None:
    page = await hospital.search(HERE, type, parse_qsl(query))
    assert sorted(v.reference for v in page.included) == included.split()
