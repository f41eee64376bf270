"""The worker: one lane per destination, so that a slow one never holds up another.

A lane claims as many rows as it has hands free, delivers them side by side, and settles whatever has ended in one
statement. It sleeps until NOTIFY rings, a delivery ends, or the next row falls due.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping

from gateway.connectors.errors import (
    DestinationError,
    Held,
    Misconfigured,
    OutcomeUnknown,
    Refused,
    Throttled,
)
from gateway.outbox import queue
from gateway.outbox.attempt import Attempt, LeaseLost, NotReady, Unchanged
from gateway.outbox.backoff import delay
from gateway.outbox.reasons import reason, said
from gateway.outbox.rows import Row, Settlement, State
from gateway.store import Store, StoreUnavailable

log = logging.getLogger(__name__)

Deliver = Callable[[Attempt], Awaitable[Settlement]]
"""Deliver a claimed row; return how it ended, or raise a DestinationError, which decides it."""

POLL_S = 5.0
TIDY_S = 60.0


class Worker:
    """Delivers what is due until `stop()`. Any number may run, in one process or many, on any number of hosts."""

    def __init__(
        self,
        store: Store,
        deliveries: Mapping[str, Deliver],
        *,
        batch: int = 50,
        lease_s: float = 60.0,
        max_attempts: int = 20,
        stop_s: float = 10.0,
    ) -> None:
        self._store, self._lease_s, self._stop_s = store, lease_s, stop_s
        self._lanes = {
            name: _Lane(store, name, deliver, batch, lease_s, max_attempts) for name, deliver in deliveries.items()
        }
        self._intake = asyncio.Event()
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Claim nothing more; `run` returns when the deliveries under way have ended, or after `stop_s` seconds."""
        self._stopping.set()

    async def run(self) -> None:
        """Work until `stop()` is called. A lost database connection is waited out."""
        tasks = [asyncio.create_task(self._forever(f, n)) for f, n in self._loops()]
        await self._stopping.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(lane.finish(self._stop_s) for lane in self._lanes.values()))

    def _loops(self) -> list[tuple[Callable[[], Awaitable[None]], str]]:
        lanes = [(lane.run, lane.destination) for lane in self._lanes.values()]
        return [
            (self._listen, "bell"),
            (self._take_in, "intake"),
            (self._keep_leases, "leases"),
            (self._tidy, "tidying"),
            *lanes,
        ]

    async def _forever(self, loop: Callable[[], Awaitable[None]], name: str) -> None:
        while True:
            try:
                await loop()
            except Exception:
                log.exception("the outbox's %s stumbled; going on in a second", name)
                await asyncio.sleep(1.0)

    async def _listen(self) -> None:
        async with self._store.listen(queue.CHANNEL, self._heard):
            self._heard("")
            while True:
                await asyncio.sleep(POLL_S)
                self._heard("")

    def _heard(self, destination: str) -> None:
        if destination in self._lanes:
            self._lanes[destination].stir.set()
        else:
            self._intake.set()

    async def _take_in(self) -> None:
        while True:
            await self._intake.wait()
            self._intake.clear()
            async with self._store.connection() as connection:
                for destination in await queue.take_in(connection):
                    if destination in self._lanes:
                        self._lanes[destination].stir.set()

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(TIDY_S)
            for name in self._lanes:
                async with self._store.connection() as connection:
                    await queue.set_aside(connection, name)

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(self._lease_s / 3)
            for lane in self._lanes.values():
                await lane.keep_leases()


class _Lane:
    def __init__(
        self, store: Store, destination: str, deliver: Deliver, batch: int, lease_s: float, max_attempts: int
    ) -> None:
        self.destination, self.stir = destination, asyncio.Event()
        self._store, self._deliver = store, deliver
        self._batch, self._lease_s, self._max_attempts = batch, lease_s, max_attempts
        self._running: dict[int, tuple[Row, asyncio.Task[None]]] = {}
        self._ended: list[Settlement] = []
        self._failing: set[str] = set()

    async def run(self) -> None:
        while True:
            self.stir.clear()
            wait = await self._turn()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self.stir.wait()

    async def _turn(self) -> float:
        """Settle what ended, claim what hands are free for; return the seconds until it is worth looking again."""
        await self._settle()
        free = self._batch - len(self._running)
        if free <= 0:
            return POLL_S
        async with self._store.connection() as connection:
            rows = await queue.claim(connection, self.destination, free, self._lease_s)
            soon = POLL_S if rows else await queue.next_due(connection, self.destination)
        for row in rows:
            self._running[row.id] = row, asyncio.create_task(self._hold(row))
        return POLL_S if soon is None else min(max(soon, 0.001), POLL_S)

    async def _settle(self) -> None:
        if not self._ended:
            return
        batch = list(self._ended)  # more may end while these are settled
        async with self._store.connection() as connection:
            ours = await queue.settle(connection, [s for s in batch if not s.recorded])
            for facility in self._failing & {s.row.facility for s in batch if s.state == "done"}:
                self._failing.discard(facility)
                await queue.hasten(connection, facility, self.destination)
        self._ended = self._ended[len(batch) :]
        for settlement in batch:
            if not settlement.recorded and settlement.row.id not in ours:
                log.warning("row %d was taken over by another worker before it was settled", settlement.row.id)

    async def _hold(self, row: Row) -> None:
        attempt = Attempt(row, self._store)
        try:
            settlement = await self._deliver_one(attempt)
        except LeaseLost:
            log.warning("the lease of row %d was lost", row.id)
            return
        finally:
            self._running.pop(row.id, None)
        self._ended.append(settlement)
        self.stir.set()

    async def _deliver_one(self, attempt: Attempt) -> Settlement:
        row = attempt.row
        try:
            try:
                return await self._deliver(attempt)
            finally:
                await attempt.flush()
        except LeaseLost:
            raise
        except DestinationError as error:
            return await self._judge(attempt, error)
        except StoreUnavailable as error:
            return Settlement(row, "due", delay(1), row.attempts, attempt.unsettled, reason("database", "", str(error)))
        except Exception as error:
            log.exception("row %d: the delivery failed in the gateway itself", row.id)
            why = reason("defect", row.destination, f"{type(error).__name__}: {error}", row=row.id)
            return Settlement(row, "parked", attempts=row.attempts, unsettled=attempt.unsettled, reason=why)

    async def _judge(self, attempt: Attempt, error: DestinationError) -> Settlement:
        """What an error of the destination means for its row (docs/operator.md has the table)."""
        row, failed = attempt.row, attempt.row.attempts + 1

        def settled(state: State, code: str, attempts: int = row.attempts, wait: float = 0.0) -> Settlement:
            issues = error.issues if isinstance(error, NotReady) else ()
            why = reason(code, row.destination, said(error), row=row.id, attempts=attempts, issues=issues)
            result = {"refused": attempt.refused} if attempt.refused else None
            return Settlement(row, state, wait, attempts, attempt.unsettled, why, result, attempt.watches)

        match error:
            case Misconfigured():
                settlement = settled("due", "misconfigured")
                assert settlement.reason is not None
                async with self._store.connection() as connection:
                    await queue.pause(connection, row.facility, self.destination, settlement.reason)
                return settlement
            case Held():
                return settled("held", error.code if isinstance(error, NotReady) and error.code else "missing")
            case Unchanged():
                return Settlement(row, "parked", watches=attempt.watches)
            case Refused():
                return settled("parked", "refused")
            case Throttled():
                return settled("due", "throttled", wait=delay(max(1, row.attempts), error.retry_after))
        self._failing.add(row.facility)
        if failed >= self._max_attempts:
            return settled("parked", "exhausted", failed)
        code = "unknown" if isinstance(error, OutcomeUnknown) else "unavailable"
        return settled("due", code, failed, delay(failed))

    async def keep_leases(self) -> None:
        rows = [row for row, _ in self._running.values()]
        if not rows:
            return
        async with self._store.connection() as connection:
            ours = await queue.extend(connection, rows, self._lease_s)
        for row in rows:
            if row.id not in ours and row.id in self._running:
                self._running[row.id][1].cancel()

    async def finish(self, seconds: float) -> None:
        """Let what is under way end, then give back the rest."""
        tasks = [task for _, task in self._running.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
        rows = [row for row, _ in self._running.values()]
        for _, task in self._running.values():
            task.cancel()
        await self._settle()
        if rows:
            async with self._store.connection() as connection:
                await queue.release(connection, rows)
