"""The OpenAPI description of what is not FHIR is complete, and the server keeps to it (schemathesis asks one)."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from fastapi.routing import APIRoute

from gateway import health
from tests.fhir.support import error
from tests.support.process import Served

EXAMPLES = "40"
"""Requests that schemathesis makes up for each operation and phase, the same ones every time."""


async def description(url: str, key: str) -> httpx.Response:
    """What the server says of itself."""
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}) as client:
        answer = await client.get(f"{url}/api/openapi.json")
    assert answer.status_code == 200
    return answer


async def test_schemathesis_finds_nothing_amiss(running: Served, tmp_path: Path) -> None:
    answer = await description(running.url, running.key)
    # read from a file: schemathesis leaves out the address that it read the description from
    (tmp_path / "openapi.json").write_bytes(answer.content)
    asked = (
        *("run", "openapi.json", "--url", running.url, "--header", f"Authorization: Bearer {running.key}"),
        *("--checks", "all", "--max-examples", EXAMPLES, "--generation-deterministic", "--continue-on-failure"),
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", *asked),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said = (await process.communicate())[0].decode()
    assert process.returncode == 0, said
    assert f"Tested: {len(answer.json()['paths'])}\n" in said, said
    assert "No issues found" in said, said


def test_it_describes_every_route(app: FastAPI) -> None:
    described: dict[str, Any] = app.openapi()
    routes = {
        (one.path, method)
        for one in (*app.routes, *health.router.routes)
        if isinstance(one, APIRoute)
        for method in one.methods
    }
    operations = {(path, method.upper()) for path, row in described["paths"].items() for method in row}
    assert {(path, method) for path, method in routes if method != "HEAD"} == operations
    assert len(operations) >= 3
    for path, row in described["paths"].items():
        for operation in row.values():
            assert operation["summary"], path
            assert operation["description"], path
            assert operation.get("security") == [] or "401" in operation["responses"], path
    assert described["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    assert described["security"] == [{"key": []}]


async def test_beside_fhir_too_a_refusal_says_what_to_do(client: httpx.AsyncClient) -> None:
    root = "http://gateway.test"
    error(await client.get(f"{root}/api/nothing"), 404, "GF-102")
    refused = await client.post(f"{root}/health")
    error(refused, 405, "GF-103")
    assert refused.headers["allow"] == "GET"
    unknown = await client.get(f"{root}/api/openapi.json", headers={"Authorization": "Bearer none"})
    error(unknown, 401, "GF-602")
    for page in ("/health", "/health/ready"):
        head = await client.head(f"{root}{page}")
        assert (head.status_code, head.content) == (200, b"")
