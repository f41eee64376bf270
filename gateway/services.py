"""What one process of the gateway holds while it runs: store, validators, keys, journal, access log, deliveries,
jobs."""

import asyncio
import logging
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack

from gateway.bulk.worker import Worker, working
from gateway.security.accesslog import AccessLog
from gateway.security.journal import Journal
from gateway.security.keys import KeyRing
from gateway.settings import Facility, Settings
from gateway.store import Also, Change, Store, VersionConflict
from gateway.subscriptions import Secrets, Watch, delivering_all
from gateway.terminology import tables
from profiles import INDONESIA, Validator
from profiles.fhirjson import Resource
from profiles.rules import Rules
from profiles.tables import CodeTables

log = logging.getLogger(__name__)

MANY_AT_ONCE = 2
"""Large transactions that are judged and written at once; more would not be quicker, and hold more memory."""


class Services:
    """The long-lived parts. `open` and `close` belong to the application's start and end; between them all is set."""

    store: Store
    keys: KeyRing
    journal: Journal
    watch: Watch
    bulk: Worker
    access_log: AccessLog | None = None

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.facilities = {facility.slug: facility for facility in settings.facilities}
        self.default = settings.facilities[0]
        self.many = asyncio.Semaphore(MANY_AT_ONCE)
        self._running = AsyncExitStack()
        self._validators: dict[str, Validator] = {}
        self._tables: dict[str, CodeTables] = {}

    async def open(self) -> None:
        """Open the store and start the background work. Raises StoreError, and ValueError for a site's own profiles."""
        async with AsyncExitStack() as opened:
            self.prepare()
            self.store = await Store.open(self.settings)
            opened.push_async_callback(self.store.close)
            self.keys = KeyRing(self.store.connection)
            self.journal = Journal(self.settings.home / "audit", self._record)
            self.journal.start()
            opened.push_async_callback(self.journal.close)
            self.watch = Watch(self.store, self.settings)
            await opened.enter_async_context(self.watch.listening())
            if self.settings.deliver:
                await opened.enter_async_context(delivering_all(self.store, self.settings, self.watch))
            self.bulk = await opened.enter_async_context(working(self))
            if self.settings.access_log:
                self.access_log = AccessLog(sys.stdout)
                opened.callback(self.access_log.close)
            self._running = opened.pop_all()

    async def close(self) -> None:
        """Stop in the reverse order; what is noted is written."""
        await self._running.aclose()

    def validator(self, facility: Facility) -> Validator:
        """R4, the Indonesian profiles, the facility's own, and for who sends to SATUSEHAT the ministry's rules."""
        return self._validators[facility.slug]

    def tables(self, facility: Facility) -> CodeTables:
        """The code tables that count at a facility."""
        return self._tables[facility.slug]

    def deliveries(
        self, facility: Facility, changes: Sequence[Change] | None = None, secrets: Secrets | None = None
    ) -> Also | None:
        """What puts the deliveries and notifications of a write into its transaction. Knowing its `changes` spares a
        write that concerns nobody."""
        return self.watch.plans(facility, changes, secrets)

    def prepare(self) -> None:
        """Make the validators."""
        made: dict[tuple[object, ...], Validator] = {}
        for facility in self.settings.facilities:
            organization = facility.organization_id if facility.satusehat else None
            codes = self._tables[facility.slug] = tables(self.settings.home, facility.slug)
            what = facility.profiles, organization, codes.key
            if what not in made:
                rules = Rules(organization, codes, wire=False) if organization else None
                own = [facility.profiles] if facility.profiles else []
                made[what] = Validator([INDONESIA, *own], rules, codes=codes)
            self._validators[facility.slug] = made[what]

    async def _record(self, facility: str, events: list[tuple[str, Resource]]) -> None:
        try:
            await self.store.write(facility, [Change.create(event, identity) for identity, event in events])
        except VersionConflict:
            log.info("the audit journal of %s was recorded before", facility)
