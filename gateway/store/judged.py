"""What the validator said of the versions that were written, for the reports."""

import json
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

from .facilities import Place
from .model import Connection, Judged, Judgement

_CHOSEN = """
select v.type || '/' || v.id, v.version, j.judged, j.issues, j.profiles, j.rules, j.microseconds
from validation j join resource_version v on v.resource = j.resource and v.version = j.version
where j.facility = $1"""

OF_PERIOD = f"""{_CHOSEN}
  and j.judged >= $2 and j.judged < $3
order by j.judged, j.resource, j.version"""

OF_RESOURCES = f"""{_CHOSEN}
  and (v.resource) in (
    select r.key from unnest($2::text[], $3::text[]) as u (type, id)
    join resource r on r.facility = $1 and r.type = u.type and r.id = u.id)
order by j.judged, j.resource, j.version"""


async def of_period(connection: Connection, place: Place, since: datetime, until: datetime) -> AsyncIterator[Judged]:
    """Of the versions written from `since` up to `until`, in the order of their writing."""
    async with connection.transaction(readonly=True):
        async for row in connection.cursor(OF_PERIOD, place.number, since, until, prefetch=500):
            yield _judged(row)


async def of_resources(connection: Connection, place: Place, references: Sequence[str]) -> list[Judged]:
    """Of every version of these resources (`Type/id`), in the order of their writing."""
    names = [reference.split("/", 1) for reference in references]
    rows = await connection.fetch(OF_RESOURCES, place.number, [n[0] for n in names], [n[1] for n in names])
    return [_judged(row) for row in rows]


def _judged(row: Any) -> Judged:
    reference, version, at, issues, profiles, rules, microseconds = row
    return Judged(reference, version, at, Judgement(json.loads(issues), profiles, rules, microseconds))
