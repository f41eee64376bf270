"""Notes of reads, on file before the answer leaves, in the database as AuditEvents soon after.

Each process appends to a file of its own, holding a lock on it; a drain starts a new file, writes the AuditEvents of
the old one and removes it. A file without a living owner is drained by whoever finds it. The AuditEvents of a file
have ids made from its name, so a file that is drained twice is recorded once.
"""

import asyncio
import contextlib
import errno
import fcntl
import logging
import os
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import json

from gateway.security import audit
from gateway.security.audit import Visitor
from gateway.security.keys import Principal
from gateway.security.roles import role
from profiles.fhirjson import Resource

log = logging.getLogger(__name__)

DRAIN_S = 2.0
MOST_ENTITIES = 200

Note = tuple[str, str, str, str, str, str, str, str, str, float]
"""facility, key id, key label, role, address, interaction, outcome, reference, query, seconds since 1970."""

Record = Callable[[str, list[tuple[str, Resource]]], Awaitable[None]]
"""Writes the AuditEvents (id, resource) of a facility in one transaction; those that exist already are left alone."""


class Journal:
    """The notes of one process. `folder` is shared by the processes of one home."""

    def __init__(self, folder: Path, record: Record) -> None:
        self._folder, self._record = folder, record
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._encode = json.Encoder().encode
        self._file = _Open(folder)
        self._task: asyncio.Task[None] | None = None

    def note(self, visitor: Visitor, interaction: str, reference: str, query: str = "", outcome: str = "0") -> None:
        """Put one act on file. Raises OSError (disk full), and then the act must not be answered."""
        who = visitor.principal
        key, label, name = (who.key, who.label, who.role.name) if who else ("", "", "")
        moment = time.time()
        line = (visitor.facility, key, label, name, visitor.remote, interaction, outcome, reference, query, moment)
        self._file.append(self._encode(line) + b"\n")

    def start(self) -> None:
        """Begin to drain in the background, files that dead processes left first."""
        self._task = asyncio.create_task(self._keep_draining(), name="audit journal")

    async def close(self) -> None:
        """Drain what is left and stop. What cannot be written now stays on file for the next start."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        try:
            await self.drain()
        except Exception:
            log.exception("the audit journal could not be written; it stays in %s", self._folder)
        self._file.close(remove=self._file.empty)

    async def drain(self) -> None:
        """Turn every note so far into AuditEvents."""
        if not self._file.empty:
            full, self._file = self._file, _Open(self._folder)
            try:
                await self._drain(full.path)
            except BaseException:
                full.close(remove=False)  # without its lock the next drain finds it
                raise
            full.close(remove=True)
        for path in sorted(self._folder.glob("*.jsonl")):
            with _abandoned(path) as free:
                if free:
                    await self._drain(path)
                    path.unlink(missing_ok=True)

    async def _keep_draining(self) -> None:
        while True:
            try:
                await self.drain()
            except Exception:
                log.exception("the audit journal could not be written; trying again")
            await asyncio.sleep(DRAIN_S)

    async def _drain(self, path: Path) -> None:
        facilities: dict[str, list[tuple[str, Resource]]] = {}
        for number, (facility, event) in enumerate(events(_notes(path))):
            identity = str(uuid.uuid5(uuid.NAMESPACE_URL, f"urn:gapura:journal:{path.stem}:{number}"))
            facilities.setdefault(facility, []).append((identity, event))
        for facility, found in facilities.items():
            await self._record(facility, found)


class _Open:
    """A journal file that this process appends to."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"{uuid.uuid4().hex}.jsonl"
        self._fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        self.empty = True

    def append(self, line: bytes) -> None:
        self.empty = False
        if os.write(self._fd, line) < len(line):
            raise OSError(errno.ENOSPC, "the audit journal's disk is full", str(self.path))

    def close(self, *, remove: bool) -> None:
        if remove:
            self.path.unlink(missing_ok=True)
        os.close(self._fd)


@contextlib.contextmanager
def _abandoned(path: Path) -> Iterator[bool]:
    """Whether no living process holds the file; it is held meanwhile."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield path.exists()
    except BlockingIOError:
        yield False
    finally:
        os.close(fd)


def _notes(path: Path) -> Iterator[Note]:
    for line in path.read_bytes().splitlines():
        try:
            yield json.decode(line, type=Note)
        except ValueError:
            # a process that was killed while it wrote leaves half a line; its read was never answered
            log.warning("half a line in the audit journal %s", path.name)


def events(notes: Iterable[Note]) -> Iterator[tuple[str, Resource]]:
    """(facility, AuditEvent) for each key, address, interaction and outcome, with an entity per thing looked at."""
    groups: dict[tuple[str, ...], dict[tuple[str, str], list[str]]] = {}
    for facility, key, label, name, remote, interaction, outcome, reference, query, second in notes:
        group = (facility, key, label, name, remote, interaction, outcome)
        moment = audit.instant(datetime.fromtimestamp(second, UTC))
        groups.setdefault(group, {}).setdefault((reference, query), []).append(moment)
    for (facility, key, label, name, remote, interaction, outcome), things in groups.items():
        principal = Principal(key, label, role(name), None) if key else None
        visitor = Visitor(facility, principal, remote)
        listed = list(things.items())
        for start in range(0, len(listed), MOST_ENTITIES):
            part = listed[start : start + MOST_ENTITIES]
            moments = [moment for _, times in part for moment in times]
            entities: list[dict[str, Any]] = [
                audit.asked(query, times) if query else audit.looked_at(reference, times)
                for (reference, query), times in part
                if query or reference
            ]
            last = datetime.fromisoformat(max(moments))
            event = audit.event(visitor, interaction, last, entities, outcome)
            yield facility, {**event, "period": {"start": min(moments), "end": max(moments)}}
