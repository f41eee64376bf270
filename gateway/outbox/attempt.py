"""One claimed row on its way: what is known about its outcome, and the evidence it leaves."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.connectors.errors import DestinationError, Held, OutcomeUnknown, Refused
from gateway.connectors.wire import Exchange
from gateway.outbox import queue
from gateway.outbox.rows import Row
from gateway.store import Store


class LeaseLost(Exception):
    """Another worker has this row now: stop, and touch nothing."""


class Unchanged(Refused):
    """The destination has refused exactly this content before: it is not asked again until something changes."""


class NotReady(Held):
    """The checks before sending found `issues` (dicts with `path`, `id`, `en`); `code` is a key of reasons.yaml."""

    def __init__(self, code: str, issues: tuple[dict[str, Any], ...]) -> None:
        super().__init__("; ".join(f"{i['path']}: {i['en']}" for i in issues), code=code)
        self.issues = issues


class Attempt:
    """A row while a worker holds it. `unsettled` is true while a request may have had an effect that nobody knows.

    A delivery notes in `watches` what it read (`Type/id`), so that a change of it is a reason to look again.
    """

    def __init__(self, row: Row, store: Store) -> None:
        self.row = row
        self.unsettled = row.unsettled
        self.watches: frozenset[str] = frozenset()
        self.refused: str | None = None
        self._store = store
        self._seen: list[Exchange] = []
        self._intent: int | None = None

    @property
    def home(self) -> Path:
        """The gateway's data folder."""
        return self._store.settings.home

    @asynccontextmanager
    async def sending(self, what: str, content: bytes) -> AsyncIterator[None]:
        """Around a request whose repetition would not be harmless; `what` names it, `content` is its payload.

        Notes durably that it is about to leave, so that whoever finds the row after a crash asks before it sends. A
        clear "no" takes the note back; after a "yes" it stands until what came of it is recorded (`recorded`, or the
        row's settlement). Raises LeaseLost if the row is no longer ours, Unchanged if this content was refused before.
        """
        digest = hashlib.sha256(content).hexdigest()
        if digest == self.row.refused:
            raise Unchanged("refused before")
        async with self._store.connection() as connection:
            self._intent = await queue.mark_unsettled(connection, self.row, what, content)
        if self._intent is None:
            raise LeaseLost(f"row {self.row.id}")
        self.unsettled = True
        try:
            yield
        except OutcomeUnknown:
            raise
        except DestinationError as error:
            self.unsettled = False
            self.refused = digest if isinstance(error, Refused) else None
            raise
        finally:
            await self.flush()

    def recorded(self) -> None:
        """What came of everything that was sent is kept: nothing is left to ask for."""
        self.unsettled = False

    def observe(self, exchange: Exchange) -> None:
        """A client's observer: what it sees becomes evidence at the next `flush`."""
        self._seen.append(exchange)

    async def flush(self) -> None:
        """Keep what was seen. The request that `sending` announced takes the place of its announcement."""
        seen, self._seen = self._seen, []
        if seen:
            asked = (e for e in reversed(seen) if e.method != "GET" and "/oauth2/" not in e.url)
            announced = next(asked, None) if self._intent else None
            async with self._store.connection() as connection:
                await queue.record(connection, self.row, seen, announced, self._intent)
            if announced:
                self._intent = None
