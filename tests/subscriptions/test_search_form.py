"""R4's own Subscriptions: criteria are a search, the endpoint hears a POST without body or a PUT of the resource."""

import httpx

from tests.fhir.support import error, patient
from tests.subscriptions.support import Receiver, becomes, by_search, hears, subscribe


async def test_a_handshake_makes_it_active_and_matches_are_told(client: httpx.AsyncClient, receiver: Receiver) -> None:
    id = await subscribe(client, by_search(f"{receiver.url}/told", "Patient?gender=female"))
    (handshake,) = receiver.heard
    assert (handshake.method, handshake.path, handshake.body) == ("POST", "/told", b"")
    await client.post("/Patient", json=patient(gender="male"))
    await client.post("/Patient", json=patient())
    _, told = await hears(receiver, 2)
    assert (told.method, told.path, told.body) == ("POST", "/told", b"")
    assert told.headers["x-gapura-event"] == "1"
    stored = (await client.get(f"/Subscription/{id}")).json()
    assert stored["status"] == "active"
    assert stored["meta"]["versionId"] == "2"


async def test_with_a_payload_the_resource_is_put(client: httpx.AsyncClient, receiver: Receiver) -> None:
    wanted = by_search(f"{receiver.url}/in", "Patient?name=wulan", payload=True, header=("Authorization: Bearer abc",))
    await subscribe(client, wanted)
    stored = (await client.post("/Patient", json=patient())).json()
    _, told = await hears(receiver, 2)
    assert (told.method, told.path) == ("PUT", f"/in/Patient/{stored['id']}")
    assert told.headers["content-type"] == "application/fhir+json"
    assert told.headers["authorization"] == "Bearer abc"
    assert told.json == stored
    await client.delete(f"/Patient/{stored['id']}")
    await client.put(f"/Patient/{stored['id']}", json={**stored, "birthDate": "1991-01-01"})
    _, _, again = await hears(receiver, 3)
    assert again.json["birthDate"] == "1991-01-01"
    assert again.headers["x-gapura-event"] == "2", "a deletion is no event of this form"


async def test_a_transaction_is_told_whole_and_in_order(client: httpx.AsyncClient, receiver: Receiver) -> None:
    await subscribe(client, by_search(receiver.url, "Patient", payload=True))
    entries = [
        {"request": {"method": "PUT", "url": f"Patient/p{n}"}, "resource": {**patient(f"RM-{n}"), "id": f"p{n}"}}
        for n in range(20)
    ]
    answer = await client.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert answer.status_code == 200
    told = (await hears(receiver, 21))[1:]
    assert [one.json["id"] for one in told] == [f"p{n}" for n in range(20)]
    assert [one.headers["x-gapura-event"] for one in told] == [str(n) for n in range(1, 21)]


async def test_off_and_deleted_ones_hear_nothing(client: httpx.AsyncClient, receiver: Receiver) -> None:
    id = await subscribe(client, by_search(receiver.url, "Patient"))
    stored = (await client.get(f"/Subscription/{id}")).json()
    assert (await client.put(f"/Subscription/{id}", json={**stored, "status": "off"})).status_code == 200
    other = await subscribe(client, by_search(f"{receiver.url}/other", "Patient"))
    await client.post("/Patient", json=patient())
    heard = await hears(receiver, 3)
    assert [one.path for one in heard] == ["/", "/other", "/other"]
    await client.delete(f"/Subscription/{other}")
    await client.post("/Patient", json=patient())
    await becomes(client, id, "off")
    await subscribe(client, by_search(f"{receiver.url}/last", "Patient"))
    assert [one.path for one in receiver.heard][3:] == ["/last"]


async def test_what_cannot_be_is_refused_with_what_can(client: httpx.AsyncClient) -> None:
    async def refused(number: str, **changes: object) -> str:
        base = by_search("https://example.org/hook", "Patient?gender=female")
        answer = await client.post("/Subscription", json={**base, **changes})
        return str(error(answer, 422, number)["diagnostics"])

    mail = {"type": "email", "endpoint": "mailto:a@example.org"}
    assert "rest-hook" in await refused("GF-751", channel=mail)
    text = {"type": "rest-hook", "endpoint": "https://example.org/", "payload": "text/plain"}
    assert "application/fhir+json" in await refused("GF-751", channel=text)
    await refused("GF-752", criteria="Patient?nik=1")
    await refused("GF-752", criteria="Pasien?name=a")
    await refused("GF-752", criteria="AuditEvent")
    await refused("GF-752", criteria="Condition?subject:Patient.nama=wulan")
    await refused("GF-752", criteria="Condition?code:in=urn:unknown")
    await refused("GF-752", criteria="Patient?gender=")
    await refused("GF-752", criteria="Patient?_sort=name")
    await refused("GF-753", criteria="https://example.org/SubscriptionTopic/a")
