"""Search parameters as written → what they ask, checked against the definitions. Nothing unknown passes in silence."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Self

from profiles import definitions

from ..catalogue import SHIPPED, Catalogue
from ..errors import BadParameter
from ..extract import HEAD_PARAMETERS
from ..model import Query
from .filter import Reader
from .parameters import MODIFIERS, RESULT, UNSORTED, Scope, known, parameters
from .query import Chain, Combined, Condition, Criterion, Has, Include, Parameter, Search, Special, split

DEEPEST = 5
"""Links of one chain."""
MOST_PARAMETERS = 100
"""Parameters of one search: the time that PostgreSQL plans a statement grows with their square and more."""
MOST_BESIDE = 500
"""Inclusions, mainly: the types that refer to a Patient do so in half as many ways."""
MOST_SORTED = 10
TOTALS = ("none", "estimate", "accurate")
CONTAINED = ("false", "true", "both")
CONTAINED_TYPES = ("container", "contained")
"""The values of `_total`, `_contained` and `_containedType`; the first is meant where there is none."""


def parse(type: str, query: Query, catalogue: Catalogue = SHIPPED, among: Collection[str] | None = None) -> Search:
    """Read a query of someone who may search the types `among` (None: all).

    A chain that does not name its target leads to none of the other types. Raises BadParameter for what is unknown or
    malformed, naming what would be understood, and OutOfSight for what names one of the other types.
    """
    return _parsed(type, tuple(query), catalogue, None if among is None else frozenset(among))


@lru_cache(1024)
def _parsed(type: str, query: Query, catalogue: Catalogue, among: frozenset[str] | None) -> Search:
    scope = Scope(catalogue, among)
    if type not in definitions.RESOURCE_TYPES:
        raise BadParameter(type, "is not a resource type of R4")
    scope.see(type)
    beside = [name for name, _ in query if name.partition(":")[0] in RESULT]
    asked = [name for name, _ in query if name.partition(":")[0] not in RESULT]
    for names, most in ((asked, MOST_PARAMETERS), (beside, MOST_BESIDE)):
        if len(names) > most:
            raise BadParameter(names[most], f"is one more than the {most} of a search")
    conditions: list[Condition] = []
    results: dict[str, list[tuple[str, str]]] = {name: [] for name in RESULT}
    for name, value in query:
        base = name.partition(":")[0]
        if base in results:
            if base != name and base not in ("_include", "_revinclude"):
                raise BadParameter(name, "takes no modifier")
            results[base].append((name, value))
        elif value or name.startswith("_has:"):
            conditions.append(condition(type, name, name, value, scope))
        else:  # a parameter without a value asks nothing, but must be one
            known(type, base.partition(".")[0], name, scope)
    scope.take("search", 0)  # what a chain's other ways made up for is said here
    contained = _one_of("_contained", results, CONTAINED)
    return Search(
        type,
        tuple(conditions),
        tuple(_sort(type, _once("_sort", results), scope)),
        _count(_once("_count", results)),
        _one_of("_total", results, TOTALS),
        tuple(_include(*pair, scope) for pair in results["_include"]),
        tuple(_include(*pair, scope) for pair in results["_revinclude"]),
        _once("_cursor", results) or None,
        contained,
        _one_of("_containedType", results, CONTAINED_TYPES) == "container" and contained != "false",
    )


def named_types(query: Query) -> tuple[list[str] | None, Query]:
    """The types that `_type` names (None: it is not there), and the rest of the query. Raises BadParameter."""
    given = [value for name, value in query if name == "_type"]
    if len(given) > 1:
        raise BadParameter("_type", "is given more than once")
    types = given[0].split(",") if given else None
    for type in types or ():
        if type not in definitions.RESOURCE_TYPES:
            raise BadParameter("_type", f"{type!r} is not a resource type of R4")
    return list(dict.fromkeys(types)) if types else None, [pair for pair in query if pair[0] != "_type"]


def condition(type: str, name: str, written: str, value: str, scope: Scope, depth: int = 0) -> Condition:
    """One parameter: plain, chained (`subject:Patient.name`) or reversed (`_has:Observation:patient:code`)."""
    if depth > DEEPEST:
        raise BadParameter(written, f"has more than {DEEPEST} links")
    if name.startswith("_has:"):
        return _has(type, name, written, value, scope, depth)
    head, dot, rest = name.partition(".")
    code, _, modifier = head.partition(":")
    parameter = known(type, code, written, scope)
    if dot:
        return _chain(parameter, modifier, rest, written, value, scope, depth)
    allowed = MODIFIERS[parameter.kind]
    if modifier and modifier not in allowed and modifier not in parameter.targets:
        targets = parameter.targets if len(parameter.targets) < 20 else ("a resource type",)
        raise BadParameter(written, f"has no modifier :{modifier}", [*allowed, *targets])
    if code in HEAD_PARAMETERS and modifier not in ("", "not"):
        raise BadParameter(written, f"has no modifier :{modifier}", ["not"] if code == "_id" else [])
    if parameter.kind == "filter":
        return Reader(value, Asked(type, scope, depth + 1)).read()
    if code == "url" and parameter.kind == "uri" and not modifier and "|" in value:
        return _versioned(type, written, value, scope)
    values = (value,) if parameter.kind == "words" else tuple(split(value, ","))
    if any(v == "" for v in values):
        raise BadParameter(written, "has no value")
    scope.take(written, len(values))
    if parameter.kind in ("words", "position", "list") and modifier != "missing":
        return Special(written, parameter, modifier, values)
    return Criterion(written, parameter, modifier, values)


def _versioned(type: str, written: str, value: str, scope: Scope) -> Condition:
    """`url|version` of a conformance resource (https://hl7.org/fhir/R4/search.html#uri)."""
    alternatives: list[Condition] = []
    for part in split(value, ","):
        url, *version = split(part, "|")
        found: Condition = Criterion(written, known(type, "url", written, scope), "", (url,))
        if version:
            of = Criterion(written, known(type, "version", written, scope), "", ("|".join(version),))
            found = Combined("and", (found, of))
        alternatives.append(found)
    return alternatives[0] if len(alternatives) == 1 else Combined("or", tuple(alternatives))


@dataclass(frozen=True, slots=True)
class Asked:
    """What a filter may name (filter.py), within a chain that is `depth` links long."""

    type: str
    scope: Scope
    depth: int

    def condition(self, path: str, value: str) -> Condition:
        """The condition of a parameter's path and a value."""
        return condition(self.type, path, "_filter", value, self.scope, self.depth)

    def led(self, path: str, ask: Callable[[Self], Condition]) -> Chain:
        """Resources whose reference leads to one that meets what `ask` makes of its type."""
        code, _, modifier = path.partition(":")
        parameter = known(self.type, code, "_filter", self.scope)
        targets = _targets(parameter, modifier, "_filter", self.scope)
        return _led(parameter, targets, lambda type: ask(replace(self, type=type, depth=self.depth + 1)))


def _targets(parameter: Parameter, modifier: str, written: str, scope: Scope) -> list[str]:
    if parameter.kind != "reference":
        raise BadParameter(written, f"{parameter.code!r} is a {parameter.kind} and cannot be followed")
    if modifier and modifier not in parameter.targets:
        raise BadParameter(written, f"{parameter.code!r} does not lead to {modifier}", parameter.targets)
    return [modifier] if modifier else [type for type in parameter.targets if scope.sees(type)]


def _led(parameter: Parameter, targets: Sequence[str], ask: Callable[[str], Condition]) -> Chain:
    """A chain to whichever of the types understands what is asked; what one does not, another may."""
    led: list[tuple[str, Condition]] = []
    for number, target in enumerate(targets, 1):
        try:
            led.append((target, ask(target)))
        except BadParameter:
            if number == len(targets) and not led:
                raise
    return Chain(parameter, tuple(led))


def _chain(parameter: Parameter, modifier: str, rest: str, written: str, value: str, scope: Scope, depth: int) -> Chain:
    targets = _targets(parameter, modifier, written, scope)
    code = re.split(r"[.:]", rest, maxsplit=1)[0]
    meant = [t for t in targets if rest.startswith("_has:") or code in parameters(t, scope.catalogue)]
    if not meant:
        choices = {c for t in targets for c in parameters(t, scope.catalogue)}
        raise BadParameter(written, f"{code!r} is not a search parameter of {' or '.join(targets[:5])}", choices)
    return _led(parameter, meant, lambda type: condition(type, rest, written, value, scope, depth + 1))


def _has(type: str, name: str, written: str, value: str, scope: Scope, depth: int) -> Has:
    parts = name.split(":", 3)
    if len(parts) < 4 or parts[1] not in definitions.RESOURCE_TYPES:
        raise BadParameter(written, "is written _has:Type:reference:parameter, as in _has:Observation:patient:code")
    parameter = known(parts[1], parts[2], written, scope)
    if parameter.kind != "reference" or type not in parameter.targets:
        leading = [p.code for p in parameters(parts[1], scope.catalogue).values() if type in p.targets]
        raise BadParameter(written, f"{parts[2]!r} of {parts[1]} does not lead to {type}", leading)
    return Has(parameter, condition(parts[1], parts[3], written, value, scope, depth + 1))


def _once(name: str, results: Mapping[str, list[tuple[str, str]]]) -> str:
    given = results[name]
    if len(given) > 1:
        raise BadParameter(name, "is given more than once")
    return given[0][1] if given else ""


def _sort(type: str, text: str, scope: Scope) -> Iterator[tuple[Parameter, bool]]:
    items = text.split(",") if text else []
    if len(items) > MOST_SORTED:
        raise BadParameter("_sort", f"names more than {MOST_SORTED} parameters")
    for item in items:
        parameter = known(type, item.removeprefix("-"), "_sort", scope)
        if parameter.kind in UNSORTED:
            raise BadParameter("_sort", f"{parameter.code} has no order")
        yield parameter, item.startswith("-")


def _count(text: str) -> int | None:
    if not text:
        return None
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise BadParameter("_count", f"{text!r} is not a whole number")
    return int(text)


def _one_of(name: str, results: Mapping[str, list[tuple[str, str]]], valid: tuple[str, ...]) -> Any:
    """The value of a parameter that has a few; the first of them where it is not there."""
    text = _once(name, results)
    if text and text not in valid:
        raise BadParameter(name, f"{text!r} is none of its values", valid)
    return text or valid[0]


def _include(name: str, value: str, scope: Scope) -> Include:
    modifier = name.partition(":")[2]
    if modifier not in ("", "iterate", "recurse"):
        raise BadParameter(name, f"has no modifier :{modifier}", ("iterate",))
    source, _, rest = value.partition(":")
    code, _, target = rest.partition(":")
    if source == "*" and not rest:
        return Include("*", None, None, bool(modifier))
    if source not in definitions.RESOURCE_TYPES:
        raise BadParameter(
            name, f"{source!r} is not a resource type; it is written Type:parameter or Type:parameter:Type"
        )
    if target and target not in definitions.RESOURCE_TYPES:
        raise BadParameter(name, f"{target!r} is not a resource type")
    for named in filter(None, (source, target)):
        scope.see(named)
    if code == "*":
        return Include(source, None, target or None, bool(modifier))
    parameter = parameters(source, scope.catalogue).get(code)
    if parameter is None or parameter.kind != "reference":
        references = [p.code for p in parameters(source, scope.catalogue).values() if p.kind == "reference"]
        raise BadParameter(name, f"{code!r} is not a reference parameter of {source}", [*references, "*"])
    return Include(source, parameter, target or None, bool(modifier))
