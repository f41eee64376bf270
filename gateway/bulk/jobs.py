"""The table of jobs: what may happen to one, each a named statement that says whether it still could."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple, Self

from msgspec import convert, json

from gateway.store import Connection

Kind = Literal["export", "import", "interaction"]
State = Literal["due", "running", "done", "failed", "cancelled", "expired"]

LEASE_S = 15.0
"""A job whose process has not been heard of for this long is taken up by another."""
KEPT_H = 24
"""How long the files of a finished job can be had."""
INTERRUPTIONS = 5
"""Processes that may die in a row with the same job before it is given up."""

COLUMNS = (
    "id, facility, kind, key, remote, request, state, claims, progress, position, transaction_time, files, failure,"
    " created, expires"
)

INSERT = """
INSERT INTO bulk_job (id, facility, kind, key, remote, request, transaction_time)
VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7)"""
FIND = f"SELECT {COLUMNS} FROM bulk_job WHERE id = $1 AND facility = $2 AND key = $3"
OPEN = "SELECT count(*) FROM bulk_job WHERE key = $1 AND state IN ('due', 'running')"
CLAIM = f"""
UPDATE bulk_job SET state = 'running', claims = claims + 1, due = now() + $1 * interval '1 s',
    interruptions = CASE state WHEN 'running' THEN interruptions + 1 ELSE interruptions END
WHERE id = (
    SELECT id FROM bulk_job WHERE state IN ('due', 'running') AND due <= now()
    ORDER BY due, id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING {COLUMNS}, interruptions"""
BEAT = """
UPDATE bulk_job SET due = now() + $3 * interval '1 s', progress = $4
WHERE id = $1 AND claims = $2 AND state = 'running' RETURNING id"""
MOVE = """
UPDATE bulk_job SET position = $3::jsonb, interruptions = 0
WHERE id = $1 AND claims = $2 AND state = 'running' RETURNING id"""
RESTAMP = """
UPDATE bulk_job SET transaction_time = $3 WHERE id = $1 AND claims = $2 AND state = 'running' RETURNING id"""
FINISH = """
UPDATE bulk_job SET state = 'done', files = $3::jsonb, finished = now(), expires = now() + $4 * interval '1 h'
WHERE id = $1 AND claims = $2 AND state = 'running' RETURNING id"""
FAIL = """
UPDATE bulk_job SET state = 'failed', failure = $3::jsonb, finished = now(), expires = now() + $4 * interval '1 h'
WHERE id = $1 AND claims = $2 AND state = 'running' RETURNING id"""
GIVE_BACK = """
UPDATE bulk_job SET state = 'due', due = now() + $3 * interval '1 s'
WHERE id = $1 AND claims = $2 AND state = 'running' RETURNING id"""
CANCEL = """
UPDATE bulk_job SET state = 'cancelled', finished = now()
WHERE id = $1 AND facility = $2 AND key = $3 AND state NOT IN ('cancelled', 'expired') RETURNING id"""
EXPIRE = """
UPDATE bulk_job SET state = 'expired' WHERE state IN ('done', 'failed') AND expires <= now() RETURNING id"""
KNOWN = "SELECT id FROM bulk_job WHERE id = ANY ($1::text[])"
WANTED = "SELECT id FROM bulk_job WHERE id = ANY ($1::text[]) AND state NOT IN ('cancelled', 'expired')"


class File(NamedTuple):
    """One NDJSON file of a finished job. `role`: `output`, `deleted` or `error`; `name` is below the job's folder;
    a row without a name counts what an import wrote."""

    role: str
    type: str
    lines: int
    name: str = ""


class Lost(Exception):
    """The job is no longer this process's: it was cancelled, or taken up by another."""


@dataclass(slots=True)
class Job:
    """One job. `request` is what was asked, `position` how far an import is; `progress` is shown to who asks."""

    id: str
    facility: str
    kind: Kind
    key: str
    remote: str
    request: Mapping[str, Any]
    state: State
    claims: int
    progress: str
    position: Mapping[str, Any]
    transaction_time: datetime
    files: Sequence[File]
    failure: Mapping[str, Any] | None
    created: datetime
    expires: datetime | None
    interruptions: int = field(default=0)

    @classmethod
    def of(cls, row: Any) -> Self:
        """Of a row of COLUMNS."""
        values = dict(row)
        for name in ("request", "position", "files", "failure"):
            values[name] = json.decode(values[name]) if values[name] is not None else None
        values["files"] = convert(values["files"], list[File])
        return cls(**values)


async def begin(connection: Connection, job: str, facility: str, kind: Kind, by: tuple[str, str], **asked: Any) -> None:
    """Add a job; `by` is the key's id and the caller's address, `asked` the request and its `at` (transaction time)."""
    at = asked.pop("at")
    await connection.execute(INSERT, job, facility, kind, *by, json.encode(asked).decode(), at)


async def find(connection: Connection, job: str, facility: str, key: str) -> Job | None:
    """The job that this key began in this facility."""
    row = await connection.fetchrow(FIND, job, facility, key)
    return Job.of(row) if row else None


async def claim(connection: Connection) -> Job | None:
    """Take up the job that waits longest, one left by a dead process included."""
    row = await connection.fetchrow(CLAIM, LEASE_S)
    return Job.of(row) if row else None


async def beat(connection: Connection, job: Job) -> None:
    """Keep the job for another lease, and show its progress. Raises Lost."""
    await _must(connection, BEAT, job, LEASE_S, job.progress)


async def move(connection: Connection, job: Job, position: Mapping[str, Any]) -> None:
    """Remember where the job goes on after an interruption. Raises Lost."""
    await _must(connection, MOVE, job, json.encode(position).decode())


async def restamp(connection: Connection, job: Job, moment: datetime) -> None:
    """The result speaks of this moment: the job began anew. Raises Lost."""
    await _must(connection, RESTAMP, job, moment)


async def finish(connection: Connection, job: Job, files: Sequence[File]) -> None:
    """The job is done and these are its files. Raises Lost."""
    await _must(connection, FINISH, job, json.encode(files).decode(), KEPT_H)


async def fail(connection: Connection, job: Job, status: int, issues: Sequence[Mapping[str, Any]]) -> None:
    """The job cannot be done; who asks is answered this. Raises Lost."""
    await _must(connection, FAIL, job, json.encode({"status": status, "issue": issues}).decode(), KEPT_H)


async def give_back(connection: Connection, job: Job, delay_s: float = 0.0) -> None:
    """Somebody else may go on with it, after a delay. Raises Lost."""
    await _must(connection, GIVE_BACK, job, delay_s)


async def cancel(connection: Connection, job: str, facility: str, key: str) -> bool:
    """Nobody wants it any more; False where there is no such job."""
    return await connection.fetchval(CANCEL, job, facility, key) is not None


async def _must(connection: Connection, statement: str, job: Job, *values: Any) -> None:
    if await connection.fetchval(statement, job.id, job.claims, *values) is None:
        raise Lost(job.id)
