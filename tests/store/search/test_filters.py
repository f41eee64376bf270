"""`_filter`. Source: https://hl7.org/fhir/R4/search_filter.html"""

from gateway.store import Store
from tests.store.search.hospital import ICD, NIK, wrong

FOUND = [
    ("Patient", "_filter=gender eq male", "budi"),
    ("Patient", "_filter=gender ne male", "siti tanpa-nama"),
    ("Patient", '_filter=name co "anto" or name sw "SITI"', "budi siti"),
    ("Patient", '_filter=name ew "oso" and not (birthdate lt 1990)', "budi"),
    ("Patient", '_filter=name eq "budi santoso"', "budi"),
    ("Patient", '_filter=name eq "budi"', "budi"),
    ("Patient", '_filter=name ne "budi"', "budi siti"),  # one of Budi's names is another
    ("Patient", '_filter=not (name eq "budi")', "siti tanpa-nama"),
    ("Patient", "_filter=name gt santa and name lt siti", "budi"),
    ("Patient", "_filter=name pr false", "tanpa-nama"),
    ("Patient", "_filter=name pr true and gender eq female", "siti"),
    ("Patient", "_filter=gender eq male or gender eq female and birthdate gt 2000", ""),  # from left to right
    ("Patient", "_filter=gender eq male or (gender eq female and birthdate gt 2000)", "budi"),
    ("Patient", "_filter=(gender eq male or gender eq female) and birthdate gt 2000", ""),
    ("Patient", '_filter=phone eq "0812,555"', "budi"),
    ("Patient", f"_filter=identifier eq {NIK}|3174010101900001", "budi"),
    ("Encounter", "_filter=date po 2026-03-01", "rajal"),
    ("Encounter", "_filter=subject.name co siti", "ranap"),
    ("Observation", "_filter=code-value-quantity pr true", "sistolik berat"),
    ("Observation", "_filter=value-quantity ge 100 or status ne final", "sistolik"),
    ("Condition", f"_filter=code ss {ICD}|N39", "isk"),
    ("ValueSet", "_filter=url ss https://rs.contoh.id/fhir", "poli"),
    ("DocumentReference", "_filter=relatesTo[code eq replaces].target re DocumentReference/salah", "resume"),
    ("DocumentReference", "_filter=relatesTo[code eq replaces].target re DocumentReference/lama", ""),
    ("Group", '_filter=characteristic[code eq "jenis"].value eq "ibu"', "ibu"),
    ("Observation", '_filter=subject[gender eq male].name co "anto"', "sistolik berat catatan"),
    ("Observation", '_filter=subject[gender eq female].name co "anto"', ""),
    ("Observation", "_filter=code eq loinc|8480-6 or not (value-quantity pr true)", "sistolik catatan"),
    ("Basic", "_filter=code in urn:rs:ruang-rawat", "icu"),
    ("Basic", "_filter=code ni urn:rs:ruang-rawat", "poli beralamat"),
    ("Encounter", "_filter=date co 2026-03-01T09:00:00%2B07:00", "rajal"),
    ("Encounter", "_filter=subject re Patient/budi", "rajal"),
    ("Patient", '_filter=_has:Observation:patient:code eq "8480-6" or birthdate ge 1991', "budi siti"),
    ("Patient", "_filter=gender eq male or not (name pr true)", "budi tanpa-nama"),
]


async def test_filters(hospital: Store) -> None:
    assert await wrong(hospital, FOUND) == []
