"""A transaction: all entries or none. Source: https://hl7.org/fhir/R4/http.html#trules

Conditions are settled first (under the locks of conditional.py), so that every entry knows what it writes; then links
between entries are rewritten, every resource is judged, and one commit keeps all. Reads come last and see the result;
one that is refused undoes all, as any entry does.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

from gateway.errors import FhirError, HttpError, InEntry, Rejected
from gateway.fhir import batch, entries
from gateway.fhir.call import Answer, Call
from gateway.fhir.conditional import Criteria, Matched, TooManyMatches, criteria, exclusively, taken, until_quiet
from gateway.fhir.entries import Entry
from gateway.fhir.links import Links
from gateway.fhir.patch import before, patched, read_patch
from gateway.fhir.references import references
from gateway.fhir.writing import commit, entry_findings, expected, judge, shown
from gateway.store import NEW, Change, Store, Transaction, Version, new_id
from profiles.definitions import RESOURCE_TYPES
from profiles.fhirjson import Resource
from profiles.validator import Issue

BREATH = 50
"""Resources judged before other requests get their turn."""
MANY = 50
"""Entries of a transaction that holds so much memory that only a few of its like are written at once."""


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


async def transaction(call: Call, bundle: Resource) -> Answer:
    """Do every entry or none, and answer in the order of the entries."""
    read = [_fitting(entries.read(call, index, row)) for index, row in enumerate(entries.checked(call, bundle))]
    reads = [entry for entry in read if not entry.writes]
    steps: list[Step] = []

    async def act() -> tuple[dict[str, Version], dict[int, Any]]:
        steps[:] = [_step(entry) for entry in read if entry.writes]
        return await _act(call, steps, reads)

    try:
        async with call.services.many if len(read) >= MANY else nullcontext():
            versions, rows = await until_quiet(act, sure=False)
    except FhirError as error:
        raise _of_entry(error, steps) from None
    rows |= {step.entry.index: batch.response(step.entry, _answer(call, step, versions)) for step in reversed(steps)}
    answer: Resource = {"resourceType": "Bundle", "type": "transaction-response"}
    return Answer(200, resource={**answer, "entry": [rows[index] for index in sorted(rows)]} if rows else answer)


def _fitting(entry: Entry) -> Entry:
    """The entry, unless it changes something and could not be undone. Raises InEntry."""
    if not entry.writes and set(entry.route.letter) & CHANGING:
        error = FhirError("GF-511", method=entry.call.method, url=entry.call.path)
        raise InEntry(error, entry.index)
    return entry


CHANGING = frozenset("cudp")
"""Rights that an operation needs to change something."""


def _step(entry: Entry) -> Step:
    call = entry.call
    try:
        if call.method == "POST":
            unless = call.header(b"if-none-exist") or call.query
            return Step(entry, criteria(call, call.type, unless) if unless else None)
        return Step(entry, None if call.id else criteria(call, call.type, call.query), call.id)
    except HttpError as error:
        raise InEntry(error, entry.index) from None


def _of_entry(error: FhirError, steps: list[Step]) -> HttpError:
    """The error of a resource as that of the entry that writes it."""
    for step in steps:
        if error.values.get("reference") == step.reference:
            if step.condition is not None:
                error = taken(error, step.condition, (step.entry.call.resource or {}).get("id"))
            return InEntry(error, step.entry.index)
    return error


async def _act(call: Call, steps: list[Step], reads: list[Entry]) -> tuple[dict[str, Version], dict[int, Any]]:
    """Do the steps, then the reads; the versions by reference, and the answers to the reads by entry."""
    references = _conditional_references(steps)
    asked = {step.condition for step in steps if step.condition is not None} | set(references.values())
    if not asked and not reads and all(step.entry.call.method != "PATCH" for step in steps):
        return await _settle_and_commit(call, steps, references, None), {}
    single = {step.condition for step in steps if step.entry.call.method != "DELETE"} | set(references.values())
    try:
        async with exclusively(call, asked, asked - single if call.facility.delete_many else ()) as matched:
            versions = await _settle_and_commit(call, steps, references, matched)
            seen = matched.transaction.seen()
            return versions, {entry.index: await _answer_to(entry, seen) for entry in reads}
    except TooManyMatches as many:
        raise _ambiguous(many, steps, references) from None


async def _answer_to(entry: Entry, seen: Store) -> dict[str, Any]:
    """The answer to a read of what the transaction has written. Raises InEntry."""
    services = copy(entry.call.services)
    services.store = seen
    try:
        return batch.response(entry, await entry.route.handler(replace(entry.call, services=services)))
    except HttpError as error:
        raise InEntry(error, entry.index) from None


def _ambiguous(many: TooManyMatches, steps: list[Step], references: dict[str, Criteria]) -> InEntry:
    """The refusal of criteria that meet too many, as that of the entry that has them."""
    for step in steps:
        if step.condition == many.asked:
            return InEntry(many, step.entry.index)
    reference = next(reference for reference, asked in references.items() if asked == many.asked)
    return _unsettled(steps, reference, "> 1")


def _unsettled(steps: list[Step], reference: str, count: object) -> InEntry:
    index = next(step.entry.index for step in steps if reference in _referring(step))
    return InEntry(FhirError("GF-508", reference=reference, count=count), index)


def _referring(step: Step) -> Iterator[str]:
    return references(step.entry.call.resource)


async def _settle_and_commit(
    call: Call, steps: list[Step], references: dict[str, Criteria], matched: Matched | None
) -> dict[str, Version]:
    found = matched.found if matched else {}
    deleted: set[str] = set()
    # deletions come first, so that a condition does not meet what this transaction deletes
    for step in sorted(steps, key=lambda step: step.entry.call.method != "DELETE"):
        _settle(step, steps, found, deleted)
    if matched:
        steps += _besides(steps, matched.more)
    _distinct(steps)
    links = Links((step.entry.full_url, step.reference) for step in steps if step.id and step.entry.full_url)
    links.created = {step.reference for step in steps if step.entry.call.method == "POST" and step.existing is None}
    links.conditional = {
        reference: _referred(steps, reference, asked, found, deleted) for reference, asked in references.items()
    }
    transaction = matched.transaction if matched else None
    await _judge(steps, links, transaction)
    changes = [step.change for step in steps if step.change is not None]
    versions = await commit(call, "transaction", changes, transaction) if changes else ()
    return {version.reference: version for version in versions}


def _besides(steps: list[Step], more: dict[Criteria, Sequence[Version]]) -> list[Step]:
    """A step for each resource that a deletion meets besides its first."""
    return [
        Step(step.entry, None, other.id)
        for step in steps
        if step.condition is not None and step.entry.call.method == "DELETE"
        for other in more[step.condition]
    ]


def _settle(step: Step, steps: list[Step], found: dict[Criteria, Version | None], deleted: set[str]) -> None:
    """Decide which resource a step concerns."""
    call = step.entry.call
    if step.condition is not None:
        twin = next((other for other in steps if other.condition == step.condition and other.id), None)
        if twin is not None and call.method == "POST" and twin.entry.call.method == "POST":
            # two entries that both create the same unless it exists make one resource
            step.id, step.same_as = twin.id, twin
            return
        existing = found[step.condition]
        if existing is not None and existing.reference not in deleted:
            step.id, step.existing = existing.id, existing
    if call.method == "DELETE" and step.id:
        deleted.add(step.reference)
    elif call.method == "POST" and step.existing is None:
        step.id = new_id()
    elif call.method == "PUT" and not step.id:
        step.id = (call.resource or {}).get("id") or new_id()
    elif call.method == "PATCH" and not step.id:
        raise InEntry(FhirError("GF-210", criteria=str(step.condition)), step.entry.index)


def _distinct(steps: list[Step]) -> None:
    seen: set[str] = set()
    for step in steps:
        if not step.id or step.same_as is not None or (step.entry.call.method == "POST" and step.existing is not None):
            continue
        if step.reference in seen:
            raise InEntry(FhirError("GF-505", reference=step.reference), step.entry.index)
        seen.add(step.reference)


def _conditional_references(steps: list[Step]) -> dict[str, Criteria]:
    """Every conditional reference (`Type?criteria`) of the resources that are written."""
    found: dict[str, Criteria] = {}
    for step in steps:
        for reference in _referring(step):
            kind, mark, query = reference.partition("?")
            if mark and kind in RESOURCE_TYPES and reference not in found:
                try:
                    found[reference] = criteria(step.entry.call, kind, query)
                except HttpError as error:
                    raise InEntry(error, step.entry.index) from None
    return found


def _referred(
    steps: list[Step], reference: str, asked: Criteria, found: dict[Criteria, Version | None], deleted: set[str]
) -> str:
    """What a conditional reference means: an entry with the same condition, or the one stored resource it meets."""
    for step in steps:
        if step.condition == asked and step.id and step.entry.call.method != "DELETE":
            return step.reference
    existing = found[asked]
    if existing is not None and existing.reference not in deleted:
        return existing.reference
    raise _unsettled(steps, reference, 0)


async def _judge(steps: list[Step], links: Links, transaction: Transaction | None) -> None:
    """Make every step's change. All rejected resources are reported together."""
    rejected: list[Issue] = []
    for number, step in enumerate(steps):
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
        step.change, step.found = patched(
            call, read_patch(call), step.existing or await before(call, transaction, step.id)
        )
    elif call.method == "PUT" or step.existing is None:
        resource = links.resolved(call.decoded(), step.entry.full_url)
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


def _answer(call: Call, step: Step, versions: dict[str, Version]) -> Answer:
    version = versions.get(step.reference)
    method = step.entry.call.method
    if method == "DELETE":
        return Answer(204, version)
    if step.change is None:
        return Answer(200, step.existing or version)
    created = version is not None and version.created
    return Answer(201 if created else 200, version, issues=shown(call, step.found))
