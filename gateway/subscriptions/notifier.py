"""Carries out the outbox's rows of Subscriptions: handshake, notify, tend.

A row is a step of one Subscription, not of one event: `notify` delivers whatever is not delivered yet, in the order of
the event numbers, and notes after each request how far the endpoint has come. What fails is repeated with the outbox's
back-off, so a subscriber may see an event twice and knows it by its number. A Subscription whose endpoint stays silent
becomes `error`; its events are kept, and the next one that happens, a renewed request or `gapura outbox retry` starts
the delivery where it stopped.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple
from zoneinfo import ZoneInfo

from gateway.connectors.errors import DestinationError, Refused, Throttled, Unavailable
from gateway.connectors.wire import Exchange, NoReply, Wire, retry_after
from gateway.outbox import Attempt, Settlement, State
from gateway.outbox.answers import THE_OUTBOX
from gateway.outbox.backoff import delay
from gateway.outbox.queue import settle, wish
from gateway.outbox.reasons import reason, said
from gateway.security import audit
from gateway.settings import Settings
from gateway.store import Change, Gone, NotFound, Store, Version, VersionConflict
from gateway.subscriptions import events, notification
from gateway.subscriptions.endpoint import Allowed, Guard, NotAllowed
from gateway.subscriptions.events import Event
from gateway.subscriptions.model import JSON, Wanted, now, read
from gateway.subscriptions.watch import Watch, step
from profiles import fhirjson
from profiles.fhirjson import Resource

WIRE_TIMEOUT_S = 120.0
HANDSHAKES = 6
"""Attempts of a handshake: a wrong address is told within two minutes."""
TEND_S = 24 * 3600.0
TRIES = 5
GONE = 410


class Case(NamedTuple):
    """A Subscription in the hands of its row."""

    attempt: Attempt
    wanted: Wanted
    state: events.State
    resource: Resource
    root: str


class Notifier:
    """The outbox's delivery for the destination `subscription`."""

    def __init__(self, store: Store, settings: Settings, watch: Watch) -> None:
        self._store, self._settings, self._watch = store, settings, watch
        self._zones = {facility.slug: ZoneInfo(facility.zone) for facility in settings.facilities}
        self._allowed = Allowed(settings.subscription_hosts)
        self._wire = Wire("subscriber", WIRE_TIMEOUT_S, resolver=Guard(self._allowed))

    async def close(self) -> None:
        """Close the connections to the subscribers."""
        await self._wire.close()

    async def __call__(self, attempt: Attempt) -> Settlement:
        """Carry out one row."""
        case = await self._case(attempt)
        if case is None:
            return Settlement(attempt.row, "done", result={"sent": 0})
        if case.wanted.ended(now()):
            return await self._turn(case, "off", Settlement(attempt.row, "done", result={"ended": True}))
        try:
            return await STEPS[attempt.row.step](self, case)
        except DestinationError as error:
            return await self._failed(case, error)

    async def _case(self, attempt: Attempt) -> Case | None:
        """The Subscription as it is now; None where it is gone or off, and nothing is to be sent."""
        row = attempt.row
        id = row.source.partition("/")[2]
        try:
            version = await self._store.read(row.facility, "Subscription", id)
        except (NotFound, Gone):
            return None
        async with self._store.connection() as connection:
            state = await events.state(connection, row.facility, id)
        resource = fhirjson.decode(version.content)
        if state is None or resource["status"] == "off":
            return None
        wanted = read(resource, self._zones[row.facility], partial(self._store.understood, row.facility))
        return Case(attempt, wanted, state, resource, notification.base(self._settings, row.facility))

    # --- the steps

    async def _handshake(self, case: Case) -> Settlement:
        """Ask whether somebody is there, and make the Subscription active."""
        if case.resource["status"] != "requested":
            return Settlement(case.attempt.row, "done", result={"sent": 0})
        if case.wanted.topic:
            await self._post(case, notification.bundle(case.wanted, case.state, "handshake", case.root))
        else:
            await self._send(case, "POST", case.wanted.endpoint, b"")
        done = Settlement(case.attempt.row, "done", result={"sent": 1}, recorded=True)
        return await self._turn(case, "active", done)

    async def _notify(self, case: Case) -> Settlement:
        """Deliver what has not been delivered."""
        wanted, state, row = case.wanted, case.state, case.attempt.row
        sent = 0
        if case.resource["status"] == "requested":
            return Settlement(row, "done", result={"sent": 0})
        while True:
            async with self._store.connection() as connection:
                batch = await events.some(connection, row.facility, wanted.id, state.delivered, wanted.max_count)
            if not batch:
                break
            await self._tell(case, batch)
            async with self._store.connection() as connection:
                await events.delivered(connection, row.facility, wanted.id, batch[-1].number)
            state = state._replace(delivered=batch[-1].number)
            sent += len(batch)
        done = Settlement(row, "done", result={"sent": sent})
        if sent and case.resource["status"] == "error":
            return await self._turn(case, "active", done)
        return done

    async def _tell(self, case: Case, batch: Sequence[Event]) -> None:
        """One request: a notification Bundle, or in R4's own form one event."""
        wanted, facility = case.wanted, case.attempt.row.facility
        contents: dict[int, bytes] = {}
        if wanted.content == "full-resource":
            async with self._store.connection() as connection:
                for event in batch:
                    if found := await events.content(connection, facility, event.focus, event.version):
                        contents[event.number] = found
        if wanted.topic:
            state = case.state._replace(events=max(case.state.events, batch[-1].number))
            kind = "event-notification"
            lang = self._settings.language
            await self._post(case, notification.bundle(wanted, state, kind, case.root, batch, contents, lang=lang))
            return
        (event,) = batch
        if wanted.content == "empty":
            await self._send(case, "POST", wanted.endpoint, b"", event.number)
        elif event.number in contents:  # what was purged meanwhile is told to nobody
            address = f"{wanted.endpoint.rstrip('/')}/{event.focus}"
            await self._send(case, "PUT", address, contents[event.number], event.number)

    async def _tend(self, case: Case) -> Settlement:
        """A heartbeat where nothing else was sent for a period, and the end when it comes: the row stays for both."""
        wanted, state, row = case.wanted, case.state, case.attempt.row
        if case.resource["status"] != "active":
            return Settlement(row, "done")
        if wanted.heartbeat_s:
            period = timedelta(seconds=wanted.heartbeat_s)
            quiet = now() - state.sent if state.sent else period
            if quiet >= period and state.delivered >= state.events:
                await self._post(case, notification.bundle(wanted, state, "heartbeat", case.root), evidence=False)
                async with self._store.connection() as connection:
                    await events.delivered(connection, row.facility, wanted.id, state.delivered)
                quiet = timedelta(0)
            wait = max((period - quiet).total_seconds(), 0.5)
        else:
            wait = TEND_S
        if wanted.end:
            wait = min(wait, max((wanted.end - now()).total_seconds(), 0.0))
        return Settlement(row, "due", wait)

    # --- on the wire

    async def _post(self, case: Case, bundle: Resource, *, evidence: bool = True) -> None:
        await self._send(case, "POST", case.wanted.endpoint, fhirjson.encode(bundle), evidence=evidence)

    async def _send(
        self, case: Case, method: str, url: str, body: bytes, number: int | None = None, *, evidence: bool = True
    ) -> None:
        """One request. Raises Refused, Throttled or Unavailable for anything but a 2xx."""
        try:
            self._allowed.check(url)
        except NotAllowed as error:
            raise Refused(f"the endpoint is not allowed: {error}") from None
        headers = dict(case.state.headers)
        if body:
            headers["Content-Type"] = JSON
        if number is not None:
            headers["X-Gapura-Event"] = str(number)
        try:
            async with asyncio.timeout(case.wanted.timeout_s):
                exchange = await self._wire.send(method, url, headers, body)
        except TimeoutError:
            raise Unavailable(f"no reply within {case.wanted.timeout_s} s") from None
        except NoReply as silent:
            if evidence:
                case.attempt.observe(_kept(silent.exchange, case.wanted))
            raise Unavailable(silent.exchange.failure or "no reply") from None
        if evidence:
            case.attempt.observe(_kept(exchange, case.wanted))
        status = exchange.status or 0
        if 200 <= status < 300:
            return
        if status == GONE:
            raise Refused("the endpoint answers 410: it wants no more")
        pause = retry_after(exchange)
        if pause is not None:
            raise Throttled(f"the endpoint answers {status}", retry_after=pause)
        raise Unavailable(f"the endpoint answers {status}")

    # --- what becomes of it

    async def _failed(self, case: Case, error: DestinationError) -> Settlement:
        """Once more later, or the end of the attempts: then the Subscription's status says so."""
        row = case.attempt.row
        failed = row.attempts + 1
        most = HANDSHAKES if row.step == "handshake" else self._settings.max_attempts
        again = failed < min(most, self._settings.max_attempts) and not isinstance(error, Refused)
        code = ("throttled" if isinstance(error, Throttled) else "unavailable") if again else "exhausted"
        why = reason(code, row.source, said(error), row=row.id, attempts=failed)
        if again:
            wait = delay(failed, error.retry_after if isinstance(error, Throttled) else None)
            return Settlement(row, "due", wait, failed, reason=why)
        state: State = "done" if row.step == "tend" else "parked"
        return await self._turn(case, "error", Settlement(row, state, attempts=failed, reason=why), error.text)

    async def _turn(self, case: Case, status: str, settlement: Settlement, error: str = "") -> Settlement:
        """Give the Subscription another status and settle the row, both or neither.

        A Subscription that was written meanwhile keeps what its writer said: the row is settled, and a renewed request
        has a handshake of its own.
        """
        row = case.attempt.row
        await case.attempt.flush()
        settlement = replace(settlement, recorded=True)
        for _ in range(TRIES):
            try:
                async with self._store.transaction(row.facility) as transaction:
                    current = await self._current(transaction.read, case)
                    if current is not None and current["status"] != status:
                        resource = {key: value for key, value in current.items() if key not in ("status", "error")}
                        resource = {**resource, "status": status, **({"error": error} if error else {})}
                        change = Change.update(resource, case.wanted.id, expected=int(current["meta"]["versionId"]))
                        (version,) = await transaction.write([change], audits=lambda made: _audits(row.facility, made))
                        wanted = await self._watch.keep(transaction.connection, row.facility, version)
                        if wanted and status == "active":
                            rows = [step(wanted, "notify"), *([step(wanted, "tend")] if _tended(wanted) else [])]
                            await wish(transaction.connection, row.facility, rows, [])
                            await events.started(transaction.connection, row.facility, wanted.id)
                    await settle(transaction.connection, [settlement])
                return settlement
            except VersionConflict as conflict:
                lost = conflict
        raise lost

    async def _current(self, fetch: Callable[[str, str], Awaitable[Version]], case: Case) -> Resource | None:
        try:
            version = await fetch("Subscription", case.wanted.id)
        except (NotFound, Gone):
            return None
        return fhirjson.decode(version.content) if version.version == case.wanted.version else None


def _tended(wanted: Wanted) -> bool:
    return bool(wanted.heartbeat_s or wanted.end)


def _kept(exchange: Exchange, wanted: Wanted) -> Exchange:
    """The evidence of a request: without the address's query, which may hold a credential, and without whole resources,
    of which the store has the very version: a patient's erasure would not find their copies here."""
    bare = replace(exchange, url=exchange.url.partition("?")[0])
    return replace(bare, body=None, reply=None) if wanted.content == "full-resource" else bare


def _audits(facility: str, versions: Sequence[Version]) -> list[Resource]:
    entities = [
        entity
        for version in versions
        for entity in audit.written("PUT", f"{version.reference}/_history/{version.version}", None)
    ]
    return [audit.event(audit.Visitor(facility, THE_OUTBOX, ""), "update", datetime.now(UTC), entities)]


Step = Callable[[Notifier, Case], Awaitable[Settlement]]
STEPS: dict[str, Step] = {
    "handshake": Notifier._handshake,
    "notify": Notifier._notify,
    "tend": Notifier._tend,
}
