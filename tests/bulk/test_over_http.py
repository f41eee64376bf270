"""Bulk Data against running servers: large uploads, a process that is killed, and one that goes on."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from tests.bulk.support import ASYNC, NDJSON, begun, ended, lines, manifest
from tests.fhir.support import patient
from tests.support.process import Served, served

ENOUGH = 20_000
"""Lines that no machine imports between two questions for the progress."""


def caller(server: Served) -> httpx.AsyncClient:
    """A client of the server."""
    headers = {"Authorization": f"Bearer {server.key}", "Accept-Language": "en"}
    return httpx.AsyncClient(base_url=f"{server.url}/fhir", headers=headers, timeout=60)


async def test_an_import_outlives_the_process_that_was_killed_with_it(tmp_path: Path, database_url: str) -> None:
    body = "\n".join(json.dumps(patient(f"RM-{n}")) for n in range(ENOUGH)).encode()
    async with served(tmp_path, GAPURA_DATABASE_URL=database_url) as first, caller(first) as client:
        where = await begun(await client.post("/$import", content=_slowly(body), headers=NDJSON))
        async with asyncio.timeout(60):
            while "%" not in (progress := (await client.get(where)).headers["x-progress"]):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        first.process.kill()
        await first.process.wait()
    assert not progress.startswith("100")
    async with (
        served(tmp_path, key=first.key, GAPURA_DATABASE_URL=database_url) as second,
        caller(second) as client,
    ):
        found = (await ended(client, where.replace(first.url, second.url))).json()
        assert found["output"] == [{"type": "Patient", "count": ENOUGH}]
        total = (await client.get("/Patient?_summary=count")).json()["total"]
        assert total == ENOUGH
        export = await manifest(client, await client.get("/$export?_type=Patient", headers=ASYNC))
        rows = await lines(client, export)
        assert {row["meta"]["versionId"] for row in rows} == {"1"}, "no line was written twice"
        assert {row["identifier"][0]["value"] for row in rows} == {f"RM-{n}" for n in range(ENOUGH)}


async def test_an_upload_may_be_larger_than_a_request_and_take_longer(tmp_path: Path, database_url: str) -> None:
    limits = {"GAPURA_MAX_BODY_BYTES": "20000", "GAPURA_REQUEST_TIMEOUT_S": "1"}
    body = "\n".join(json.dumps(patient(f"RM-{n}")) for n in range(500)).encode()
    async with served(tmp_path, GAPURA_DATABASE_URL=database_url, **limits) as server, caller(server) as client:
        found = await manifest(
            client, await client.post("/$import", content=_slowly(body, pause_s=0.4), headers=NDJSON)
        )
        assert found["output"] == [{"type": "Patient", "count": 500}]


async def _slowly(body: bytes, pause_s: float = 0.0) -> AsyncIterator[bytes]:
    size = len(body) // 5 + 1
    for start in range(0, len(body), size):
        yield body[start : start + size]
        await asyncio.sleep(pause_s)
