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
from gateway.outbox.rows import Row, Settlement
from gateway.security import audit
from gateway.security.keys import Principal
from gateway.security.roles import Role
from gateway.store import Change, Gone, NotFound, Remote, Transaction, Version, VersionConflict
from mappings.run import LOCAL_IDS
from profiles import fhirjson
from profiles.fhirjson import Resource

Keep: TypeAlias = Callable[[Desk, Attempt, Visit, dict[str, Any], Any], Awaitable[Settlement]]
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


async def sep_issued(desk: Desk, attempt: Attempt, visit: Visit, made: dict[str, Any], reply: Any) -> Settlement:
    """A SEP was issued: its CoverageEligibilityResponse, and its number among the Encounter's identifiers."""
    row, number = attempt.row, str(reply["noSep"])
    response = _response("vclaim/sep-response", visit, row.source, reply)
    response["id"] = _response_id(row)

    async def answer(transaction: Transaction) -> Answer:
        encounter = await _encounter_with(transaction, visit, number)
        return [response, *encounter], [Remote(row.source, f"SEP/{number}")]

    return await _keep(desk, attempt, visit, made, {"sep": number}, answer)


async def sep_changed(desk: Desk, attempt: Attempt, visit: Visit, made: dict[str, Any], reply: Any) -> Settlement:
    """A SEP was updated: its CoverageEligibilityResponse is of the moment at which the request was read for it."""

    async def answer(transaction: Transaction) -> Answer:
        response = await _read(transaction, f"CoverageEligibilityResponse/{_response_id(attempt.row)}")
        return [{**response, "created": visit.now.isoformat(timespec="milliseconds")}], []

    return await _keep(desk, attempt, visit, made, {"sep": str(reply)}, answer)


async def sep_withdrawn(desk: Desk, attempt: Attempt, visit: Visit, made: dict[str, Any], reply: Any) -> Settlement:
    """A SEP was deleted: its CoverageEligibilityResponse is cancelled, the Encounter has its number no more."""

    async def answer(transaction: Transaction) -> Answer:
        response = await _read(transaction, f"CoverageEligibilityResponse/{_response_id(attempt.row)}")
        encounter = await _encounter_with(transaction, visit, None)
        return [{**response, "status": "cancelled"}, *encounter], []

    return await _keep(desk, attempt, visit, made, {"withdrawn": str(reply)}, answer)


async def referral_issued(desk: Desk, attempt: Attempt, visit: Visit, made: dict[str, Any], reply: Any) -> Settlement:
    """A referral to another facility was registered: its ServiceRequest has the number."""
    row, number = attempt.row, str(reply["noRujukan"])
    request = _response("vclaim/rujukan-response", visit, row.source, reply)

    async def answer(transaction: Transaction) -> Answer:
        return [request], [Remote(row.source, f"Rujukan/{number}")]

    return await _keep(desk, attempt, visit, made, {"rujukan": number}, answer)


def _response(module: str, visit: Visit, source: str, reply: Any) -> Resource:
    mapped = mappings.load(module, visit.facility.mappings)(reply, visit=visit.bundle, **visit.context(source))
    return dict(mapped)


def _response_id(row: Row) -> str:
    return str(uuid5(LOCAL_IDS, f"{row.facility}/{row.source}/response"))


async def _read(transaction: Transaction, reference: str) -> Resource:
    return fhirjson.decode((await transaction.read(*reference.split("/"))).content)


async def _encounter_with(transaction: Transaction, visit: Visit, number: str | None) -> list[Resource]:
    """The Encounter with this SEP number, or none, among its identifiers; nothing where that is so already."""
    encounter = await _read(transaction, visit.reference)
    system = f"{CLAIM_NUMBER}/{visit.facility.organization_id}"
    given = encounter.get("identifier", [])
    wanted = [i for i in given if i.get("system") != system or i.get("value") == number]
    if number and not any(i.get("system") == system for i in wanted):
        wanted.append({"system": system, "value": number})
    if wanted == given:
        return []
    rest = {key: value for key, value in encounter.items() if key != "identifier"}
    return [{**rest, "identifier": wanted} if wanted else rest]


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
    for _ in range(TRIES):
        try:
            async with desk.store.transaction(row.facility) as transaction:
                resources, remotes = await answer(transaction)
                changes = [await _change(transaction, resource) for resource in resources]
                versions = await transaction.write(changes, audits=partial(_audits, row.facility, resources))
                await transaction.record(row.destination, remotes)
                await queue.note_sent(transaction.connection, row, {row.source: digest(made)})
                await queue.settle(transaction.connection, [settlement])
                if also := desk.plans(visit.facility, changes):
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
