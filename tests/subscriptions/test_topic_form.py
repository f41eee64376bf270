"""The R5 form, backported: topics, filters, notification Bundles with SubscriptionStatus, numbers, heartbeats."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from gateway.subscriptions import events
from profiles import Validator
from tests.fhir.support import condition, create, error, patient
from tests.subscriptions.support import TOPICS, Receiver, by_topic, hears, subscribe, until

Json = dict[str, Any]


def valid(resource: Json) -> None:
    """It is R4."""
    assert [i for i in Validator().validate(resource) if i.severity in ("error", "fatal")] == []


async def test_handshake_events_and_deletions_with_whole_resources(
    client: httpx.AsyncClient, receiver: Receiver
) -> None:
    id = await subscribe(client, by_topic(receiver.url, "Patient", "full-resource"))
    (handshake,) = receiver.heard
    valid(handshake.json)
    assert handshake.status["type"] == "handshake"
    assert handshake.status["status"] == "requested"
    assert handshake.status["events-since-subscription-start"] == "0"
    assert handshake.status["subscription"].endswith(f"/Subscription/{id}")
    stored = await create(client, patient())
    changed = (await client.put(f"/Patient/{stored['id']}", json={**stored, "gender": "male"})).json()
    await client.delete(f"/Patient/{stored['id']}")

    async def all_told() -> bool:
        return receiver.numbers() == [1, 2, 3]

    await until(all_told)
    told_events, resources, methods = [], [], []
    for told in receiver.of("event-notification"):
        valid(told.json)
        assert told.status["topic"] == f"{TOPICS}Patient"
        assert told.status["status"] == "active"
        told_events += told.status["events"]
        resources += [entry["resource"] for entry in told.json["entry"][1:] if "resource" in entry]
        methods += [entry["request"]["method"] for entry in told.json["entry"][1:]]
    assert {event["focus"].rpartition("/fhir/")[2] for event in told_events} == {f"Patient/{stored['id']}"}
    assert resources == [stored, changed]
    assert methods == ["POST", "PUT", "DELETE"]


async def test_no_more_is_told_than_was_asked_for(client: httpx.AsyncClient, receiver: Receiver) -> None:
    await subscribe(client, by_topic(f"{receiver.url}/empty", "Patient", "empty"))
    await subscribe(client, by_topic(f"{receiver.url}/ids", "Patient", "id-only"))
    stored = await create(client, patient())
    await hears(receiver, 4)
    told = {one.path: one for one in receiver.of("event-notification")}
    assert stored["id"].encode() not in told["/empty"].body
    assert len(told["/empty"].json["entry"]) == 1
    (event,) = told["/empty"].status["events"]
    assert event.keys() == {"event-number", "timestamp"}
    _, focus = told["/ids"].json["entry"]
    assert focus["fullUrl"].endswith(f"/fhir/Patient/{stored['id']}")
    assert "resource" not in focus
    assert b"wulan" not in told["/ids"].body.lower()
    for one in told.values():
        valid(one.json)


async def test_filters_choose_and_several_are_alternatives(client: httpx.AsyncClient, receiver: Receiver) -> None:
    wanted = by_topic(receiver.url, "Patient", "id-only", "Patient?gender=male", "birthdate=ge2000")
    await subscribe(client, wanted)
    await create(client, patient("A"))
    man = await create(client, patient("B", gender="male"))
    child = await create(client, patient("C", birthDate="2020-01-01"))
    await client.delete(f"/Patient/{man['id']}")

    async def told() -> bool:
        return receiver.numbers() == [1, 2, 3]

    await until(told)
    focuses = [
        event["focus"].rpartition("/")[2] for one in receiver.of("event-notification") for event in one.status["events"]
    ]
    assert focuses == [man["id"], child["id"], man["id"]], "a deletion is judged by what was deleted"


async def test_a_notification_holds_no_more_events_than_its_reader_wants(
    client: httpx.AsyncClient, receiver: Receiver
) -> None:
    await subscribe(client, by_topic(receiver.url, "Patient", "id-only", max_count=3))
    entries = [{"request": {"method": "POST", "url": "Patient"}, "resource": patient(f"RM-{n}")} for n in range(8)]
    await client.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})

    async def told() -> bool:
        return len(receiver.numbers()) == 8

    await until(told)
    assert [len(one.status["events"]) for one in receiver.of("event-notification")] == [3, 3, 2]
    assert receiver.numbers() == list(range(1, 9))


async def test_a_heartbeat_is_heard_where_nothing_happens(client: httpx.AsyncClient, receiver: Receiver) -> None:
    await subscribe(client, by_topic(receiver.url, "Patient", "empty", heartbeat_period=1))

    async def beats() -> bool:
        return len(receiver.of("heartbeat")) >= 2

    await until(beats)
    valid(receiver.of("heartbeat")[0].json)
    assert receiver.of("heartbeat")[0].status["events-since-subscription-start"] == "0"


async def test_the_end_turns_it_off(client: httpx.AsyncClient, receiver: Receiver) -> None:
    end = (datetime.now(UTC) + timedelta(seconds=1)).isoformat(timespec="milliseconds")
    await subscribe(client, {**by_topic(receiver.url, "Patient", "empty"), "end": end}, "off")
    await create(client, patient())
    over = {**by_topic(f"{receiver.url}/over", "Patient", "empty"), "end": "2021-01-01T00:00:00Z"}
    await subscribe(client, over, "off")
    await subscribe(client, by_topic(f"{receiver.url}/next", "Patient", "empty"))
    assert receiver.of("event-notification") == []
    assert "/over" not in [one.path for one in receiver.heard]


async def test_status_and_events_are_answered(client: httpx.AsyncClient, receiver: Receiver) -> None:
    id = await subscribe(client, by_topic(receiver.url, "Patient", "id-only"))
    other = await subscribe(client, by_topic(receiver.url, "Encounter", "empty"))
    people = [await create(client, patient(f"RM-{n}")) for n in range(3)]
    one = (await client.get(f"/Subscription/{id}/$status")).json()
    valid(one)
    assert one["type"] == "searchset"
    rows = {row["name"]: row for row in one["entry"][0]["resource"]["parameter"]}
    assert rows["events-since-subscription-start"]["valueString"] == "3"
    assert rows["type"]["valueCode"] == "query-status"
    assert rows["topic"]["valueCanonical"] == f"{TOPICS}Patient"

    async def total(query: str) -> int:
        return int((await client.get(f"/Subscription/$status{query}")).json()["total"])

    assert await total("") == 2
    assert await total(f"?id={id}") == await total(f"?id={id},never") == 1
    assert await total(f"?id={id}&id={other}") == await total("?status=active") == 2
    assert await total("?status=error") == 0
    error(await client.get("/Subscription/$status?status=perhaps"), 400, "GF-108")

    async def numbers(query: str) -> list[str]:
        answer = await client.get(f"/Subscription/{id}/$events{query}")
        assert answer.status_code == 200, answer.text
        valid(answer.json())
        parameters = answer.json()["entry"][0]["resource"]["parameter"]
        return [row["part"][0]["valueString"] for row in parameters if row["name"] == "notification-event"]

    assert await numbers("") == ["1", "2", "3"]
    assert await numbers("?eventsSinceNumber=2") == ["2", "3"]
    assert await numbers("?eventsSinceNumber=2&eventsUntilNumber=2") == ["2"]
    assert await numbers("?eventsSinceNumber=4") == []
    whole = (await client.get(f"/Subscription/{id}/$events?content=full-resource")).json()
    assert [entry["resource"] for entry in whole["entry"][1:]] == people
    assert len((await client.get(f"/Subscription/{id}/$events?content=empty")).json()["entry"]) == 1
    error(await client.get(f"/Subscription/{id}/$events?eventsSinceNumber=two"), 400, "GF-108")
    error(await client.get("/Subscription/never/$events"), 404, "GF-201")


async def test_old_events_are_forgotten_once_they_are_delivered(
    client: httpx.AsyncClient, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "KEPT", 2)
    id = await subscribe(client, by_topic(receiver.url, "Patient", "id-only"))
    for n in range(5):
        await create(client, patient(f"RM-{n}"))

    async def numbers() -> list[str]:
        parameters = (await client.get(f"/Subscription/{id}/$events")).json()["entry"][0]["resource"]["parameter"]
        return [row["part"][0]["valueString"] for row in parameters if row["name"] == "notification-event"]

    async def forgotten() -> bool:
        return await numbers() == ["4", "5"]

    await until(forgotten)
    assert receiver.numbers() == [1, 2, 3, 4, 5]


async def test_facilities_hear_nothing_of_each_other(client: httpx.AsyncClient, receiver: Receiver) -> None:
    await subscribe(client, by_topic(f"{receiver.url}/melati", "Patient", "empty"))
    there = "http://gateway.test/rs-kenanga/fhir"
    assert (await client.post(f"{there}/Patient", json=patient())).status_code == 201
    await client.post(f"{there}/Subscription", json=by_topic(f"{receiver.url}/kenanga", "Patient", "empty"))
    await hears(receiver, 2)

    async def active() -> bool:
        return bool((await client.get(f"{there}/Subscription")).json()["entry"][0]["resource"]["status"] == "active")

    await until(active)
    await client.post(f"{there}/Patient", json=patient())
    await hears(receiver, 3)
    assert [one.path for one in receiver.of("event-notification")] == ["/kenanga"]


async def test_topics_are_declared_and_others_are_refused(client: httpx.AsyncClient) -> None:
    statement = (await client.get("/metadata")).json()
    (subscription,) = [row for row in statement["rest"][0]["resource"] if row["type"] == "Subscription"]
    declared = {row["valueCanonical"] for row in subscription["extension"]}
    assert {f"{TOPICS}Patient", f"{TOPICS}sep-issued", f"{TOPICS}delivery-parked"} <= declared
    assert f"{TOPICS}AuditEvent" not in declared
    assert {"status", "events"} <= {row["name"] for row in subscription["operation"]}
    endpoint = "https://example.org/hook"
    error(await client.post("/Subscription", json=by_topic(endpoint, "AuditEvent", "empty")), 422, "GF-753")
    error(await client.post("/Subscription", json=by_topic(endpoint, "Patient", "everything")), 422, "GF-751")
    other = by_topic(endpoint, "Patient", "empty", "Encounter?status=finished")
    error(await client.post("/Subscription", json=other), 422, "GF-752")
    error(await client.post("/Subscription", json=by_topic(endpoint, "Patient", "empty", timeout=0)), 422, "GF-751")


async def test_concurrent_writes_are_numbered_without_gaps(client: httpx.AsyncClient, receiver: Receiver) -> None:
    await subscribe(client, by_topic(receiver.url, "Condition", "id-only"))
    person = await create(client, patient())
    reference = f"Patient/{person['id']}"
    made = await asyncio.gather(*(create(client, condition(reference)) for _ in range(40)))

    async def told() -> bool:
        return len(receiver.numbers()) >= 40

    await until(told)
    assert receiver.numbers() == list(range(1, 41))
    focuses = [
        event["focus"].rpartition("/")[2] for one in receiver.of("event-notification") for event in one.status["events"]
    ]
    assert sorted(focuses) == sorted(one["id"] for one in made)
