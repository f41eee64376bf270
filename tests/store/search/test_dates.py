"""Dates; the facility is at +07:00. Source: https://hl7.org/fhir/R4/search.html#date"""

from gateway.store import Store
from tests.store.search.hospital import wrong

FOUND = [
    ("Patient", "birthdate=1990-01-01", "budi"),
    ("Patient", "birthdate=1990", "budi"),
    ("Patient", "birthdate=1991-06-01", ""),
    ("Patient", "birthdate=ne1990", "siti"),
    ("Patient", "birthdate=gt1990-12-31", "siti"),
    ("Patient", "birthdate=ge1990-01-01", "budi siti"),
    ("Patient", "birthdate=lt1991", "budi"),
    ("Patient", "birthdate=le1991-06", "budi siti"),
    ("Patient", "birthdate=sa1990-01-01", "siti"),
    ("Patient", "birthdate=eb1991-06", "budi"),
    ("Patient", "birthdate=ge1990&birthdate=lt1991", "budi"),
    ("Observation", "date=2026-03-01", "sistolik berat"),
    ("Observation", "date=2026-03-01T01:15:00Z", "sistolik"),
    ("Observation", "date=2026-02-28", ""),
    ("Observation", "date=2026", "sistolik berat catatan"),
    ("Encounter", "date=2026-03-01", "rajal"),
    ("Encounter", "date=gt2027", "ranap"),
    ("Encounter", "date=eb2026-03-02", "rajal"),
    ("Encounter", "date=sa2026-03-04", "ranap"),
    ("Encounter", "date=ap2026-03-01", "rajal ranap"),
    ("Procedure", "date=2026-03-05T16:30:00Z", "jahit"),
    ("Procedure", "date=2026-03-05", "jahit"),
    ("Procedure", "date=2026-03-06", ""),
    ("Procedure", "date=2026-03-05T23:30", "jahit"),
    ("Procedure", "date=gt2026-03-05T23:30:00%2B07:00", ""),
    # the outer limits of a Timing; one that has none is there, but at no time
    ("ServiceRequest", "occurrence=ge2026-03-10", "kontrol"),
    ("ServiceRequest", "occurrence=2026-03", "kontrol"),
    ("ServiceRequest", "occurrence=2026-03-06", ""),
    ("ServiceRequest", "occurrence=lt2026-03-06", "kontrol"),
    ("ServiceRequest", "occurrence:missing=false", "terapi kontrol"),
]


async def test_dates_and_their_prefixes(hospital: Store) -> None:
    assert await wrong(hospital, FOUND) == []
