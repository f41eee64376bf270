"""What one process of the gateway holds while it runs: store, validators, keys, journal, access log."""

import logging
import sys

from gateway.outbox.plan import plan
from gateway.security.accesslog import AccessLog
from gateway.security.journal import Journal
from gateway.security.keys import KeyRing
from gateway.settings import Facility, Settings
from gateway.store import Also, Change, Store, VersionConflict
from profiles import Validator
from profiles.fhirjson import Resource

log = logging.getLogger(__name__)


class Services:
    """The long-lived parts. `open` and `close` belong to the application's start and end; between them all is set."""

    store: Store
    keys: KeyRing
    journal: Journal
    access_log: AccessLog | None = None

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.facilities = {facility.slug: facility for facility in settings.facilities}
        self.default = settings.facilities[0]
        self._validators: dict[str, Validator] = {}
        self._deliveries: dict[str, Also | None] = {}

    async def open(self) -> None:
        """Open the store and start the background work. Raises StoreError."""
        self.store = await Store.open(self.settings)
        self.keys = KeyRing(self.store.connection)
        for facility in self.settings.facilities:
            self._validators[facility.slug] = self._validator(facility)
            self._deliveries[facility.slug] = plan(facility)
        self.journal = Journal(self.settings.home / "audit", self._record)
        self.journal.start()
        if self.settings.access_log:
            self.access_log = AccessLog(sys.stdout)

    async def close(self) -> None:
        """Stop in the reverse order; what is noted is written."""
        if self.access_log is not None:
            self.access_log.close()
        await self.journal.close()
        await self.store.close()

    def validator(self, facility: Facility) -> Validator:
        """The validator with the facility's own profiles."""
        return self._validators[facility.slug]

    def deliveries(self, facility: Facility) -> Also | None:
        """What puts the deliveries that a write calls for into the write's transaction."""
        return self._deliveries[facility.slug]

    def _validator(self, facility: Facility) -> Validator:
        # facilities without profiles of their own share one
        for slug, other in self._validators.items():
            if self.facilities[slug].profiles == facility.profiles:
                return other
        return Validator(profiles=facility.profiles) if facility.profiles else Validator()

    async def _record(self, facility: str, events: list[tuple[str, Resource]]) -> None:
        try:
            await self.store.write(facility, [Change.create(event, identity) for identity, event in events])
        except VersionConflict:
            log.info("the audit journal of %s was recorded before", facility)
