"""The tables `subscription` and `subscription_event`: what is kept, numbered and counted for each Subscription.

A write only ever inserts events, so no write waits for another; numbers are given afterwards, in the order of the
inserts, under the Subscription's row lock. They have no gaps, and no event is ever given a smaller one than another
that was numbered before.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from gateway.store import Connection

DESTINATION = "subscription"
"""The outbox's name for notifications."""

KEPT = 10_000
"""Delivered events of each Subscription that `$events` can still show."""

RECORD = f"""
WITH told AS (
    INSERT INTO subscription_event (facility, subscription, act, focus, version)
    SELECT $1, u.subscription, u.act, u.focus, u.version
    FROM unnest($2::text[], $3::text[], $4::text[], $5::int[]) WITH ORDINALITY
        AS u (subscription, act, focus, version, place)
    WHERE EXISTS (SELECT FROM subscription s WHERE s.facility = $1 AND s.id = u.subscription AND s.recording)
    ORDER BY u.place
    RETURNING subscription
)
INSERT INTO outbox_wish (facility, destination, operation, step, rank, visit, source, source_version)
SELECT DISTINCT $1, '{DESTINATION}', '{DESTINATION}', 'notify', 1, 'Subscription/' || t.subscription,
    'Subscription/' || t.subscription, 1
FROM told t"""

LOCK = "SELECT events FROM subscription WHERE facility = $1 AND id = $2 FOR UPDATE"
NUMBER = """
WITH counted AS (
    SELECT id, $3 + row_number() OVER (ORDER BY id) AS number FROM subscription_event
    WHERE facility = $1 AND subscription = $2 AND number IS NULL
), numbered AS (
    UPDATE subscription_event e SET number = c.number FROM counted c WHERE e.id = c.id RETURNING e.number
)
UPDATE subscription SET events = greatest(events, (SELECT max(number) FROM numbered))
WHERE facility = $1 AND id = $2 AND EXISTS (SELECT FROM numbered)"""

STATE = """
SELECT id, version, status, recording, origin, headers, events, delivered, sent FROM subscription
WHERE facility = $1 AND id = $2"""

SOME = """
SELECT number, act, focus, version, happened, reason FROM subscription_event
WHERE facility = $1 AND subscription = $2 AND number > $3 AND number <= coalesce($4, number)
ORDER BY number LIMIT $5"""

DELIVERED = """
WITH old AS (
    DELETE FROM subscription_event WHERE facility = $1 AND subscription = $2 AND number <= $3::bigint - $4::bigint
)
UPDATE subscription SET delivered = greatest(delivered, $3), sent = now() WHERE facility = $1 AND id = $2"""

STARTED = """
WITH begun AS (UPDATE subscription SET sent = now() WHERE facility = $1 AND id = $2)
UPDATE outbox SET due = now()
WHERE facility = $1 AND visit = 'Subscription/' || $2 || '#tend' AND state = 'due'"""

KEEP = """
INSERT INTO subscription AS s (facility, id, version, status, topic, recording, origin, headers)
VALUES ($1, $2, $3, $4, $5, $4 = 'active', coalesce($6, ''), coalesce($7::text::jsonb, '{}'))
ON CONFLICT (facility, id) DO UPDATE SET
    version = excluded.version, status = excluded.status, topic = excluded.topic,
    recording = CASE excluded.status WHEN 'off' THEN false WHEN 'active' THEN true ELSE s.recording END,
    origin = coalesce($6, s.origin), headers = coalesce($7::text::jsonb, s.headers)"""
FORGET = """
WITH gone AS (DELETE FROM subscription_event WHERE facility = $1 AND subscription = $2)
DELETE FROM subscription WHERE facility = $1 AND id = $2"""

CONTENT = """
SELECT v.content FROM resource_version v JOIN facility f ON f.id = v.facility AND f.slug = $1
JOIN resource r ON r.facility = f.id AND r.type = $2 AND r.id = $3
WHERE v.resource = r.key AND v.version = $4 AND v.method <> 'DELETE'"""


class Told(NamedTuple):
    """Something happened that a Subscription wants to know: `act` is create, update, delete or parked; `focus` the
    resource (`Type/id`)."""

    subscription: str
    act: str
    focus: str
    version: int


class Event(NamedTuple):
    """A numbered event."""

    number: int
    act: str
    focus: str
    version: int
    happened: datetime
    reason: Mapping[str, Any] | None = None
    """Of a parked delivery: `code`, and why it waits by language."""


class State(NamedTuple):
    """A row of `subscription`. `headers` are those of its channel, with their values: never shown, never logged."""

    id: str
    version: int
    status: str
    recording: bool
    origin: str
    headers: Mapping[str, str]
    events: int
    delivered: int
    sent: datetime | None


async def record(connection: Connection, facility: str, told: Sequence[Told]) -> None:
    """Keep events in the caller's transaction, for those Subscriptions that record, and wish their delivery."""
    await connection.execute(RECORD, facility, *(list(column) for column in zip(*told, strict=True)))


async def state(connection: Connection, facility: str, id: str) -> State | None:
    """What is known of a Subscription, its newest events numbered; None: there is none."""
    async with connection.transaction():
        found = await connection.fetch(LOCK, facility, id)
        if not found:
            return None
        await connection.execute(NUMBER, facility, id, found[0][0])
    row = (await connection.fetch(STATE, facility, id))[0]
    return State(**{**row, "headers": json.loads(row["headers"])})


async def some(
    connection: Connection, facility: str, id: str, after: int, limit: int, until: int | None = None
) -> list[Event]:
    """Numbered events in their order, from the one behind `after`."""
    rows = await connection.fetch(SOME, facility, id, after, until, limit)
    return [Event(**{**row, "reason": json.loads(row["reason"] or "null")}) for row in rows]


async def delivered(connection: Connection, facility: str, id: str, number: int) -> None:
    """The endpoint has accepted everything up to `number`; what lies KEPT events before that is forgotten."""
    await connection.execute(DELIVERED, facility, id, number, KEPT)


async def started(connection: Connection, facility: str, id: str) -> None:
    """A Subscription has become active: its heartbeat counts from now, and what tends it looks again."""
    await connection.execute(STARTED, facility, id)


async def keep(
    connection: Connection,
    facility: str,
    id: str,
    version: int,
    status: str,
    topic: str,
    secret: tuple[str, Mapping[str, str]] | None,
) -> None:
    """Note, in the caller's transaction, that a Subscription was written; `secret` is (origin, headers), None: as
    before."""
    origin, headers = (secret[0], json.dumps(dict(secret[1]))) if secret else (None, None)
    await connection.execute(KEEP, facility, id, version, status, topic, origin, headers)


async def forget(connection: Connection, facility: str, id: str) -> None:
    """A Subscription was deleted: its events go with it."""
    await connection.execute(FORGET, facility, id)


async def content(connection: Connection, facility: str, focus: str, version: int) -> bytes | None:
    """The bytes of one version of `Type/id`; None where it is a deletion or was purged."""
    kind, _, id = focus.partition("/")
    found: bytes | None = await connection.fetchval(CONTENT, facility, kind, id, version)
    return found
