"""Who gets in: keys, roles, facilities, and what the access log keeps to itself."""

import io
import json

import httpx
import pytest

from gateway.security import keys
from gateway.security.accesslog import AccessLog
from gateway.security.roles import roles
from gateway.services import Services
from tests.fhir.support import create, error, patient
from tests.support.server import MakeClient

ROOT = "http://gateway.test"


@pytest.mark.parametrize("path", ["/health", "/health/ready", "/fhir/metadata", "/rs-kenanga/fhir/metadata"])
async def test_only_these_are_open(make_client: MakeClient, path: str) -> None:
    stranger = await make_client(None)
    assert (await stranger.get(f"{ROOT}{path}")).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/fhir",
        "/fhir/Patient",
        "/fhir/Patient/1",
        "/fhir/_history",
        "/fhir/Patient/$validate",
        "/fhir/Patient/metadata",
        "/fhir/Patient/1/metadata",
        "/fhir/Patient/fhir/metadata",
        "/rs-kenanga/fhir/Patient",
        "/api/openapi.json",
        "/nothing",
        "/fhir/metadata/../Patient",
        "//fhir/metadata",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "HEAD"])
async def test_everything_else_asks_for_a_key(make_client: MakeClient, path: str, method: str) -> None:
    stranger = await make_client(None)
    answer = await stranger.request(method, f"{ROOT}{path}")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    if method != "HEAD":
        error(answer, 401, "GF-601")


@pytest.mark.parametrize(
    "authorization", ["Bearer wrong", "Bearer ", "Basic dXNlcjpwYXNz", "Bearer gapura_00000000_" + "x" * 43]
)
async def test_a_wrong_key_opens_nothing(make_client: MakeClient, authorization: str) -> None:
    stranger = await make_client(None)
    answer = await stranger.get("/Patient", headers={"Authorization": authorization})
    assert answer.status_code == 401


async def test_a_revoked_key_opens_nothing_once_its_trust_has_run_out(
    make_client: MakeClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "TRUST_S", 0.0)
    reader = await make_client("reader")
    assert (await reader.get("/Patient")).status_code == 200
    identity = reader.headers["authorization"].split("_")[1]
    async with services.store.connection() as connection:
        assert await keys.revoke(connection, identity)
        assert not await keys.revoke(connection, "nobody")
        (row,) = [row for row in await keys.listed(connection) if row.id == identity]
    assert row.state == "revoked"
    error(await reader.get("/Patient"), 401, "GF-602")


async def test_the_database_keeps_no_key(make_client: MakeClient, services: Services) -> None:
    client = await make_client("reader")
    secret = client.headers["authorization"].split("_", 2)[2]
    async with services.store.connection() as connection:
        rows = await connection.fetch("select * from api_key")
    assert rows
    assert secret not in repr([dict(row) for row in rows])


@pytest.mark.parametrize(
    ("role", "statuses"),
    [
        # create, read, update, search, delete, audit trail
        ("simrs", [201, 200, 200, 200, 204, 403]),
        ("reader", [403, 200, 403, 200, 403, 403]),
        ("auditor", [403, 200, 403, 200, 403, 200]),
        ("operator", [403, 403, 403, 403, 403, 403]),
        ("admin", [201, 200, 200, 200, 204, 200]),
    ],
)
async def test_a_role_may_what_the_table_says(
    client: httpx.AsyncClient, make_client: MakeClient, role: str, statuses: list[int]
) -> None:
    stored = await create(client, patient())
    one = await make_client(role)
    address = f"/Patient/{stored['id']}"
    found = [
        await one.post("/Patient", json=patient("RM-2")),
        await one.get(address),
        await one.put(address, json=stored),
        await one.get("/Patient"),
        await one.delete(address),
        await one.get("/AuditEvent"),
    ]
    assert [answer.status_code for answer in found] == statuses
    for answer in found:
        if answer.status_code == 403:
            assert role in error(answer, 403, "GF-603")["details"]["text"]


def test_the_parametrised_roles_are_all_there_are() -> None:
    assert set(roles()) == {"simrs", "reader", "auditor", "operator", "admin"}


async def test_nobody_changes_the_audit_trail(client: httpx.AsyncClient) -> None:
    await create(client, patient())
    event = (await client.get("/AuditEvent")).json()["entry"][0]["resource"]
    address = f"/AuditEvent/{event['id']}"
    error(await client.put(address, json=event), 405, "GF-211")
    error(await client.delete(address), 405, "GF-211")
    error(await client.delete("/AuditEvent?action=C"), 405, "GF-211")
    patch = {"Content-Type": "application/json-patch+json"}
    error(await client.patch(address, content="[]", headers=patch), 405, "GF-211")


async def test_a_key_opens_its_own_facility_only(make_client: MakeClient) -> None:
    melati = await make_client("simrs", facility="rs-melati")
    assert (await melati.get("/Patient")).status_code == 200
    assert (await melati.get(f"{ROOT}/rs-melati/fhir/Patient")).status_code == 200
    error(await melati.get(f"{ROOT}/rs-kenanga/fhir/Patient"), 403, "GF-604")


async def test_rights_hold_inside_bundles_too(make_client: MakeClient) -> None:
    reader = await make_client("reader")
    rows = [
        {"resource": patient(), "request": {"method": "POST", "url": "Patient"}},
        {"request": {"method": "GET", "url": "Patient"}},
        {"request": {"method": "GET", "url": "AuditEvent"}},
    ]
    refused = await reader.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": rows})
    error(refused, 403, "GF-603")
    batch = await reader.post("", json={"resourceType": "Bundle", "type": "batch", "entry": rows})
    assert [row["response"]["status"][:3] for row in batch.json()["entry"]] == ["403", "200", "403"]


async def test_the_language_of_a_refusal_is_the_callers(make_client: MakeClient) -> None:
    stranger = await make_client(None)
    for accept, words in (
        ("id", "tidak membawa"),
        ("en", "carries no"),
        ("de, en;q=0.5, id;q=0.9", "tidak membawa"),
        ("fr", "tidak membawa"),
    ):
        answer = await stranger.get("/Patient", headers={"Accept-Language": accept})
        assert words in answer.json()["issue"][0]["details"]["text"], accept


async def test_the_access_log_holds_no_ids_and_no_search_values(client: httpx.AsyncClient, services: Services) -> None:
    stream = io.StringIO()
    services.access_log = AccessLog(stream)
    await client.get("/Patient/3171045502900001")
    await client.get("/Patient", params={"identifier": "3171045502900001"})
    await client.get("/nowhere/3171045502900001")
    services.access_log.close()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["at"] for line in lines] == ["Patient/id", "Patient", "other"]
    assert [line["status"] for line in lines] == [404, 200, 404]
    assert all(line["key"] and line["request"] and line["ms"] >= 0 for line in lines)
    assert "3171045502900001" not in stream.getvalue()
