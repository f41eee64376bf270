"""From a parsed search to its statements. `r` is always a row of `resource`, deeper ones are `r1`, `r2`, …"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from profiles import definitions

from ..cursor import Cursor
from ..errors import BadParameter
from ..extract import OF_TYPE
from ..facilities import Place
from ..values import span
from .arguments import Arguments
from .matching import NEGATIVE, PREFIXES, between, matcher
from .syntax import Chain, Condition, Criterion, Has, Parameter, Search, split, unescaped

Numbers = Mapping[str, Mapping[str, int]]
"""Resource type → code → number of every parameter that the search may name."""

TABLES = {kind: f"{kind}_index" for kind in ("token", "string", "date", "number", "quantity", "reference", "uri")}

SORTED_BY: dict[str, tuple[str, str, type]] = {
    "token": ("min(i.code)", "max(i.code)", str),
    "string": ("min(left(i.folded, 200))", "max(left(i.folded, 200))", str),
    "date": ("min(i.low)", "max(i.high)", datetime),
    "number": ("min(i.low)", "max(i.high)", Decimal),
    "quantity": ("min(coalesce(i.canonical_low, i.low))", "max(coalesce(i.canonical_high, i.high))", Decimal),
    "reference": ("min(i.target_type || '/' || i.target_id)", "max(i.target_type || '/' || i.target_id)", str),
    "uri": ("min(i.uri)", "max(i.uri)", str),
}
"""Parameter type → what stands for a resource with several values, ascending and descending, and its Python type."""
SORTED_BY_HEAD = {"_id": ("r.id", str), "_lastUpdated": ("r.last_updated", datetime)}


@dataclass(slots=True)
class Builder:
    """Builds the conditions of one search; every one of them names the facility."""

    place: Place
    numbers: Numbers
    arguments: Arguments = field(default_factory=Arguments)
    depth: int = 0
    facility: str = "$1::smallint"

    def __post_init__(self) -> None:
        self.arguments.append(self.place.number)

    def where(self, search: Search, compartment: tuple[str, str] | None, conditions: Iterable[Condition]) -> str:
        """The resources of the type and compartment that meet the conditions, as a condition on `r`."""
        facility, type = self.facility, self.arguments.add(search.type, "text")
        written = [f"r.facility = {facility}", f"r.type = {type}", "not r.deleted"]
        if compartment:
            written.append(self._in_compartment(search.type, *compartment))
        written += [self.condition(condition, "r") for condition in conditions]
        return "\n  and ".join(written)

    def condition(self, condition: Condition, row: str) -> str:
        """A condition on `row`, an alias of `resource`."""
        if isinstance(condition, Chain):
            return self._chain(condition, row)
        if isinstance(condition, Has):
            return self._has(condition, row)
        if condition.parameter.code in HEAD:
            return HEAD[condition.parameter.code](self, condition, row)
        if condition.modifier == "missing":
            return self._missing(condition, row)
        if condition.parameter.kind == "composite":
            return self._composite(condition, row)
        if condition.modifier in NEGATIVE:
            return f"not exists (select 1 {self.rows(condition)} and i.resource = {row}.key)"
        return f"{row}.key in (select i.resource {self.rows(condition)})"

    def rows(self, criterion: Criterion) -> str:
        """The index rows `i` that meet a criterion, from the word `from` on."""
        table, matches = matcher(criterion)
        number = self._number(criterion.parameter, OF_TYPE if criterion.modifier == "of-type" else "")
        met = " or ".join(f"({matches(criterion, v, self.arguments, self.place.zone)})" for v in criterion.values)
        return f"from {table} i where i.facility = {self.facility} and i.parameter = {number} and ({met})"

    def _number(self, parameter: Parameter, suffix: str = "") -> str:
        return self.arguments.add(self.numbers[parameter.type][parameter.code + suffix], "integer")

    def _chain(self, chain: Chain, row: str) -> str:
        alternatives = []
        for type, inner in chain.of:
            self.depth += 1
            target = f"r{self.depth}"
            alternatives.append(
                f"{row}.key in (select i.resource from resource {target} join reference_index i"
                f" on i.facility = {target}.facility and i.target_type = {target}.type and i.target_id = {target}.id"
                f" where {target}.facility = {self.facility} and {target}.type = {self.arguments.add(type, 'text')}"
                f" and not {target}.deleted and i.parameter = {self._number(chain.parameter)}"
                f" and {self.condition(inner, target)})"
            )
        return f"({' or '.join(alternatives)})"

    def _has(self, has: Has, row: str) -> str:
        self.depth += 1
        source = f"r{self.depth}"
        return (
            f"({row}.type, {row}.id) in (select i.target_type, i.target_id from resource {source}"
            f" join reference_index i on i.resource = {source}.key"
            f" where {source}.facility = {self.facility} and i.facility = {self.facility}"
            f" and i.parameter = {self._number(has.parameter)} and {self.condition(has.of, source)})"
        )

    def _missing(self, criterion: Criterion, row: str) -> str:
        if criterion.values not in (("true",), ("false",)):
            raise BadParameter(criterion.written, f"{','.join(criterion.values)!r} is not", ("true", "false"))
        parameter = criterion.parameter
        if parameter.components:
            code, kind = parameter.components[0]
            tables, number = [TABLES[kind]], self.arguments.add(self.numbers[parameter.type][code], "integer")
        else:
            tables, number = [TABLES[parameter.kind]], self._number(parameter)
        if parameter.kind == "reference":
            tables.append("token_index")  # a reference that has an identifier only
        found = " or ".join(
            f"exists (select 1 from {table} i where i.resource = {row}.key and i.facility = {self.facility}"
            f" and i.parameter = {number})"
            for table in tables
        )
        return f"not ({found})" if criterion.values == ("true",) else f"({found})"

    def _composite(self, criterion: Criterion, row: str) -> str:
        return f"({' or '.join(self._components(criterion, value, row) for value in criterion.values)})"

    def _components(self, criterion: Criterion, value: str, row: str) -> str:
        components = criterion.parameter.components
        values = split(value, "$")
        if len(values) != len(components):
            raise BadParameter(criterion.written, f"{value!r} has not {len(components)} parts parted by $")
        parts = []
        for n, ((code, kind), part) in enumerate(zip(components, values, strict=True)):
            inner = Criterion(criterion.written, Parameter(criterion.parameter.type, code, kind, ()), "", (part,))
            table, matches = matcher(inner)
            met = matches(inner, part, self.arguments, self.place.zone)
            parts.append(
                f"(select i.resource, i.part from {table} i where i.facility = {self.facility}"
                f" and i.parameter = {self._number(inner.parameter)} and {met}) c{n}"
            )
        joined = parts[0] + "".join(f" join {other} using (resource, part)" for other in parts[1:])
        return f"{row}.key in (select resource from {joined})"

    def _in_compartment(self, type: str, name: str, id: str) -> str:
        members = definitions.compartment(name).get(type)
        if members is None:
            raise BadParameter(name, f"{type} is not in this compartment", definitions.compartment(name))
        if type == name and "{def}" in members:
            return f"r.id = {self.arguments.add(id, 'text')}"
        numbers = [self.numbers[type][code] for code in members if code in self.numbers[type]]
        target, wanted = self.arguments.add(name, "text"), self.arguments.add(id, "text")
        return (
            f"r.key in (select i.resource from reference_index i where i.facility = {self.facility}"
            f" and i.target_type = {target} and i.target_id = {wanted}"
            f" and i.parameter = any({self.arguments.add(numbers, 'integer[]')}))"
        )


def _id(builder: Builder, criterion: Criterion, row: str) -> str:
    values = builder.arguments.add([unescaped(v) for v in criterion.values], "text[]")
    return f"{'not ' if criterion.modifier == 'not' else ''}{row}.id = any({values})"


def _last_updated(builder: Builder, criterion: Criterion, row: str) -> str:
    alternatives = []
    for value in criterion.values:
        prefix, rest = (value[:2], value[2:]) if value[:2] in PREFIXES else ("eq", value)
        asked = span(rest, builder.place.zone)
        if asked is None:
            raise BadParameter(criterion.written, f"{rest!r} is not a date")
        at = f"{row}.last_updated"  # an instant: a range without width
        alternatives.append(f"({between('eq' if prefix == 'ap' else prefix, asked, builder.arguments, at, at)})")
    return f"({' or '.join(alternatives)})"


HEAD = {"_id": _id, "_lastUpdated": _last_updated}


def page(search: Search, builder: Builder, compartment: tuple[str, str] | None, count: int) -> tuple[str, list[type]]:
    """The statement of one page (one row more than `count`: is there another?) and the types of its sort values."""
    source, key, conditions = "resource r", "r.key", search.conditions
    if ordered := search.ordered:
        # The b-tree of an equality already lies in the order of the page: only as many rows are read as are shown.
        rows = f"select distinct i.resource as key {builder.rows(ordered)} order by key desc"
        source = f"({rows}) d join resource r on r.key = d.key"
        key, conditions = "d.key", ()
    where = builder.where(search, compartment, conditions)
    keys, kinds = [], []
    for n, (parameter, descending) in enumerate(search.sort):
        expression, kind = _sort_key(parameter, descending, builder)
        keys.append((f"k{n}", expression, descending))
        kinds.append(kind)
    keys.append(("key", key, search.sort[-1][1] if search.sort else True))
    kinds.append(int)
    chosen = ", ".join(f"{expression} as {name}" for name, expression, _ in keys)
    order = ", ".join(
        f"{name} {'desc' if descending else 'asc'}{' nulls last' if expression.startswith('(') else ''}"
        for name, expression, descending in keys
    )
    after = ""
    if search.cursor:
        cursor = Cursor.parse(search.cursor, kinds)
        after = f"where {_after([(name, d) for name, _, d in keys], kinds, cursor, builder.arguments)}"
    found = f"select * from (select r.version, {chosen} from {source} where {where}) r {after}"
    return (
        f"select v.type, v.id, v.version, v.last_updated, v.method, v.content, {', '.join(f'r.{k[0]}' for k in keys)}\n"
        f"from ({found} order by {order} limit {count + 1}) r\n"
        f"join resource_version v on v.resource = r.key and v.version = r.version order by {order}"
    ), kinds


def total(search: Search, builder: Builder, compartment: tuple[str, str] | None) -> str:
    """The statement that counts, or that the planner estimates from."""
    where = builder.where(search, compartment, search.conditions)
    if search.total == "estimate":
        return f"explain (format json) select 1 from resource r where {where}"
    return f"select count(*) from resource r where {where}"


def _sort_key(parameter: Parameter, descending: bool, builder: Builder) -> tuple[str, type]:
    if parameter.code in SORTED_BY_HEAD:
        return SORTED_BY_HEAD[parameter.code]
    least, most, kind = SORTED_BY[parameter.kind]
    number = builder._number(parameter)
    return (
        f"(select {most if descending else least} from {TABLES[parameter.kind]} i"
        f" where i.resource = r.key and i.facility = {builder.facility} and i.parameter = {number})"
    ), kind


_SQL_TYPES = {str: "text", datetime: "timestamptz", Decimal: "numeric", int: "bigint"}


def _after(keys: list[tuple[str, bool]], kinds: list[type], cursor: Cursor, arguments: Arguments) -> str:
    """Rows behind the cursor in the order of the keys; a missing value comes last, whatever the direction."""
    alternatives, equal = [], []
    for (name, descending), kind, value in zip(keys, kinds, cursor.values, strict=True):
        if value is None:
            equal.append(f"{name} is null")
            continue
        bound = arguments.add(value, _SQL_TYPES[kind])
        behind = f"{name} {'<' if descending else '>'} {bound}"
        if name != "key":  # a missing value comes last
            behind = f"({behind} or {name} is null)"
        alternatives.append(" and ".join([*equal, behind]))
        equal.append(f"{name} = {bound}")
    return "(" + " or ".join(f"({a})" for a in alternatives) + ")"
