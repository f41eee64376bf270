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
        "Patient?_filter=_has:AuditEvent:entity:action eq C",
        "Provenance?_include=Provenance:target:AuditEvent",
        "Observation/$lastn?patient=side-door&code=x&_has:AuditEvent:entity:action=C",
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


async def test_a_chain_that_names_no_type_does_not_lead_to_the_audit_trail(
    client: httpx.AsyncClient, reader: httpx.AsyncClient
) -> None:
    event, *_ = (await client.get("/AuditEvent?entity=Patient/side-door")).json()["entry"]
    proof = {
        "resourceType": "Provenance",
        "target": [{"reference": f"AuditEvent/{event['resource']['id']}"}],
        "recorded": "2026-11-21T08:00:00+07:00",
        "agent": [{"who": {"display": "Auditor"}}],
    }
    assert (await client.post("/Provenance", json=proof)).status_code == 201
    for query in ("target.date=ge2000", "_filter=target.date ge 2000"):
        assert len((await client.get(f"/Provenance?{query}")).json()["entry"]) == 1, query
        assert "entry" not in (await reader.get(f"/Provenance?{query}")).json(), query
    everything = "/Provenance?_include=Provenance:target&_include:iterate=*"
    seen = (await reader.get(everything)).json()["entry"]
    assert [entry["resource"]["resourceType"] for entry in seen] == ["Provenance"], "nothing is reached through it"


async def test_no_condition_of_a_write_asks_the_audit_trail(client: httpx.AsyncClient, make_client: MakeClient) -> None:
    simrs = await make_client("simrs")
    asked = "Patient?_has:AuditEvent:entity:action=C"
    assert (await simrs.delete(f"/{asked}")).status_code == 403
    assert (await simrs.put(f"/{asked}", json=PATIENT)).status_code == 403
    unless = {"If-None-Exist": "_has:AuditEvent:entity:action=C"}
    assert (await simrs.post("/Patient", json=PATIENT, headers=unless)).status_code == 403
    entry = {"resource": PATIENT, "request": {"method": "POST", "url": "Patient", "ifNoneExist": asked}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    assert (await simrs.post("", json=bundle)).status_code == 403


async def test_no_export_filters_by_the_audit_trail(reader: httpx.AsyncClient) -> None:
    for query in ("Patient?_has:AuditEvent:entity:action=C", "Provenance?target.date=ge2000"):
        asked = {"_type": query.partition("?")[0], "_typeFilter": query}
        reply = await reader.get("/$export", params=asked, headers={"Prefer": "respond-async"})
        assert reply.status_code == 403, query
