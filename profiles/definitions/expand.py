"""The codes of a ValueSet, where its `compose` can be worked out from the code systems at hand.

Source: https://hl7.org/fhir/R4/valueset.html#compositions
"""

from collections.abc import Callable, Iterator
from typing import Any

Json = dict[str, Any]
Coded = tuple[str, str]
"""(system, code)"""

Find = Callable[[str], Any]


def expand(
    value_set: Json, code_system: Find, codes: Callable[[str], frozenset[Coded] | None]
) -> frozenset[Coded] | None:
    """The codes of one ValueSet resource, or None where they cannot be enumerated.

    `code_system` finds a CodeSystem by url, `codes` expands another ValueSet by url.
    """
    compose = value_set.get("compose")
    if compose is None:
        return _listed(value_set)
    found: set[Coded] = set()
    for part in compose.get("include", ()):
        included = _part(part, code_system, codes)
        if included is None:
            return _listed(value_set)
        found |= included
    for part in compose.get("exclude", ()):
        excluded = _part(part, code_system, codes)
        if excluded is None:
            return _listed(value_set)
        found -= excluded
    return frozenset(found)


def _listed(value_set: Json) -> frozenset[Coded] | None:
    if "expansion" not in value_set:
        return None
    return frozenset(_contained(value_set["expansion"].get("contains", ())))


def _contained(rows: list[Json]) -> Iterator[Coded]:
    for row in rows:
        if "code" in row and not row.get("abstract"):
            yield row.get("system", ""), row["code"]
        yield from _contained(row.get("contains", ()))


def _part(part: Json, code_system: Find, codes: Callable[[str], frozenset[Coded] | None]) -> frozenset[Coded] | None:
    """An include: every listed condition narrows it (system, concepts or filters, other value sets)."""
    sets: list[frozenset[Coded] | None] = [codes(url) for url in part.get("valueSet", ())]
    if "system" in part:
        sets.append(_of_system(part, code_system))
    known = [s for s in sets if s is not None]
    if not known or len(known) < len(sets):
        return None
    return frozenset.intersection(*known)


def _of_system(part: Json, code_system: Find) -> frozenset[Coded] | None:
    system = part["system"]
    if "concept" in part:
        return frozenset((system, c["code"]) for c in part["concept"])
    definition = code_system(system)
    if definition is None or definition.get("content") != "complete":
        return None
    selected = [(code, ancestors) for code, ancestors in walk(definition.get("concept", ()))]
    for condition in part.get("filter", ()):
        test = _FILTERS.get((condition["op"], condition["property"] in ("concept", "code")))
        if test is None:
            return None
        selected = [row for row in selected if test(row, condition["value"])]
    return frozenset((system, code) for code, _ in selected)


Row = tuple[str, tuple[str, ...]]

_FILTERS: dict[tuple[str, bool], Callable[[Row, str], bool]] = {
    ("is-a", True): lambda row, value: row[0] == value or value in row[1],
    ("descendent-of", True): lambda row, value: value in row[1],
    ("is-not-a", True): lambda row, value: row[0] != value and value not in row[1],
    ("=", True): lambda row, value: row[0] == value,
    ("in", True): lambda row, value: row[0] in value.split(","),
    ("not-in", True): lambda row, value: row[0] not in value.split(","),
}


def walk(concepts: list[Json], ancestors: tuple[str, ...] = ()) -> Iterator[Row]:
    """(code, its ancestors' codes) of a nested concept list."""
    for concept in concepts:
        yield concept["code"], ancestors
        if "concept" in concept:
            yield from walk(concept["concept"], (*ancestors, concept["code"]))
