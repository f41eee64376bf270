"""Nothing lost: silent endpoints, restarts, other processes; what BPJS and the outbox themselves make happen."""

import json
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from gateway.app import create_app
from gateway.outbox import Planned, backoff, queue
from gateway.outbox.reasons import reason
from gateway.security import keys
from gateway.services import Services
from gateway.settings import Settings
from gateway.store import Change
from tests.fhir.support import create, patient
from tests.subscriptions.support import Receiver, becomes, by_search, by_topic, hears, subscribe, until

Json = dict[str, Any]


@pytest.fixture
def settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Few attempts, close together; what a stopped process held is free after a second."""
    monkeypatch.setattr(backoff, "FIRST_S", 0.02)
    return settings.model_copy(update={"max_attempts": 3, "lease_s": 1.0})


async def test_a_silent_endpoint_is_asked_again_in_order(client: httpx.AsyncClient, receiver: Receiver) -> None:
    await subscribe(client, by_topic(receiver.url, "Patient", "id-only", max_count=1))
    receiver.answers = [503, 500]
    for n in range(3):
        await create(client, patient(f"RM-{n}"))

    async def told() -> bool:
        return receiver.numbers()[-1:] == [3]

    await until(told)
    assert receiver.numbers() == [1, 1, 1, 2, 3]


async def test_after_the_last_attempt_it_is_in_error_and_its_events_are_kept(
    client: httpx.AsyncClient, receiver: Receiver
) -> None:
    id = await subscribe(client, by_topic(receiver.url, "Patient", "id-only"))
    receiver.answers = [500] * 3
    await create(client, patient("RM-1"))
    broken = await becomes(client, id, "error")
    assert "500" in broken["error"]
    receiver.answers = [500] * 3
    await create(client, patient("RM-2"))
    await hears(receiver, 7)
    status = (await client.get(f"/Subscription/{id}/$status")).json()["entry"][0]["resource"]["parameter"]
    assert {row["name"]: row.get("valueString") for row in status}["events-since-subscription-start"] == "2"
    receiver.heard.clear()
    again = {**broken, "status": "requested"}
    assert "error" not in (await client.put(f"/Subscription/{id}", json=again)).json()
    await becomes(client, id, "active")

    async def told() -> bool:
        return receiver.numbers()[-1:] == [2]

    await until(told)
    assert receiver.numbers() == [1, 2]


async def test_an_endpoint_that_comes_back_is_told_of_everything(client: httpx.AsyncClient, receiver: Receiver) -> None:
    id = await subscribe(client, by_search(receiver.url, "Patient", payload=True))
    receiver.answers = [500] * 3
    await create(client, patient("RM-1"))
    await becomes(client, id, "error")
    await create(client, patient("RM-2"))
    await becomes(client, id, "active")
    told = [one.headers["x-gapura-event"] for one in receiver.heard if one.body]
    assert told == ["1", "1", "1", "1", "2"]


async def test_a_handshake_that_fails_leaves_it_in_error(client: httpx.AsyncClient, receiver: Receiver) -> None:
    receiver.answers = [404] * 3
    id = await subscribe(client, by_topic(receiver.url, "Patient", "empty"), "error")
    await create(client, patient())
    assert "404" in (await client.get(f"/Subscription/{id}")).json()["error"]
    events = (await client.get(f"/Subscription/{id}/$events")).json()
    assert len(events["entry"]) == 1, "what happens before it is active is not for it"


async def test_gone_means_no_more(client: httpx.AsyncClient, receiver: Receiver) -> None:
    id = await subscribe(client, by_topic(receiver.url, "Patient", "empty"))
    receiver.answers = [410]
    await create(client, patient())
    assert "410" in (await becomes(client, id, "error"))["error"]
    assert len(receiver.heard) == 2


async def test_a_dead_endpoint_stops_no_other(client: httpx.AsyncClient, receiver: Receiver) -> None:
    dead = await subscribe(client, by_topic(f"{receiver.url}/dead", "Patient", "empty"))
    await subscribe(client, by_topic(f"{receiver.url}/alive", "Patient", "id-only"))
    receiver.answers = [500, 200, 500, 500]
    for n in range(5):
        await create(client, patient(f"RM-{n}"))
    await until(lambda: _reached(receiver, "/alive", 5))
    assert dead


async def _reached(receiver: Receiver, path: str, number: int) -> bool:
    told = [one for one in receiver.of("event-notification") if one.path == path]
    return bool(told) and int(told[-1].status["events"][-1]["event-number"]) == number


async def test_what_was_not_delivered_before_a_stop_is_delivered_after_it(
    settings: Settings, receiver: Receiver
) -> None:
    async def client_of(app: FastAPI) -> httpx.AsyncClient:
        async with app.state.services.store.connection() as connection:
            key = await keys.create(connection, "admin", None, "a test")
        transport = httpx.ASGITransport(app=app)
        headers = {"Authorization": f"Bearer {key}", "Accept-Language": "en"}
        return httpx.AsyncClient(transport=transport, base_url="http://gateway.test/fhir", headers=headers)

    first = create_app(settings)
    async with first.router.lifespan_context(first), await client_of(first) as client:
        await subscribe(client, by_topic(receiver.url, "Patient", "id-only"))
    quiet = create_app(settings.model_copy(update={"deliver": False}))
    async with quiet.router.lifespan_context(quiet), await client_of(quiet) as client:
        for n in range(5):
            await create(client, patient(f"RM-{n}"))
    assert receiver.numbers() == []
    last = create_app(settings)
    async with last.router.lifespan_context(last):
        await until(lambda: _reached(receiver, "/", 5))
    assert receiver.numbers() == [1, 2, 3, 4, 5]


async def test_a_subscription_made_in_one_process_is_known_in_another(
    settings: Settings, client: httpx.AsyncClient, services: Services, receiver: Receiver
) -> None:
    other = Services(settings.model_copy(update={"deliver": False}))
    await other.open()
    try:
        await subscribe(client, by_topic(receiver.url, "Patient", "id-only"))
        facility = settings.facilities[0]
        changes = [Change.create(patient(), "from-elsewhere")]
        await until(lambda: _knows(other, facility))
        await other.store.write(facility.slug, changes, also=other.deliveries(facility, changes))
        await until(lambda: _reached(receiver, "/", 1))
    finally:
        await other.close()


async def _knows(other: Services, facility: Any) -> bool:
    return other.deliveries(facility, [Change.create(patient(), "any")]) is not None


async def test_who_does_not_listen_reads_the_subscriptions_at_each_write(
    settings: Settings, client: httpx.AsyncClient, services: Services, receiver: Receiver
) -> None:
    from gateway.subscriptions import Watch

    await subscribe(client, by_topic(receiver.url, "Patient", "id-only"))
    facility = settings.facilities[0]
    changes = [Change.create(patient(), "from-elsewhere")]
    await services.store.write(facility.slug, changes, also=Watch(services.store, settings).plans(facility, changes))
    await until(lambda: _reached(receiver, "/", 1))


async def test_a_write_that_nobody_observes_costs_nothing(
    client: httpx.AsyncClient, services: Services, receiver: Receiver
) -> None:
    await subscribe(client, by_topic(receiver.url, "Encounter", "id-only"))
    await create(client, patient())
    melati, kenanga = services.settings.facilities
    assert services.deliveries(melati, [Change.create(patient(), "a")]) is None
    assert services.deliveries(kenanga, [Change.create({"resourceType": "Encounter"}, "a")]) is None
    assert services.deliveries(melati, [Change.create({"resourceType": "Encounter"}, "a")]) is not None


def sep(status: str = "active", number: str = "0301R0111126V000001") -> Json:
    system = "http://sys-ids.kemkes.go.id/claim-number/10000004"
    return {
        "resourceType": "CoverageEligibilityResponse",
        "id": "sep",
        "identifier": [{"system": system, "value": number}],
        "status": status,
        "purpose": ["validation"],
        "patient": {"reference": "Patient/a"},
        "created": "2026-11-21",
        "request": {"reference": "CoverageEligibilityRequest/a"},
        "outcome": "complete",
        "insurer": {"display": "BPJS Kesehatan"},
    }


async def test_a_sep_is_told_of_when_it_is_issued(client: httpx.AsyncClient, receiver: Receiver) -> None:
    await subscribe(client, by_topic(receiver.url, "sep-issued", "full-resource"))
    address = "/CoverageEligibilityResponse/sep"
    for body in (sep(), {**sep(), "disposition": "dilihat"}, sep("cancelled"), sep()):
        answer = await client.put(address, json=body)
        assert answer.status_code < 300, answer.text

    async def told() -> bool:
        return receiver.numbers() == [1, 2]

    await until(told)
    versions = [one.json["entry"][1]["resource"]["meta"]["versionId"] for one in receiver.of("event-notification")]
    assert versions in (["1", "4"], ["1"]), "issued, and issued again after it was withdrawn"


async def test_a_delivery_that_is_parked_is_told_of_with_its_reason(
    client: httpx.AsyncClient, services: Services, receiver: Receiver
) -> None:
    why = reason("refused", "vclaim", "Peserta tidak aktif")
    id = await subscribe(client, by_topic(receiver.url, "delivery-parked", "full-resource"))
    stored = await create(client, patient())
    reference, slug = f"Patient/{stored['id']}", services.default.slug
    row = Planned("nowhere", "test", "send", 0, reference, reference, 1)
    async with services.store.connection() as connection, connection.transaction():
        await queue.wish(connection, slug, [row], [])

    async def parked() -> bool:
        async with services.store.connection() as connection:
            done = await connection.execute(
                "UPDATE outbox SET state = 'parked', reason = $1::jsonb WHERE destination = 'nowhere'",
                json.dumps(why.as_json()),
            )
        return bool(done == "UPDATE 1")

    await until(parked)
    _, told = await hears(receiver, 2)
    assert told.status["events"][0]["focus"].endswith(reference)
    entry = told.json["entry"][1]
    assert entry["resource"] == stored
    (issue,) = entry["response"]["outcome"]["issue"]
    assert issue["details"] == {"coding": [{"system": "urn:gapura:reason", "code": "refused"}], "text": why.id}
    again = (await client.get(f"/Subscription/{id}/$events")).json()["entry"][1]["response"]["outcome"]
    assert again["issue"][0]["details"]["text"] == why.en, "the client of these tests speaks English"
    hidden = (await client.get(f"/Subscription/{id}/$events?content=id-only")).json()["entry"][1]["response"]["outcome"]
    assert "text" not in hidden["issue"][0]["details"], "words may name a person"
