"""What a search reads: the plans of the statements that it sends, run on the connections that it sends them on."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

from gateway.store import Store
from gateway.store.model import Connection, Query

HOW = "explain (analyze, buffers, format json)"
Said = tuple[Connection, str, tuple[Any, ...]]
A_LOOKUP = 10
"""Pages at most for one row: down the index, then the row."""


class Scan(NamedTuple):
    """How often a plan looks at a table: rows that it saw, were they taken or not, and pages."""

    table: str
    whole: bool
    rows: int
    pages: int

    @property
    def read(self) -> int:
        """Rows; where more pages were read than those need, entries of an index were passed over without being seen."""
        return self.rows if self.pages <= A_LOOKUP * (self.rows + 10) else self.pages * A_LOOKUP


async def statements(store: Store, facility: str, type: str, query: Query, **how: Any) -> list[Said]:
    """The statements of a search, in their order, but for those that ask the planner alone."""
    async with store._pool.connection() as one, store._planned.connection() as two:
        pass  # the last given back is the first given out
    await store.search(facility, type, query, **how)  # what is learnt once is known then
    said: list[Said] = []
    with ExitStack() as heard:
        for connection in (one, two):
            heard.enter_context(
                connection.query_logger(lambda r, c=connection: said.append((c, r.query, tuple(r.args))))
            )
        await store.search(facility, type, query, **how)
        await asyncio.sleep(0)
    return [each for each in said if not each[1].startswith("explain")]


async def scans(store: Store, said: Said) -> list[Scan]:
    """What a statement looks at, by the plan for its values and, where its connection may use it, by that for any."""
    connection, statement, values = said
    plans = [await connection.fetchval(f"{HOW} {statement}", *values)]
    if await connection.fetchval("show plan_cache_mode") == "auto":
        plans.append(await _generic(connection, statement, values))
    return [scan for plan in plans for scan in _scans(json.loads(plan)[0]["Plan"])]


async def _generic(connection: Connection, statement: str, values: tuple[Any, ...]) -> Any:
    await connection.execute(f"set plan_cache_mode = force_generic_plan; prepare asked as {statement}")
    try:
        given = f"({', '.join(map(_literal, values))})" if values else ""
        return await connection.fetchval(f"{HOW} execute asked{given}")
    finally:
        await connection.execute("deallocate asked; reset plan_cache_mode")


def _literal(value: Any) -> str:
    if value is None:
        return "null"
    text = f"{{{','.join(json.dumps(item) for item in value)}}}" if isinstance(value, list) else str(value)
    return "'" + text.replace("'", "''") + "'"


def _scans(plan: dict[str, Any]) -> Iterator[Scan]:
    kind, name = plan["Node Type"], plan.get("Relation Name") or plan.get("Index Name")
    if name and "Scan" in kind:
        seen = (
            plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
        )
        pages = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        yield Scan(name, kind == "Seq Scan", round(seen * plan["Actual Loops"]), pages)
    for inner in plan.get("Plans", ()):
        yield from _scans(inner)
