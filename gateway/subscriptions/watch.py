"""What a write means for the Subscriptions of its facility: matched in memory, kept in the write's own transaction.

Each process knows the Subscriptions of every facility by the type that they observe, so a write of a type that nobody
observes costs one dictionary lookup. A change of a Subscription rings through PostgreSQL; without a listener that is
known to hear, each write reads the Subscriptions in its transaction instead.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from zoneinfo import ZoneInfo

from gateway.errors import FhirError
from gateway.outbox import Planned, plan
from gateway.outbox.queue import wish
from gateway.parts import Secrets
from gateway.settings import Facility, Settings
from gateway.store import Also, BadParameter, Change, Connection, Store, StoreError, Version
from gateway.subscriptions import events
from gateway.subscriptions.criteria import Criteria, Facts
from gateway.subscriptions.events import DESTINATION, Told
from gateway.subscriptions.model import Wanted, now, read
from gateway.subscriptions.notification import own_addresses
from profiles import fhirjson
from profiles.fhirjson import Resource

log = logging.getLogger(__name__)

CHANNEL = "gapura_subscription"
POLL_S = 2.0

THERE = """
SELECT facility, id, version FROM subscription WHERE status <> 'off' AND facility = coalesce($1, facility)"""

ByType = Mapping[str, Sequence[Wanted]]
"""Observed resource type → who observes it."""


class Watch:
    """The Subscriptions of all facilities as this process knows them."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._zones = {facility.slug: ZoneInfo(facility.zone) for facility in settings.facilities}
        self._bases = {slug: own_addresses(settings, slug) for slug in self._zones}
        self._plans = {facility.slug: plan(facility) for facility in settings.facilities}
        self._known: dict[str, ByType] | None = None
        self._understood: dict[tuple[str, str, int], Wanted | None] = {}
        self._stir = asyncio.Event()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Keep what is known fresh while the block runs."""
        with contextlib.suppress(StoreError):
            await self._refresh()
        task = asyncio.create_task(self._listen(), name="subscriptions")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            self._known = None

    def plans(
        self, facility: Facility, changes: Sequence[Change] | None, secrets: Secrets | None = None
    ) -> Also | None:
        """What the store must do in the transaction of these changes: deliveries, and events for who observes them.

        `changes` None: whatever will be written. The answer is None where nothing is to be done, which is the usual
        case of a facility without accounts and Subscriptions.
        """
        slug = facility.slug
        delivering, zone, bases = self._plans[slug], self._zones[slug], self._bases[slug]
        known = None if self._known is None else self._known.get(facility.slug, {})
        if known is not None and changes is not None:
            types = {change.type for change in changes}
            if "Subscription" not in types and not types & known.keys():
                return delivering

        async def also(connection: Connection, versions: Sequence[Version]) -> None:
            if delivering is not None:
                await delivering(connection, versions)
            await self._keep(connection, facility.slug, versions, secrets or {})
            observed = known
            if observed is None:
                observed = (await self._load(connection, facility.slug)).get(facility.slug, {})
            judge = Judge(self._store, connection, facility.slug)
            told = [
                told
                for version in versions
                if version.type in observed
                for told in await _told(judge, version, observed[version.type], zone, bases)
            ]
            if told:
                await events.record(connection, facility.slug, told)

        return also

    async def keep(self, connection: Connection, facility: str, version: Version) -> Wanted | None:
        """Note, in the caller's transaction, a version of a Subscription that the gateway itself has written."""
        await self._keep(connection, facility, [version], {})
        return self._read(facility, version.content)

    async def _keep(self, connection: Connection, facility: str, versions: Iterable[Version], secrets: Secrets) -> None:
        for version in versions:
            if version.type != "Subscription":
                continue
            if version.deleted:
                await events.forget(connection, facility, version.id)
                continue
            status = fhirjson.decode(version.content)["status"]
            wanted = self._read(facility, version.content)
            topic = wanted.topic.name if wanted and wanted.topic else ""
            secret = secrets.get(version.id)
            await events.keep(connection, facility, version.id, version.version, status, topic, secret)
            if wanted and status == "requested":
                await wish(connection, facility, [step(wanted, "handshake")], [])

    async def _listen(self) -> None:
        while True:
            try:
                async with self._store.listen(CHANNEL, lambda _: self._stir.set()):
                    while True:
                        self._stir.clear()
                        await self._refresh()
                        with contextlib.suppress(TimeoutError):
                            async with asyncio.timeout(POLL_S):
                                await self._stir.wait()
            except Exception:
                self._known = None
                log.exception("the Subscriptions could not be read; every write reads them until they can")
                await asyncio.sleep(POLL_S)

    async def _refresh(self) -> None:
        async with self._store.connection() as connection:
            self._known = await self._load(connection, None)

    async def _load(self, connection: Connection, facility: str | None) -> dict[str, ByType]:
        found: dict[str, dict[str, list[Wanted]]] = {}
        understood: dict[tuple[str, str, int], Wanted | None] = {}
        for slug, id, version in await connection.fetch(THERE, facility):
            key = slug, id, version
            if key not in self._understood:
                content = await events.content(connection, slug, f"Subscription/{id}", version)
                self._understood[key] = self._read(slug, content) if content and slug in self._zones else None
            wanted = understood[key] = self._understood[key]
            if wanted and wanted.type:
                found.setdefault(slug, {}).setdefault(wanted.type, []).append(wanted)
        if facility is None:
            self._understood = understood
        return dict(found)

    def _read(self, facility: str, content: bytes) -> Wanted | None:
        """The Subscription; None for one that came in by another door and asks for what there is not."""
        try:
            return read(fhirjson.decode(content), self._zones[facility], partial(self._store.understood, facility))
        except (FhirError, KeyError) as error:
            log.warning("a Subscription of %s is never delivered: %s", facility, error)
            return None


RANKS = {"handshake": 0, "notify": 1, "tend": 0}


def step(wanted: Wanted, name: str) -> Planned:
    """The outbox row of one step. A Subscription's rows keep their order; its tending stands in nobody's way."""
    source = wanted.reference
    visit = f"{source}#tend" if name == "tend" else source
    return Planned(DESTINATION, DESTINATION, name, RANKS[name], visit, source, wanted.version)


class Judge:
    """Asks the store, in the transaction of a write, whether resources meet a search."""

    def __init__(self, store: Store, connection: Connection, facility: str) -> None:
        self._store, self.connection, self._facility = store, connection, facility

    async def meets(self, criteria: Criteria, facts: Facts, version: Version) -> bool:
        """Whether a version meets the criteria; a deletion, by what it was before (`facts`)."""
        if criteria.search is None or facts.resource["resourceType"] != criteria.type:
            return criteria.met(facts)
        before = {version.id: facts.resource} if version.deleted else None
        meeting = partial(self._store.meeting, self.connection, self._facility, criteria.search)
        try:
            return bool(await meeting([version.id], deleted=before))
        except BadParameter as bad:  # a value set that it named is no more: nothing is of it
            log.warning("a Subscription of %s cannot be judged: %s", self._facility, bad)
            return False


async def _told(
    judge: Judge, version: Version, observers: Sequence[Wanted], zone: ZoneInfo, bases: Sequence[str]
) -> list[Told]:
    """The events that one version makes."""
    act = "delete" if version.deleted else "create" if version.created else "update"
    moment = now()
    concerned = [w for w in observers if act in w.acts and not w.ended(moment)]
    if not concerned:
        return []
    before: Resource | None = None
    if version.deleted or any(w.topic and w.topic.became for w in concerned):
        content = await events.content(judge.connection, version.facility, version.reference, version.version - 1)
        before = fhirjson.decode(content) if content else None
    after = before if version.deleted else fhirjson.decode(version.content)
    if after is None:
        return []
    facts = Facts(after, version.last_updated, zone, bases)
    return [
        Told(w.id, act, version.reference, version.version)
        for w in concerned
        if _became(w, after, before) and await _matches(judge, w, facts, version)
    ]


def _became(wanted: Wanted, after: Resource, before: Resource | None) -> bool:
    became = wanted.topic.became if wanted.topic else None
    return became is None or (became(after) and not (before is not None and became(before)))


async def _matches(judge: Judge, wanted: Wanted, facts: Facts, version: Version) -> bool:
    if not wanted.filters:
        return True
    for criteria in wanted.filters:
        if await judge.meets(criteria, facts, version):
            return True
    return False
