"""What a role may not search, it does not see through a history, a chain or an inclusion either."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.support.server import MakeClient

PATIENT: dict[str, Any] = {"resourceType": "Patient", "id": "side-door", "name": [{"text": "Orang Contoh"}]}


@pytest.fixture
async def reader(client: httpx.AsyncClient, make_client: MakeClient) -> httpx.AsyncClient:
    """A reader, who may not see the audit trail, beside a Patient that was written and read."""
    assert (await client.put("/Patient/side-door", json=PATIENT)).status_code in (200, 201)
    return await make_client("reader")


async def test_the_history_of_everything_leaves_the_audit_trail_out(
    client: httpx.AsyncClient, reader: httpx.AsyncClient
) -> None:
    async with asyncio.timeout(10):
        everything = (await client.get("/_history?_count=50")).json()
    assert "AuditEvent" in {e["resource"]["resourceType"] for e in everything["entry"] if "resource" in e}
    seen = (await reader.get("/_history?_count=50")).json()
    kinds = {entry["resource"]["resourceType"] for entry in seen["entry"] if "resource" in entry}
    assert "Patient" in kinds
    assert "AuditEvent" not in kinds


@pytest.mark.parametrize(
    "query",
    [
        "Patient?_revinclude=AuditEvent:entity",
        "Patient?_has:AuditEvent:entity:action=C",
        "Provenance?target:AuditEvent.action=C",
        "Patient?_has:Provenance:target:_has:AuditEvent:entity:action=C",
    ],
)
async def test_no_search_leads_to_the_audit_trail(reader: httpx.AsyncClient, query: str) -> None:
    reply = await reader.get(f"/{query}")
    assert reply.status_code == 403, reply.text
    assert "AuditEvent" in reply.text


async def test_whatever_comes_along_is_left_out(client: httpx.AsyncClient, reader: httpx.AsyncClient) -> None:
    along = (await client.get("/Patient?_id=side-door&_revinclude=*")).json()
    assert "AuditEvent" in {entry["resource"]["resourceType"] for entry in along["entry"]}
    seen = (await reader.get("/Patient?_id=side-door&_revinclude=*")).json()
    assert {entry["resource"]["resourceType"] for entry in seen["entry"]} == {"Patient"}
