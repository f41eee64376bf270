"""What a conformance report is made of, read from the store: each visit with what came in, went out and came back."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from conformance import Delivery, Period, Received, Request, Visit
from gateway.settings import Facility
from gateway.store import Connection, Gone, NotFound, Store
from profiles.fhirjson import Resource

VISITS = """
SELECT 'Encounter/' || v.id FROM resource_version v JOIN facility f ON f.id = v.facility
WHERE f.slug = $1 AND v.type = 'Encounter' AND v.last_updated >= $2 AND v.last_updated < $3
UNION
SELECT visit FROM outbox WHERE facility = $1 AND created >= $2 AND created < $3 AND visit LIKE 'Encounter/%'
ORDER BY 1"""

RECEIVED = """
SELECT v.type || '/' || v.id AS reference, v.version, v.last_updated, v.method, j.valid, j.issues, j.profiles, j.rules,
    j.microseconds
FROM unnest($2::text[], $3::text[]) AS u (type, id)
JOIN facility f ON f.slug = $1
JOIN resource r ON r.facility = f.id AND r.type = u.type AND r.id = u.id
JOIN resource_version v ON v.resource = r.key
LEFT JOIN validation j ON j.resource = v.resource AND j.version = v.version
WHERE v.last_updated >= $4 AND v.last_updated < $5
ORDER BY v.last_updated, reference, v.version"""

DELIVERIES = """
SELECT id, destination, operation, step, source, source_version, state, created, finished, reason, result FROM outbox
WHERE facility = $1 AND visit = $2 AND created >= $3 AND created < $4 ORDER BY id"""

REQUESTS = """
SELECT outbox, id, method, url, started, ended, status, failure,
    encode(sha256(coalesce(request, '')), 'hex') AS sent, encode(sha256(reply), 'hex') AS reply
FROM outbox_attempt WHERE outbox = ANY ($1::bigint[]) ORDER BY id"""

RECORD_NUMBER = "/mrn/"


async def visits(store: Store, facility: Facility, first: date, last: date) -> list[Visit]:
    """The visits that something was written or planned of between two days (both included, in the facility's zone)."""
    zone = ZoneInfo(facility.zone)
    since = datetime.combine(first, time.min, zone)
    until = datetime.combine(last + timedelta(days=1), time.min, zone)
    async with store.connection() as connection:
        names = [row[0] for row in await connection.fetch(VISITS, facility.slug, since, until)]
        return [await _visit(store, connection, facility.slug, name, since, until) for name in names]


def period(facility: Facility, first: date, last: date) -> Period:
    """The report's period."""
    return Period(facility.slug, facility.name, first, last, facility.zone, facility.time_zone)


async def _visit(store: Store, connection: Connection, slug: str, name: str, since: datetime, until: datetime) -> Visit:
    try:
        bundle = await store.visit(slug, name.partition("/")[2])
        resources = {f"{e['resource']['resourceType']}/{e['resource']['id']}": e["resource"] for e in bundle["entry"]}
    except (NotFound, Gone):
        resources = {}
    encounter = resources.get(name, {})
    members = [reference.split("/") for reference in {name, *resources}]
    types, ids = [list(column) for column in zip(*sorted(members), strict=True)]
    received = await connection.fetch(RECEIVED, slug, types, ids, since, until)
    return Visit(
        reference=name,
        patient=_patient(encounter, resources),
        kind=str((encounter.get("class") or {}).get("code", "–")),
        status=str(encounter.get("status", "–")),
        start=_instant((encounter.get("period") or {}).get("start")),
        received=[_received(row) for row in received],
        deliveries=await _deliveries(connection, slug, name, since, until),
    )


async def _deliveries(
    connection: Connection, slug: str, visit: str, since: datetime, until: datetime
) -> list[Delivery]:
    rows = await connection.fetch(DELIVERIES, slug, visit, since, until)
    requests: dict[int, list[Request]] = {}
    for row in await connection.fetch(REQUESTS, [row["id"] for row in rows]):
        requests.setdefault(row["outbox"], []).append(
            Request(
                row["id"],
                row["method"],
                row["url"],
                row["started"],
                row["ended"],
                row["status"],
                row["failure"],
                row["sent"],
                row["reply"],
            )
        )
    return [_delivery(row, requests.get(row["id"], [])) for row in rows]


def _delivery(row: Any, requests: Sequence[Request]) -> Delivery:
    reason = json.loads(row["reason"]) if row["reason"] else None
    return Delivery(
        number=row["id"],
        destination=row["destination"],
        operation=f"{row['operation']}:{row['step']}" if row["step"] else row["operation"],
        source=row["source"],
        source_version=row["source_version"],
        state=row["state"],
        planned=row["created"],
        finished=row["finished"],
        reason={"id": reason["id"], "en": reason["en"]} if reason else None,
        result=json.loads(row["result"]) if row["result"] else {},
        requests=tuple(requests),
    )


def _received(row: Any) -> Received:
    return Received(
        reference=row["reference"],
        version=row["version"],
        at=row["last_updated"],
        method=row["method"],
        valid=row["valid"],
        issues=[_issue(issue) for issue in json.loads(row["issues"] or "[]")],
        profiles=tuple(row["profiles"] or ()),
        rules=tuple(row["rules"] or ()),
        microseconds=row["microseconds"] or 0,
    )


def _issue(issue: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(issue.get(key, "")) for key in ("severity", "rule", "path", "id", "en")}


def _patient(encounter: Resource, resources: Mapping[str, Resource]) -> str:
    reference = str((encounter.get("subject") or {}).get("reference", ""))
    identifiers = resources.get(reference, {}).get("identifier", ())
    numbers = (str(i.get("value")) for i in identifiers if RECORD_NUMBER in str(i.get("system", "")))
    return next(numbers, reference or "–")


def _instant(text: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return found if found is None or found.tzinfo else found.replace(tzinfo=UTC)
