"""A search's criteria, judged of one resource in memory: the rows that the search index would keep, without a database.

The values come from the same extraction as the index and mean what `gateway.store.search.matching` makes of them in
SQL; only what concerns several resources (chains, `_has`) cannot be asked. Source: https://hl7.org/fhir/R4/search.html
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from functools import cache
from typing import Any

from gateway.store import BadParameter
from gateway.store.emit import LITERAL, Rows
from gateway.store.extract import HEAD_PARAMETERS, OF_TYPE, Plan, codes, plan
from gateway.store.rows import INDEXES
from gateway.store.search.arguments import Arguments
from gateway.store.search.matching import NEGATIVE, PREFIXES, matcher
from gateway.store.search.parameters import RESULT
from gateway.store.search.query import Criterion, Parameter, split, unescaped
from gateway.store.search.syntax import parse
from gateway.store.values import (
    NO_SYSTEM,
    UCUM_SYSTEM,
    Span,
    folded,
    in_base_units,
    number,
    precision,
    span,
    squeezed,
    system_number,
)
from profiles import definitions
from profiles.fhirjson import Resource

Test = Callable[[Sequence[Any]], bool]
"""Whether an index row, without its first four columns, is what a value asks for."""
Make = Callable[[Criterion, str, tzinfo], Test]

PARAMETER, PART, VALUES = 1, 3, 4
"""Where an index row holds its parameter, its part of a composite, and its own columns."""
APPROXIMATELY = Decimal("0.1")


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
            self._rows = {name: [] for name in INDEXES}
            _plan(self.resource["resourceType"]).extract(self.resource, 0, 0, self.zone, self._rows, self.bases)
        return [row for row in self._rows[table] if row[PARAMETER] == parameter]


class Criteria:
    """The filters of one search of one type. `met(facts)` says whether a resource meets them all."""

    def __init__(self, type: str, query: Sequence[tuple[str, str]], zone: tzinfo) -> None:
        """Raises BadParameter for what a search would refuse, and for what one resource alone cannot answer."""
        for name, _ in query:
            if name.partition(":")[0] in RESULT:
                raise BadParameter(name, "orders or adds results and is no filter")
        self.type = type
        self._tests = [_condition(condition, zone) for condition in parse(type, query).conditions]

    def met(self, facts: Facts) -> bool:
        """Whether the resource meets every filter; none at all are met by every resource of the type."""
        return facts.resource["resourceType"] == self.type and all(test(facts) for test in self._tests)


def _condition(condition: Any, zone: tzinfo) -> Callable[[Facts], bool]:
    if not isinstance(condition, Criterion):
        inner = getattr(condition, "parameter", None)
        raise BadParameter(
            inner.code if inner else "criteria", "leads to other resources, which a single change does not show"
        )
    if condition.parameter.code in HEAD_PARAMETERS:
        return _head(condition, zone)
    if condition.modifier == "missing":
        return _missing(condition)
    if condition.parameter.kind == "composite":
        return _composite(condition, zone)
    table, tests = _alternatives(condition, zone)
    suffix = OF_TYPE if condition.modifier == "of-type" else ""
    parameter = numbers(condition.parameter.type)[condition.parameter.code + suffix]
    negative = condition.modifier in NEGATIVE

    def met(facts: Facts) -> bool:
        found = any(test(row[VALUES:]) for row in facts.rows(table, parameter) for test in tests)
        return found is not negative

    return met


def _alternatives(criterion: Criterion, zone: tzinfo) -> tuple[str, list[Test]]:
    kind, modifier = criterion.parameter.kind, criterion.modifier
    make = TESTS.get((kind, modifier)) or TESTS.get((kind, ""))
    if make is None:
        raise BadParameter(criterion.written, "is asked of an index and not of one resource")
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
        prefix, rest = _prefix(value)
        asked = span(rest, zone)
        if asked is None:
            raise BadParameter(criterion.written, f"{rest!r} is not a date")
        tests.append((RANGES["eq" if prefix == "ap" else prefix], asked))
    return lambda facts: any(test(facts.last_updated, facts.last_updated, *asked) for test, asked in tests)


def _missing(criterion: Criterion) -> Callable[[Facts], bool]:
    if criterion.values not in (("true",), ("false",)):
        raise BadParameter(criterion.written, f"{','.join(criterion.values)!r} is not", ("true", "false"))
    wanted, parameter = criterion.values == ("true",), criterion.parameter
    code, kind = parameter.components[0] if parameter.components else (parameter.code, parameter.kind)
    tables = [f"{kind}_index", *(["token_index"] if kind == "reference" else [])]
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
    parts = [unescaped(part) for part in split(text, "|")]
    if len(parts) == 1:
        only = squeezed(parts[0])
        return lambda row: bool(row[1] == only)
    system, code = (system_number(parts[0]) if parts[0] else NO_SYSTEM), squeezed("|".join(parts[1:]))
    return lambda row: row[0] == system and (not code or row[1] == code)


def _member(criterion: Criterion, text: str, zone: tzinfo) -> Test:
    listed = definitions.value_set(unescaped(text)) or ()
    codes = frozenset((system_number(system), squeezed(code)) for system, code in listed)
    return lambda row: (row[0], row[1]) in codes


def _of_type(criterion: Criterion, text: str, zone: tzinfo) -> Test:
    system, code, value = (unescaped(part) for part in split(text, "|"))
    wanted = (system_number(system) if system else NO_SYSTEM), squeezed(f"{code}|{value}")
    return lambda row: (row[0], row[1]) == wanted


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
    "ge": lambda begin, end, low, high: begin >= low or end > high,
    "le": lambda begin, end, low, high: begin < low or end <= high,
    "sa": lambda begin, end, low, high: begin >= high,
    "eb": lambda begin, end, low, high: end <= low,
    "ap": lambda begin, end, low, high: begin < high and end > low,
}
"""Prefix → how a row's instants `begin`…`end` lie to those asked for (https://hl7.org/fhir/R4/search.html#prefix)."""


def _date(criterion: Criterion, text: str, zone: tzinfo) -> Test:
    prefix, rest = _prefix(text)
    asked, compare = span(rest, zone), RANGES[prefix]
    assert asked is not None, "the matcher has refused it"
    if prefix == "ap":
        margin = abs(datetime.now(UTC) - asked.low) * float(APPROXIMATELY)
        asked = Span(asked.low - margin, asked.high + margin)
    low, high = asked
    return lambda row: compare(row[0], row[1], low, high)


def _amount(criterion: Criterion, text: str, zone: tzinfo) -> Test:
    prefix, rest = _prefix(text)
    value = number(rest)
    assert value is not None, "the matcher has refused it"
    compare = _compared(prefix, value, precision(value))
    return lambda row: compare(row[0], row[1])


def _quantity(criterion: Criterion, text: str, zone: tzinfo) -> Test:
    prefix, rest = _prefix(text)
    parts = [unescaped(part) for part in split(rest, "|")]
    value = number(parts[0])
    assert value is not None, "the matcher has refused it"
    half = precision(value)
    plain = _compared(prefix, value, half)
    if len(parts) == 1:
        return lambda row: plain(row[0], row[1])
    system, unit = parts[1], parts[2]
    least = in_base_units(value - half, unit) if system == UCUM_SYSTEM else None
    most = in_base_units(value + half, unit) if system == UCUM_SYSTEM else None
    if least and most:
        middle = (least[0] + most[0]) / 2
        base, base_unit = _compared(prefix, middle, abs(most[0] - middle)), least[1]
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


def _below(criterion: Criterion, text: str, zone: tzinfo) -> Test:
    whole = unescaped(text)
    under = whole.rstrip("/") + "/"
    same = frozenset({whole, under, under.rstrip("/")})
    return lambda row: row[0] in same or row[0].startswith(under)


def _above(criterion: Criterion, text: str, zone: tzinfo) -> Test:
    whole = squeezed(unescaped(text))

    def met(row: Sequence[Any]) -> bool:
        path = row[0].rstrip("/")
        return bool(row[0] == whole or (re.search(r"://[^/]", path) and f"{whole.rstrip('/')}/".startswith(f"{path}/")))

    return met


def _prefix(text: str) -> tuple[str, str]:
    return (text[:2], text[2:]) if text[:2] in PREFIXES else ("eq", text)


TESTS: dict[tuple[str, str], Make] = {
    ("token", ""): _token,
    ("token", "in"): _member,
    ("token", "not-in"): _member,
    ("token", "of-type"): _of_type,
    ("token", "text"): _starts,
    ("string", ""): _starts,
    ("string", "exact"): _exactly,
    ("string", "contains"): _contains,
    ("date", ""): _date,
    ("number", ""): _amount,
    ("quantity", ""): _quantity,
    ("reference", ""): _reference,
    ("reference", "identifier"): _token,
    ("uri", ""): _uri,
    ("uri", "below"): _below,
    ("uri", "above"): _above,
}
"""(parameter type, modifier) → the test of one value; where a modifier has none of its own, the plain one's."""
