"""The rows of one write, table by table, and the two ways they reach PostgreSQL: one statement, or COPY."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .model import Connection

Row = tuple[Any, ...]

COLUMNS: dict[str, dict[str, str]] = {
    "resource": {
        "key": "bigint",
        "facility": "smallint",
        "type": "text",
        "id": "text",
        "version": "integer",
        "last_updated": "timestamptz",
        "deleted": "boolean",
    },
    "resource_version": {
        "resource": "bigint",
        "version": "integer",
        "facility": "smallint",
        "type": "text",
        "id": "text",
        "last_updated": "timestamptz",
        "method": "text",
        "content": "bytea",
    },
    "validation": {
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
}
"""What is written, in the order of the row tuples. `validation.profiles` and `.rules` travel as array literals."""

CONTAINED = "contained"
_ENTRY = {"resource": "bigint", "parameter": "integer", "facility": "smallint", "part": "smallint"}
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
AT_ONCE = tuple(COLUMNS)
"""What every write may bring; the few that bring contained resources take longer."""
COLUMNS[CONTAINED] = {"key": "bigint", "facility": "smallint", "container": "bigint", "type": "text", "id": "text"}

COPY_FROM = 200
"""Index rows from which COPY is the faster way (measured; below it, its round trip per table costs more)."""


@dataclass(slots=True)
class Batch:
    """Everything that one commit writes. `forget` are keys whose index rows go, `heads` the new heads of known keys
    as rows of `resource`, `inside` those of the forgotten keys that are of contained resources."""

    rows: dict[str, list[Row]] = field(default_factory=lambda: {table: [] for table in COLUMNS})
    heads: list[Row] = field(default_factory=list)
    forget: list[int] = field(default_factory=list)
    inside: list[int] = field(default_factory=list)

    @classmethod
    def merged(cls, batches: Iterable["Batch"]) -> "Batch":
        """One batch of several; they stay as they are."""
        whole = cls()
        for batch in batches:
            for table, rows in batch.rows.items():
                whole.rows[table] += rows
            whole.heads += batch.heads
            whole.forget += batch.forget
            whole.inside += batch.inside
        return whole

    @property
    def large(self) -> bool:
        """COPY is the faster way."""
        return sum(map(len, self.rows.values())) >= COPY_FROM

    async def write(self, connection: Connection) -> None:
        """Write everything in one statement: all of it is kept or none."""
        if self.large or self.inside or self.rows[CONTAINED]:
            async with connection.transaction():
                await self._copy(connection)
            return
        values = [column for table in AT_ONCE for column in _arrays(self.rows[table], COLUMNS[table])]
        if self.heads:
            await connection.execute(CHANGE, *values, *_arrays(self.heads, COLUMNS["resource"]), self.forget)
        else:
            await connection.execute(CREATE, *values)

    async def _copy(self, connection: Connection) -> None:
        if self.heads:
            nothing = [column for table in AT_ONCE for column in _arrays([], COLUMNS[table])]
            await connection.execute(CHANGE, *nothing, *_arrays(self.heads, COLUMNS["resource"]), self.forget)
        if self.inside:
            await connection.execute(FORGET_INSIDE, self.inside)
        for table, columns in COLUMNS.items():
            if rows := self.rows[table]:
                if table == "validation":
                    await connection.execute(INSERT_VALIDATION, *_arrays(rows, columns))
                else:
                    await connection.copy_records_to_table(table, records=rows, columns=list(columns))


def _arrays(rows: list[Row], columns: Mapping[str, str]) -> list[Any]:
    """A column a parameter. Array literals, because asyncpg looks at each element of an array four times."""
    if not rows:
        return [() if kind == "bytea" else "{}" for kind in columns.values()]
    return [_LITERAL[kind](column) for kind, column in zip(columns.values(), zip(*rows, strict=True), strict=True)]


def _plain(column: Sequence[Any]) -> str:
    return f"{{{','.join(map(str, column))}}}"


def _numbers(column: Sequence[Any]) -> str:
    return f"{{{','.join(['NULL' if value is None else str(value) for value in column])}}}"


def _instants(column: Sequence[datetime]) -> str:
    return f"{{{','.join([value.isoformat() for value in column])}}}"


def text_array(column: Sequence[str | None]) -> str:
    """A text[] literal."""
    return f"{{{','.join(['NULL' if value is None else _quoted(value) for value in column])}}}"


def _quoted(value: str) -> str:
    if "\\" in value or '"' in value:
        value = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{value}"'


_LITERAL: dict[str, Callable[[Sequence[Any]], Any]] = {
    "smallint": _plain,
    "integer": _plain,
    "bigint": _plain,
    "boolean": _plain,
    "numeric": _numbers,
    "double precision": _plain,
    "timestamptz": _instants,
    "text": text_array,
    "jsonb": text_array,
    "bytea": tuple,
}
"""PostgreSQL type → how a column of it travels."""


def _parameters(columns: Mapping[str, str], first: int) -> str:
    kinds = ((n, "" if kind == "bytea" else "::text", kind) for n, kind in enumerate(columns.values(), first))
    return ", ".join(f"${n}{travels}::{kind}[]" for n, travels, kind in kinds)


def _insert(table: str, first: int) -> str:
    columns = COLUMNS[table]
    arrays = _parameters(columns, first)
    chosen = ", ".join(f"{c}::text[]" if c in ("profiles", "rules") else c for c in columns)
    return (
        f"insert into {table} ({', '.join(columns)}) select {chosen} from unnest({arrays}) as u ({', '.join(columns)})"
    )


def _statement(*, change: bool) -> str:
    parts, first = [], 1
    for table in AT_ONCE:
        parts.append((table, _insert(table, first)))
        first += len(COLUMNS[table])
    if change:
        head = COLUMNS["resource"]
        arrays = _parameters(head, first)
        parts.append(
            (
                "head",
                "update resource r set version = u.version, last_updated = u.last_updated, deleted = u.deleted "
                f"from unnest({arrays}) as u ({', '.join(COLUMNS['resource'])}) where r.key = u.key",
            )
        )
        forget = first + len(head)
        parts += [
            (f"{table}_old", f"delete from {table} where resource = any(${forget}::bigint[])") for table in INDEXES
        ]
    named = ",\n".join(f"w_{name} as ({sql})" for name, sql in parts)
    return f"with {named}\nselect 1"


FORGET_INSIDE = f"delete from {CONTAINED} where key = any($1::bigint[])"
INSERT_VALIDATION = _insert("validation", 1)
CREATE = _statement(change=False)
CHANGE = _statement(change=True)
