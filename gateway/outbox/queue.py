"""The queue in PostgreSQL: take in what writes wish for, claim with a lease, settle a batch in one statement.

Order: a row is claimable only while no open row of its facility, destination and visit has a lower (rank, id).
Fencing: `claims` counts up with every claim, and only the newest claim can settle or extend; a worker that slept past
its lease changes nothing.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from gateway.connectors.wire import Exchange
from gateway.outbox.rows import Planned, Reason, Row, Settlement
from gateway.store import Connection
from gateway.store.rows import text_array

CHANNEL = "gapura_outbox"


WISHES = {
    "destination": "text",
    "operation": "text",
    "step": "text",
    "rank": "smallint",
    "visit": "text",
    "source": "text",
    "source_version": "integer",
}
"""Columns of `outbox_wish` behind its facility; each travels as an array literal."""

TAKE_IN = """
WITH taken AS (
    DELETE FROM outbox_wish WHERE id IN (SELECT id FROM outbox_wish ORDER BY id LIMIT $1) RETURNING *
), planned AS (
    SELECT facility, destination, operation, step, rank, visit, source, max(source_version) AS version, min(id) AS first
    FROM taken WHERE operation IS NOT NULL GROUP BY 1, 2, 3, 4, 5, 6, 7
), written AS (
    INSERT INTO outbox AS o (facility, destination, operation, step, rank, visit, source, source_version)
    SELECT facility, destination, operation, step, rank, visit, source, version FROM planned ORDER BY first
    ON CONFLICT (facility, operation, step, source) WHERE state IN ('due', 'leased', 'held', 'parked')
    DO UPDATE SET
        newer = CASE WHEN o.state = 'leased' THEN excluded.source_version END,
        source_version = CASE WHEN o.state = 'leased' THEN o.source_version ELSE excluded.source_version END,
        state = CASE WHEN o.state = 'held' OR (o.state = 'parked' AND o.reason->>'code' <> 'operator')
                     THEN 'due' ELSE o.state END,
        due = CASE WHEN o.state IN ('held', 'parked') THEN now() ELSE o.due END,
        attempts = CASE WHEN o.state IN ('held', 'parked') THEN 0 ELSE o.attempts END
    RETURNING id, destination
), changed AS (
    SELECT facility, source AS reference, visit IS NULL AS anywhere FROM taken
    UNION SELECT facility, visit, false FROM taken WHERE visit IS NOT NULL
), concerned AS (
    SELECT o.id FROM changed c JOIN outbox o ON o.facility = c.facility AND o.visit = c.reference
    WHERE o.state IN ('held', 'leased', 'parked')
    UNION
    SELECT o.id FROM outbox o
    WHERE o.state IN ('held', 'parked') AND o.watches && (SELECT array_agg(reference) FROM changed)
      AND EXISTS (SELECT FROM changed c WHERE c.facility = o.facility AND c.reference = ANY (o.watches))
    UNION
    SELECT o.id FROM outbox o WHERE o.state = 'leased' AND o.facility IN (SELECT facility FROM changed WHERE anywhere)
), released AS (
    UPDATE outbox o SET
        state = CASE WHEN o.state = 'leased' THEN o.state ELSE 'due' END,
        due = CASE WHEN o.state = 'leased' THEN o.due ELSE now() END,
        stirred = o.state = 'leased'
    FROM concerned c
    WHERE o.id = c.id
      AND (o.state IN ('held', 'leased') OR o.state = 'parked' AND o.reason->>'code' = 'refused')
      AND NOT EXISTS (SELECT FROM planned p WHERE p.facility = o.facility AND p.operation = o.operation
                      AND p.step = o.step AND p.source = o.source)
    RETURNING o.destination
)
SELECT (SELECT count(*) FROM taken)::int, array(SELECT destination FROM written UNION SELECT destination FROM released)
"""
ONE_AT_A_TIME = "SELECT pg_try_advisory_xact_lock(hashtext('gapura outbox intake'))"

CLAIM = """
WITH ready AS (
    SELECT o.id FROM outbox o
    WHERE o.destination = $1 AND o.state IN ('due', 'leased') AND o.due <= now()
      AND NOT EXISTS (SELECT FROM outbox_pause p WHERE p.facility = o.facility AND p.destination = o.destination)
      AND NOT EXISTS (
          SELECT FROM outbox e
          WHERE e.facility = o.facility AND e.destination = o.destination AND e.visit = o.visit
            AND (e.rank, e.id) < (o.rank, o.id) AND e.state IN ('due', 'leased', 'held', 'parked'))
    ORDER BY o.due, o.id LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE outbox o SET state = 'leased', due = now() + make_interval(secs => $3), claims = o.claims + 1,
    stirred = false
FROM ready WHERE o.id = ready.id
RETURNING o.id, o.facility, o.destination, o.operation, o.step, o.visit, o.source, o.source_version, o.claims,
    o.attempts, o.unsettled, o.result->>'refused'"""

NEXT_DUE = """
SELECT extract(epoch FROM min(due) - now())::float8 FROM outbox
WHERE destination = $1 AND state IN ('due', 'leased') AND due > now() AND due < 'infinity'"""

SET_ASIDE = """
UPDATE outbox o SET due = CASE WHEN x.behind THEN 'infinity' ELSE now() END
FROM (
    SELECT id, due = 'infinity' AS aside, EXISTS (
        SELECT FROM outbox e
        WHERE e.facility = f.facility AND e.destination = f.destination AND e.visit = f.visit
          AND (e.rank, e.id) < (f.rank, f.id) AND e.state IN ('held', 'parked')) AS behind
    FROM outbox f WHERE f.destination = $1 AND f.state = 'due' AND f.attempts = 0
) AS x
WHERE o.id = x.id AND o.state = 'due' AND x.behind <> x.aside"""

EXTEND = """
UPDATE outbox o SET due = now() + make_interval(secs => $3)
FROM unnest($1::bigint[], $2::int[]) AS t (id, claims)
WHERE o.id = t.id AND o.claims = t.claims AND o.state = 'leased'
RETURNING o.id"""

MARK_UNSETTLED = """
WITH marked AS (
    UPDATE outbox SET unsettled = true WHERE id = $1 AND claims = $2 AND state = 'leased' RETURNING id
)
INSERT INTO outbox_attempt (outbox, claim, method, url, request) SELECT id, $2, '', $3, $4 FROM marked RETURNING id"""

SETTLE = f"""
WITH outcome AS (
    SELECT * FROM unnest($1::bigint[], $2::int[], $3::text[], $4::float8[], $5::int[], $6::bool[], $7::text[],
        $8::text[], $9::text[])
        AS t (id, claims, state, delay, attempts, unsettled, watches, reason, result)
), settled AS (
    UPDATE outbox o SET
        state = CASE WHEN t.state IN ('held', 'parked') AND (o.newer IS NOT NULL OR o.stirred) THEN 'due'
                     ELSE t.state END,
        source_version = CASE WHEN t.state = 'done' THEN o.source_version ELSE coalesce(o.newer, o.source_version) END,
        newer = CASE WHEN t.state = 'done' THEN o.newer END,
        due = now() + make_interval(secs => t.delay),
        attempts = t.attempts,
        unsettled = t.unsettled,
        watches = string_to_array(t.watches, ' '),
        reason = CASE WHEN t.state = 'parked' THEN coalesce(t.reason::jsonb, o.reason) ELSE t.reason::jsonb END,
        result = coalesce(t.result::jsonb, o.result),
        finished = CASE WHEN t.state IN ('done', 'cancelled') THEN clock_timestamp() END
    FROM outcome t
    WHERE o.id = t.id AND o.claims = t.claims AND o.state = 'leased'
    RETURNING o.id, o.facility, o.destination, o.operation, o.step, o.rank, o.visit, o.source, o.newer, o.state
), followed AS (
    INSERT INTO outbox (facility, destination, operation, step, rank, visit, source, source_version)
    SELECT facility, destination, operation, step, rank, visit, source, newer FROM settled
    WHERE state = 'done' AND newer IS NOT NULL
), released AS (
    UPDATE outbox o SET state = 'due', due = now()
    FROM (SELECT DISTINCT facility, visit FROM settled WHERE state = 'done') AS s
    WHERE o.facility = s.facility AND o.visit = s.visit AND o.state = 'held'
    RETURNING o.destination
), followers AS (
    UPDATE outbox o SET due = now()
    FROM settled s
    WHERE s.state IN ('done', 'cancelled') AND o.facility = s.facility AND o.destination = s.destination
      AND o.visit = s.visit AND o.state = 'due' AND o.due = 'infinity'
), rung AS (
    SELECT pg_notify('{CHANNEL}', destination) FROM (SELECT DISTINCT destination FROM released) AS d
)
SELECT id, (SELECT count(*) FROM rung) AS rung FROM settled"""


RECORD = """
INSERT INTO outbox_attempt (outbox, claim, method, url, request, started, ended, status, reply, failure)
SELECT $1, $2, * FROM unnest($3::text[], $4::text[], $5::bytea[], $6::timestamptz[], $7::timestamptz[], $8::int[],
    $9::bytea[], $10::text[])"""
FULFIL = """
UPDATE outbox_attempt SET method = $2, url = $3, request = $4, started = $5, ended = $6, status = $7, reply = $8,
    failure = $9
WHERE id = $1"""

PAUSE = """
INSERT INTO outbox_pause (facility, destination, reason) VALUES ($1, $2, $3::text::jsonb)
ON CONFLICT (facility, destination) DO NOTHING"""

SENT = """
SELECT local, digest FROM outbox_sent
WHERE facility = $1 AND destination = $2 AND step = $3 AND local = ANY ($4::text[])"""
NOTE_SENT = """
INSERT INTO outbox_sent (facility, destination, step, local, digest)
SELECT $1, $2, $3, * FROM unnest($4::text[], $5::bytea[])
ON CONFLICT (facility, destination, local, step) DO UPDATE SET digest = excluded.digest, sent = now()"""

HASTEN = """
UPDATE outbox SET due = now()
WHERE facility = $1 AND destination = $2 AND state = 'due' AND attempts > 0 AND due > now()"""

RELEASE = """
UPDATE outbox o SET state = 'due', due = now() FROM unnest($1::bigint[], $2::int[]) AS t (id, claims)
WHERE o.id = t.id AND o.claims = t.claims AND o.state = 'leased'"""


async def wish(
    connection: Connection, facility: str, planned: Sequence[Planned], changed: Sequence[tuple[str, int]]
) -> None:
    """Note, in the caller's transaction, what a write calls for. `changed`: written resources (`Type/id`, version) that
    call for nothing themselves but may be what a held row waits for."""
    if values := wishes(facility, planned, changed):
        await connection.execute(wishing(1), *values)


def wishes(facility: str, planned: Sequence[Planned], changed: Sequence[tuple[str, int]]) -> list[str]:
    """The parameters of `wishing`; none where there is nothing to note."""
    rows: list[tuple[str | None, ...]] = [
        (p.destination, p.operation, p.step, str(p.rank), p.visit, p.source, str(p.source_version)) for p in planned
    ]
    rows += [(None, None, None, None, None, source, str(version)) for source, version in changed]
    return [facility, *map(text_array, zip(*rows, strict=True))] if rows else []


@cache
def wishing(first: int) -> str:
    """The statement that notes wishes, its parameters numbered from `first`."""
    columns = ", ".join(f"unnest(${number}::text::{kind}[])" for number, kind in enumerate(WISHES.values(), first + 1))
    return f"INSERT INTO outbox_wish (facility, {', '.join(WISHES)}) SELECT ${first}::text, {columns}"


async def take_in(connection: Connection, limit: int = 1000) -> set[str]:
    """Turn wishes into rows, and look again at what a change may mend; return the destinations with something to do.

    A row still open for the same source is renewed rather than doubled: a held or parked one becomes due (not one that
    an operator parked), a leased one is followed by another when it is done. Writers only ever insert wishes, so no
    write waits for a delivery. One process takes in at a time; another returns at once with nothing.
    """
    stirred: set[str] = set()
    while True:
        async with connection.transaction():
            if not (await connection.fetch(ONE_AT_A_TIME))[0][0]:
                return stirred
            taken, destinations = (await connection.fetch(TAKE_IN, limit))[0]
        stirred.update(destinations)
        if taken < limit:
            return stirred


async def claim(connection: Connection, destination: str, limit: int, lease_s: float) -> list[Row]:
    """Lease up to `limit` claimable rows of a destination for `lease_s` seconds, oldest due first."""
    return [Row(*record) for record in await connection.fetch(CLAIM, destination, limit, lease_s)]


async def next_due(connection: Connection, destination: str) -> float | None:
    """Seconds until the next row falls due or a lease runs out; None when nothing waits for time."""
    found = await connection.fetch(NEXT_DUE, destination)
    return found[0][0] if found else None


async def set_aside(connection: Connection, destination: str) -> None:
    """Put rows that wait behind a held or parked one out of the claims' sight, and bring back those that do not.

    They come back by themselves when what stands before them is settled; this mends what slipped through a race.
    """
    await connection.execute(SET_ASIDE, destination)


async def extend(connection: Connection, rows: Sequence[Row], lease_s: float) -> set[int]:
    """Prolong the leases; return the ids that are still ours."""
    records = await connection.fetch(EXTEND, [r.id for r in rows], [r.claims for r in rows], lease_s)
    return {record[0] for record in records}


async def mark_unsettled(connection: Connection, row: Row, what: str, content: bytes) -> int | None:
    """Note, durably, that a request is about to leave whose repetition would not be harmless.

    Returns the id of the evidence that announces it; None: the row is no longer ours.
    """
    found = await connection.fetch(MARK_UNSETTLED, row.id, row.claims, what, content)
    return found[0][0] if found else None


async def settle(connection: Connection, settlements: Sequence[Settlement]) -> set[int]:
    """Record how claims ended, in one statement; return the ids that were still ours.

    A row done while its source got a newer version is followed by a new row. What is held in the same visit is looked
    at again when something of the visit is done.
    """
    records = await connection.fetch(
        SETTLE,
        [s.row.id for s in settlements],
        [s.row.claims for s in settlements],
        [s.state for s in settlements],
        [s.delay for s in settlements],
        [s.attempts for s in settlements],
        [s.unsettled for s in settlements],
        [" ".join(sorted(s.watches)) for s in settlements],
        [None if s.reason is None else _json(s.reason.as_json()) for s in settlements],
        [None if s.result is None else _json(s.result) for s in settlements],
    )
    return {record[0] for record in records}


async def sent(connection: Connection, row: Row, step: str, local: Sequence[str]) -> dict[str, bytes]:
    """Digest of what a step of the row's module last delivered of each local resource."""
    what = f"{row.operation}:{step}"
    records = await connection.fetch(SENT, row.facility, row.destination, what, list(local))
    return {record[0]: record[1] for record in records}


async def note_sent(connection: Connection, row: Row, digests: Mapping[str, bytes]) -> None:
    """Remember what this step has delivered."""
    values = list(digests), list(digests.values())
    await connection.execute(NOTE_SENT, row.facility, row.destination, f"{row.operation}:{row.step}", *values)


async def release(connection: Connection, rows: Sequence[Row]) -> None:
    """Give leases back at a stop; what is known of each row's outcome stays as it was last marked."""
    await connection.execute(RELEASE, [r.id for r in rows], [r.claims for r in rows])


async def pause(connection: Connection, facility: str, destination: str, reason: Reason) -> None:
    """Stop claiming for a facility and destination until an operator acts."""
    await connection.execute(PAUSE, facility, destination, _json(reason.as_json()))


async def hasten(connection: Connection, facility: str, destination: str) -> None:
    """The destination answers again: what an outage put off need not wait any longer."""
    await connection.execute(HASTEN, facility, destination)


async def record(
    connection: Connection, row: Row, seen: Sequence[Exchange], announced: Exchange | None, announcement: int | None
) -> None:
    """Keep the evidence of requests; it is kept whoever holds the row, for they did happen. `announced` is the one
    among them that `announcement` announced."""
    others = [_evidence(e) for e in seen if e is not announced]
    if announced is not None:
        await connection.execute(FULFIL, announcement, *_evidence(announced))
    if others:
        await connection.execute(RECORD, row.id, row.claims, *(list(column) for column in zip(*others, strict=True)))


def _evidence(e: Exchange) -> tuple[Any, ...]:
    return e.method, e.url, e.body, e.started, e.ended, e.status, e.reply, e.failure


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False)
