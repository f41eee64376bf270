"""A search's criteria, judged of one resource: in memory where its own index rows tell, else by the search itself.

The values come from the same extraction as the index and mean what `gateway.store.search` makes of them in SQL. What
leads to other resources (chains, `_has`), what was uploaded (`:in`, `:below`), words, lists and the rarer modifiers are
asked of the store, within the write's own transaction. Source: https://hl7.org/fhir/R4/search.html
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from decimal import Decimal
from functools import cache
from typing import Any

from gateway.store import BadParameter, Query
from gateway.store.emit import LITERAL
from gateway.store.extract import HEAD_PARAMETERS, PHONETIC, Plan, codes, plan
from gateway.store.rows import Rows, read
from gateway.store.search.arguments import Arguments
from gateway.store.search.matching import codes as held
from gateway.store.search.matching import matcher
from gateway.store.search.parameters import RESULT
from gateway.store.search.query import Condition, Criterion, Parameter, Search, split, unescaped
from gateway.store.search.ranges import APPROXIMATELY, dated, in_base, prefixed
from gateway.store.values import (
    NO_SYSTEM,
    UCUM_SYSTEM,
    folded,
    number,
    precision,
    squeezed,
    system_number,
)
from profiles.fhirjson import Resource

Test = Callable[[Sequence[Any]], bool]
"""Whether an index row, without its first two columns, is what a value asks for."""
Make = Callable[[Criterion, str, tzinfo], Test]
Understand = Callable[[str, Query], Search]
"""From a type and a query to what a search makes of it; raises BadParameter."""

PARAMETER, PART, VALUES = 0, 1, 2
"""Where an index row holds its parameter, its part of a composite, and its own columns."""


@cache
def numbers(type: str) -> dict[str, int]:
    """Numbers of a type's parameters; they are of this process only and never meet the database's."""
    return {code: count for count, code in enumerate(codes(type), 1)}


@cache
def _plan(type: str) -> Plan:
    return plan(type, numbers(type))


@dataclass(slots=True)
class Facts:
    """One version of a resource as criteria see it; its index rows are made when they are first asked for.

    `bases` are the addresses below which a reference means a resource of this facility.
    """

    resource: Resource
    last_updated: datetime
    zone: tzinfo
    bases: Sequence[str] = ()
    _rows: Rows | None = field(default=None, repr=False)

    def rows(self, table: str, parameter: int) -> list[tuple[Any, ...]]:
        """The rows of one parameter in one index table."""
        if self._rows is None:
            made = _plan(self.resource["resourceType"]).extract(self.resource, self.zone, self.bases)
            self._rows = {name: [read(name, row) for row in rows] for name, rows in made.items()}
        return [row for row in self._rows.get(table, ()) if row[PARAMETER] == parameter]


class Criteria:
    """The filters of one search of one type. `met(facts)` says whether a resource meets them all; where `search` is
    not None, only the store can say."""

    def __init__(self, type: str, query: Query, zone: tzinfo, understand: Understand) -> None:
        """Raises BadParameter for what a search would refuse, and for what is no filter."""
        for name, value in query:
            if name.partition(":")[0] in RESULT:
                raise BadParameter(name, "orders or adds results and is no filter")
            if not value:
                raise BadParameter(name, "has no value")
        self.type = type
        search = understand(type, query)
        told = all(map(_told, search.conditions))
        self.search = None if told else search
        self._tests = [_condition(condition, zone) for condition in search.conditions] if told else []

    def met(self, facts: "Facts") -> bool:
        """Whether the resource meets every filter; none at all are met by every resource of the type."""
        return facts.resource["resourceType"] == self.type and all(test(facts) for test in self._tests)


def _told(condition: Condition) -> bool:
    """Whether the resource's own index rows tell if it meets a condition."""
    if not isinstance(condition, Criterion):
        return False
    parameter, modifier = condition.parameter, condition.modifier
    if parameter.code in HEAD_PARAMETERS or modifier == "missing":
        return True
    kinds = [kind for _, kind in parameter.components] or [parameter.kind]
    known = all(code in numbers(parameter.type) for code, _ in parameter.components or ((parameter.code, ""),))
    elsewhere = parameter.kind == "reference" and modifier != "identifier" and any(":" in v for v in condition.values)
    if elsewhere or parameter.code == PHONETIC:
        return False
    plain = modifier in ("", "not") or (parameter.kind == "reference" and modifier in parameter.targets)
    return known and all((kind, "" if plain else modifier) in TESTS for kind in kinds)


def _condition(condition: Any, zone: tzinfo) -> Callable[["Facts"], bool]:
    if condition.parameter.code in HEAD_PARAMETERS:
        return _head(condition, zone)
    if condition.modifier == "missing":
        return _missing(condition)
    if condition.parameter.kind == "composite":
        return _composite(condition, zone)
    table, tests = _alternatives(condition, zone)
    parameter = numbers(condition.parameter.type)[condition.parameter.code]
    negative = condition.modifier == "not"

    def met(facts: Facts) -> bool:
        found = any(test(row[VALUES:]) for row in facts.rows(table, parameter) for test in tests)
        return found is not negative

    return met


def _alternatives(criterion: Criterion, zone: tzinfo) -> tuple[str, list[Test]]:
    make = TESTS.get((criterion.parameter.kind, criterion.modifier)) or TESTS[criterion.parameter.kind, ""]
    table, to_sql = matcher(criterion)
    for value in criterion.values:
        to_sql(criterion, value, Arguments(), zone)  # refuses what a search would refuse
    return table, [make(criterion, value, zone) for value in criterion.values]


def _head(criterion: Criterion, zone: tzinfo) -> Callable[[Facts], bool]:
    if criterion.parameter.code == "_id":
        wanted = frozenset(unescaped(value) for value in criterion.values)
        negative = criterion.modifier == "not"
        return lambda facts: (facts.resource.get("id") in wanted) is not negative
    tests = []
    for value in criterion.values:
        prefix, asked = dated(criterion, value, zone)
        tests.append((INSTANTS[prefix], asked))
    return lambda facts: any(test(facts.last_updated, *asked) for test, asked in tests)


def _missing(criterion: Criterion) -> Callable[[Facts], bool]:
    if criterion.values not in (("true",), ("false",)):
        raise BadParameter(criterion.written, f"{','.join(criterion.values)!r} is not", ("true", "false"))
    wanted, parameter = criterion.values == ("true",), criterion.parameter
    code, kind = parameter.components[0] if parameter.components else (parameter.code, parameter.kind)
    tables = TEXTS.get(kind, (f"{kind}_index", "token_index"))
    known = numbers(parameter.type)[code]
    return lambda facts: any(facts.rows(table, known) for table in tables) is not wanted


def _composite(criterion: Criterion, zone: tzinfo) -> Callable[[Facts], bool]:
    components = criterion.parameter.components
    alternatives = []
    for value in criterion.values:
        values = split(value, "$")
        if len(values) != len(components):
            raise BadParameter(criterion.written, f"{value!r} has not {len(components)} parts parted by $")
        parts = []
        for (code, kind), part in zip(components, values, strict=True):
            inner = Criterion(criterion.written, Parameter(criterion.parameter.type, code, kind, ()), "", (part,))
            table, (test,) = _alternatives(inner, zone)
            parts.append((table, numbers(criterion.parameter.type)[code], test))
        alternatives.append(parts)

    def met(facts: Facts) -> bool:
        return any(
            set.intersection(
                *({row[PART] for row in facts.rows(table, code) if test(row[VALUES:])} for table, code, test in parts)
            )
            for parts in alternatives
        )

    return met


def _token(criterion: Criterion, text: str, zone: tzinfo) -> Test:
    system, bar, code = (unescaped(part) for part in _parted(text))
    wanted = frozenset(held(criterion, system if bar else "", code if bar else system))
    if not bar:
        return lambda row: row[1] in wanted
    numbered = system_number(system) if system else NO_SYSTEM
    return lambda row: row[0] == numbered and (not code or row[1] in wanted)


def _parted(text: str) -> tuple[str, str, str]:
    system, *code = split(text, "|")
    return system, "|" if code else "", "|".join(code)


def _starts(criterion: Criterion, text: str, zone: tzinfo) -> Test:
    wanted = folded(unescaped(text))
    return lambda row: bool(row[0].startswith(wanted))


def _exactly(criterion: Criterion, text: str, zone: tzinfo) -> Test:
    wanted = unescaped(text)
    return lambda row: bool(row[1] == wanted)


def _contains(criterion: Criterion, text: str, zone: tzinfo) -> Test:
    wanted = folded(unescaped(text))
    return lambda row: wanted in row[0]


RANGES: dict[str, Callable[[Any, Any, Any, Any], bool]] = {
    "eq": lambda begin, end, low, high: low <= begin < high and end <= high,
    "ne": lambda begin, end, low, high: begin < low or end > high,
    "gt": lambda begin, end, low, high: end > high,
    "lt": lambda begin, end, low, high: begin < low,
    "ge": lambda begin, end, low, high: end > low,
    "le": lambda begin, end, low, high: begin < high,
    "sa": lambda begin, end, low, high: begin >= high,
    "eb": lambda begin, end, low, high: end <= low,
    "ap": lambda begin, end, low, high: begin < high and end > low,
}
"""Prefix → how a row's instants `begin`…`end` lie to those asked for (https://hl7.org/fhir/R4/search.html#prefix)."""


INSTANTS: dict[str, Callable[[Any, Any, Any], bool]] = {
    "eq": lambda at, low, high: low <= at < high,
    "ne": lambda at, low, high: not low <= at < high,
    "gt": lambda at, low, high: at >= high,
    "lt": lambda at, low, high: at < low,
    "ge": lambda at, low, high: at >= low,
    "le": lambda at, low, high: at < high,
    "sa": lambda at, low, high: at >= high,
    "eb": lambda at, low, high: at < low,
    "ap": lambda at, low, high: low <= at < high,
}
"""Prefix → how an instant lies to the instants asked for."""


def _date(criterion: Criterion, text: str, zone: tzinfo) -> Test:
    prefix, (low, high) = dated(criterion, text, zone)
    compare = RANGES[prefix]
    if prefix == "ap":  # how near is near depends on the moment
        return lambda row: compare(row[0], row[1], *dated(criterion, text, zone)[1])
    return lambda row: compare(row[0], row[1], low, high)


def _amount(criterion: Criterion, text: str, zone: tzinfo) -> Test:
    prefix, rest = prefixed(text)
    value = number(rest)
    assert value is not None, "the matcher has refused it"
    compare = _compared(prefix, value, precision(value))
    return lambda row: compare(row[0], row[1])


def _quantity(criterion: Criterion, text: str, zone: tzinfo) -> Test:
    prefix, rest = prefixed(text)
    parts = [unescaped(part) for part in split(rest, "|")]
    value = number(parts[0])
    assert value is not None, "the matcher has refused it"
    half = precision(value)
    plain = _compared(prefix, value, half)
    if len(parts) == 1 or not any(parts[1:]):
        return lambda row: plain(row[0], row[1])
    system, unit = parts[1], parts[2]
    if system == UCUM_SYSTEM and unit and (found := in_base(value, half, unit)):
        base, base_unit = _compared(prefix, *found[:2]), found[2]
        return lambda row: row[6] == base_unit and base(row[4], row[5])
    numbered, named = system_number(system) if system else None, squeezed(unit)
    return lambda row: plain(row[0], row[1]) and numbered in (None, row[2]) and (not named or row[3] == named)


def _compared(prefix: str, value: Decimal, half: Decimal) -> Callable[[Any, Any], bool]:
    """How the least and greatest amount of a row lie to the value asked for."""
    margin = abs(value) * APPROXIMATELY if prefix == "ap" else half
    least, most = value - margin, value + margin
    compare: dict[str, Callable[[Any, Any], bool]] = {
        "eq": lambda low, high: least <= low < most and high < most,
        "ne": lambda low, high: low < least or high >= most,
        "ap": lambda low, high: low <= most and high >= least,
        "gt": lambda low, high: high > value,
        "lt": lambda low, high: low < value,
        "ge": lambda low, high: high >= value,
        "le": lambda low, high: low <= value,
        "sa": lambda low, high: low > value,
        "eb": lambda low, high: high < value,
    }
    return compare[prefix]


def _reference(criterion: Criterion, text: str, zone: tzinfo) -> Test:
    wanted = unescaped(text)
    if criterion.modifier and "/" not in wanted:
        wanted = f"{criterion.modifier}/{wanted}"
    if match := LITERAL.fullmatch(wanted):
        type, id = match[1], match[2]
        return lambda row: (row[0], row[1]) == (type, id)
    if ":" in wanted:
        url = squeezed(wanted)
        return lambda row: (row[0], row[1]) == ("", url)
    targets = frozenset(criterion.parameter.targets)
    return lambda row: row[1] == wanted and row[0] in targets


def _uri(criterion: Criterion, text: str, zone: tzinfo) -> Test:
    wanted = squeezed(unescaped(text))
    return lambda row: bool(row[0] == wanted)


TESTS: dict[tuple[str, str], Make] = {
    ("token", ""): _token,
    ("string", ""): _starts,
    ("string", "exact"): _exactly,
    ("string", "contains"): _contains,
    ("date", ""): _date,
    ("number", ""): _amount,
    ("quantity", ""): _quantity,
    ("reference", ""): _reference,
    ("reference", "identifier"): _token,
    ("uri", ""): _uri,
}
"""(parameter type, modifier) → the test of one value."""
TEXTS = {"token": ("token_index", "string_index"), "reference": ("reference_index", "token_index")}
"""Parameter type → where else its values may stand."""
