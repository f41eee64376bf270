"""What BPJS answered, brought home: FHIR resources, crosswalk and the row's completion in one transaction."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeAlias
from uuid import uuid5

import mappings
from gateway.outbox import queue
from gateway.outbox.attempt import Attempt
from gateway.outbox.desk import Desk, Visit, digest
from gateway.outbox.plan import plan
from gateway.outbox.rows import Settlement
from gateway.security import audit
from gateway.security.keys import Principal
from gateway.security.roles import Role
from gateway.store import Change, Gone, NotFound, Remote, Transaction, Version, VersionConflict
from mappings.run import LOCAL_IDS
from profiles import fhirjson
from profiles.fhirjson import Resource

Keep: TypeAlias = Callable[[Desk, Attempt, Visit, dict[str, Any], dict[str, Any]], Awaitable[Settlement]]
"""Keep the answer `reply` to the payload `made`; returns how the row ended, already recorded."""

Answer: TypeAlias = tuple[list[Resource], list[Remote]]
"""Resources to write (each with its id) and crosswalk entries."""

CLAIM_NUMBER = "http://sys-ids.kemkes.go.id/claim-number"
TRIES = 5

THE_OUTBOX = Principal(
    key="outbox",
    label="Gapura outbox",
    role=Role("gateway", {"en": "The gateway itself", "id": "Gateway itu sendiri"}, {}, frozenset()),
    facility=None,
)
"""Who writes what a destination answered, in the audit trail."""


async def sep_issued(
    desk: Desk, attempt: Attempt, visit: Visit, made: dict[str, Any], reply: dict[str, Any]
) -> Settlement:
    """A SEP was issued: its CoverageEligibilityResponse, and its number among the Encounter's identifiers."""
    row, number = attempt.row, str(reply["noSep"])
    module = mappings.load("vclaim/sep-response", visit.facility.mappings)
    response = module(reply, visit=visit.bundle, **visit.context(row.source))
    response["id"] = str(uuid5(LOCAL_IDS, f"{row.facility}/{row.source}/response"))
    system = f"{CLAIM_NUMBER}/{visit.facility.organization_id}"

    async def answer(transaction: Transaction) -> Answer:
        kind, _, identity = row.visit.partition("/")
        encounter = fhirjson.decode((await transaction.read(kind, identity)).content)
        written = [response]
        given = encounter.get("identifier", [])
        if not any(i.get("system") == system and i.get("value") == number for i in given):
            written.append({**encounter, "identifier": [*given, {"system": system, "value": number}]})
        return written, [Remote(row.source, f"SEP/{number}")]

    return await _keep(desk, attempt, visit, made, {"sep": number}, answer)


async def _keep(
    desk: Desk,
    attempt: Attempt,
    visit: Visit,
    made: dict[str, Any],
    result: dict[str, Any],
    answer: Callable[[Transaction], Awaitable[Answer]],
) -> Settlement:
    """Write the answer and complete the row in one transaction, again where another writer was quicker."""
    row = attempt.row
    settlement = Settlement(row, "done", result={"sent": 1, **result}, recorded=True)
    also = plan(visit.facility)
    for _ in range(TRIES):
        try:
            async with desk.store.transaction(row.facility) as transaction:
                resources, remotes = await answer(transaction)
                changes = [await _change(transaction, resource) for resource in resources]
                versions = await transaction.write(changes, audits=partial(_audits, row.facility, resources))
                await transaction.record(row.destination, remotes)
                await queue.note_sent(transaction.connection, row, {row.source: digest(made)})
                await queue.settle(transaction.connection, [settlement])
                if also:
                    await also(transaction.connection, versions)
            return settlement
        except VersionConflict as conflict:
            lost = conflict
    raise lost


async def _change(transaction: Transaction, resource: Resource) -> Change:
    try:
        current = (await transaction.read(resource["resourceType"], resource["id"])).version
    except (NotFound, Gone):
        current = None
    return Change.update(resource, resource["id"], expected=current)


def _audits(facility: str, resources: Sequence[Resource], versions: Sequence[Version]) -> list[Resource]:
    by_name = {f"{r['resourceType']}/{r['id']}": r for r in resources}
    entities = [
        entity
        for version in versions
        for entity in audit.written(
            version.method, f"{version.reference}/_history/{version.version}", by_name[version.reference]
        )
    ]
    visitor = audit.Visitor(facility, THE_OUTBOX, "")
    return [audit.event(visitor, "update", datetime.now(UTC), entities)]
