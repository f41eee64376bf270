"""What is read and written as one: the transaction of several acts, and what becomes of two writers at one resource."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from typing import TYPE_CHECKING

import asyncpg

from . import crosswalk, read
from .errors import StoreError, VersionConflict
from .facilities import Place
from .model import Audits, Change, Connection, Page, Query, Remote, Version
from .pool import Lent
from .search.syntax import parse
from .together import Reads
from .write import PIECE, heads

if TYPE_CHECKING:
    from .store import Store

IDENTITIES = frozenset({"resource_identity", "resource_version_identity", "validation_identity"})


class Transaction:
    """What may be done inside `Store.transaction`. `connection` is open to named SQL of other rooms."""

    def __init__(self, store: "Store", connection: Connection, place: Place) -> None:
        self._store, self.connection, self._place = store, connection, place

    async def read(self, type: str, id: str) -> Version:
        """The current version, this transaction's own writes included. Raises NotFound, Gone."""
        return await read.read(self.connection, self._place, type, id)

    async def write(self, changes: Sequence[Change], *, audits: Audits | None = None) -> list[Version]:
        """As `Store.write`; kept when the transaction ends well."""
        known = await heads(self.connection, self._place.number, changes, sure=True)
        with collisions(changes):
            if len(changes) > PIECE:
                return await self._store._write_in_pieces(self.connection, self._place, changes, known, audits)
            versions, batch = await self._store._plan(self.connection, self._place, changes, known, audits)
            await batch.write(self.connection)
        return versions

    async def search(self, type: str, query: Query, *, among: Collection[str] | None = None) -> Page:
        """As `Store.search`, this transaction's own writes included."""
        search = parse(type, query, self._store._site.searched(self._place), among)
        return await self._store._search(self.connection, self._place, [search], None, among)

    def seen(self) -> "Store":
        """The store as this transaction sees it, its own writes included: to read, one thing after the other."""
        seen = copy(self._store)
        seen._pool = seen._planned = Lent(self.connection)
        seen._reads = Reads(seen._pool.connection, self._store.settings.request_timeout_s)
        return seen

    async def record(self, destination: str, pairs: Iterable[Remote]) -> None:
        """As `Store.record`."""
        await crosswalk.record(self.connection, self._place, destination, pairs)


class Undone(Exception):
    """Leaves a transaction so that nothing of it is kept."""


class Outrun(VersionConflict):
    """Another writer was quicker: planned anew, the write may succeed."""


@contextmanager
def collisions(changes: Sequence[Change]) -> Iterator[None]:
    """Turn the database's word for two writers at one resource into Outrun."""
    try:
        yield
    except (asyncpg.UniqueViolationError, asyncpg.DeadlockDetectedError, asyncpg.SerializationError) as collision:
        if isinstance(collision, asyncpg.UniqueViolationError) and collision.constraint_name not in IDENTITIES:
            raise StoreError(str(collision)) from collision
        names = ", ".join(change.reference for change in changes) or "a resource of this transaction"
        raise Outrun(names, None, None) from collision
