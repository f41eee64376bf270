"""One claimed row on its way: what is known about its outcome, and the evidence it leaves."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from gateway.connectors.errors import DestinationError, OutcomeUnknown
from gateway.outbox import queue
from gateway.outbox.database import Database
from gateway.outbox.rows import Exchange, Row


class LeaseLost(Exception):
    """Another worker has this row now: stop, and touch nothing."""


class Attempt:
    """A row while a worker holds it. `unsettled` is true while a request may have had an effect that nobody knows.

    A delivery notes in `watches` what it read (`Type/id`), so that a change of it is a reason to look again, and in
    `issues` what its checks found.
    """

    def __init__(self, row: Row, database: Database) -> None:
        self.row = row
        self.unsettled = row.unsettled
        self.watches: frozenset[str] = frozenset()
        self.issues: tuple[dict[str, Any], ...] = ()
        self._database = database

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """Around a request whose repetition would not be harmless.

        Notes durably that it is about to leave, so that whoever finds the row after a crash asks before it sends.
        Only a clear answer, good or bad, settles it; raises LeaseLost if the row is no longer ours.
        """
        async with self._database.connection() as connection:
            if not await queue.mark_unsettled(connection, self.row):
                raise LeaseLost(f"row {self.row.id}")
        self.unsettled = True
        try:
            yield
        except OutcomeUnknown:
            raise
        except DestinationError:
            self.unsettled = False
            raise
        self.unsettled = False

    async def record(self, exchange: Exchange) -> None:
        """Keep a request and its reply as evidence."""
        async with self._database.connection() as connection:
            await queue.record(connection, self.row, exchange)
