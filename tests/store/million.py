"""A store of a million resources, with a million rows or more in each table of the search index.

Two facilities, nine types; some values are everywhere, some are one resource's own. Resources lie in the table in the
order in which they were written, as they do in a hospital: the newest have the latest dates.
"""

from collections.abc import Mapping

from gateway.store.model import Connection
from gateway.store.values import system_number

MANY = 1_000_000
HERE, THERE = 1, 2
"""Numbers of the facilities: nine of ten resources are HERE."""
LOINC, MRN, CARD = "http://loinc.org", "urn:mrn", "urn:card"
GENDER = "http://hl7.org/fhir/administrative-gender"
ICD_10 = "http://hl7.org/fhir/sid/icd-10"

TYPES = (
    *["Observation"] * 8,
    *["Patient"] * 5,
    *("Encounter", "Encounter", "Condition", "RiskAssessment", "ValueSet", "Location", "List"),
)
"""The type of resource `n` is that of place `n % 20`."""
PLACES = {type: [place for place, other in enumerate(TYPES) if other == type] for type in TYPES}

CONTENT = '{"contained": [{"resourceType": "Medication", "id": "inside"}]}'
RESOURCES = f"""
insert into resource (key, facility, type, id, version, last_updated, deleted)
select n, case when (n / 20) % 10 = 3 then {THERE} else {HERE} end, ($1::text[])[1 + n % 20], 'id-' || n, 1,
       timestamptz '2020-01-01' + n * interval '3 minutes', false
from generate_series(1, {MANY}) n;
insert into resource_version (resource, version, facility, type, id, last_updated, method, content)
select key, 1, facility, type, id, last_updated, 'POST', '{CONTENT}'::bytea
from resource;
insert into contained (key, facility, container, type, id)
select {MANY} + key, facility, key, 'Medication', 'inside' from resource"""

ANY_PATIENT = "'id-' || ((n * 7919) % 50000 * 20 + 8)"
A_PATIENT = f"'Patient', case when n % 100 = 1 then 'id-8' else {ANY_PATIENT} end"
"""One patient has a hundredth of everything."""
DAY = "timestamptz '2020-01-01' + n * interval '3 minutes'"
BORN = "timestamptz '1930-01-01' + (n * 7919) % 33000 * interval '1 day'"
OFTEN = "'c' || ((n * 7919) % 1000) * ((n * 104729) % 1000) / 1000"
"""A thousand codes, few of them common."""
AMOUNT = "(n * 7919) % 100000"

ROWS: dict[str, list[tuple[str, str, int, str]]] = {
    "token_index": [
        ("Observation", "code", 1, f"{system_number(LOINC)}, {OFTEN}"),
        ("Observation", "code-value-quantity$1", 1, f"{system_number(LOINC)}, {OFTEN}"),
        ("Observation", "status", 1, "1, case when n % 50 = 1 then 'amended' else 'final' end"),
        ("Patient", "identifier", 1, f"{system_number(MRN)}, 'M' || n"),
        ("Patient", "identifier:of-type", 1, f"{system_number('urn:type')}, 'mr|m' || n"),
        ("Patient", "gender", 1, f"{system_number(GENDER)}, case when n % 3 = 1 then 'male' else 'female' end"),
        ("Patient", "_tag", 1, "0, 'tag-' || (n * 7919) % 5000"),
        ("Patient", "general-practitioner", 1, "0, 'dr-' || (n * 7919) % 5000"),
        ("Encounter", "status", 1, "1, case when n % 50 = 13 then 'planned' else 'finished' end"),
        ("Condition", "code", 1, f"{system_number(ICD_10)}, 'N' || (n * 7919) % 100 || '.' || n % 7"),
        ("Medication", "code", 1, f"{system_number('urn:kfa')}, 'kfa-' || (n * 7919) % 5000"),
    ],
    "string_index": [
        ("Patient", "name", 3, "'nama ' || n || k, 'Nama ' || n || k"),
        ("Patient", "address-city", 1, "'kota ' || (n * 7919) % 50, 'Kota ' || (n * 7919) % 50"),
        ("Observation", "code", 1, f"'teks ' || {OFTEN}, 'Teks ' || {OFTEN}"),
    ],
    "date_index": [
        ("Observation", "date", 2, f"{DAY} + k * interval '1 hour', {DAY} + (k + 1) * interval '1 hour'"),
        ("Patient", "birthdate", 1, f"{BORN}, {BORN} + interval '1 day'"),
        ("Encounter", "date", 1, f"{DAY}, {DAY} + interval '5 hours'"),
    ],
    "number_index": [
        ("RiskAssessment", "probability", 20, "(n * 7919 + k) % 100000 / 1e5, (n * 7919 + k) % 100000 / 1e5")
    ],
    "quantity_index": [
        ("Observation", code, 1, f"{AMOUNT} / 10.0, {AMOUNT} / 10.0, 2, 'kg', {AMOUNT} * 100, {AMOUNT} * 100, 'g'")
        for code in ("value-quantity", "code-value-quantity$2", "component-value-quantity")
    ],
    "reference_index": [
        ("Observation", "subject", 1, A_PATIENT),
        ("Observation", "patient", 1, A_PATIENT),
        ("Observation", "encounter", 1, "'Encounter', 'id-' || ((n * 7919) % 50000 * 20 + 13)"),
        ("Observation", "performer", 1, "'Practitioner', 'dr-' || n % 50"),
        ("Encounter", "subject", 1, A_PATIENT),
        ("Condition", "subject", 1, A_PATIENT),
        ("Patient", "organization", 1, "'Organization', 'rs'"),
        ("Location", "partof", 1, "'Location', 'id-' || n / 1000 * 20 + 18"),
        ("List", "item", 20, "'Patient', 'id-' || ((n * 7919 + k) % 50000 * 20 + 9)"),
    ],
    "uri_index": [
        ("ValueSet", "url", 1, "'urn:x:' || n"),
        ("ValueSet", "reference", 8, "'http://x.example/' || n % 1000 || '/' || k"),
        ("Observation", "_profile", 1, "'urn:profile:' || n % 2"),
        ("Patient", "_profile", 1, "'urn:profile:' || (n * 7919) % 5000"),
    ],
    "text_index": [
        ("Patient", "_text", 1, "'nama kata' || n || ' pasien'"),
        ("Patient", "_content", 1, "'nama kata' || n || ' pasien'"),
        ("Observation", "_content", 1, "'denyut hasil' || (n * 7919) % 5000"),
        ("Condition", "_text", 3, "'kata ' || n"),
    ],
    "position_index": [
        ("Location", "near", 20, "(n * 7919 + k * 37) % 18000 / 100.0 - 90, (n * 104729) % 36000 / 100.0 - 180")
    ],
}
"""Table → type, code, how many rows each resource has, and their values by `n` (the resource) and `k` (which row)."""


REBUILT = """
select c.relname, i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid)
from pg_index i join pg_class c on c.oid = i.indrelid
where c.relname = any($1::text[]) and not i.indisunique"""
"""The indexes that are made after the rows, which takes a third of the time."""


def _insert(table: str, type: str, number: int, rows: int, values: str) -> str:
    shift, places = (MANY, range(20)) if type == "Medication" else (0, PLACES[type])
    return f"""
insert into {table}
select {shift} + n, {number}, case when (n / 20) % 10 = 3 then {THERE} else {HERE} end, k, {values}
from generate_series(0::bigint, {MANY // 20 - 1}) g, unnest(array{list(places)}) place,
     lateral (select g * 20 + place n) n, generate_series(1, {rows}) k
where n > 0"""


async def fill(connection: Connection, numbers: Mapping[str, Mapping[str, int]]) -> None:
    """Fill an empty store. `numbers` are those of the parameters in ROWS, by type and code."""
    tables = ["resource", "resource_version", "contained", *ROWS]
    for table in tables:
        await connection.execute(f"alter table {table} set unlogged")
    indexes = await connection.fetch(REBUILT, tables)
    for _, index, _ in indexes:
        await connection.execute(f"drop index {index}")
    for statement in RESOURCES.split(";\n"):
        await connection.execute(statement, *([list(TYPES)] if "$1" in statement else []))
    for table, parameters in ROWS.items():
        for type, code, rows, values in parameters:
            await connection.execute(_insert(table, type, numbers[type][code], rows, values))
    await connection.execute("set maintenance_work_mem = '512MB'")
    for _, _, definition in indexes:
        await connection.execute(definition)
    for table in tables:
        await connection.execute(f"vacuum (analyze) {table}")
