"""Patient/id/$everything and Encounter/id/$everything: a record as a whole, page by page.

It is what belongs to the patient's compartment, or refers to the encounter, and whatever those refer to, except the
records of other patients.
Source: https://hl7.org/fhir/R4/patient-operation-everything.html, encounter-operation-everything.html
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from gateway.errors import FhirError
from gateway.fhir import bundles
from gateway.fhir.bundles import CURSOR
from gateway.fhir.call import Answer, Call
from gateway.fhir.operations.operation import HL7, Asked, Operation, Parameter
from gateway.fhir.reading import current
from gateway.store import BadParameter, Version
from gateway.store.cursor import Cursor
from gateway.store.read import VERSION, version_of
from gateway.store.values import span
from gateway.store.visit import NOT_OF_A_VISIT
from profiles import fhirjson
from profiles.definitions import RESOURCE_TYPES, compartment

UNASKED = frozenset({"AuditEvent"})
"""Types that are shown only where `_type` asks for them."""
NOT_OF_CARE = (
    *("birthdate", "death-date", "issued", "value-date", "reaction-date", "entered-date", "payment-date"),
    *("last-date", "location-period", "activity-date", "_lastUpdated"),
)
"""Date parameters that do not say when care was given."""

IN_COMPARTMENT = """
select i.resource, true from reference_index i
join search_parameter p on p.id = i.parameter
join unnest($4::text[], $5::text[]) as c (type, code) on c.type = p.type and c.code = p.code
where i.facility = (select id from facility where slug = $1) and i.target_type = $2 and i.target_id = $3"""

OF_ENCOUNTER = """
select i.resource, true from reference_index i join resource s on s.key = i.resource and s.type <> all($12::text[])
where i.facility = (select id from facility where slug = $1) and i.target_type = $2 and i.target_id = $3"""

EVERYTHING = """
with recursive own (key, member) as (
    select r.key, true from resource r
    where r.facility = (select id from facility where slug = $1) and r.type = $2 and r.id = $3
    union {members}
), reach (key, member) as (
    select key, member from own
    union
    select t.key, false from reach s
    join resource f on f.key = s.key and (f.type <> all($12::text[]) or (f.type = 'Encounter' and s.member))
    join reference_index i on i.facility = f.facility and i.resource = s.key
    join resource t on t.facility = i.facility and t.type = i.target_type and t.id = i.target_id and not t.deleted
    where (t.type <> 'Patient' or t.id = $6) and not exists (
        select from reference_index o
        join search_parameter p on p.id = o.parameter
        join unnest($4::text[], $5::text[]) as c (type, code) on c.type = p.type and c.code = p.code
        where o.resource = t.key and o.target_type = 'Patient' and o.target_id <> $6)
), whole as (
    select key, bool_or(member) as member from reach group by key
)
select {version}, v.resource, w.member
from whole w
join resource r on r.key = w.key and not r.deleted
join resource_version v on v.resource = r.key and v.version = r.version
where w.key > $7 and r.type = any($8::text[]) and ($9::timestamptz is null or r.last_updated >= $9)
  and (r.type, r.id) <> ($2, $3)
  and (($10::timestamptz is null and $11::timestamptz is null) or not exists (select {dates}) or exists (
    select {dates} and ($10::timestamptz is null or d.high >= $10) and ($11::timestamptz is null or d.low < $11)))
order by w.key limit $13"""
DATES = f"""from date_index d join search_parameter p on p.id = d.parameter
      and p.code not in ({", ".join(f"'{code}'" for code in NOT_OF_CARE)}) where d.resource = w.key"""
STATEMENTS = {
    "Patient": EVERYTHING.format(members=IN_COMPARTMENT, version=VERSION, dates=DATES),
    "Encounter": EVERYTHING.format(members=OF_ENCOUNTER, version=VERSION, dates=DATES),
}


@dataclass(frozen=True, slots=True)
class Filter:
    """Which part of the record is wanted, and which page of it."""

    types: list[str]
    since: datetime | None
    start: datetime | None
    end: datetime | None
    count: int
    after: int


async def everything(call: Call, asked: Asked) -> Answer:
    """GET or POST Patient/id/$everything, Encounter/id/$everything"""
    root = await current(call)
    wanted = _filter(call, asked)
    rows = await _rows(call, root, wanted)
    matches: list[Version] = []
    included: list[Version] = []
    if not wanted.after and root.type in wanted.types and (not wanted.since or root.last_updated >= wanted.since):
        matches.append(root)
    shown = rows[: wanted.count - len(matches)]
    for row in shown:
        (matches if row["member"] else included).append(version_of(call.facility.slug, row))
    more = len(rows) > len(shown)
    following = str(Cursor((shown[-1]["resource"] if shown else 0,))) if more and shown else None
    if more and not shown:
        following = str(Cursor((-1,)))
    query = [pair for pair in asked.pairs() if pair[0] != CURSOR]
    call.services.journal.note(call.visitor, "operation", root.reference, f"{call.path}?{query}")
    bundle = bundles.searchset(call, matches, included, query=query, path=call.path, total=None, following=following)
    return Answer(200, resource=bundle)


async def _rows(call: Call, root: Version, wanted: Filter) -> list[Any]:
    members = [(kind, code) for kind, codes in compartment("Patient").items() for code in codes]
    subject = root.id if root.type == "Patient" else _subject(root)
    arguments: list[Any] = [call.facility.slug, root.type, root.id]
    arguments += [[kind for kind, _ in members], [code for _, code in members], subject]
    arguments += [wanted.after, wanted.types, wanted.since, wanted.start, wanted.end, NOT_OF_A_VISIT, wanted.count + 1]
    async with call.services.store.connection() as connection:
        return list(await connection.fetch(STATEMENTS[root.type], *arguments))


def _subject(encounter: Version) -> str:
    reference: str = fhirjson.decode(encounter.content).get("subject", {}).get("reference", "")
    kind, _, identity = reference.rpartition("Patient/")
    return identity if not kind or kind.endswith("/") else ""


def _filter(call: Call, asked: Asked) -> Filter:
    role = call.who.role
    types = {part for value in asked.many("_type") for part in value.split(",") if part}
    if unknown := sorted(types - RESOURCE_TYPES):
        raise FhirError("GF-108", name="_type", value=", ".join(unknown), wanted="resource types of R4")
    if refused := sorted(kind for kind in types if not role.may("r", kind)):
        raise FhirError("GF-603", role=role.name, interaction="$everything", type=", ".join(refused), roles="admin")
    shown = types or {kind for kind in RESOURCE_TYPES - UNASKED if role.may("r", kind)}
    settings = call.services.settings
    count = min(asked.one("_count") or settings.max_page_size, settings.max_page_size)
    zone = ZoneInfo(call.facility.zone)
    return Filter(
        sorted(shown),
        _moment(asked, "_since", zone, 0),
        _moment(asked, "start", zone, 0),
        _moment(asked, "end", zone, 1),
        count,
        _after(asked.one(CURSOR)),
    )


def _moment(asked: Asked, name: str, zone: ZoneInfo, side: int) -> datetime | None:
    text = asked.one(name)
    if text is None:
        return None
    # a + in a URL is a space
    found = span(text.replace(" ", "+"), zone)
    if found is None:
        raise FhirError("GF-108", name=name, value=text, wanted="a date or an instant, such as 2026-11-21")
    return found[side]


def _after(cursor: str | None) -> int:
    if cursor is None:
        return 0
    try:
        (after,) = Cursor.parse(cursor, (int,)).values
    except BadParameter as bad:
        raise FhirError("GF-403", detail=str(bad)) from None
    return int(after)


PARAMETERS = {
    "_since": Parameter("instant"),
    "_type": Parameter("code", many=True),
    "_count": Parameter("integer"),
    CURSOR: Parameter("string"),
}
OF_PATIENT = {"start": Parameter("date"), "end": Parameter("date"), **PARAMETERS}
OPERATIONS = (
    Operation(
        "$everything",
        f"{HL7}Patient-everything",
        ("Type/id",),
        everything,
        "r",
        OF_PATIENT,
        frozenset({"Patient"}),
    ),
    Operation(
        "$everything",
        f"{HL7}Encounter-everything",
        ("Type/id",),
        everything,
        "r",
        PARAMETERS,
        frozenset({"Encounter"}),
    ),
)
