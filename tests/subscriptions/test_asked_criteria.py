"""Criteria that one resource alone does not answer: the search itself is asked, in the transaction of the write."""

import asyncio

import httpx
import pytest

from tests.fhir.support import MRN, Json, bundle, condition, create, entry, error, patient
from tests.subscriptions.support import Receiver, by_search, by_topic, hears, subscribe, until
from tests.support.server import MakeClient


@pytest.fixture
async def people(client: httpx.AsyncClient) -> dict[str, str]:
    """References to Wulan, and to Budi."""
    wulan = await create(client, patient("RM-1"))
    budi = await create(client, patient("RM-2", name=[{"text": "Budi Contoh"}]))
    return {"wulan": f"Patient/{wulan['id']}", "budi": f"Patient/{budi['id']}"}


async def told(client: httpx.AsyncClient, receiver: Receiver, criteria: str, *written: Json) -> list[str]:
    """The ids of which of these resources, written one after another, a Subscription with such criteria hears."""
    kind = written[0]["resourceType"]
    await subscribe(client, by_search(f"{receiver.url}/told", criteria, payload=True))
    everything = await subscribe(client, by_search(f"{receiver.url}/all", kind))
    for resource in written:
        await create(client, resource)

    async def done() -> bool:
        status = (await client.get(f"/Subscription/{everything}/$status")).json()["entry"][0]["resource"]
        return sum(one.path == "/all" for one in receiver.heard) == len(written) + 1 and bool(status)

    await until(done)
    await asyncio.sleep(0.3)  # what is told late is told, too
    return [one.json["id"] for one in receiver.heard if one.path.startswith("/told/")]


async def found(client: httpx.AsyncClient, criteria: str) -> list[str]:
    """What the same search finds, in the order of writing."""
    answer = await client.get(f"/{criteria}")
    assert answer.status_code == 200, answer.text
    return [row["resource"]["id"] for row in reversed(answer.json().get("entry", ()))]


@pytest.mark.parametrize(
    "criteria",
    [
        "Condition?subject:Patient.name=wulan",
        "Condition?patient.identifier=" + MRN + "|RM-2",
        "Condition?_filter=subject[gender eq female].name co wulan",
        "Condition?_content=radang and not paru",
        "Condition?code:in=urn:rs:dipantau",
        "Condition?code:below=http://hl7.org/fhir/sid/icd-10|J18",
        "Condition?_list=pantau",
        "Condition?code:text=radang",
        "Condition?subject=http://127.0.0.1:8080/fhir/Patient/tamu",
    ],
)
async def test_it_hears_what_the_search_finds(
    client: httpx.AsyncClient, receiver: Receiver, people: dict[str, str], criteria: str
) -> None:
    codes = {"system": "http://hl7.org/fhir/sid/icd-10", "concept": [{"code": "K29.7"}]}
    watched = {"resourceType": "ValueSet", "url": "urn:rs:dipantau", "status": "active"}
    await create(client, {**watched, "compose": {"include": [codes]}})
    item = {"item": {"reference": "Condition/c1"}}
    kept = {"resourceType": "List", "id": "pantau", "status": "current", "mode": "working", "entry": [item]}
    for stored in (kept, patient("RM-3", id="tamu")):
        answer = await client.put(f"/{stored['resourceType']}/{stored['id']}", json=stored)
        assert answer.status_code == 201, answer.text
    second = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "K29.7"}], "text": "Radang lambung"}
    written = [
        {**condition(people["wulan"]), "code": {**condition("")["code"], "text": "Radang paru"}},
        {**condition(people["budi"]), "code": second},
        condition("Patient/tamu"),
    ]
    heard = await told(client, receiver, criteria, *written)
    if criteria.endswith("_list=pantau"):
        answer = await client.put("/Condition/c1", json={**condition(people["budi"]), "id": "c1"})
        assert answer.status_code == 201
        await until(lambda: _heard(receiver, "/told/Condition/c1"))
        return
    assert heard == await found(client, criteria)
    assert 0 < len(heard) < len(written)


async def _heard(receiver: Receiver, path: str) -> bool:
    return any(one.path == path for one in receiver.heard)


async def test_a_transaction_is_judged_by_what_it_writes_itself(client: httpx.AsyncClient, receiver: Receiver) -> None:
    await subscribe(client, by_search(receiver.url, "Condition?subject:Patient.name=wulan", payload=True))
    link = "urn:uuid:5f0c0e7e-0000-4000-8000-000000000001"
    rows = [
        entry("POST", "Condition", condition(link)),
        entry("POST", "Patient", patient("RM-9"), full_url=link),
        entry("POST", "Condition", condition("Patient/nobody")),
    ]
    answer = await client.post("", json=bundle(*rows))
    assert answer.status_code == 200, answer.text
    _, heard = await hears(receiver, 2)
    assert heard.json["id"] == answer.json()["entry"][0]["response"]["location"].split("/")[1]


async def test_who_is_referred_to_is_judged_when_it_is_written(
    client: httpx.AsyncClient, receiver: Receiver, people: dict[str, str]
) -> None:
    await subscribe(client, by_search(receiver.url, "Patient?_has:Condition:subject:code=J18.9", payload=True))
    for name in people.values():
        stored = (await client.get(f"/{name}")).json()
        await client.put(f"/{name}", json={**stored, "active": True})
    await create(client, condition(people["budi"]))
    for name in people.values():
        stored = (await client.get(f"/{name}")).json()
        await client.put(f"/{name}", json={**stored, "active": False})
    _, heard = await hears(receiver, 2)
    assert f"Patient/{heard.json['id']}" == people["budi"]


async def test_what_is_deleted_is_judged_by_what_it_was(
    client: httpx.AsyncClient, receiver: Receiver, people: dict[str, str]
) -> None:
    wanted = by_topic(receiver.url, "Condition", "id-only", "Condition?subject:Patient.name=wulan")
    await subscribe(client, wanted)
    made = [await create(client, condition(people[name])) for name in ("budi", "wulan")]
    for one in made:
        assert (await client.delete(f"/Condition/{one['id']}")).status_code == 204
    _, *events = await hears(receiver, 3)
    assert [one.json["entry"][1]["request"]["method"] for one in events] == ["POST", "DELETE"]
    assert {one.status["events"][0]["focus"].rpartition("/")[2] for one in events} == {made[1]["id"]}
    assert await found(client, "Condition?subject:Patient.name=wulan") == [], "it is deleted all the same"


async def test_it_may_not_lead_where_its_writer_may_not_search(make_client: MakeClient) -> None:
    simrs = await make_client("simrs")
    for criteria in ("Patient?_has:AuditEvent:entity:action=C", "Provenance?target.date=ge2000"):
        error(await simrs.post("/Subscription", json=by_search("https://example.org/hook", criteria)), 403, "GF-603")
    named = by_search("https://example.org/hook", "Provenance?target:Patient.name=wulan")
    assert (await simrs.post("/Subscription", json=named)).status_code == 201
