"""From a parsed search to its statements. `r` is always the resource that is searched."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from ..cursor import BACK, Cursor
from ..emit import A_PART
from ..errors import BadParameter
from ..read import VERSION
from .arguments import Arguments
from .conditions import TABLES, Builder, Row
from .query import Parameter, Search

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
WORTH = {"string": f" and i.exact <> '{A_PART}'", "token": " and i.code <> ''"}
"""Parameter type → which of its rows a resource is sorted by."""
SORTED_BY_HEAD = {"_id": ("r.id", str), "_lastUpdated": ("r.last_updated", datetime)}


FEW, NEWEST = 2_000, 5_000
"""Rows of an index that are all looked up where there are no more, and resources that are gone through otherwise."""


class Key(NamedTuple):
    """One value by which a page is sorted: a column of the statement, what it is of (None: the resource's own key),
    its Python type."""

    name: str
    parameter: Parameter | None
    kind: type
    descending: bool
    turned: bool = False
    """The page is read from its end."""

    @property
    def optional(self) -> bool:
        """A resource may lack it."""
        return self.parameter is not None and self.parameter.code not in SORTED_BY_HEAD

    @property
    def order(self) -> str:
        """For `order by`: a value that is not there comes last, whatever the direction."""
        absent = f" nulls {'first' if self.turned else 'last'}" if self.optional else ""
        return f"{self.name} {'asc' if self.descending == self.turned else 'desc'}{absent}"


class Slice(NamedTuple):
    """Which rows a page takes of those that are found: how many, in which order, from where on (a where clause)."""

    size: int
    order: str
    after: str


class Bounds(NamedTuple):
    """What a whole statement is held to: a compartment, and the types that the asker may search (None: all)."""

    compartment: tuple[str, str] | None = None
    among: Collection[str] | None = None


def page(searches: Sequence[Search], builder: Builder, bounds: Bounds, count: int) -> tuple[str, list[type]]:
    """The statement of one page (one row more than `count`: is there another?) and the types of its sort values.

    Several searches are one over several types; each finds its own first rows, and the page is made of all of them.
    Raises BadParameter where they cannot be sorted by one parameter.
    """
    keys = _keys(searches[0])
    kinds = [key.kind for key in keys]
    if any([key.kind for key in _keys(other)] != kinds for other in searches[1:]):
        raise BadParameter("_sort", "means something else in each of the types")
    taken = _slice(keys, searches[0], builder.arguments, count)
    last = f"{taken.after} order by {taken.order} limit {count + 1}"
    branches = [branch for search in searches for branch in _branches(search, builder, bounds, taken)]
    if searches[0].containers:
        found = f"select * from ({_containers(branches, keys)}) r {last}"
    else:
        found = _union([f"select * from ({branch}) r {last}" for branch in branches])
        if len(branches) > 1:
            found = f"select * from ({found}) r order by {taken.order} limit {count + 1}"
    columns = ["kind", "part"] if mixed(searches) else []
    shown = ", ".join(f"r.{name}" for name in (*columns, *(key.name for key in keys)))
    return (
        f"{builder.prelude}select {VERSION}, {shown}\nfrom ({found}) r\n"
        f"join resource_version v on v.resource = r.home and v.version = r.version order by {taken.order}"
    ), kinds


def mixed(searches: Sequence[Search]) -> bool:
    """Whether the rows of a page must say what they are: of several types, or contained in others."""
    return len(searches) > 1 or searches[0].contained != "false"


def _slice(keys: Sequence[Key], search: Search, arguments: Arguments, count: int) -> Slice:
    if search.backwards:
        keys = [key._replace(turned=True) for key in keys]
    cursor = Cursor.parse(search.cursor.removeprefix(BACK), [key.kind for key in keys]) if search.cursor else None
    after = f"where {_after(keys, cursor, arguments)}" if cursor else ""
    return Slice(count, ", ".join(key.order for key in keys), after)


def total(searches: Sequence[Search], builder: Builder, bounds: Bounds) -> str:
    """The statement that counts, or that the planner estimates from."""
    distinct = "distinct " if searches[0].containers else ""
    found = _union([branch for search in searches for branch in _counted(search, builder, bounds)])
    if searches[0].total == "estimate":
        return f"explain (format json) select {distinct}home from ({found}) r"
    return f"select count({distinct}home) from ({found}) r"


def _union(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else " union all ".join(f"({part})" for part in parts)


def _counted(search: Search, builder: Builder, bounds: Bounds) -> Iterator[str]:
    """What a search finds: resources of their own, and contained ones where it asks for them."""
    if search.contained != "true":
        where = builder.where(Row("r", search.type), bounds.compartment, search.conditions)
        yield f"select r.key as home from resource r where {where}"
    if search.contained != "false":
        row = Row("r", search.type, inner=True)
        key = "r.home" if search.containers else "r.key as home"
        yield f"select {key} from {row.source} where {_inside(search, row, builder, bounds)}"


def _branches(search: Search, builder: Builder, bounds: Bounds, taken: Slice) -> Iterator[str]:
    """The same for a page, with the values that it is sorted by."""
    if search.contained != "true":
        yield from _own(search, builder, bounds, taken)
    if search.contained != "false":
        row = Row("r", search.type, inner=True)
        kind, part, key = ("r.within", "null::text", "r.home") if search.containers else ("r.type", "r.id", "r.key")
        shown = f"r.home, r.version, {kind} as kind, {part} as part, {_columns(search, builder, key)}"
        yield f"select {shown} from {row.source} where {_inside(search, row, builder, bounds)}"


def _inside(search: Search, row: Row, builder: Builder, bounds: Bounds) -> str:
    where = builder.where(row, bounds.compartment, search.conditions)
    if bounds.among is None:
        return where
    return f"{where} and r.within = any({builder.arguments.add(sorted(bounds.among), 'text[]')})"


def _own(search: Search, builder: Builder, bounds: Bounds, taken: Slice) -> Iterator[str]:
    if bounds.compartment:
        yield _plain(search, builder, bounds)
    elif ordered := search.ordered:
        # The b-tree of an equality already lies in the order of the page: only as many rows are read as are shown.
        rows = f"select distinct i.resource as key {builder.rows(ordered)} order by {taken.order}"
        where = builder.of_type(Row("r", search.type))
        yield f"{_shown('d.key')} from ({rows}) d join resource r on r.key = d.key where {where}"
    elif keys := search.only and builder.keys(search.only, search.type):
        yield from _bounded(search, builder, keys, taken)
    else:
        yield _plain(search, builder, bounds)


def _plain(search: Search, builder: Builder, bounds: Bounds) -> str:
    where = builder.where(Row("r", search.type), bounds.compartment, search.conditions)
    return f"select r.key as home, {HEAD}, {_columns(search, builder, 'r.key')} from resource r where {where}"


HEAD = "r.version, r.type as kind, null::text as part"


def _shown(key: str) -> str:
    return f"select {key} as home, {HEAD}, {key} as key"


def _bounded(search: Search, builder: Builder, keys: str, taken: Slice) -> Iterator[str]:
    """Resources that one condition finds, in the order of their writing, without reading many that it does not find.

    Few are looked up. Of many, enough may be among the newest; else they are all sorted. The planner would guess: it
    takes what an index finds to lie evenly among the resources, and goes through all for some that were written first.
    """
    where, order = builder.of_type(Row("r", search.type)), taken.order
    few = builder.beforehand(f"select key from ({keys}) k (key) limit {FEW + 1}")
    many = f"(select count(*) > {FEW} from {few})"
    newest = f"select * from (select * from resource r where {where}) r {taken.after} order by {order} limit {NEWEST}"
    met = f"exists (select 1 from ({keys}) k (key) where k.key = r.key offset 0)"  # each by itself
    near = builder.beforehand(
        f"{_shown('r.key')} from ({newest}) r where {many} and {met} order by {order} limit {taken.size + 1}"
    )
    enough = f"(select count(*) > {taken.size} from {near})"
    yield f"select * from {near} where {enough}"
    for source, asked in ((few, f"not {many}"), (f"({keys}) k (key)", f"{many} and not {enough}")):
        found = f"select distinct key from {source} where {asked} order by {order}"
        looked_up = f"select * from resource r where r.key = d.key and {where} offset 0"
        yield f"{_shown('d.key')} from ({found}) d cross join lateral ({looked_up}) r"


def _containers(branches: Sequence[str], keys: Sequence[Key]) -> str:
    """Each resource once, however many of those that it contains were found, by what comes first of their values."""
    values = "".join(
        f", {'max' if key.descending else 'min'}({key.name}) as {key.name}" for key in keys if key.parameter
    )
    return (
        f"select home, max(version) as version, max(kind) as kind, null::text as part{values}, home as key"
        f" from ({_union(branches)}) r group by home"
    )


def _keys(search: Search) -> list[Key]:
    keys = [
        Key(f"k{n}", parameter, _sort_kind(parameter), descending)
        for n, (parameter, descending) in enumerate(search.sort)
    ]
    return [*keys, Key("key", None, int, search.sort[-1][1] if search.sort else True)]


def _sort_kind(parameter: Parameter) -> type:
    by_head = SORTED_BY_HEAD.get(parameter.code)
    return by_head[1] if by_head else SORTED_BY[parameter.kind][2]


def _columns(search: Search, builder: Builder, key: str) -> str:
    return ", ".join(
        f"{_sorted_by(each.parameter, builder, descending=each.descending) if each.parameter else key} as {each.name}"
        for each in _keys(search)
    )


def _sorted_by(parameter: Parameter, builder: Builder, *, descending: bool) -> str:
    if parameter.code in SORTED_BY_HEAD:
        return SORTED_BY_HEAD[parameter.code][0]
    least, most, _ = SORTED_BY[parameter.kind]
    return (
        f"(select {most if descending else least} from {TABLES[parameter.kind]} i where i.resource = r.key"
        f" and i.facility = {builder.facility} and i.parameter = {builder.number(parameter)}"
        f"{WORTH.get(parameter.kind, '')})"
    )


_SQL_TYPES = {str: "text", datetime: "timestamptz", Decimal: "numeric", int: "bigint"}


def _after(keys: Sequence[Key], cursor: Cursor, arguments: Arguments) -> str:
    """Rows behind the cursor in the order of the keys."""
    alternatives: list[str] = []
    equal: list[str] = []
    for key, value in zip(keys, cursor.values, strict=True):
        if value is None:
            if key.turned:
                alternatives.append(" and ".join([*equal, f"{key.name} is not null"]))
            equal.append(f"{key.name} is null")
            continue
        bound = arguments.add(value, _SQL_TYPES[key.kind])
        behind = f"{key.name} {'>' if key.descending == key.turned else '<'} {bound}"
        if key.optional and not key.turned:
            behind = f"({behind} or {key.name} is null)"
        alternatives.append(" and ".join([*equal, behind]))
        equal.append(f"{key.name} = {bound}")
    return "(" + " or ".join(f"({a})" for a in alternatives) + ")"
