"""Jobs as a client sees them."""

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.fhir.support import error

Json = dict[str, Any]
ASYNC = {"Prefer": "respond-async"}
NDJSON = {**ASYNC, "Content-Type": "application/fhir+ndjson"}


async def begun(answer: httpx.Response) -> str:
    """The address at which to ask for the job that this answer began."""
    assert answer.status_code == 202, answer.text
    return answer.headers["content-location"]


async def ended(client: httpx.AsyncClient, where: str) -> httpx.Response:
    """The answer once the job is no longer under way."""
    async with asyncio.timeout(60):
        while (answer := await client.get(where)).status_code == 202:
            assert answer.headers["x-progress"]
            assert int(answer.headers["retry-after"]) >= 1
            await asyncio.sleep(0.05)
    return answer


async def manifest(client: httpx.AsyncClient, answer: httpx.Response) -> Json:
    """The manifest of the job that this answer began."""
    done = await ended(client, await begun(answer))
    assert done.status_code == 200, done.text
    assert done.headers["content-type"] == "application/json"
    found: Json = done.json()
    return found


async def lines(client: httpx.AsyncClient, found: Json, role: str = "output") -> list[Json]:
    """Every line of the files of a role; each file has the type and the number of lines that the manifest says."""
    everything: list[Json] = []
    for file in found[role]:
        assert urlsplit(file["url"]).path.endswith("/fhir/$job-file")
        answer = await client.get(file["url"], headers={"Accept": "application/fhir+ndjson"})
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/fhir+ndjson"
        rows = [json.loads(line) for line in answer.text.splitlines()]
        assert {row["resourceType"] for row in rows} == {file["type"]}
        assert len(rows) == file["count"]
        everything += rows
    return everything


async def exported(client: httpx.AsyncClient, path: str = "$export", **query: str) -> list[str]:
    """`Type/id` of everything that an export holds."""
    found = await manifest(client, await client.get(f"/{path}", params=query, headers=ASYNC))
    return sorted(f"{row['resourceType']}/{row['id']}" for row in await lines(client, found))


def ndjson(*rows: Json | str) -> str:
    """Rows as NDJSON; a str stays as it is."""
    return "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + "\n"


__all__ = ["ASYNC", "NDJSON", "begun", "ended", "error", "exported", "lines", "manifest", "ndjson"]
