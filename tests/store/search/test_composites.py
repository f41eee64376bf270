"""Composites. Source: https://hl7.org/fhir/R4/search.html#composite"""

from gateway.store import Store
from tests.store.search.hospital import LOINC, wrong

FOUND = [
    ("Observation", f"code-value-quantity={LOINC}|8480-6$gt100", "sistolik"),
    ("Observation", f"code-value-quantity={LOINC}|8480-6$70.5", ""),
    ("Observation", "code-value-string=48767-8$pasien", "catatan"),
    ("ValueSet", "context-type-value=venue$igd", "poli"),
    ("ValueSet", "context-type-value=task$igd", ""),
    ("Group", "characteristic-value=jenis$ibu", "ibu"),
    ("Group", "characteristic-value=jenis$muda", ""),
    ("Group", "characteristic-value=jenis$muda,usia$muda", "ibu"),
    ("DocumentReference", "relationship=DocumentReference/lama$appends", "resume"),
    ("DocumentReference", "relationship=DocumentReference/lama$replaces", ""),
]


async def test_composites(hospital: Store) -> None:
    assert await wrong(hospital, FOUND) == []
