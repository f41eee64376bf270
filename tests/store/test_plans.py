"""Query plans: in tables of a million rows no search reads more than what it asks for, and none reads a table whole.

What counts is rows and pages, never time. The statements are those that the store sends, and they are run.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
import yaml

from gateway.settings import Settings
from gateway.store import Store
from gateway.store.embedded import EmbeddedServer
from tests.store.explain import scans, statements
from tests.store.million import MANY, ROWS, fill
from tests.support.database import FACILITIES, fresh_database

HERE = "rs-melati"
LITTLE = MANY // 100
"""Rows that one look at a table may see."""
SMALL = {"facility", "search_parameter", "reindexing"}
"""Tables that do not grow with the resources."""

LITTLE_READ = """
Patient?
Patient?_id=id-8
Patient?_id:not=id-8
Patient?_lastUpdated=2020-01-02
Patient?_lastUpdated=gt2025-09-01
Patient?_lastUpdated=lt2020-02-01
Patient?_tag=tag-5
Patient?_tag:not=tag-5
Patient?_profile=urn:profile:7
Observation?_profile=urn:profile:1
Observation?_profile:below=urn:profile
Patient?identifier=M8
Patient?identifier=urn:mrn|M8
Patient?identifier=urn:mrn|
Patient?identifier=|M8
Patient?identifier=M8,M9
Patient?identifier=nobody
Patient?identifier:of-type=urn:type|MR|M8
Patient?identifier:not=M8
Patient?gender=male
Patient?gender=unknown
Patient?gender:not=male
Patient?gender:in=http://hl7.org/fhir/ValueSet/administrative-gender
Patient?name=nama 8500
Patient?name=nama
Patient?name=zz
Patient?name:exact=Nama 81
Patient?name:contains=nama
Patient?name:missing=false
Patient?address-city=kota 5
Patient?birthdate=2001-05-05
Patient?birthdate=ge2001-05-05
Patient?birthdate=lt1940-05-05
Patient?birthdate=ne2001-05-05
Patient?birthdate=sa2001-05-05
Patient?birthdate=eb1935
Patient?birthdate=ap2001-05-05
Patient?birthdate=le1930-01-02
Patient?birthdate:missing=false
Observation?date=2022-05-05
Observation?date=ge2025-05-05
Observation?date=lt2020-01-02
Observation?date=gt2025-09-10
Observation?date=eb2020-01-05
Patient?organization=Organization/x
Patient?organization=Organization/rs
Patient?organization:Organization=rs
Patient?organization=rs
Patient?organization:missing=false
Patient?general-practitioner:identifier=dr-8
Observation?subject=Patient/id-8
Observation?subject=id-28
Observation?patient=id-28
Observation?performer=Practitioner/dr-7
Observation?code=c5
Observation?code=http://loinc.org|c5
Observation?code=http://loinc.org|
Observation?code=C5
Observation?code:text=teks c9
Observation?code:not=c5
Observation?status=amended
Observation?status:not=final
Condition?code:below=http://hl7.org/fhir/sid/icd-10|N39
Condition?code:above=http://hl7.org/fhir/sid/icd-10|N39.0
Observation?value-quantity=5
Observation?value-quantity=gt9998
Observation?value-quantity=lt3||kg
Observation?value-quantity=gt5||kg
Observation?value-quantity=sa9999
Observation?value-quantity=ne5
Observation?value-quantity=5|http://unitsofmeasure.org|kg
Observation?value-quantity=gt9998|http://unitsofmeasure.org|kg
Observation?value-quantity=lt2|http://unitsofmeasure.org|kg
Observation?code-value-quantity=c5$5
Observation?code-value-quantity=c5$gt9000
RiskAssessment?probability=0.50001
RiskAssessment?probability=gt0.9999
RiskAssessment?probability=lt0.0001
RiskAssessment?probability=lt0.5
RiskAssessment?probability=ne0.5
RiskAssessment?probability=ap0.0001
ValueSet?url=urn:x:17
ValueSet?url:below=urn:x:17
ValueSet?url:above=urn:x:17
ValueSet?reference=http://x.example/17/1
ValueSet?reference:below=http://x.example/17/2
ValueSet?reference:below=http://x.example
Patient?_text=kata28
Patient?_text=pasien
Patient?_content=kata28 or kata29
Patient?_content=kata28 pasien
Observation?_content=hasil5
Patient?_list=id-19
Patient?_filter=name eq "nama 81" and gender eq male
Patient?_filter=identifier eq M8 or birthdate eq 2001-05-05
Patient?_filter=gender ne male
Patient?_filter=not (birthdate ge 1940)
Location?near=5|10|50
Location?partof=id-18
Location?partof:above=id-18
Location?partof:below=id-999998
Observation?subject:Patient.identifier=M28
Observation?subject.birthdate=2001-05-05
Observation?subject:Patient.name=nama
Patient?_has:Observation:subject:code=c5
Patient?_has:Observation:subject:value-quantity=7
Patient?_sort=-_lastUpdated
Patient?_sort=_id
Observation?subject=Patient/id-28&_sort=-date
Patient?identifier=M8,M28,M48&_sort=birthdate,-name
Medication?code=kfa-5&_contained=true
Medication?code=kfa-5&_contained=true&_containedType=contained
Medication?code=kfa-5&_contained=both
Patient/id-28/Observation?
Patient/id-28/Observation?code=c5
Patient/id-28/Patient?
?_type=Patient,Observation&_tag=tag-5
?_lastUpdated=gt2025-09-01
?_id=id-28
Observation?subject=Patient/id-28&_include=Observation:subject
Patient?_id=id-28&_revinclude=Observation:subject
Patient?identifier=M28&_total=accurate
Patient?birthdate=2001-05-05&_total=estimate
""".strip().splitlines()
"""Every kind of parameter with its modifiers, values that all, many, few and none have, on few pages of each table."""

BY_NATURE = {
    "Patient?name:contains=9981": 675_000,
    "Patient?_filter=name ew 9981": 675_000,
    "Patient?name:missing=true": 225_000,
    "Patient?gender:not-in=http://hl7.org/fhir/ValueSet/administrative-gender": 5 * 225_000,
    "Patient?identifier=urn:nobody|": 225_000,
    "Observation?date=lt2020-03-05": 25_000,
    "Observation?date=ap2022-05": 150_000,
    "Patient?name=nama 8": 100_000,
    "Location?near=5|10|500": 50_000,
    "Location?near=5|10|5000": 50_000,
    "Patient?_content=pasien": 500_000,
    "Observation?encounter.status=planned": 100_000,
    "Patient?_sort=name": 4 * 225_000,
    "Patient?gender=male&_total=accurate": 225_000,
}
"""What must look at all values of its parameter in its facility, or at all that it finds: so many rows at most."""


@pytest.fixture(scope="module")
async def million(
    postgres: EmbeddedServer, migrated: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Store]:
    """A store of a million resources."""
    home: Path = tmp_path_factory.mktemp("million")
    (home / "facilities.yaml").write_text(yaml.safe_dump(FACILITIES), "utf-8")
    async with fresh_database(postgres, migrated) as url:
        store = await Store.open(
            Settings(home=home, database_url=url, facilities_file=home / "facilities.yaml", _env_file=None)
        )
        numbers = {type: await store._index.numbers(type) for rows in ROWS.values() for type, *_ in rows}
        async with store.connection() as connection:
            await fill(connection, numbers)
        yield store
        await store.close()


async def read(store: Store, asked: str) -> tuple[int, set[str]]:
    """The most rows that one look at a table sees, and the tables that are read whole."""
    path, _, query = asked.partition("?")
    *compartment, type = path.split("/")
    within = (compartment[0], compartment[1]) if compartment else None
    pairs = parse_qsl(query, keep_blank_values=True)
    said = await statements(store, HERE, type, pairs, compartment=within)
    assert said
    seen = [scan for each in said for scan in await scans(store, each)]
    return max(scan.read for scan in seen), {scan.table for scan in seen if scan.whole} - SMALL


@pytest.mark.parametrize("asked", LITTLE_READ)
async def test_a_search_reads_little_of_a_table_of_a_million_rows(million: Store, asked: str) -> None:
    rows, whole = await read(million, asked)
    assert (rows <= LITTLE, whole) == (True, set()), f"{rows} rows of a table"


@pytest.mark.parametrize(("asked", "most"), BY_NATURE.items())
async def test_what_must_look_at_many_values_looks_at_no_others(million: Store, asked: str, most: int) -> None:
    rows, whole = await read(million, asked)
    assert (rows <= most, whole) == (True, set()), f"{rows} rows of a table"


async def test_the_million_is_there(million: Store) -> None:
    async with million.connection() as connection:
        held = {table: await connection.fetchval(f"select count(*) from {table}") for table in ["resource", *ROWS]}
    assert [table for table, rows in held.items() if rows < MANY] == []


PLANNED = """
select custom_plans from pg_prepared_statements
where statement like '%distinct on (v.resource)%' and statement not like '%pg_prepared%'"""
OFTEN = 20


async def test_what_is_included_is_not_planned_anew_with_every_search(million: Store) -> None:
    async with million.transaction(HERE) as transaction:
        for _ in range(OFTEN):
            await transaction.search("Observation", [("_id", "id-6"), ("_include", "Observation:subject")])
            await transaction.search("Patient", [("_id", "id-10"), ("_revinclude", "Observation:subject")])
        planned = [row[0] for row in await transaction.connection.fetch(PLANNED)]
    assert len(planned) == 2
    assert max(planned) < OFTEN
