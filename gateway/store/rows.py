"""The rows of one write, table by table, and the two ways they reach PostgreSQL: one statement, or COPY."""

from collections.abc import Iterable
from dataclasses import dataclass, field
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
}
COLUMNS.update(INDEXES)

COPY_FROM = 200
"""Index rows from which COPY is the faster way (measured; below it, its round trip per table costs more)."""


@dataclass(slots=True)
class Batch:
    """Everything that one commit writes. `forget` are keys whose index rows go, `heads` the new heads of known keys
    as rows of `resource`."""

    rows: dict[str, list[Row]] = field(default_factory=lambda: {table: [] for table in COLUMNS})
    heads: list[Row] = field(default_factory=list)
    forget: list[int] = field(default_factory=list)

    @classmethod
    def merged(cls, batches: Iterable["Batch"]) -> "Batch":
        """One batch of several; they stay as they are."""
        whole = cls()
        for batch in batches:
            for table, rows in batch.rows.items():
                whole.rows[table] += rows
            whole.heads += batch.heads
            whole.forget += batch.forget
        return whole

    @property
    def large(self) -> bool:
        """COPY is the faster way."""
        return sum(map(len, self.rows.values())) >= COPY_FROM

    async def write(self, connection: Connection) -> None:
        """Write everything in one statement: all of it is kept or none."""
        if self.large:
            async with connection.transaction():
                await self._copy(connection)
            return
        values = [column for table in COLUMNS for column in _columns(self.rows[table], len(COLUMNS[table]))]
        if self.heads:
            await connection.execute(CHANGE, *values, *_columns(self.heads, len(COLUMNS["resource"])), self.forget)
        else:
            await connection.execute(CREATE, *values)

    async def _copy(self, connection: Connection) -> None:
        if self.heads:
            empty: list[Any] = [() for table in COLUMNS for _ in COLUMNS[table]]
            await connection.execute(CHANGE, *empty, *_columns(self.heads, len(COLUMNS["resource"])), self.forget)
        for table, columns in COLUMNS.items():
            if rows := self.rows[table]:
                if table == "validation":
                    await connection.execute(INSERT_VALIDATION, *_columns(rows, len(columns)))
                else:
                    await connection.copy_records_to_table(table, records=rows, columns=list(columns))


def _columns(rows: list[Row], width: int) -> list[Any]:
    return list(zip(*rows, strict=True)) if rows else [()] * width


def _insert(table: str, first: int) -> str:
    columns = COLUMNS[table]
    arrays = ", ".join(f"${n}::{kind}[]" for n, kind in enumerate(columns.values(), first))
    chosen = ", ".join(f"{c}::text[]" if c in ("profiles", "rules") else c for c in columns)
    return (
        f"insert into {table} ({', '.join(columns)}) select {chosen} from unnest({arrays}) as u ({', '.join(columns)})"
    )


def _statement(*, change: bool) -> str:
    parts, first = [], 1
    for table in COLUMNS:
        parts.append((table, _insert(table, first)))
        first += len(COLUMNS[table])
    if change:
        head = list(COLUMNS["resource"].values())
        arrays = ", ".join(f"${n}::{kind}[]" for n, kind in enumerate(head, first))
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


INSERT_VALIDATION = _insert("validation", 1)
CREATE = _statement(change=False)
CHANGE = _statement(change=True)
