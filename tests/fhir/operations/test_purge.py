"""Patient/id/$purge: nothing of the patient stays in the database; who did it does."""

import httpx

from gateway.services import Services
from gateway.store.rows import INDEXES
from tests.fhir.operations.test_everything import encounter, observation, to
from tests.fhir.support import Json, create, error, patient
from tests.support.server import MakeClient


async def put(client: httpx.AsyncClient, resource: Json) -> None:
    """Write a resource under its id."""
    answer = await client.put(f"/{resource['resourceType']}/{resource['id']}", json=resource)
    assert answer.status_code in (200, 201), answer.text


async def deliver(services: Services, patient: str, state: str) -> None:
    """A delivery of the patient's visit, with the evidence of an attempt."""
    visit = f"Encounter/kunjungan-{patient}"
    async with services.store.connection() as connection:
        number = await connection.fetchval(
            "insert into outbox (facility, destination, operation, visit, source, source_version, state)"
            " values ('rs-melati', 'vclaim', 'vclaim/sep-insert', $1, $1, 1, $2) returning id",
            visit,
            state,
        )
        await connection.execute(
            "insert into outbox_attempt (outbox, claim, method, url, request) values ($1, 1, 'POST', $2, 'a name')",
            number,
            f"https://bpjs.example/SEP/{visit}",
        )


async def recorded(client: httpx.AsyncClient) -> None:
    """Two patients with records; one observation of the first is deleted, another was changed."""
    for name, mrn in (("wulan", "RM-1"), ("siti", "RM-2")):
        await put(client, patient(mrn, id=name))
        await put(client, encounter(f"kunjungan-{name}", name))
        await put(client, observation(f"suhu-{name}", "8310-5", "2026-01-05", name))
    await put(client, observation("suhu-wulan", "8310-5", "2026-01-06", valueString="changed"))
    await put(client, observation("batal", "8310-5", "2026-01-05"))
    await client.delete("/Observation/batal")


async def test_nothing_of_the_patient_is_left(client: httpx.AsyncClient, services: Services) -> None:
    await recorded(client)
    await deliver(services, "wulan", "due")
    await deliver(services, "siti", "due")
    answer = await client.post("/Patient/wulan/$purge")
    assert answer.status_code == 200, answer.text
    assert "Encounter 1, Observation 2, Patient 1" in answer.json()["issue"][0]["details"]["text"]
    for address in (
        "Patient/wulan",
        "Patient/wulan/_history",
        "Encounter/kunjungan-wulan",
        "Observation/suhu-wulan/_history/1",
    ):
        assert (await client.get(f"/{address}")).status_code == 404, address
    assert "entry" not in (await client.get("/Patient?identifier=RM-1")).json()
    assert "entry" not in (await client.get("/Observation?patient=wulan")).json()
    assert len((await client.get("/Observation/_history")).json()["entry"]) == 1
    async with services.store.connection() as connection:
        left = await connection.fetchval(
            "select count(*) from resource_version"
            " where type <> 'AuditEvent' and position('wulan'::bytea in content) > 0"
        )
        assert left == 0
        keys = "select count(*) from {} where resource not in (select key from resource)"
        for table in (*INDEXES, "validation"):
            assert await connection.fetchval(keys.format(table)) == 0, table
        rows = await connection.fetch(
            "select o.visit, o.state, a.request, a.url from outbox o"
            " join outbox_attempt a on a.outbox = o.id order by o.visit"
        )
    other, own = ([*row] for row in rows)
    assert other == ["Encounter/kunjungan-siti", "due", b"a name", "https://bpjs.example/SEP/Encounter/kunjungan-siti"]
    assert own == ["Encounter/kunjungan-wulan", "cancelled", None, "https://bpjs.example"]


async def test_another_patients_record_stays(client: httpx.AsyncClient) -> None:
    await recorded(client)
    await put(client, observation("bersama", "8310-5", "2026-01-05", "siti", hasMember=[to("Observation/suhu-wulan")]))
    before = (await client.get("/Patient/siti/$everything")).json()["entry"]
    await client.post("/Patient/wulan/$purge")
    assert (await client.get("/Patient/siti/$everything")).json()["entry"] == before


async def test_what_is_of_two_patients_is_kept_and_said(client: httpx.AsyncClient) -> None:
    await recorded(client)
    await put(client, observation("berdua", "8310-5", "2026-01-05", "siti", performer=[to("Patient/wulan")]))
    await put(client, observation("batal-2", "8310-5", "2026-01-05", "siti", performer=[to("Patient/wulan")]))
    await client.delete("/Observation/batal-2")
    answer = await client.post("/Patient/wulan/$purge")
    removed, kept = (issue["details"]["text"] for issue in answer.json()["issue"])
    assert "Observation 2" in removed
    assert {name.strip(" .") for name in kept.partition(":")[2].split(",")} == {
        "Observation/berdua",
        "Observation/batal-2",
    }
    assert (await client.get("/Observation/berdua")).json()["subject"] == to("Patient/siti")


async def test_documents_and_attachments_go_too(client: httpx.AsyncClient) -> None:
    await recorded(client)
    for name in ("wulan", "siti"):
        await put(client, {"resourceType": "Binary", "id": f"foto-{name}", "contentType": "image/png", "data": "AAAA"})
        attachment = {"attachment": {"contentType": "image/png", "url": f"Binary/foto-{name}"}}
        scan: Json = {
            "resourceType": "DocumentReference",
            "id": f"scan-{name}",
            "status": "current",
            "content": [attachment],
        }
        await put(client, {**scan, "subject": to(f"Patient/{name}")})
        inside = {"fullUrl": f"http://gateway.test/fhir/Patient/{name}", "resource": patient(id=name)}
        await put(client, {"resourceType": "Bundle", "id": f"surat-{name}", "type": "collection", "entry": [inside]})
    await client.post("/Patient/wulan/$purge")
    for address in ("Binary/foto", "DocumentReference/scan", "Bundle/surat"):
        assert (await client.get(f"/{address}-wulan")).status_code == 404, address
        assert (await client.get(f"/{address}-siti")).status_code == 200, address


async def test_it_is_recorded_who_did_it(client: httpx.AsyncClient) -> None:
    await recorded(client)
    await client.post("/Patient/wulan/$purge")
    events = (await client.get("/AuditEvent?action=D&entity=Patient/wulan")).json()["entry"]
    event = events[0]["resource"]
    assert event["agent"][0]["type"]["coding"][0]["code"] == "admin"
    (entity,) = event["entity"]
    assert entity["lifecycle"]["code"] == "15"
    assert {detail["type"]: detail["valueString"] for detail in entity["detail"]}["Observation"] == "2"


async def test_a_deleted_patient_can_be_purged_and_an_unknown_one_not(client: httpx.AsyncClient) -> None:
    await recorded(client)
    await client.delete("/Patient/wulan")
    assert (await client.post("/Patient/wulan/$purge")).status_code == 200
    error(await client.get("/Patient/wulan"), 404, "GF-201")
    error(await client.post("/Patient/wulan/$purge"), 404, "GF-201")


async def test_only_an_admin_may(client: httpx.AsyncClient, make_client: MakeClient) -> None:
    stored = await create(client, patient())
    address = f"/Patient/{stored['id']}"
    for role in ("simrs", "reader", "auditor", "operator"):
        error(await (await make_client(role)).post(f"{address}/$purge"), 403, "GF-603")
    error(await client.get(f"{address}/$purge"), 405, "GF-103")
    error(await client.post("/Encounter/x/$purge"), 404, "GF-112")
    assert (await client.get(address)).json() == stored


async def test_not_while_a_delivery_is_under_way(client: httpx.AsyncClient, services: Services) -> None:
    await recorded(client)
    await deliver(services, "wulan", "leased")
    error(await client.post("/Patient/wulan/$purge"), 409, "GF-707")
    assert (await client.get("/Patient/wulan")).status_code == 200
