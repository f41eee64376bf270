"""Uris. Source: https://hl7.org/fhir/R4/search.html#uri"""

from gateway.store import Store
from tests.store.search.hospital import wrong

FOUND = [
    ("ValueSet", "url=https://rs.contoh.id/fhir/ValueSet/poli", "poli"),
    ("ValueSet", "url:below=https://rs.contoh.id/fhir", "poli"),
    ("ValueSet", "url=https://rs.contoh.id/vs|1.0", "poli-1"),
    ("ValueSet", "url=https://rs.contoh.id/vs|2.0,https://rs.contoh.id/fhirish", "poli-2 lain"),
    ("ValueSet", "url=https://rs.contoh.id/vs", "poli-1 poli-2"),
    ("ValueSet", "url:below=urn:rs", ""),
    ("ValueSet", "url:above=https://rs.contoh.id/fhirish/ValueSet/x", "lain"),
]


async def test_uris_and_their_modifiers(hospital: Store) -> None:
    assert await wrong(hospital, FOUND) == []
