"""Asking for a job, its files, and stopping it. Only the key that began a job sees it, in the job's own facility.

Source: https://hl7.org/fhir/uv/bulkdata/STU2/export.html#bulk-data-status-request
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import json

from gateway.bulk import files, jobs
from gateway.bulk.jobs import File, Job
from gateway.errors import FhirError, HttpError, Language
from gateway.fhir.bundles import http_date
from gateway.fhir.call import Answer, Call
from gateway.security.audit import instant
from gateway.security.door import allow

LONGEST_WAIT_S = 30
NDJSON = b"application/fhir+ndjson"


class Failed(HttpError):
    """A job that could not be done: answered as the request itself would have been."""

    def __init__(self, failure: Mapping[str, Any]) -> None:
        self.status = failure["status"]
        self._issues: list[dict[str, Any]] = failure["issue"]
        super().__init__(f"the job failed with {self.status}")

    def issues(self, lang: Language) -> list[dict[str, Any]]:
        """As they were found, in the language of the request that began the job."""
        return self._issues


async def status(call: Call) -> Answer:
    """GET $job?id=…: 202 and how far it is; 200 and the manifest; or why it failed."""
    job = await _job(call)
    if job.state == "failed" and job.failure is not None:
        raise Failed(job.failure)
    if job.state != "done":
        age = (datetime.now(UTC) - job.created).total_seconds()
        wait = min(max(1, int(age / 10)), LONGEST_WAIT_S)
        progress = job.progress or ("waiting" if job.state == "due" else "begun")
        return Answer(202, headers=((b"x-progress", progress[:100].encode()), (b"retry-after", str(wait).encode())))
    assert job.expires is not None
    body = json.encode(manifest(call.base, job))
    headers = (
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"expires", http_date(job.expires.astimezone(UTC)).encode()),
    )
    return Answer(200, headers=headers, stream=_once(body))


async def cancel(call: Call) -> Answer:
    """DELETE $job?id=…: stop it if it runs, remove its files. What an import has written stays."""
    job = await _job(call)
    async with call.services.store.connection() as connection:
        await jobs.cancel(connection, job.id, call.facility.slug, call.who.key)
    await asyncio.to_thread(files.remove, call.services.settings.home, job.id)
    return Answer(202)


async def download(call: Call) -> Answer:
    """GET $job-file?id=…&file=…: one NDJSON file, gzipped for who accepts that."""
    job = await _job(call, "file")
    number = dict(call.query).get("file", "")
    there = {str(n): file for n, file in enumerate(job.files) if file.name}
    if job.state != "done" or number not in there:
        raise FhirError("GF-108", name="file", value=number, wanted=", ".join(there) or "a file of a finished job")
    file = there[number]
    if file.role == "output":
        allow(call.who, call.facility.slug, "s", file.type, "$export")
    path = files.folder(call.services.settings.home, job.id) / file.name
    if not path.exists():
        raise FhirError("GF-803", hours=jobs.KEPT_H)
    call.services.journal.note(call.visitor, "operation", "", f"GET $job-file?id={job.id}&file={number} ({file.type})")
    zipped = b"gzip" in call.headers.get(b"accept-encoding", b"")
    size = (b"content-encoding", b"gzip") if zipped else (b"content-length", str(path.stat().st_size).encode())
    name = f'attachment; filename="{file.name.rpartition("/")[2]}"'.encode()
    headers = ((b"content-type", NDJSON), (b"content-disposition", name), (b"vary", b"accept-encoding"), size)
    return Answer(200, headers=headers, stream=files.chunks(path, zipped=zipped))


def manifest(base: str, job: Job) -> dict[str, Any]:
    """What a finished job made."""
    rows: dict[str, list[dict[str, Any]]] = {"output": [], "deleted": [], "error": []}
    for number, file in enumerate(job.files):
        rows[file.role].append(_row(base, job, number, file))
    return {
        "transactionTime": instant(job.transaction_time.astimezone(UTC)),
        "request": job.request["url"],
        "requiresAccessToken": True,
        **rows,
    }


def _row(base: str, job: Job, number: int, file: File) -> dict[str, Any]:
    row = {"type": file.type, "count": file.lines}
    return {**row, "url": f"{base}/$job-file?id={job.id}&file={number}"} if file.name else row


async def _job(call: Call, *more: str) -> Job:
    """The caller's job. Raises FhirError GF-802 (none), GF-803 (expired), GF-109."""
    call.no_parameters("id", *more)
    identity = dict(call.query).get("id", "")
    async with call.services.store.connection() as connection:
        job = await jobs.find(connection, identity, call.facility.slug, call.who.key)
    if job is None or job.state == "cancelled":
        raise FhirError("GF-802", job=identity)
    if job.state == "expired" or (job.expires is not None and job.expires <= datetime.now(UTC)):
        raise FhirError("GF-803", hours=jobs.KEPT_H)
    return job


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body
