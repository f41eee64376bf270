"""From the conditions of a search to SQL over the index tables; every one of them names the facility."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from profiles import definitions

from ..emit import INSIDE, local
from ..errors import BadParameter
from ..extract import OF_TYPE
from ..facilities import Place
from .arguments import Arguments
from .matching import NEGATIVE, Matcher, matcher, one_of, one_reference
from .query import Chain, Combined, Condition, Criterion, Has, Parameter, Special, split, unescaped
from .ranges import dated, moment
from .special import SPECIALS
from .vocabulary import NOTHING, Meaning

Numbers = Mapping[str, Mapping[str, int]]
"""Resource type → code → number of every parameter that the search may name."""

INDEXED = ("token", "string", "date", "number", "quantity", "reference", "uri", "position")
TABLES = {kind: f"{kind}_index" for kind in INDEXED}
TEXTS = {"token": ("token_index", "string_index"), "reference": ("reference_index", "token_index")}
"""Parameter type → where else its values may stand: a concept that is a text, a reference that is an identifier."""

CONTAINED = (
    "(select c.key, c.facility, c.type, c.id, h.version, h.last_updated, h.deleted, h.key as home, h.type as within"
    " from contained c join resource h on h.key = c.container)"
)
"""Contained resources in the shape of `resource`: what is current and when it was written is their container's."""


@dataclass(frozen=True, slots=True)
class Row:
    """An alias in a statement for resources of one type: of `resource`, or of CONTAINED where they are `inner`."""

    name: str
    type: str
    inner: bool = False

    @property
    def source(self) -> str:
        """What it is an alias of."""
        return f"{CONTAINED if self.inner else 'resource'} {self.name}"


@dataclass(slots=True)
class Builder:
    """Builds the conditions of one statement. `meaning` is what was looked up for it (vocabulary.py)."""

    place: Place
    numbers: Numbers
    meaning: Meaning = NOTHING
    arguments: Arguments = field(default_factory=Arguments)
    depth: int = 0
    facility: str = "$1::smallint"
    parts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.arguments.append(self.place.number)

    def where(self, row: Row, compartment: tuple[str, str] | None, conditions: Iterable[Condition]) -> str:
        """The resources of the row's type and the compartment that meet the conditions, as a condition on the row."""
        written = [self.of_type(row)]
        if compartment:
            written.append(self._in_compartment(row, *compartment))
        written += [self.condition(condition, row) for condition in conditions]
        return "\n  and ".join(written)

    def of_type(self, row: Row) -> str:
        """The resources of a row's type that are there."""
        type = self.arguments.add(row.type, "text")
        return f"{row.name}.facility = {self.facility} and {row.name}.type = {type} and not {row.name}.deleted"

    def row(self, type: str, *, inner: bool = False) -> Row:
        """A row that no other condition names."""
        self.depth += 1
        return Row(f"r{self.depth}", type, inner)

    def beforehand(self, select: str) -> str:
        """The name of rows that the statement finds first, once."""
        self.parts.append(f"part{len(self.parts)} as materialized ({select})")
        return f"part{len(self.parts) - 1}"

    @property
    def prelude(self) -> str:
        """What the statement begins with."""
        return f"with {', '.join(self.parts)} " if self.parts else ""

    def number(self, parameter: Parameter, suffix: str = "") -> str:
        """The placeholder of a parameter's number."""
        return self.arguments.add(self.numbers[parameter.type][parameter.code + suffix], "integer")

    def condition(self, condition: Condition, row: Row) -> str:
        """A condition on a row."""
        if isinstance(condition, Chain):
            return f"{row.name}.key in ({self._chain(condition)})"
        if isinstance(condition, Has):
            return self._has(condition, row)
        if isinstance(condition, Combined):
            return self._combined(condition, row)
        if isinstance(condition, Special):
            return f"{row.name}.key in ({SPECIALS[condition.parameter.kind](self, condition)})"
        if condition.parameter.code in HEAD:
            return HEAD[condition.parameter.code](self, condition, row)
        if condition.modifier == "missing":
            return self._missing(condition, row)
        if condition.modifier in NEGATIVE:
            return f"not exists (select 1 {self.rows(condition)} and i.resource = {row.name}.key)"
        return f"{row.name}.key in ({self._keys(condition)})"

    def keys(self, condition: Condition, type: str) -> str | None:
        """The keys of the resources of a type that meet a condition, some perhaps twice and some deleted; None where no
        index finds them one after another."""
        if isinstance(condition, Special):
            special = SPECIALS[condition.parameter.kind]
            return None if condition.parameter.kind == "words" else special(self, condition)
        if not isinstance(condition, Criterion) or condition.modifier in NEGATIVE or condition.parameter.code == "_id":
            return None
        if condition.parameter.code == "_lastUpdated":
            row = self.row(type)
            written = f"{row.name}.facility = {self.facility} and {row.name}.type = {self.arguments.add(type, 'text')}"
            return f"select {row.name}.key from {row.source} where {written} and {_last_updated(self, condition, row)}"
        if condition.modifier == "missing":
            tables = self._missed(condition) if condition.values == ("false",) else ()
            return " union all ".join(f"select i.resource from {table}" for table in tables) or None
        return self._keys(condition)

    def _keys(self, criterion: Criterion) -> str:
        if criterion.parameter.kind == "composite":
            return " union all ".join(self._components(criterion, value) for value in criterion.values)
        return f"select i.resource {self.rows(criterion)}"

    def rows(self, criterion: Criterion) -> str:
        """The index rows `i` that meet a criterion, from the word `from` on."""
        table, matches = matcher(criterion)
        number = self.number(criterion.parameter, OF_TYPE if criterion.modifier == "of-type" else "")
        met = " or ".join(f"({self._met(criterion, matches, value)})" for value in criterion.values)
        return f"from {table} i where i.facility = {self.facility} and i.parameter = {number} and ({met})"

    def _met(self, criterion: Criterion, matches: Matcher, value: str) -> str:
        looked_up = self.meaning.values.get((criterion.parameter, criterion.modifier, value))
        if looked_up is not None:
            among = one_of if criterion.parameter.kind == "token" else one_reference
            return among(looked_up, self.arguments)
        literal = criterion.parameter.kind == "reference" and criterion.modifier != "identifier"
        if literal and (found := local(unescaped(value), self.place.bases)):
            value = "/".join(found)  # a url of this facility's own is as good as Type/id
        return matches(criterion, value, self.arguments, self.place.zone)

    def _combined(self, combined: Combined, row: Row) -> str:
        if combined.by == "not":
            keys = None if row.inner else self.keys(combined.of[0], row.type)
            if keys is None:
                return f"not ({self.condition(combined.of[0], row)})"
            return f"not exists (select 1 from ({keys}) k (key) where k.key = {row.name}.key)"
        if combined.by == "and" or row.inner:
            return f"({f' {combined.by} '.join(self.condition(condition, row) for condition in combined.of)})"
        # each alternative finds its own keys, so that none makes the others look at every resource of the type
        found = []
        for condition in combined.of:
            own = self.row(row.type)
            meets = f"{self.of_type(own)} and {self.condition(condition, own)}"
            found.append(f"select {own.name}.key from {own.source} where {meets}")
        return f"{row.name}.key in ({' union all '.join(found)})"

    def _chain(self, chain: Chain) -> str:
        """The keys of the resources whose reference leads to one that meets the rest of the chain."""
        found = []
        for type, inner in chain.of:
            if type in self.meaning.there:
                target = self.row(type)
                joined = (
                    f"i.facility = {target.name}.facility and i.target_type = {target.name}.type"
                    f" and i.target_id = {target.name}.id"
                )
                found.append(self._led(chain.parameter, target, joined, inner))
            if type in self.meaning.inside:
                target = self.row(type, inner=True)
                joined = (
                    f"i.facility = {target.name}.facility and i.target_type = '{INSIDE}'"
                    f" and i.target_id = {target.name}.key::text"
                )
                found.append(self._led(chain.parameter, target, joined, inner))
        return " union all ".join(found) or NO_KEYS

    def _led(self, parameter: Parameter, target: Row, joined: str, inner: Condition) -> str:
        return (
            f"select i.resource from {target.source} join reference_index i on {joined}"
            f" where {self.of_type(target)} and i.parameter = {self.number(parameter)}"
            f" and {self.condition(inner, target)}"
        )

    def _has(self, has: Has, row: Row) -> str:
        found = []
        for inner, types in ((False, self.meaning.there), (True, self.meaning.inside)):
            if has.parameter.type in types:
                source = self.row(has.parameter.type, inner=inner)
                found.append(
                    f"select i.target_type, i.target_id from {source.source}"
                    f" join reference_index i on i.resource = {source.name}.key"
                    f" where {self.of_type(source)} and i.facility = {self.facility}"
                    f" and i.parameter = {self.number(has.parameter)} and {self.condition(has.of, source)}"
                )
        if not found:
            return "false"
        whose = f"'{INSIDE}', {row.name}.key::text" if row.inner else f"{row.name}.type, {row.name}.id"
        return f"({whose}) in ({' union all '.join(found)})"

    def _missing(self, criterion: Criterion, row: Row) -> str:
        if criterion.values not in (("true",), ("false",)):
            problem = f"{','.join(criterion.values)!r} is not true or false"
            raise BadParameter(criterion.written, problem, ("true", "false"))
        there = [f"exists (select 1 from {table} and i.resource = {row.name}.key)" for table in self._missed(criterion)]
        if criterion.values == ("false",):
            return f"({' or '.join(there)})"
        return " and ".join(f"not {each}" for each in there)

    def _missed(self, criterion: Criterion) -> list[str]:
        """Where the values of a parameter stand: table and condition."""
        parameter = criterion.parameter
        code, kind = parameter.components[0] if parameter.components else (parameter.code, parameter.kind)
        number = self.arguments.add(self.numbers[parameter.type][code], "integer")
        of = f"i.facility = {self.facility} and i.parameter = {number}"
        return [f"{table} i where {of}" for table in TEXTS.get(kind, (TABLES[kind], "token_index"))]

    def _components(self, criterion: Criterion, value: str) -> str:
        """The keys of the resources that have every component's value in one part."""
        components = criterion.parameter.components
        values = split(value, "$")
        if len(values) != len(components):
            raise BadParameter(criterion.written, f"{value!r} has not {len(components)} parts parted by $")
        parts = []
        for n, ((code, kind), part) in enumerate(zip(components, values, strict=True)):
            inner = Criterion(criterion.written, Parameter(criterion.parameter.type, code, kind, ()), "", (part,))
            table, matches = matcher(inner)
            parts.append(
                f"(select i.resource, i.part from {table} i where i.facility = {self.facility}"
                f" and i.parameter = {self.number(inner.parameter)} and ({self._met(inner, matches, part)})) c{n}"
            )
        joined = parts[0] + "".join(f" join {other} using (resource, part)" for other in parts[1:])
        return f"select resource from {joined}"

    def _in_compartment(self, row: Row, name: str, id: str) -> str:
        members = definitions.compartment(name).get(row.type)
        if members is None:
            raise BadParameter(name, f"{row.type} is not in this compartment", definitions.compartment(name))
        numbers = [self.numbers[row.type][code] for code in members if code in self.numbers[row.type]]
        target, wanted = self.arguments.add(name, "text"), self.arguments.add(id, "text")
        found = (
            f"select i.resource from reference_index i where i.facility = {self.facility}"
            f" and i.target_type = {target} and i.target_id = {wanted}"
            f" and i.parameter = any({self.arguments.add(numbers, 'integer[]')})"
        )
        if row.type == name and "{def}" in members:
            found += (
                f" union all select o.key from resource o where o.facility = {self.facility} and o.type = {target}"
                f" and o.id = {wanted}"
            )
        return f"{row.name}.key in ({found})"


NO_KEYS = "select null::bigint where false"


def _id(builder: Builder, criterion: Criterion, row: Row) -> str:
    values = builder.arguments.add([unescaped(v) for v in criterion.values], "text[]")
    return f"{'not ' if criterion.modifier == 'not' else ''}{row.name}.id = any({values})"


def _last_updated(builder: Builder, criterion: Criterion, row: Row) -> str:
    asked = (dated(criterion, value, builder.place.zone) for value in criterion.values)
    return f"({' or '.join(moment(*each, builder.arguments, f'{row.name}.last_updated') for each in asked)})"


HEAD: dict[str, Callable[[Builder, Criterion, Row], str]] = {"_id": _id, "_lastUpdated": _last_updated}
