"""What an operator does with the outbox: look, retry, park, replay."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.outbox import queue
from gateway.outbox.plan import called_for
from gateway.outbox.reasons import reason
from gateway.outbox.rows import OPEN, Planned
from gateway.settings import Settings
from gateway.store import Connection, Gone, NotFound, Store

COLUMNS = """id, facility, destination, operation, step, visit, source, source_version, state, due, attempts, unsettled,
    reason, result, created, finished"""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows. Every field that is set must fit; `ids` and `states` name any of several."""

    ids: tuple[int, ...] = ()
    states: tuple[str, ...] = ()
    facility: str | None = None
    destination: str | None = None
    operation: str | None = None
    visit: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def where(self) -> tuple[str, list[Any]]:
        """The SQL condition and its values."""
        tests = {
            "id = ANY (${}::bigint[])": list(self.ids) or None,
            "state = ANY (${}::text[])": list(self.states) or None,
            "facility = ${}": self.facility,
            "destination = ${}": self.destination,
            "operation = ${}": self.operation,
            "visit = ${}": self.visit,
            "created >= ${}": self.since,
            "created < ${}": self.until,
        }
        chosen = [(test, value) for test, value in tests.items() if value is not None]
        terms = [test.format(number) for number, (test, _) in enumerate(chosen, 1)]
        return " AND ".join(terms) or "true", [value for _, value in chosen]


async def listed(connection: Connection, which: Filter, limit: int) -> list[dict[str, Any]]:
    """The rows, newest first."""
    where, values = which.where()
    found = await connection.fetch(
        f"SELECT {COLUMNS} FROM outbox WHERE {where} ORDER BY id DESC LIMIT {limit}", *values
    )
    return [_shown(record) for record in found]


async def paused(connection: Connection) -> list[dict[str, Any]]:
    """The queues that stand still, and why."""
    found = await connection.fetch("SELECT facility, destination, since, reason FROM outbox_pause ORDER BY 1, 2")
    return [_shown(record) for record in found]


async def evidence(connection: Connection, row: int) -> list[dict[str, Any]]:
    """Every request of a row and its reply, oldest first; bodies as bytes."""
    found = await connection.fetch("SELECT * FROM outbox_attempt WHERE outbox = $1 ORDER BY id", row)
    return [dict(record) for record in found]


async def retry(connection: Connection, which: Filter) -> int:
    """Make held, parked and waiting rows due at once, and let their queues go on; how many rows.

    A row whose content was refused is sent again as it is: the operator says that something changed at the destination.
    """
    where, values = which.where()
    rows = await connection.fetch(
        f"""UPDATE outbox SET state = 'due', due = now(), attempts = 0, reason = NULL, result = result - 'refused'
        WHERE {where} AND state IN ('due', 'held', 'parked') RETURNING facility, destination""",
        *values,
    )
    queues = {(row[0], row[1]) for row in rows}
    whole = not (which.ids or which.states or which.operation or which.visit or which.since or which.until)
    await connection.execute(
        """DELETE FROM outbox_pause p
        WHERE EXISTS (SELECT FROM unnest($1::text[], $2::text[]) AS q (facility, destination)
                      WHERE p.facility = q.facility AND p.destination = q.destination)
           OR $3 AND p.facility = coalesce($4, p.facility) AND p.destination = coalesce($5, p.destination)""",
        [facility for facility, _ in queues],
        [destination for _, destination in queues],
        whole,
        which.facility,
        which.destination,
    )
    await _ring(connection, {destination for _, destination in queues})
    return len(rows)


async def park(connection: Connection, which: Filter, why: str) -> int:
    """Stop rows until an operator retries them; how many. A row that is being delivered just now is not stopped."""
    where, values = which.where()
    rows = await connection.fetch(
        f"SELECT id, destination FROM outbox WHERE {where} AND state IN ('due', 'held', 'parked') FOR UPDATE", *values
    )
    reasons = [json.dumps(reason("operator", row[1], why, row=row[0]).as_json(), ensure_ascii=False) for row in rows]
    await connection.execute(
        """UPDATE outbox o SET state = 'parked', reason = t.reason::jsonb
        FROM unnest($1::bigint[], $2::text[]) AS t (id, reason)
        WHERE o.id = t.id""",
        [row[0] for row in rows],
        reasons,
    )
    return len(rows)


async def replay(store: Store, settings: Settings, visits: Sequence[tuple[str, str]]) -> int:
    """Plan whole visits (facility, `Encounter/id`) anew from what is stored now, and deliver all of it again.

    What a destination keeps is replaced there, never doubled: crosswalk and reconciliation stand as they are.
    """
    count = 0
    for slug, visit in visits:
        facility = next(f for f in settings.facilities if f.slug == slug)
        try:
            bundle = await store.visit(slug, visit.partition("/")[2])
        except (NotFound, Gone):
            continue
        resources = [entry["resource"] for entry in bundle["entry"]]
        planned: list[Planned] = [
            row for r in resources for row in called_for(facility, r, int(r["meta"]["versionId"])) if row.visit == visit
        ]
        locals_ = [f"{r['resourceType']}/{r['id']}" for r in resources]
        async with store.connection() as connection, connection.transaction():
            await connection.execute(
                "DELETE FROM outbox_sent WHERE facility = $1 AND local = ANY ($2::text[])", slug, locals_
            )
            await queue.wish(connection, slug, sorted(planned, key=lambda row: row.rank), [])
        count += len({(row.operation, row.step, row.source) for row in planned})
    return count


async def counts(connection: Connection) -> list[dict[str, Any]]:
    """Open rows by facility, destination and state."""
    found = await connection.fetch(
        """SELECT facility, destination, state, count(*) AS rows, min(created) AS oldest FROM outbox
        WHERE state = ANY ($1::text[]) GROUP BY 1, 2, 3 ORDER BY 1, 2, 3""",
        list(OPEN),
    )
    return [dict(record) for record in found]


async def at_rest(connection: Connection) -> bool:
    """No delivery moves now: every one is done or waits, for somebody or behind one that does."""
    return bool(
        await connection.fetchval(
            """SELECT NOT EXISTS (SELECT FROM outbox_wish) AND NOT EXISTS (
                SELECT FROM outbox o WHERE o.state IN ('due', 'leased') AND NOT EXISTS (
                    SELECT FROM outbox e WHERE e.facility = o.facility AND e.destination = o.destination
                        AND e.visit = o.visit AND (e.rank, e.id) < (o.rank, o.id) AND e.state IN ('held', 'parked')))"""
        )
    )


async def _ring(connection: Connection, destinations: set[str]) -> None:
    for destination in sorted(destinations):
        await connection.execute("SELECT pg_notify($1, $2)", queue.CHANNEL, destination)


def _shown(record: Any) -> dict[str, Any]:
    row = dict(record)
    for key in ("reason", "result"):
        if isinstance(row.get(key), str):
            row[key] = json.loads(row[key])
    return row
