"""Observation/$lastn: the newest observations of each code.

Source: https://hl7.org/fhir/R4/observation-operation-lastn.html
"""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from gateway.errors import FhirError
from gateway.fhir import bundles
from gateway.fhir.call import Answer, Call, Query
from gateway.fhir.operations.operation import HL7, Asked, Operation, Parameter, lacking
from gateway.fhir.search import forbidden, refusal, visible
from gateway.store import BadParameter, OutOfSight, Version
from profiles import fhirjson

MOST = 20_000
"""Observations that are looked through; more is refused, never answered in part."""
SUBJECTS = ("patient", "subject")
KINDS = ("category", "code")
NOT_HERE = ("_sort", "_count", "_cursor", "_total", "_include", "_revinclude")


async def lastn(call: Call, asked: Asked) -> Answer:
    """GET or POST Observation/$lastn with `max` and search parameters"""
    query = [pair for pair in asked.pairs() if pair[0] != "max"]
    names = {name.partition(":")[0].partition(".")[0] for name, _ in query}
    if refused := sorted(names & {*NOT_HERE}):
        raise FhirError("GF-109", names=", ".join(refused), valid="max, and the search parameters of Observation")
    for needed in (SUBJECTS, KINDS):
        if names.isdisjoint(needed):
            raise lacking(call, "$lastn", " | ".join(needed))
    most = asked.one("max", 1)
    if most < 1:
        raise FhirError("GF-108", name="max", value=most, wanted="a whole number, 1 or more")
    found = _newest(await _found(call, query), most)
    call.audited("operation", f"{call.path}?{urlencode(asked.pairs())}")
    answer = bundles.searchset(call, found, (), query=asked.pairs(), path=call.path, total=len(found), following=None)
    return Answer(200, resource=answer)


async def _found(call: Call, query: Query) -> list[Version]:
    """All that meet the query, the newest first."""
    store, found = call.services.store, list[Version]()
    base = [*query, ("_sort", "-date"), ("_count", str(call.services.settings.max_page_size))]
    cursor: list[tuple[str, str]] = []
    while True:
        try:
            page = await store.search(call.facility.slug, "Observation", [*base, *cursor], among=visible(call))
        except OutOfSight as hidden:
            raise forbidden(call, hidden.type) from None
        except BadParameter as bad:
            raise refusal("Observation", bad) from None
        found += page.matches
        if page.next is None:
            return found
        if len(found) > MOST:
            raise FhirError("GF-704", most=MOST)
        cursor = [("_cursor", page.next)]


def _newest(versions: Iterable[Version], most: int) -> list[Version]:
    """The first `most` of each code. Observations that share a coding have the same code, as do equal texts."""
    groups: dict[Any, list[Version]] = {}
    for version in versions:
        keys = _codes(fhirjson.decode(version.content).get("code", {}))
        known = [groups[key] for key in keys if key in groups]
        group = known[0] if known else []
        for other in known[1:]:
            if other is not group:
                group += other
                for key, value in groups.items():
                    if value is other:
                        groups[key] = group
        group.append(version)
        groups.update(dict.fromkeys(keys, group))
    order = {id(version): place for place, version in enumerate(versions)}
    kept = {id(group): sorted(group, key=lambda version: order[id(version)])[:most] for group in groups.values()}
    return [version for group in kept.values() for version in group]


def _codes(code: dict[str, Any]) -> list[Any]:
    codings: list[Any] = [(c.get("system"), c["code"]) for c in code.get("coding", ()) if "code" in c]
    return codings or [" ".join(code.get("text", "").casefold().split())]


OPERATIONS = (
    Operation(
        "$lastn",
        f"{HL7}Observation-lastn",
        ("Type",),
        lastn,
        "s",
        {"max": Parameter("positiveInt")},
        frozenset({"Observation"}),
        open=True,
    ),
)
