"""Strings. Source: https://hl7.org/fhir/R4/search.html#string"""

from gateway.store import Store
from tests.store.search.hospital import wrong

FOUND = [
    ("Patient", "name=budi", "budi"),
    ("Patient", "name=CHERIE", "budi"),
    ("Patient", "name=antoso", ""),
    ("Patient", "name:contains=ANTOSO", "budi"),
    ("Patient", "name:exact=Santoso", "budi"),
    ("Patient", "name:exact=santoso", ""),
    ("Patient", "name=siti,budi", "budi siti"),
    ("Patient", "name=budi&name=santoso", "budi"),
    ("Patient", "name=budi&name=siti", ""),
    ("Patient", "name:missing=true", "tanpa-nama"),
    ("Patient", "name=aminah", "siti"),  # each word of a name
    ("Patient", "name=ami", "siti"),
    ("Patient", "name:exact=Aminah", ""),
    ("Patient", "name=  siti   AMINAH", "siti"),
    ("Patient", "name=siti-aminah", "siti"),
    ("Patient", "phonetic=boedi", "budi"),
    ("Patient", "phonetic=sitti aminnah", "siti"),
    ("Patient", "phonetic=soesanto", ""),
    ("Patient", "address=jl melati", "budi"),
    ("Patient", "address=melati", ""),
    ("Patient", "address=jl. melati&address-city=jakarta", "budi"),
]


async def test_strings_and_their_modifiers(hospital: Store) -> None:
    assert await wrong(hospital, FOUND) == []
