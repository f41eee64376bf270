"""Codes: `memberOf`, `subsumes`, `subsumedBy`, `%terminologies`.

They ask the host's `terminology` callable `(operation, *arguments)` when it gave one, and the shipped tables otherwise.
Source: https://hl7.org/fhir/R4/fhirpath.html#functions, https://hl7.org/fhir/R4/fhirpath.html#txapi.
"""

from functools import lru_cache
from typing import Any

from profiles.fhirpath.environment import Environment
from profiles.fhirpath.errors import FHIRPathError
from profiles.fhirpath.functions.registry import truth_function
from profiles.fhirpath.functions.strings import text
from profiles.fhirpath.values import Items


def codings(item: Any) -> list[tuple[str | None, str]]:
    """(system, code) of a code, Coding or CodeableConcept; a bare code has no system."""
    value = item[0] if item.__class__ is tuple else item
    if value.__class__ is str:
        return [(None, value)]
    if value.__class__ is not dict:
        return []
    found = value["coding"] if value.get("coding").__class__ is list else [value]
    return [(part.get("system"), part["code"]) for part in found if part.__class__ is dict and "code" in part]


@truth_function("memberOf", least=1, env=True)
def member_of(env: Environment, items: Items, value_set: Items) -> bool | None:
    """`memberOf(url)`: whether one of the item's codes is in the value set; empty where the value set is not known."""
    url = text(value_set)
    if not items or url is None:
        return None
    if len(items) > 1:
        raise FHIRPathError("memberOf() takes one item")
    ask = env.host("terminology")
    if ask is not None:
        answer: bool | None = ask("memberOf", items[0][0] if items[0].__class__ is tuple else items[0], url)
        return answer
    from profiles import definitions

    members = definitions.value_set(url.partition("|")[0])
    if members is None:
        return None
    codes = {code for _, code in members} if any(system is None for system, _ in codings(items[0])) else frozenset()
    return any((code in codes) if system is None else (system, code) in members for system, code in codings(items[0]))


@truth_function("subsumes", least=1, env=True)
def subsumes(env: Environment, items: Items, others: Items) -> bool | None:
    """`subsumes(code)`: whether the item's code is the other's or an ancestor of it."""
    return _subsumes(env, items, others)


@truth_function("subsumedBy", least=1, env=True)
def subsumed_by(env: Environment, items: Items, others: Items) -> bool | None:
    """`subsumedBy(code)`: whether the item's code is the other's or below it."""
    return _subsumes(env, others, items)


def _subsumes(env: Environment, above: Items, below: Items) -> bool | None:
    if not above or not below:
        return None
    if len(above) > 1 or len(below) > 1:
        raise FHIRPathError("subsumes() and subsumedBy() take one item")
    answer: bool | None = False
    for system, code in codings(above[0]):
        for other_system, other in codings(below[0]):
            if system == other_system and code == other:
                return True
            found = _is_above(env, system or other_system, code, other) if system in (None, other_system) else False
            if found:
                return True
            answer = None if found is None else answer
    return answer


def _is_above(env: Environment, system: str | None, code: str, other: str) -> bool | None:
    ask = env.host("terminology")
    if ask is not None:
        found: bool | None = ask("subsumes", system, code, other)
        return found
    ancestors = _ancestors(system) if system else None
    if ancestors is None or other not in ancestors:
        return None
    return code in ancestors[other]


@lru_cache(64)
def _ancestors(system: str) -> dict[str, frozenset[str]] | None:
    """Every code of a code system with the codes above it, or None where the system is not known."""
    from profiles import definitions

    resource = definitions.code_system(system)
    if resource is None:
        return None
    found: dict[str, frozenset[str]] = {}
    pending: list[tuple[dict[str, Any], frozenset[str]]] = [(c, frozenset()) for c in resource.get("concept", ())]
    while pending:
        concept, above = pending.pop()
        parents = {p["valueCode"] for p in concept.get("property", ()) if p.get("code") in ("subsumedBy", "parent")}
        found[concept["code"]] = above | parents
        pending.extend((child, above | {concept["code"]}) for child in concept.get("concept", ()))
    return found
