"""Where notifications may go, who may ask for them, and what becomes of credentials."""

from ipaddress import ip_address

import httpx
import pytest

from gateway.services import Services
from gateway.settings import Settings
from gateway.subscriptions.endpoint import Allowed, Guard, NotAllowed
from tests.fhir.support import create, error, patient
from tests.subscriptions.support import Receiver, becomes, by_search, by_topic, hears, subscribe, until
from tests.support.server import MakeClient

SECRET = "Bearer sangat-rahasia"
DEFAULT = Settings.model_fields["subscription_hosts"].default


@pytest.mark.parametrize(
    "url",
    [
        "https://simrs.example.org/hook",
        "https://8.8.8.8/hook",
        "http://127.0.0.1:9000/hook",
        "https://localhost/hook",
        "http://[::1]:9000/hook",
    ],
)
def test_public_https_and_this_host_may_be_told(url: str) -> None:
    Allowed(DEFAULT).check(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://simrs.example.org/hook",
        "http://8.8.8.8/hook",
        "https://10.0.0.5/hook",
        "https://169.254.169.254/latest/meta-data",
        "https://[fd00::1]/hook",
        "https://[::ffff:10.0.0.5]/hook",
        "https://user:word@simrs.example.org/hook",
        "file:///etc/passwd",
        "https:///hook",
        "https://simrs.example.org:99999/hook",
    ],
)
def test_other_endpoints_may_not(url: str) -> None:
    with pytest.raises(NotAllowed):
        Allowed(DEFAULT).check(url)


def test_an_operator_allows_hosts_and_networks() -> None:
    allowed = Allowed(["simrs.rs.local", "192.168.10.0/24"])
    allowed.check("http://simrs.rs.local/hook")
    allowed.check("http://192.168.10.7/hook")
    for url in ("http://192.168.11.7/hook", "http://127.0.0.1/hook", "http://lain.rs.local/hook"):
        with pytest.raises(NotAllowed):
            allowed.check(url)
    with pytest.raises(ValueError, match="192"):
        Allowed(["192.168.10.0/99"])


async def test_a_name_that_leads_inside_is_not_connected_to() -> None:
    with pytest.raises(OSError, match="inside"):
        await Guard(Allowed([])).resolve("localhost", 80)
    found = await Guard(Allowed(["localhost"])).resolve("localhost", 80)
    assert {ip_address(row["host"]).is_loopback for row in found} == {True}


async def test_such_a_subscription_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/Subscription", json=by_search("http://10.0.0.5/hook?token=abc", "Patient"))
    issue = error(answer, 422, "GF-754")
    assert "10.0.0.5" in issue["details"]["text"]
    assert "abc" not in answer.text


async def test_redirects_are_not_followed(client: httpx.AsyncClient, receiver: Receiver) -> None:
    receiver.answers = [302]
    answer = await client.post("/Subscription", json=by_search(receiver.url, "Patient"))
    await hears(receiver, 2)
    assert [one.path for one in receiver.heard] == ["/", "/"], answer.text


async def test_credentials_are_sent_and_never_shown(
    client: httpx.AsyncClient, receiver: Receiver, services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = by_topic(f"{receiver.url}/told?kunci=rahasia-url", "Patient", "empty")
    wanted["channel"]["header"] = [f"Authorization: {SECRET}", "X-Tag: a"]
    made = await client.post("/Subscription", json=wanted)
    id = made.json()["id"]
    assert made.json()["channel"]["header"] == ["Authorization: ***", "X-Tag: ***"]
    (handshake,) = await hears(receiver, 1)
    assert handshake.headers["authorization"] == SECRET
    await becomes(client, id, "active")
    await create(client, patient())
    (_, told) = await hears(receiver, 2)
    assert told.headers["authorization"] == SECRET
    assert told.path == "/told?kunci=rahasia-url"
    for path in ("", "/_history", "/_history/1", "/$status", "/$events"):
        assert SECRET not in (await client.get(f"/Subscription/{id}{path}")).text
    for path in ("/Subscription", "/_history", "/AuditEvent", f"/Subscription?url={receiver.url}/told"):
        assert SECRET not in (await client.get(path)).text
    assert SECRET not in caplog.text
    async with services.store.connection() as connection:
        evidence = await connection.fetch("SELECT url, coalesce(request, '')::text AS body, reply FROM outbox_attempt")
    assert evidence
    assert SECRET not in str(evidence)
    assert "rahasia-url" not in str([row["url"] for row in evidence])


async def test_a_hidden_value_stays_unless_it_would_go_elsewhere(client: httpx.AsyncClient, receiver: Receiver) -> None:
    wanted = by_search(f"{receiver.url}/a", "Patient", header=(f"Authorization: {SECRET}",))
    id = await subscribe(client, wanted)
    stored = (await client.get(f"/Subscription/{id}")).json()
    moved = {**stored, "channel": {**stored["channel"], "endpoint": f"{receiver.url}/b"}}
    assert (await client.put(f"/Subscription/{id}", json=moved)).json()["status"] == "requested"
    _, again = await hears(receiver, 2)
    assert (again.path, again.headers["authorization"]) == ("/b", SECRET)
    stolen = {**stored, "channel": {**stored["channel"], "endpoint": "https://thief.example.org/"}}
    error(await client.put(f"/Subscription/{id}", json=stolen), 422, "GF-755")
    unknown = by_search(receiver.url, "Patient", header=("Authorization: ***",))
    error(await client.post("/Subscription", json=unknown), 422, "GF-755")
    broken = by_search(receiver.url, "Patient", header=("Host: elsewhere",))
    error(await client.post("/Subscription", json=broken), 422, "GF-755")


async def test_nobody_is_told_what_his_role_may_not_see(make_client: MakeClient, receiver: Receiver) -> None:
    reader, simrs = await make_client("reader"), await make_client("simrs")
    error(await reader.post("/Subscription", json=by_search(receiver.url, "Patient")), 403, "GF-603")
    await subscribe(simrs, by_search(receiver.url, "Patient"))


async def test_evidence_holds_no_copy_of_a_record(
    client: httpx.AsyncClient, receiver: Receiver, services: Services
) -> None:
    id = await subscribe(client, by_search(receiver.url, "Patient", payload=True))
    await create(client, patient())
    await hears(receiver, 2)
    await becomes(client, id, "active")

    async def kept() -> bool:
        async with services.store.connection() as connection:
            return bool(await connection.fetchval("SELECT count(*) FROM outbox_attempt WHERE method = 'PUT'"))

    await until(kept)
    async with services.store.connection() as connection:
        rows = await connection.fetch("SELECT status, request, reply FROM outbox_attempt WHERE method = 'PUT'")
    assert [tuple(row) for row in rows] == [(200, None, None)]
