"""Codes: `memberOf`, `subsumes`, `subsumedBy`, and the functions of `%terminologies`.

They ask the host's `terminology` callable `(operation, *arguments)` when it gave one, and the shipped tables otherwise.
Source: https://hl7.org/fhir/R4/fhirpath.html#functions, https://hl7.org/fhir/R4/fhirpath.html#txapi.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from profiles.fhirpath.environment import TERMINOLOGIES, Environment
from profiles.fhirpath.errors import FHIRPathError
from profiles.fhirpath.functions.registry import function, truth_function
from profiles.fhirpath.functions.strings import text
from profiles.fhirpath.values import EMPTY, Items, Json, boolean, unwrap, wrap

Code = tuple[str | None, str]


def codings(value: Any) -> list[Code]:
    """(system, code) of a code, Coding or CodeableConcept; a bare code has no system."""
    if value.__class__ is str:
        return [(None, value)]
    if value.__class__ is not dict:
        return []
    found = value["coding"] if value.get("coding").__class__ is list else [value]
    return [(part.get("system"), part["code"]) for part in found if part.__class__ is dict and "code" in part]


def _one(items: Items, name: str) -> Any:
    if len(items) > 1:
        raise FHIRPathError(f"{name}() takes one item")
    return next(iter(unwrap(items)), None)


@truth_function("memberOf", least=1, env=True)
def member_of(env: Environment, items: Items, value_set: Items) -> bool | None:
    """`memberOf(url)`: whether one of the item's codes is in the value set; empty where the value set is not known."""
    value, url = _one(items, "memberOf"), text(value_set)
    if value is None or url is None:
        return None
    ask = env.host("terminology")
    if ask is not None:
        answer: bool | None = ask("memberOf", value, url)
        return answer
    return is_member(value, url)


def is_member(value: Any, url: str) -> bool | None:
    """Whether a code, Coding or CodeableConcept is in a value set of the shipped tables; None where that is unknown."""
    from profiles import definitions

    members = definitions.value_set(url.partition("|")[0])
    if members is None:
        return None
    found = codings(value)
    bare = {code for _, code in members} if any(system is None for system, _ in found) else frozenset()
    return any((code in bare) if system is None else (system, code) in members for system, code in found)


@truth_function("subsumedBy", least=1, env=True)
def subsumed_by(env: Environment, items: Items, others: Items) -> bool | None:
    """`subsumedBy(code)`: whether the item's code is the other's or below it."""
    return _subsumes(env, _one(others, "subsumedBy"), _one(items, "subsumedBy"))


@function("subsumes", least=1, most=4, env=True)
def subsumes(env: Environment, items: Items, *others: Items) -> Items:
    """`subsumes(code)`: whether the item's code is the other's or above it; `%terminologies.subsumes(system, a, b)`."""
    if items and items[0] is TERMINOLOGIES and len(others) > 2:
        return _relation(env, *others)
    if len(others) != 1 or (items and items[0] is TERMINOLOGIES):
        raise FHIRPathError("subsumes() takes 1 argument; %terminologies.subsumes() takes 3")
    return boolean(_subsumes(env, _one(items, "subsumes"), _one(others[0], "subsumes")))


def _relation(env: Environment, system: Items, left: Items, right: Items, parameters: Items = EMPTY) -> Items:
    url = text(system)
    a, b = (_in_system(_one(items, "subsumes"), url) for items in (left, right))
    if a is None or b is None:
        return EMPTY
    if a == b:
        return ["equivalent"]
    down, up = _subsumes(env, a, b), _subsumes(env, b, a)
    if down is None and up is None:
        return EMPTY
    return ["subsumes" if down else "subsumed-by" if up else "not-subsumed"]


def _in_system(value: Any, system: str | None) -> Any:
    return {"system": system, "code": value} if value.__class__ is str else value


def _subsumes(env: Environment, above: Any, below: Any) -> bool | None:
    if above is None or below is None:
        return None
    answer: bool | None = False
    for system, code in codings(above):
        for other_system, other in codings(below):
            if system is not None and other_system is not None and system != other_system:
                continue
            found = code == other or _is_above(env, system or other_system, code, other)
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
    resource = _code_system(system)
    if resource is None:
        return None
    found: dict[str, frozenset[str]] = {}
    pending: list[tuple[Json, frozenset[str]]] = [(concept, frozenset()) for concept in resource.get("concept", ())]
    while pending:
        concept, above = pending.pop()
        found[concept["code"]] = above
        pending.extend((child, above | {concept["code"]}) for child in concept.get("concept", ()))
    return found


def _code_system(url: str) -> Json | None:
    from profiles import definitions

    return definitions.code_system(url)


def _displays(system: str) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    pending = list((_code_system(system) or {}).get("concept", ()))
    while pending:
        concept = pending.pop()
        found[concept["code"]] = concept.get("display")
        pending.extend(concept.get("concept", ()))
    return found


def _parameters(**values: Any) -> Json:
    kinds = {bool: "valueBoolean", str: "valueString"}
    rows = [{"name": name, kinds[type(value)]: value} for name, value in values.items() if value is not None]
    return {"resourceType": "Parameters", "parameter": rows}


def _service(operation: str, least: int, most: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function of `%terminologies`; arguments come as Python values, None where empty."""

    def enter(python: Callable[..., Any]) -> Callable[..., Any]:
        @function(operation, least=least, most=most, env=True)
        def run(env: Environment, items: Items, *arguments: Items) -> Items:
            if not items or items[0] is not TERMINOLOGIES:
                raise FHIRPathError(f"{operation}() is called on %terminologies")
            values = [_one(argument, operation) for argument in arguments]
            ask = env.host("terminology")
            return wrap(ask(operation, *values) if ask is not None else python(*values))

        return python

    return enter


def _url(definition: Any) -> str | None:
    """The canonical URL of a resource or written as one."""
    url = definition.get("url") if definition.__class__ is dict else definition
    if url is None or url.__class__ is str:
        return url
    raise FHIRPathError("expected a resource or its URL")


@_service("validateVS", 2, 3)
def validate_vs(value_set: Any, coded: Any, parameters: Any = None) -> Json | None:
    """`%terminologies.validateVS(valueSet, coded)`: Parameters with `result`; empty for an unknown value set."""
    url = _url(value_set)
    result = None if url is None or coded is None else is_member(coded, url)
    return None if result is None else _parameters(result=result)


@_service("validateCS", 2, 3)
def validate_cs(code_system: Any, coded: Any, parameters: Any = None) -> Json | None:
    """`%terminologies.validateCS(codeSystem, coded)`: Parameters with `result` and `display`."""
    url = _url(code_system)
    known = _displays(url) if url else {}
    if not known or coded is None:
        return None
    found = next((code for system, code in codings(coded) if system in (None, url) and code in known), None)
    return _parameters(result=found is not None, display=known.get(found) if found else None)


@_service("lookup", 1, 2)
def lookup(coded: Any, parameters: Any = None) -> Json | None:
    """`%terminologies.lookup(coded)`: Parameters with `name` and `display`; empty for an unknown code."""
    for system, code in codings(coded):
        resource = _code_system(system) if system else None
        known = _displays(system) if system else {}
        if resource is not None and code in known:
            return _parameters(name=resource.get("name"), display=known[code])
    return None


@_service("expand", 1, 2)
def expand(value_set: Any, parameters: Any = None) -> Json | None:
    """`%terminologies.expand(valueSet)`: the ValueSet with its expansion; empty where it cannot be enumerated."""
    from profiles import definitions

    url = _url(value_set)
    members = definitions.value_set(url) if url else None
    if members is None:
        return None
    contains = [{"system": system, "code": code} for system, code in sorted(members)]
    return {"resourceType": "ValueSet", "url": url, "expansion": {"total": len(contains), "contains": contains}}


@_service("translate", 2, 3)
def translate(concept_map: Any, coded: Any, parameters: Any = None) -> Json | None:
    """`%terminologies.translate(conceptMap, coded)`: Parameters with `result` and a `match` for each target.

    The map is a ConceptMap resource; one named by its URL is the host's to know.
    """
    if concept_map.__class__ is not dict:
        raise FHIRPathError(f"the ConceptMap {concept_map} is not known here; hand over the resource")
    matches = [
        {"name": "match", "part": parts}
        for system, code in codings(coded)
        for parts in _targets(concept_map, system, code)
    ]
    answer = _parameters(result=bool(matches))
    answer["parameter"] += matches
    return answer


def _targets(concept_map: Json, system: str | None, code: str) -> list[list[Json]]:
    found = []
    for group in concept_map.get("group", ()):
        if system is not None and group.get("source") not in (None, system):
            continue
        for element in group.get("element", ()):
            for target in element.get("target", ()) if element.get("code") == code else ():
                coding = {"system": group.get("target"), "code": target.get("code"), "display": target.get("display")}
                found.append(
                    [
                        {"name": "equivalence", "valueCode": target.get("equivalence", "equivalent")},
                        {"name": "concept", "valueCoding": {k: v for k, v in coding.items() if v is not None}},
                    ]
                )
    return found
