"""Delivery to SATUSEHAT: the visit's people and places first, then the step's resources, never one twice.

A step's product is one resource (created, or replaced once it has an id there) or a transaction Bundle. Every product
is judged by the ministry's rules before it leaves. After an unknown outcome, and when SATUSEHAT says that it has
something already, what carries our identifier is looked up and adopted.

Source: reference satusehat.md §3 (the reconciliation key), §4 (transactions), §11.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import mappings
from gateway.connectors.errors import Duplicate, OutcomeUnknown
from gateway.connectors.satusehat import Satusehat
from gateway.outbox import queue
from gateway.outbox.attempt import Attempt
from gateway.outbox.checks import judged
from gateway.outbox.desk import Desk, Visit, digest, product
from gateway.outbox.lookup import Lookup
from gateway.outbox.places import Prerequisites
from gateway.outbox.rows import Settlement
from gateway.store import Remote
from profiles import fhirjson
from profiles.fhirjson import Resource


class SatusehatDelivery:
    """Carries out the steps of the modules whose destination is `satusehat`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(self, attempt: Attempt) -> Settlement:
        """Deliver one row. Raises a DestinationError."""
        row = attempt.row
        visit = await self._desk.visit(attempt)
        step = mappings.load(row.operation, visit.facility.mappings).step(row.step)
        if not any(step.wants(resource) for resource in visit.resources.values()):
            return Settlement(row, "done", result={"sent": 0})
        client = self._desk.satusehat(attempt)
        visit = await self._prepare(attempt, visit, step, client)
        if not step.applies(visit.bundle, **visit.context()):
            return Settlement(row, "done", result={"sent": 0})
        if attempt.unsettled:
            visit = await self._reconcile(attempt, visit, product(step, visit, None), client)
        try:
            return await self._send(attempt, visit, step, client)
        except Duplicate:
            known = visit.remote
            visit = await self._reconcile(attempt, visit, product(step, visit, None), client)
            if visit.remote == known:
                raise
            return await self._send(attempt, visit, step, client)

    async def _prepare(self, attempt: Attempt, visit: Visit, step: mappings.Step, client: Satusehat) -> Visit:
        """The visit with everyone and everything in its crosswalk that it needs at SATUSEHAT."""
        needed = [(kind, local) for kind, local in step.module.requires(visit.bundle) if local not in visit.remote]
        if not needed:
            return visit
        found = await Prerequisites(attempt, visit, client).find(needed)
        return await self._adopt(attempt, visit, found)

    async def _send(self, attempt: Attempt, visit: Visit, step: mappings.Step, client: Satusehat) -> Settlement:
        made = product(step, visit, None)
        entries = list(_entries(made, visit))
        if await self._overtaken(attempt, visit, step):
            return Settlement(attempt.row, "done", result={"sent": 0})
        async with self._desk.store.connection() as connection:
            before = await queue.sent(connection, attempt.row, attempt.row.step, [local for local, _ in entries])
        news = [(local, entry) for local, entry in entries if before.get(local) != digest(entry["resource"])]
        if not news:
            return Settlement(attempt.row, "done", result={"sent": 0})
        if made["resourceType"] == "Bundle":
            made = {**made, "entry": [entry for _, entry in news]}
        checks = judged(made, visit.facility, attempt.home, visit.at_destination())
        content = fhirjson.encode(made)
        async with attempt.sending(f"{len(news)} × {step.operation}", content):
            places = await _post(client, made)
        return await self._record(attempt, visit, news, places, checks)

    async def _overtaken(self, attempt: Attempt, visit: Visit, step: mappings.Step) -> bool:
        """A later step has already delivered a later state of the same resource: to send this one would go back."""
        names = list(step.module.steps)
        later = [step.module.steps[name] for name in names[names.index(step.name) + 1 :]]
        async with self._desk.store.connection() as connection:
            for other in later:
                if other.on == step.on and await queue.sent(connection, attempt.row, other.name, [visit.reference]):
                    return True
        return False

    async def _record(
        self,
        attempt: Attempt,
        visit: Visit,
        news: list[tuple[str, dict[str, Any]]],
        places: list[str],
        checks: dict[str, Any],
    ) -> Settlement:
        row = attempt.row
        remote = {local: place for (local, _), place in zip(news, places, strict=True)}
        urns = {entry["fullUrl"]: remote[local] for local, entry in news if "fullUrl" in entry}
        digests = {local: digest(_as_kept(entry["resource"], remote[local], urns)) for local, entry in news}
        async with self._desk.store.transaction(row.facility) as transaction:
            await transaction.record(row.destination, [Remote(local, place) for local, place in remote.items()])
            await queue.note_sent(transaction.connection, row, digests)
            settlement = Settlement(
                row, "done", result={"sent": len(news), "remote": remote, "checks": checks}, recorded=True
            )
            await queue.settle(transaction.connection, [settlement])
        return settlement

    async def _reconcile(self, attempt: Attempt, visit: Visit, made: Resource, client: Satusehat) -> Visit:
        """Look for what the product would create, and adopt what is there.

        A transaction is kept whole or not at all, so that one entry found means that all are there: an entry that
        cannot be found then is no reason to create it again, but one to ask a person.
        """
        new = [(local, entry["resource"]) for local, entry in _entries(made, visit) if "id" not in entry["resource"]]
        lookup = Lookup(client, visit)
        found = {local: place for local, resource in new if (place := await lookup.find(resource))}
        missing = [local for local, _ in new if local not in found]
        if found and missing and attempt.unsettled:
            raise OutcomeUnknown(f"of one transaction {', '.join(found)} are there and {', '.join(missing)} are not")
        return await self._adopt(attempt, visit, found)

    async def _adopt(self, attempt: Attempt, visit: Visit, found: Mapping[str, str]) -> Visit:
        row = attempt.row
        await self._desk.store.record(row.facility, row.destination, [Remote(*pair) for pair in found.items()])
        attempt.recorded()
        return replace(visit, remote={**visit.remote, **found})


def _entries(made: Resource, visit: Visit) -> Iterator[tuple[str, dict[str, Any]]]:
    """(local reference, entry) of each resource of a product; a lone resource is an entry without fullUrl."""
    own = {stable: local for local, stable in visit.stable_ids().items()}
    remote = {place: local for local, place in visit.remote.items()}
    for entry in made["entry"] if made["resourceType"] == "Bundle" else [{"resource": made}]:
        resource = entry["resource"]
        place = f"{resource['resourceType']}/{resource.get('id')}"
        local = remote.get(place) or own.get(str(entry.get("fullUrl", "")).removeprefix("urn:uuid:"))
        yield local or visit.reference, entry


async def _post(client: Satusehat, made: Resource) -> list[str]:
    """Send a product; where each of its resources is kept, in their order."""
    if made["resourceType"] == "Bundle":
        return [f"{place.resource_type}/{place.id}" for place in await client.transaction(made)]
    kept = await (client.update(made) if "id" in made else client.create(made))
    return [f"{kept['resourceType']}/{kept['id']}"]


def _as_kept(resource: Resource, place: str, urns: Mapping[str, str]) -> Resource:
    """The resource as the next product will show it when nothing has changed: with its id, and ids for urns."""
    kept = {"resourceType": resource["resourceType"], "id": place.rpartition("/")[2], **resource}
    raw = fhirjson.encode(kept)
    for urn, target in urns.items():
        raw = raw.replace(f'"{urn}"'.encode(), f'"{target}"'.encode())
    return fhirjson.decode(raw)
