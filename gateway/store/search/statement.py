"""From a parsed search to its statements. `r` is always a row of `resource`, deeper ones are `r1`, `r2`, …"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from profiles import definitions

from ..cursor import Cursor
from ..emit import local
from ..errors import BadParameter
from ..extract import OF_TYPE
from ..facilities import Place
from ..values import plain, span
from .arguments import Arguments
from .matching import NEGATIVE, PREFIXES, Matcher, between, matcher, one_of
from .query import Chain, Combined, Condition, Criterion, Has, Parameter, Search, Special, split, unescaped
from .vocabulary import Codes

Numbers = Mapping[str, Mapping[str, int]]
"""Resource type → code → number of every parameter that the search may name."""

INDEXED = ("token", "string", "date", "number", "quantity", "reference", "uri", "position")
TABLES = {kind: f"{kind}_index" for kind in INDEXED}

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
    codes: Codes = field(default_factory=dict)
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
        if isinstance(condition, Combined):
            return self._combined(condition, row)
        if isinstance(condition, Special):
            return f"{row}.key in ({SPECIALS[condition.parameter.kind](self, condition)})"
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
        met = " or ".join(f"({self._met(criterion, matches, value)})" for value in criterion.values)
        return f"from {table} i where i.facility = {self.facility} and i.parameter = {number} and ({met})"

    def _met(self, criterion: Criterion, matches: Matcher, value: str) -> str:
        codes = self.codes.get((criterion.modifier, value))
        if codes is not None:
            return one_of(codes, self.arguments)
        literal = criterion.parameter.kind == "reference" and criterion.modifier != "identifier"
        if literal and (found := local(unescaped(value), self.place.bases)):
            value = "/".join(found)  # a url of this facility's own is as good as Type/id
        return matches(criterion, value, self.arguments, self.place.zone)

    def _combined(self, combined: Combined, row: str) -> str:
        parts = [f"({self.condition(condition, row)})" for condition in combined.of]
        return f"not {parts[0]}" if combined.by == "not" else f"({f' {combined.by} '.join(parts)})"

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


def _words(builder: Builder, special: Special) -> str:
    """Words as a search engine reads them: all of them, `or`, `-without`, `"a phrase"`, whatever the case."""
    number = builder._number(special.parameter)
    asked = builder.arguments.add(plain(special.values[0]), "text")
    return (
        f"select i.resource from text_index i where i.facility = {builder.facility} and i.parameter = {number}"
        f" and to_tsvector('simple'::regconfig, i.words) @@ websearch_to_tsquery('simple'::regconfig, {asked})"
    )


def _listed(builder: Builder, special: Special) -> str:
    """What the entries of a List refer to, by the id of the List."""
    ids = builder.arguments.add([unescaped(v).removeprefix("List/") for v in special.values], "text[]")
    number = builder.arguments.add(builder.numbers["List"]["item"], "integer")
    type = builder.arguments.add(special.parameter.type, "text")
    return (
        f"select t.key from resource l join reference_index i on i.resource = l.key and i.parameter = {number}"
        f" join resource t on t.facility = l.facility and t.type = i.target_type and t.id = i.target_id"
        f" where l.facility = {builder.facility} and l.type = 'List' and l.id = any({ids}) and not l.deleted"
        f" and i.target_type = {type}"
    )


UNITS = {"": 1.0, "km": 1.0, "m": 0.001, "mi": 1.609344, "[mi_i]": 1.609344, "[mi_us]": 1.609347}
"""Unit of a distance → kilometres."""
NEAR = 50.0
"""Kilometres, where the search does not say."""
DEGREE = 111.19
"""Kilometres of one degree of latitude."""


def _near(builder: Builder, special: Special) -> str:
    """`latitude|longitude|distance|unit`: positions within the distance along the earth's surface."""
    number, alternatives = builder._number(special.parameter), []
    for value in special.values:
        parts = [unescaped(part) for part in split(value, "|")]
        try:
            latitude, longitude, distance = float(parts[0]), float(parts[1]), float((parts[2:3] or [""])[0] or NEAR)
            distance *= UNITS[(parts[3:4] or [""])[0]]
            known = len(parts) <= 4 and abs(latitude) <= 90 and abs(longitude) <= 180 and 0 <= distance < 1e6
        except (ValueError, IndexError, KeyError):
            known = False
        if not known:
            wanted = "latitude|longitude, latitude|longitude|distance or latitude|longitude|distance|unit"
            raise BadParameter(special.written, f"{value!r} is not written {wanted}", [u for u in UNITS if u])
        south, north, at, of, far = (
            builder.arguments.add(n, "double precision")
            for n in (latitude - distance / DEGREE, latitude + distance / DEGREE, latitude, longitude, distance)
        )
        alternatives.append(
            f"(i.latitude >= {south} and i.latitude <= {north} and 12742.0176 * asin(least(1, sqrt("
            f"power(sin(radians(i.latitude - {at}) / 2), 2) + cos(radians({at})) * cos(radians(i.latitude))"
            f" * power(sin(radians(i.longitude - {of}) / 2), 2)))) <= {far})"
        )
    return (
        f"select i.resource from position_index i where i.facility = {builder.facility} and i.parameter = {number}"
        f" and ({' or '.join(alternatives)})"
    )


SPECIALS: dict[str, Callable[[Builder, Special], str]] = {"words": _words, "list": _listed, "position": _near}
"""Kind of a special parameter → the keys of the resources that meet it."""

HEAD = {"_id": _id, "_lastUpdated": _last_updated}


def page(
    searches: Sequence[Search], builder: Builder, compartment: tuple[str, str] | None, count: int
) -> tuple[str, list[type]]:
    """The statement of one page (one row more than `count`: is there another?) and the types of its sort values.

    Several searches are one over several types; each finds its own first rows, and the page is made of all of them.
    Raises BadParameter where they cannot be sorted by one parameter.
    """
    branches = [_branch(search, builder, compartment, count) for search in searches]
    _, order, names, kinds = branches[0]
    if any(other[3] != kinds for other in branches):
        raise BadParameter("_sort", "means something else in each of the types")
    found = branches[0][0]
    if len(branches) > 1:
        parts = " union all ".join(f"({branch[0]})" for branch in branches)
        found = f"select * from ({parts}) r order by {order} limit {count + 1}"
    return (
        f"select v.type, v.id, v.version, v.last_updated, v.method, v.content, {', '.join(f'r.{n}' for n in names)}\n"
        f"from ({found}) r\n"
        f"join resource_version v on v.resource = r.key and v.version = r.version order by {order}"
    ), kinds


def _branch(
    search: Search, builder: Builder, compartment: tuple[str, str] | None, count: int
) -> tuple[str, str, list[str], list[type]]:
    """The first rows of one type: (statement, order, names and types of the sort values)."""
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
    return f"{found} order by {order} limit {count + 1}", order, [key[0] for key in keys], kinds


def total(searches: Sequence[Search], builder: Builder, compartment: tuple[str, str] | None) -> str:
    """The statement that counts, or that the planner estimates from."""
    found = " union all ".join(
        f"select 1 from resource r where {builder.where(search, compartment, search.conditions)}" for search in searches
    )
    return f"explain (format json) {found}" if searches[0].total == "estimate" else f"select count(*) from ({found}) r"


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
