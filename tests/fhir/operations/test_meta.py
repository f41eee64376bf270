"""$meta, $meta-add, $meta-delete."""

import httpx

from tests.fhir.operations.support import parameters, row, values
from tests.fhir.support import Json, create, error, patient
from tests.support.server import MakeClient

VIP: Json = {"system": "http://rs-melati.example/tag", "code": "vip"}
NEW: Json = {"system": "http://rs-melati.example/tag", "code": "new"}
SECRET: Json = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}


def meta(**lists: object) -> Json:
    """Parameters with a meta."""
    return parameters(row("meta", valueMeta=lists))


async def test_labels_are_added_once_and_removed(client: httpx.AsyncClient) -> None:
    stored = await create(client, patient(meta={"tag": [VIP]}))
    address = f"/Patient/{stored['id']}"
    added = values(await client.post(f"{address}/$meta-add", json=meta(tag=[VIP, NEW], security=[SECRET])))["return"]
    assert (added["tag"], added["security"], added["versionId"]) == ([VIP, NEW], [SECRET], "2")
    assert (await client.get(address)).json()["meta"] == added
    assert values(await client.get(f"{address}/$meta"))["return"] == added
    again = values(await client.post(f"{address}/$meta-add", json=meta(tag=[NEW])))["return"]
    assert again["versionId"] == "2", "what changes nothing makes no version"
    (found,) = (await client.get("/Patient?_tag=http://rs-melati.example/tag|new")).json()["entry"]
    assert found["resource"]["id"] == stored["id"]
    less = values(await client.post(f"{address}/$meta-delete", json=meta(tag=[VIP, NEW, {"code": "none"}])))["return"]
    assert "tag" not in less
    assert less["security"] == [SECRET]
    assert "entry" not in (await client.get("/Patient?_tag=http://rs-melati.example/tag|new")).json()
    history = (await client.get(f"{address}/_history")).json()["entry"]
    assert len(history) == 3


async def test_labels_in_use(client: httpx.AsyncClient) -> None:
    await create(client, patient("RM-1", meta={"tag": [VIP], "profile": ["urn:profile:a"]}))
    await create(client, patient("RM-2", meta={"tag": [VIP, NEW]}))
    gone = await create(client, patient("RM-3", meta={"tag": [{"code": "gone"}]}))
    await client.delete(f"/Patient/{gone['id']}")
    await create(client, {"resourceType": "Basic", "code": {"text": "x"}, "meta": {"security": [SECRET]}})
    found = values(await client.get("/Patient/$meta"))["return"]
    assert found == {"profile": ["urn:profile:a"], "tag": [NEW, VIP]}
    assert values(await client.get("/$meta"))["return"] == {**found, "security": [SECRET]}
    assert values(await client.get("/Encounter/$meta")) == {}


async def test_what_is_no_label_is_refused(client: httpx.AsyncClient) -> None:
    stored = await create(client, patient())
    address = f"/Patient/{stored['id']}"
    error(await client.post(f"{address}/$meta-add", json=meta(versionId="7")), 400, "GF-108")
    error(await client.post(f"{address}/$meta-add", json=parameters()), 400, "GF-701")
    error(await client.post("/Patient/none/$meta-add", json=meta(tag=[VIP])), 404, "GF-201")
    error(await client.get("/Patient/none/$meta"), 404, "GF-201")
    error(await client.get(f"{address}/$meta-add"), 405, "GF-103")
    stale = await client.post(f"{address}/$meta-add", json=meta(tag=[VIP]), headers={"If-Match": 'W/"7"'})
    error(stale, 412, "GF-204")
    assert (await client.get(address)).json() == stored


async def test_the_audit_trail_keeps_its_labels(client: httpx.AsyncClient, make_client: MakeClient) -> None:
    await create(client, patient())
    event = (await client.get("/AuditEvent?_count=1")).json()["entry"][0]["resource"]
    error(await client.post(f"/AuditEvent/{event['id']}/$meta-add", json=meta(tag=[VIP])), 403, "GF-603")
    reader = await make_client("reader")
    error(await reader.post("/Patient/x/$meta-add", json=meta(tag=[VIP])), 403, "GF-603")
    error(await reader.get("/AuditEvent/$meta"), 403, "GF-603")
