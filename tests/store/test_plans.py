"""Query plans: no search by one parameter reads a whole table, however large it grows."""

import json
from typing import Any
from urllib.parse import parse_qsl

import pytest

from gateway.store import Store
from gateway.store.facilities import Place
from gateway.store.search.conditions import Builder
from gateway.store.search.run import numbers
from gateway.store.search.statement import Bounds, page
from gateway.store.search.syntax import parse
from gateway.store.search.vocabulary import meant

HERE = "rs-melati"

GROW = """
insert into resource (key, facility, type, id, version, last_updated, deleted)
select n, 1 + n % 2, (array['Patient', 'Observation', 'Encounter', 'Condition', 'Basic'])[1 + n % 5], 'id-' || n, 1,
       timestamptz '2026-01-01' + n * interval '1 minute', false
from generate_series(1, 5000) n;
insert into resource_version (resource, version, facility, type, id, last_updated, method, content)
select key, 1, facility, type, id, last_updated, 'POST', '{}' from resource;
insert into token_index (resource, parameter, facility, part, system, code)
select n, p, 1 + n % 2, 0, n % 7, 'code-' || (n % 1000) from generate_series(1, 5000) n, unnest($1::int[]) p;
insert into string_index (resource, parameter, facility, part, folded, exact)
select n, p, 1 + n % 2, 0, 'nama ' || n, 'Nama ' || n from generate_series(1, 5000) n, unnest($1::int[]) p;
insert into date_index (resource, parameter, facility, part, low, high)
select n, p, 1 + n % 2, 0, timestamptz '2000-01-01' + make_interval(hours => n),
       timestamptz '2000-01-02' + make_interval(hours => n)
from generate_series(1, 5000) n, unnest($1::int[]) p;
insert into number_index (resource, parameter, facility, part, low, high)
select n, p, 1 + n % 2, 0, n, n from generate_series(1, 5000) n, unnest($1::int[]) p;
insert into quantity_index (resource, parameter, facility, part, low, high, system, unit)
select n, p, 1 + n % 2, 0, n, n, 1, 'kg' from generate_series(1, 5000) n, unnest($1::int[]) p;
insert into reference_index (resource, parameter, facility, part, target_type, target_id)
select n, p, 1 + n % 2, 0, 'Patient', 'id-' || n from generate_series(1, 5000) n, unnest($1::int[]) p;
insert into uri_index (resource, parameter, facility, part, uri)
select n, p, 1 + n % 2, 0, 'urn:' || n from generate_series(1, 5000) n, unnest($1::int[]) p;
insert into text_index (resource, parameter, facility, part, words)
select n, p, 1 + n % 2, 0, 'nama kata' || n || ' pasien' from generate_series(1, 5000) n, unnest($1::int[]) p;
insert into position_index (resource, parameter, facility, part, latitude, longitude)
select n, p, 1 + n % 2, 0, n / 60.0, n / 30.0 from generate_series(1, 5000) n, unnest($1::int[]) p;
analyze"""

GROWN = ["identifier", "name", "birthdate", "value-quantity", "subject", "_tag", "_profile", "url", "probability"]
GROWN += ["_text", "_content", "near"]
"""Codes of the parameters, of every type that SEARCHES names, that get 5 000 rows in every table."""

SEARCHES = [
    ("Patient", "_id=id-5"),
    ("Patient", "_lastUpdated=2026-01-02"),
    ("Patient", "_tag=code-5"),
    ("Patient", "_profile=urn:5"),
    ("Patient", "identifier=code-5"),
    ("Patient", "identifier=urn:x|code-5"),
    ("Patient", "identifier=urn:x|"),
    ("Patient", "gender:not=male"),
    ("Patient", "name=nama 77"),
    ("Patient", "name:exact=Nama 77"),
    ("Patient", "name:contains=ma 77"),
    ("Patient", "name:missing=true"),
    ("Patient", "birthdate=2001-05-05"),
    ("Patient", "birthdate=ge2001-05-05"),
    ("Patient", "birthdate=lt2001-05-05"),
    ("Patient", "birthdate=sa2001-05-05"),
    ("Patient", "organization=Organization/x"),
    ("Patient", ""),
    ("Patient", "_sort=-_lastUpdated"),
    ("Observation", "value-quantity=5"),
    ("Observation", "value-quantity=gt5||kg"),
    ("Observation", "code-value-quantity=code-5$5"),
    ("Observation", "subject=Patient/id-5"),
    ("Observation", "subject:Patient.name=nama 77"),
    ("Patient", "_has:Observation:subject:code=code-5"),
    ("RiskAssessment", "probability=5"),
    ("ValueSet", "url=urn:5"),
    ("ValueSet", "url:below=urn:5"),
    ("ValueSet", "url:above=urn:5"),
    ("Patient", "_text=kata77"),
    ("Patient", "_content=kata77 or kata78"),
    ("Patient", "_content=pasien"),
    ("Patient", "_list=id-5"),
    ("Patient", '_filter=name co "ma 77" or not (birthdate lt 2001)'),
    ("Patient", "_id:not=id-5"),
    ("Patient", "_sort=birthdate,-name"),
    ("Patient", "identifier:of-type=urn:x|MR|5"),
    ("Patient", "gender:not-in=http://hl7.org/fhir/ValueSet/administrative-gender"),
    ("Patient", "general-practitioner:identifier=code-5"),
    ("Location", "near=5|10|50"),
    ("Condition", "code:below=http://hl7.org/fhir/sid/icd-10|N39"),
]


def scans(plan: dict[str, Any]) -> set[str]:
    """The tables that a plan reads whole."""
    found = {plan["Relation Name"]} if plan["Node Type"] == "Seq Scan" else set()
    return found.union(*(scans(child) for child in plan.get("Plans", ())))


@pytest.fixture
async def grown(store: Store) -> Store:
    """A store with 5 000 resources and index rows under one parameter of each type that SEARCHES name."""
    for type, query in SEARCHES:
        await numbers(parse(type, parse_qsl(query, keep_blank_values=True)), store._index)
    async with store.connection() as connection:
        known = await connection.fetch("select id from search_parameter where code = any($1)", GROWN)
        for statement in GROW.split(";\n"):
            await connection.execute(statement, *([[row[0] for row in known]] if "$1" in statement else []))
    return store


async def test_no_search_by_one_parameter_reads_a_whole_table(grown: Store) -> None:
    place: Place = grown._facilities[HERE]
    whole = {}
    async with grown.connection() as connection:
        for type, query in SEARCHES:
            search = parse(type, parse_qsl(query, keep_blank_values=True))
            known = await numbers(search, grown._index)
            builder = Builder(place, known, await meant(connection, place, [search], known))
            statement, _ = page([search], builder, Bounds(), 20)
            plan = json.loads(await connection.fetchval(f"explain (format json) {statement}", *builder.arguments))
            if read := scans(plan[0]["Plan"]):
                whole[f"{type}?{query}"] = read
    assert whole == {}


PLANNED = """
select custom_plans from pg_prepared_statements
where statement like '%distinct on (v.resource)%' and statement not like '%pg_prepared%'"""
OFTEN = 20


async def test_what_is_included_is_not_planned_anew_with_every_search(grown: Store) -> None:
    async with grown.transaction(HERE) as transaction:
        for _ in range(OFTEN):
            await transaction.search("Observation", [("_id", "id-6"), ("_include", "Observation:subject")])
            await transaction.search("Patient", [("_id", "id-10"), ("_revinclude", "Observation:subject")])
        planned = [row[0] for row in await transaction.connection.fetch(PLANNED)]
    assert len(planned) == 2
    assert max(planned) < OFTEN
