"""The rows of one write, table by table, and the one statement by which they reach PostgreSQL.

A row's cells are text as PostgreSQL reads it (`content` is bytes): they travel as array literals, a column a parameter.
That costs a third of what the driver's own arrays cost, and no more than COPY, whose every table is a round trip.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

from .model import Connection

Row = tuple[Any, ...]
Rows = dict[str, list[Row]]
"""The index rows of one resource: table → rows from the parameter on."""
Block = dict[str, tuple[int, tuple[str, ...]]]
"""The same as it travels: table → how many rows, and each column's cells parted by commas."""

VERSIONS, VALIDATION, CONTAINED = "resource_version", "validation", "contained"
COLUMNS: dict[str, dict[str, str]] = {
    VERSIONS: {
        "resource": "bigint",
        "version": "integer",
        "facility": "smallint",
        "type": "text",
        "id": "text",
        "last_updated": "timestamptz",
        "method": "text",
        "content": "bytea",
    },
    VALIDATION: {
        "resource": "bigint",
        "version": "integer",
        "facility": "smallint",
        "judged": "timestamptz",
        "valid": "boolean",
        "issues": "jsonb",
        "profiles": "text",
        "rules": "text",
        "microseconds": "integer",
    },
    CONTAINED: {"key": "bigint", "facility": "smallint", "container": "bigint", "type": "text", "id": "text"},
}
"""What is written, in the order of the row tuples. `validation.profiles` and `.rules` travel as array literals."""

OWNER = {"resource": "bigint", "facility": "smallint"}
"""The first columns of every index table: whose rows they are. A batch keeps them once for all rows of a resource."""
KEPT = tuple(COLUMNS)
_ENTRY = {**OWNER, "parameter": "integer", "part": "smallint"}
_RANGE = {"low": "numeric", "high": "numeric"}
INDEXES: dict[str, dict[str, str]] = {
    "token_index": {**_ENTRY, "system": "bigint", "code": "text"},
    "string_index": {**_ENTRY, "folded": "text", "exact": "text"},
    "date_index": {**_ENTRY, "low": "timestamptz", "high": "timestamptz"},
    "number_index": {**_ENTRY, **_RANGE},
    "quantity_index": {
        **_ENTRY,
        **_RANGE,
        "system": "bigint",
        "unit": "text",
        "canonical_low": "numeric",
        "canonical_high": "numeric",
        "canonical_unit": "text",
    },
    "reference_index": {**_ENTRY, "target_type": "text", "target_id": "text"},
    "uri_index": {**_ENTRY, "uri": "text"},
    "text_index": {**_ENTRY, "words": "text"},
    "position_index": {**_ENTRY, "latitude": "double precision", "longitude": "double precision"},
}
COLUMNS.update(INDEXES)

SELDOM = frozenset({VALIDATION, CONTAINED, "number_index", "quantity_index", "uri_index", "position_index"})
"""Tables that a statement leaves out where they get no row; each set of tables is a statement to be prepared."""

LARGE = 1_000
"""Rows of a batch that does not wait for others to share its commit."""

NULL = "NULL"
"""The cell of a missing number."""


@dataclass(slots=True)
class Batch:
    """Everything that one commit writes. `index` and `blocks` are the index rows of each resource below its key and
    facility, `forget` the keys of resources that were there before and of what they contained."""

    rows: Rows = field(default_factory=lambda: {table: [] for table in KEPT})
    index: list[tuple[str, str, Rows]] = field(default_factory=list)
    blocks: list[tuple[str, str, Block]] = field(default_factory=list)
    forget: list[str] = field(default_factory=list)

    @classmethod
    def merged(cls, batches: Iterable["Batch"]) -> "Batch":
        """One batch of several; they stay as they are."""
        whole = cls()
        for batch in batches:
            for table, rows in batch.rows.items():
                whole.rows[table] += rows
            whole.index += batch.index
            whole.blocks += batch.blocks
            whole.forget += batch.forget
        return whole

    @property
    def large(self) -> bool:
        """It commits alone."""
        return sum(len(rows) for _, _, found in self.index for rows in found.values()) >= LARGE

    @property
    def empty(self) -> bool:
        """Nothing is to be written."""
        return not (self.index or any(self.rows.values()))

    async def write(
        self, connection: Connection, also: Callable[[int], str] | None = None, more: Sequence[Any] = ()
    ) -> None:
        """Write everything in one statement: all of it is kept or none. `also` is the `sql` of an Insertion, `more` its
        values."""
        columns = {table: self._columns(table) for table in COLUMNS}
        tables = tuple(table for table, found in columns.items() if found or table not in SELDOM)
        values = [column for table in tables for column in columns[table] or _nothing(table)]
        if self.forget:
            values.append(_array(self.forget))
        sql = statement(tables, change=bool(self.forget), also=also if more else None)
        await connection.execute(sql, *values, *more)

    async def write_index(self, connection: Connection) -> None:
        """Write index rows and what is contained, table by table."""
        for table in (CONTAINED, *INDEXES):
            if columns := self._columns(table):
                await connection.execute(_insert(table, 1), *columns)

    def _columns(self, table: str) -> list[Any]:
        """Each column of a table as an array; nothing where it gets no row."""
        if table in self.rows:
            whole = zip(JOINS[table], zip(*self.rows[table], strict=True), strict=False)
            return [_array([join(column)]) if join else column for join, column in whole]
        found = [(key, facility, rows) for key, facility, index in self.index if (rows := index.get(table))]
        blocks = [(key, facility, *block[table]) for key, facility, block in self.blocks if table in block]
        pieces = [columns for _, _, _, columns in blocks]
        if found:
            pieces.append(_joined(table, [row for _, _, rows in found for row in rows]))
        if not pieces:
            return []
        whose = [block[:3] for block in blocks] + [(key, facility, len(rows)) for key, facility, rows in found]
        keys = _array([",".join([key] * count) for key, _, count in whose])
        facilities = _array([",".join([facility] * count) for _, facility, count in whose])
        return [keys, facilities, *map(_array, zip(*pieces, strict=True))]


def _array(cells: Iterable[str]) -> str:
    return f"{{{','.join(cells)}}}"


def _nothing(table: str) -> list[Any]:
    return [() if kind == "bytea" else "{}" for kind in COLUMNS[table].values()]


def block(rows: Rows) -> Block:
    """Index rows as they travel."""
    return {table: (len(found), _joined(table, found)) for table, found in rows.items() if found}


def _joined(table: str, rows: Sequence[Row]) -> tuple[str, ...]:
    columns = zip(JOINS[table][len(OWNER) :], zip(*rows, strict=True), strict=True)
    return tuple([join(column) for join, column in columns])


def quoted(column: Sequence[str | None]) -> str:
    """The elements of a text[] literal."""
    if None in column:
        return ",".join([NULL if value is None else quoted((value,)) for value in column])
    joined = '","'.join(column)  # type: ignore[arg-type]
    if "\\" in joined or joined.count('"') != 2 * len(column) - 2:
        joined = '","'.join([str(value).replace("\\", "\\\\").replace('"', '\\"') for value in column])
    return f'"{joined}"' if column else ""


def text_array(column: Sequence[str | None]) -> str:
    """A text[] literal."""
    return _array([quoted(column)])


_JOIN: dict[str, Any] = {"text": quoted, "jsonb": quoted, "bytea": None}
JOINS = {table: [_JOIN.get(kind, ",".join) for kind in kinds.values()] for table, kinds in COLUMNS.items()}
"""Table → how the cells of each column stand beside each other in an array; None: they travel as they are."""

_READ: dict[str, Callable[[str], Any]] = {
    "smallint": int,
    "integer": int,
    "bigint": int,
    "timestamptz": datetime.fromisoformat,
    "numeric": Decimal,
    "double precision": float,
}


def read(table: str, row: Row) -> Row:
    """The values of an index row, from its parameter on, as Python has them."""
    kinds = list(INDEXES[table].values())[len(OWNER) :]
    return tuple(
        None if cell is None or (cell == NULL and kind != "text") else _READ.get(kind, str)(cell)
        for kind, cell in zip(kinds, row, strict=True)
    )


@cache
def statement(tables: Sequence[str], *, change: bool, also: Callable[[int], str] | None = None) -> str:
    """The statement that writes rows of these tables; with `change`, also for resources that were there before."""
    parts, first = {}, 1
    for table in tables:
        parts[table] = _insert(table, first)
        first += len(COLUMNS[table])
    named = [f"versions as (select {_unnested(VERSIONS, 1)})"]
    parts[VERSIONS] = f"insert into {VERSIONS} select * from versions"
    parts["resource"] = NEW_HEADS
    if change:
        parts["head"] = HEADS
        owners = {CONTAINED: "key"} | dict.fromkeys(INDEXES, "resource")
        parts |= {f"{t}_old": f"delete from {t} where {c} = any(${first}::text::bigint[])" for t, c in owners.items()}
        first += 1
    if also:
        parts["also"] = also(first)
    named += [f"w_{name} as ({sql})" for name, sql in parts.items()]
    return "with " + ",\n".join(named) + "\nselect 1"


NEW_HEADS = """insert into resource (key, facility, type, id, version, last_updated, deleted)
select resource, facility, type, id, version, last_updated, false from versions where version = 1"""
HEADS = """update resource r set version = v.version, last_updated = v.last_updated, deleted = v.method = 'DELETE'
from versions v where r.key = v.resource and v.version > 1"""


def _insert(table: str, first: int) -> str:
    return f"insert into {table} ({', '.join(COLUMNS[table])}) select {_unnested(table, first)}"


def _unnested(table: str, first: int) -> str:
    """The columns of a table out of their arrays."""
    columns = [
        f"unnest(${number}{'' if kind == 'bytea' else '::text'}::{kind}[]){_CAST.get(name, '')} as {name}"
        for number, (name, kind) in enumerate(COLUMNS[table].items(), first)
    ]
    return ", ".join(columns)


_CAST = {"profiles": "::text[]", "rules": "::text[]"}
