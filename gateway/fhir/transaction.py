"""A transaction: all entries or none. Source: https://hl7.org/fhir/R4/http.html#trules

Conditions are settled first (under the locks of conditional.py), so that every entry knows what it writes; then links
between entries are rewritten, every resource is judged, and one commit keeps all. Reads see the result.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.errors import FhirError, HttpError, InEntry, Rejected
from gateway.fhir import batch, entries
from gateway.fhir.call import Answer, Call
from gateway.fhir.conditional import Criteria, criteria, exclusively, match
from gateway.fhir.entries import Entry
from gateway.fhir.links import Links, conditional_references
from gateway.fhir.patch import patched, read_patch
from gateway.fhir.writing import commit, entry_findings, expected, judge, mutable, shown
from gateway.store import NEW, Change, Gone, NotFound, Transaction, Version, new_id
from profiles.fhirjson import Resource
from profiles.validator import Issue

ATTEMPTS = 3
"""How often a transaction is tried again when another writer was quicker."""
BREATH = 50
"""Resources judged before other requests get their turn."""


@dataclass(slots=True)
class Step:
    """What an entry comes to. `id` is of the resource it concerns, empty where a condition met nothing to act on;
    `existing` is what its condition met; `change` is None where there is nothing to write."""

    entry: Entry
    condition: Criteria | None
    id: str = ""
    existing: Version | None = None
    change: Change | None = None
    found: Sequence[Issue] = ()
    same_as: "Step | None" = None

    @property
    def reference(self) -> str:
        """`Type/id` of the resource it concerns."""
        return f"{self.entry.call.type}/{self.id}"


@dataclass(slots=True)
class Plan:
    """All steps of one transaction, in the order of the Bundle."""

    steps: list[Step]
    reads: list[Entry]
    deleted: set[str] = field(default_factory=set)


async def transaction(call: Call, bundle: Resource) -> Answer:
    """Do every entry or none, and answer in the order of the entries."""
    read = [entries.read(call, index, row) for index, row in enumerate(entries.checked(call, bundle))]
    writes = [entry for entry in read if entry.route.method in ("POST", "PUT", "PATCH", "DELETE")]
    for attempt in range(1, ATTEMPTS + 1):
        plan = Plan([_step(entry) for entry in writes], [entry for entry in read if entry not in writes])
        try:
            versions = await _write(call, plan)
            break
        except FhirError as error:
            if error.refusal.number != "GF-209" or attempt == ATTEMPTS:
                raise
    rows = {step.entry.index: batch.response(step.entry, _answer(call, step, versions)) for step in plan.steps}
    for entry in plan.reads:
        try:
            rows[entry.index] = batch.response(entry, await entry.route.handler(entry.call))
        except Exception as error:
            rows[entry.index] = batch.refused(call, error)
    answer: Resource = {"resourceType": "Bundle", "type": "transaction-response"}
    return Answer(200, resource={**answer, "entry": [rows[index] for index in sorted(rows)]} if rows else answer)


def _step(entry: Entry) -> Step:
    call = entry.call
    try:
        if entry.route.code not in WRITES:
            raise FhirError("GF-509", element="url", value=call.path, wanted="Type, Type/id or Type?criteria")
        if call.method != "POST":
            mutable(call.type)
        if call.method == "POST":
            unless = call.header(b"if-none-exist")
            return Step(entry, criteria(call.type, unless) if unless else None)
        return Step(entry, None if call.id else criteria(call.type, call.query), call.id)
    except HttpError as error:
        raise InEntry(error, entry.index) from None


WRITES = frozenset(
    {"create", "update", "conditional-update", "patch", "conditional-patch", "delete", "conditional-delete"}
)


async def _write(call: Call, plan: Plan) -> dict[str, Version]:
    asked = {step.condition for step in plan.steps if step.condition is not None}
    references = conditional_references(step.entry.call.resource for step in plan.steps)
    if asked or references or any(step.entry.call.method == "PATCH" for step in plan.steps):
        async with exclusively(call, asked) as open_transaction:
            return await _settle_and_commit(call, plan, references, open_transaction)
    return await _settle_and_commit(call, plan, {}, None)


async def _settle_and_commit(
    call: Call, plan: Plan, references: dict[str, int], transaction: Transaction | None
) -> dict[str, Version]:
    # deletions come first, so that a condition does not meet what this transaction deletes
    for step in sorted(plan.steps, key=lambda step: step.entry.call.method != "DELETE"):
        await _settle(plan, step, transaction)
    _distinct(plan)
    links = Links(
        call.base, [(step.entry.index, step.entry.full_url, step.reference) for step in plan.steps if step.id]
    )
    for reference, index in references.items():
        assert transaction is not None
        links.conditional[reference] = await _referred(plan, reference, index, transaction)
    await _judge(plan, links, transaction)
    changes = [step.change for step in plan.steps if step.change is not None]
    versions = await commit(call, "transaction", changes, transaction) if changes else ()
    return {version.reference: version for version in versions}


async def _settle(plan: Plan, step: Step, transaction: Transaction | None) -> None:
    """Decide which resource a step concerns."""
    call = step.entry.call
    if step.condition is not None:
        twin = next((other for other in plan.steps if other.condition == step.condition and other.id), None)
        if twin is not None and call.method == "POST" and twin.entry.call.method == "POST":
            # two entries that both create the same unless it exists make one resource
            step.id, step.same_as = twin.id, twin
            return
        assert transaction is not None
        try:
            step.existing = await match(transaction, step.condition, plan.deleted)
        except HttpError as error:
            raise InEntry(error, step.entry.index) from None
        if step.existing is not None:
            step.id = step.existing.id
    if call.method == "DELETE" and step.id:
        plan.deleted.add(step.reference)
    elif call.method == "POST" and step.existing is None:
        step.id = new_id()
    elif call.method == "PUT" and not step.id:
        step.id = (call.resource or {}).get("id") or new_id()
    elif call.method == "PATCH" and not step.id:
        raise InEntry(FhirError("GF-210", criteria=str(step.condition)), step.entry.index)


def _distinct(plan: Plan) -> None:
    seen: set[str] = set()
    for step in plan.steps:
        if not step.id or step.same_as is not None or (step.entry.call.method == "POST" and step.existing is not None):
            continue
        if step.reference in seen:
            raise InEntry(FhirError("GF-505", reference=step.reference), step.entry.index)
        seen.add(step.reference)


async def _referred(plan: Plan, reference: str, index: int, transaction: Transaction) -> str:
    """What a conditional reference means: an entry with the same condition, or the one stored resource it meets."""
    kind, _, query = reference.partition("?")
    try:
        asked = criteria(kind, query)
        for step in plan.steps:
            if step.condition == asked and step.id:
                return step.reference
        existing = await match(transaction, asked, plan.deleted)
    except HttpError as error:
        raise InEntry(error, index) from None
    if existing is None:
        raise InEntry(FhirError("GF-508", reference=reference, count=0), index)
    return existing.reference


async def _judge(plan: Plan, links: Links, transaction: Transaction | None) -> None:
    """Make every step's change. All rejected resources are reported together."""
    rejected: list[Issue] = []
    for number, step in enumerate(plan.steps):
        if number % BREATH == BREATH - 1:
            await asyncio.sleep(0)
        try:
            await _change(step, links, transaction)
        except Rejected as error:
            rejected += entry_findings(error.found, step.entry.index)
        except HttpError as error:
            raise InEntry(error, step.entry.index) from None
    if rejected:
        raise Rejected(rejected)


async def _change(step: Step, links: Links, transaction: Transaction | None) -> None:
    call = step.entry.call
    if not step.id or step.same_as is not None:
        return
    if call.method == "DELETE":
        step.change = Change.delete(call.type, step.id, expected=expected(call))
    elif call.method == "PATCH":
        assert transaction is not None
        step.change, step.found = patched(call, read_patch(call), await _before(call, step, transaction))
    elif call.method == "PUT" or step.existing is None:
        resource = links.resolved(call.decoded(), step.entry.index, step.entry.full_url)
        given = resource.get("id")
        if call.method == "PUT" and given != step.id and (call.id or given is not None):
            raise FhirError("GF-207", body=given or "", address=step.id, expression=f"{call.type}.id")
        judgement, step.found = judge(call, resource)
        if call.method == "POST":
            step.change = Change.create(resource, step.id, judgement=judgement)
        else:
            version = expected(call)
            if step.condition is not None and version is None:
                version = step.existing.version if step.existing is not None else NEW
            step.change = Change.update(resource, step.id, expected=version, judgement=judgement)


async def _before(call: Call, step: Step, transaction: Transaction) -> Version:
    if step.existing is not None:
        return step.existing
    try:
        return await transaction.read(call.type, step.id)
    except NotFound:
        raise FhirError("GF-201", reference=step.reference, type=call.type) from None
    except Gone:
        raise FhirError("GF-202", reference=step.reference) from None


def _answer(call: Call, step: Step, versions: dict[str, Version]) -> Answer:
    version = versions.get(step.reference)
    method = step.entry.call.method
    if method == "DELETE":
        return Answer(204, version)
    if step.change is None:
        return Answer(200, step.existing or version)
    created = version is not None and version.created
    return Answer(201 if created else 200, version, issues=shown(call, step.found))
