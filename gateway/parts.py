"""What a room may ask of the running process. `gateway.services` builds it; nobody else needs to know how.

It is a Protocol, so that the rooms do not import the place where all of them are put together.
"""

from asyncio import Semaphore
from collections.abc import Mapping, Sequence
from typing import Protocol

from gateway.security.accesslog import AccessLog
from gateway.security.journal import Journal
from gateway.security.keys import KeyRing
from gateway.settings import Facility, Settings
from gateway.store import Also, Change, Store
from profiles import Validator
from profiles.tables import CodeTables

Secrets = Mapping[str, tuple[str, Mapping[str, str]]]
"""Of Subscriptions that are written: id → origin of its endpoint, and its headers with their values."""


class Sleeper(Protocol):
    """What waits for work."""

    def wake(self) -> None:
        """There is some."""


class Parts(Protocol):
    """The long-lived parts of one process."""

    settings: Settings
    facilities: dict[str, Facility]
    default: Facility
    store: Store
    keys: KeyRing
    journal: Journal
    access_log: AccessLog | None
    many: Semaphore
    """Taken while a large transaction is held in memory."""

    @property
    def bulk(self) -> Sleeper:
        """The worker of jobs."""

    def validator(self, facility: Facility) -> Validator:
        """What judges the resources of a facility."""

    def tables(self, facility: Facility) -> CodeTables:
        """The code tables that count at a facility."""

    def deliveries(
        self, facility: Facility, changes: Sequence[Change] | None = None, secrets: Secrets | None = None
    ) -> Also | None:
        """What puts the deliveries and notifications of a write into its transaction."""
