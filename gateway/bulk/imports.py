"""$import: the resources of an NDJSON upload, judged and written as any other, in large transactions.

A line with an id is an update (or update-as-create) of that id, so references among the lines stay right; one without
gets an id made of the job and the line. How far the job is moves in the transaction of what was written, so an
interrupted import goes on behind the last line that was kept. A line that is refused stops no other.
"""

import asyncio
import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from gateway.bulk import files, jobs
from gateway.bulk.jobs import File, Job
from gateway.errors import FhirError, HttpError, Language
from gateway.fhir.call import Call
from gateway.fhir.routes import IMMUTABLE
from gateway.fhir.writing import commit, judge
from gateway.parts import Parts
from gateway.security.door import allow
from gateway.store import NEW, Change, VersionConflict
from profiles import fhirjson
from profiles.definitions import RESOURCE_TYPES

BATCH = 500
"""Lines of one transaction."""
BATCH_BYTES = 8 * 1024 * 1024
BREATH = 20
"""Resources judged before other requests get their turn."""


ERRORS = "error.OperationOutcome.ndjson"


class Refusals(NamedTuple):
    """A file of OperationOutcomes below the job's folder, and how much of it is kept."""

    name: str
    lines: int
    size: int


@dataclass(slots=True)
class Lines:
    """Some lines of the upload: the changes that they come to, by line, and the refusals. `end` is the offset behind
    the last, `last` its number."""

    end: int
    last: int
    changes: dict[int, Change] = field(default_factory=dict)
    refused: list[tuple[int, HttpError]] = field(default_factory=list)
    seen: set[tuple[str, str]] = field(default_factory=set)
    size: int = 0


async def run(services: Parts, job: Job, call: Call) -> list[File]:
    """Write what can be written. While one batch is on its way into the database the next is judged."""
    importing = Importing(services, job, call)
    path = files.folder(services.settings.home, job.id) / files.INPUT
    total = path.stat().st_size
    writing: asyncio.Task[None] | None = None
    with path.open("rb") as stream:
        stream.seek(importing.offset)
        try:
            while (lines := await importing.read(stream)) is not None:
                if writing is not None:
                    await writing
                writing = asyncio.create_task(importing.write(lines))
                percent = 100 * lines.end // max(total, 1)
                job.progress = f"{percent} %: {lines.last} lines, {importing.refusals} refused"
            if writing is not None:
                await writing
        finally:
            if writing is not None:
                writing.cancel()
                await asyncio.gather(writing, return_exceptions=True)
            importing.close()
    return importing.files()


class Importing:
    """An import under way, from where the job stood when it was claimed."""

    def __init__(self, services: Parts, job: Job, call: Call) -> None:
        self._services, self._job, self._call = services, job, call
        self._deliver = job.request["deliver"]
        position = job.position
        self.offset: int = position.get("offset", 0)
        self._line: int = position.get("line", 0)
        self._counts: dict[str, int] = dict(position.get("counts", {}))
        self._errors = [Refusals(*row) for row in position.get("errors", ())]
        self._stream: BinaryIO | None = None

    @property
    def refusals(self) -> int:
        """Lines refused so far."""
        return sum(file.lines for file in self._errors)

    def files(self) -> list[File]:
        """What was written, by type, and the files of refusals."""
        written = [File("output", type, count) for type, count in sorted(self._counts.items())]
        return written + [File("error", "OperationOutcome", count, name) for name, count, _ in self._errors]

    def close(self) -> None:
        """Close the file of refusals."""
        if self._stream is not None:
            self._stream.close()

    async def read(self, stream: BinaryIO) -> Lines | None:
        """The next lines, judged; None at the end. One resource twice ends a batch: a version is written at a time."""
        lines = Lines(self.offset, self._line)
        limit = self._services.settings.max_body_bytes
        while len(lines.changes) + len(lines.refused) < BATCH and lines.size < BATCH_BYTES:
            before = stream.tell()
            raw = _line(stream, limit)
            if not raw:
                break
            number = self._line + 1
            content = raw.strip()
            if content:
                if number % BREATH == 0:
                    await asyncio.sleep(0)
                if not self._take(lines, number, content, limit):
                    stream.seek(before)
                    break
            self._line, self.offset = number, stream.tell()
            lines.size += len(raw)
        lines.end, lines.last = self.offset, self._line
        return lines if lines.size else None

    def _take(self, lines: Lines, number: int, content: bytes, limit: int) -> bool:
        """Judge one line; False where it must wait for the next batch."""
        try:
            change = self._change(number, content, limit)
        except HttpError as error:
            lines.refused.append((number, error))
            return True
        if (change.type, change.id) in lines.seen:
            return False
        lines.seen.add((change.type, change.id))
        lines.changes[number] = change
        return True

    def _change(self, number: int, content: bytes, limit: int) -> Change:
        if len(content) > limit:
            raise FhirError("GF-304", limit=limit)
        try:
            depth = self._services.settings.max_json_depth
            resource = fhirjson.decode(content, max_bytes=limit, max_depth=depth, printable=True)
        except fhirjson.FhirJsonError as bad:
            raise FhirError("GF-301", reason=str(bad)) from None
        type = resource.get("resourceType")
        if not isinstance(type, str):
            raise FhirError("GF-302", wanted="Patient")
        if type not in RESOURCE_TYPES:
            raise FhirError("GF-101", type=type, nearest="none")
        if type == "Subscription":
            raise FhirError("GF-806")
        call, identity = self._call, resource.get("id")
        immutable = type in IMMUTABLE
        right = "c" if identity is None or immutable else "u"
        allow(call.who, call.facility.slug, right, type, "$import")
        judgement, _ = judge(call, resource)
        if identity is None:
            made = str(uuid.uuid5(uuid.NAMESPACE_URL, f"urn:gapura:import:{self._job.id}:{number}"))
            return Change("POST", type, made, resource, None, judgement)
        return Change("PUT", type, identity, resource, NEW if immutable else None, judgement)

    async def write(self, lines: Lines) -> None:
        """Keep a batch and how far the job is, together; where a resource stands against it, each on its own."""
        try:
            await self._keep(list(lines.changes.values()), lines)
        except (HttpError, VersionConflict):
            for number, change in lines.changes.items():
                try:
                    await commit(self._call, "operation", [change], deliver=self._deliver)
                    self._counts = self._counted([change])
                except HttpError as error:
                    lines.refused.append((number, error))
            await self._keep([], lines)

    async def _keep(self, changes: Sequence[Change], lines: Lines) -> None:
        async with self._services.store.transaction(self._job.facility) as transaction:
            if changes:
                await commit(self._call, "operation", changes, transaction, deliver=self._deliver)
            counts = self._counted(changes)
            with files.on_disk():
                errors = self._noted(lines.refused)
            position = {"offset": lines.end, "line": lines.last, "counts": counts, "errors": errors}
            await jobs.move(transaction.connection, self._job, position)
        self._counts, self._errors = counts, errors

    def _counted(self, changes: Sequence[Change]) -> dict[str, int]:
        counts = dict(self._counts)
        for change in changes:
            counts[change.type] = counts.get(change.type, 0) + 1
        return counts

    def _noted(self, refused: Sequence[tuple[int, HttpError]]) -> list[Refusals]:
        """The refusals on file, behind those that are kept already."""
        if not refused:
            return self._errors
        if self._stream is None:
            place = files.prepared(self._services.settings.home, self._job.id, str(self._job.claims))
            self._stream = (place / ERRORS).open("wb")
            self._errors = [*self._errors, Refusals(f"{self._job.claims}/{ERRORS}", 0, 0)]
        *earlier, (name, count, size) = self._errors
        self._stream.seek(size)
        self._stream.truncate()
        for number, error in sorted(refused, key=lambda row: row[0]):
            self._stream.write(_outcome(number, error, self._call.lang))
        self._stream.flush()
        os.fsync(self._stream.fileno())
        return [*earlier, Refusals(name, count + len(refused), self._stream.tell())]


def _outcome(number: int, error: HttpError, lang: Language) -> bytes:
    """A refusal as a line of the file of refusals; its id says which line of the upload it is about."""
    return (
        fhirjson.encode({"resourceType": "OperationOutcome", "id": f"line-{number}", "issue": error.issues(lang)})
        + b"\n"
    )


def _line(stream: BinaryIO, limit: int) -> bytes:
    """The next line; of one that is longer than the limit only its beginning, which is enough to refuse it."""
    line = stream.readline(limit + 2)
    if len(line) > limit + 1 and not line.endswith(b"\n"):
        while rest := stream.readline(limit):
            if rest.endswith(b"\n"):
                break
    return line
