"""$import of NDJSON: what it writes, what it refuses, and that an interruption neither loses nor doubles a line."""

import asyncio
import gzip

import httpx
import pytest

from gateway.bulk import imports
from gateway.services import Services
from tests.bulk.support import NDJSON, Json, begun, ended, error, lines, manifest, ndjson
from tests.fhir.support import condition, create, observation, patient
from tests.support.server import MakeClient


def person(identity: str, **more: object) -> Json:
    """A patient with an id."""
    return {**patient(identity), "id": identity, **more}


async def imported(client: httpx.AsyncClient, *rows: Json | str, query: str = "") -> Json:
    """The manifest of an import of these rows."""
    return await manifest(client, await client.post(f"/$import{query}", content=ndjson(*rows), headers=NDJSON))


async def test_resources_keep_their_ids_and_references(client: httpx.AsyncClient) -> None:
    rows = [{**observation("Patient/p1", "36.50"), "id": "o1"}, person("p1"), person("p2"), condition("Patient/p2")]
    found = await imported(client, *rows)
    assert found["output"] == [
        {"type": "Condition", "count": 1},
        {"type": "Observation", "count": 1},
        {"type": "Patient", "count": 2},
    ]
    assert found["error"] == []
    stored = (await client.get("/Observation/o1")).json()
    assert (stored["subject"]["reference"], stored["meta"]["versionId"]) == ("Patient/p1", "1")
    (sick,) = (await client.get("/Condition?patient=p2")).json()["entry"]
    assert sick["resource"]["id"]


async def test_lines_that_are_refused_stop_no_other(client: httpx.AsyncClient) -> None:
    rows: list[Json | str] = [
        person("good"),
        "{not json",
        "",
        person("bad", gender="perempuan"),
        {"resourceType": "Pasien"},
        {"id": "x"},
        '"Patient"',
        {"resourceType": "Subscription", "status": "requested"},
        person("better"),
    ]
    found = await imported(client, *rows)
    assert found["output"] == [{"type": "Patient", "count": 2}]
    refused = {row["id"]: row["issue"][0] for row in await lines(client, found, "error")}
    assert list(refused) == ["line-2", "line-4", "line-5", "line-6", "line-7", "line-8"]
    assert refused["line-4"]["expression"] == ["Patient.gender"]
    assert refused["line-5"]["details"]["coding"][0]["code"] == "GF-101"
    assert refused["line-6"]["details"]["coding"][0]["code"] == "GF-302"
    assert refused["line-8"]["details"]["coding"][0]["code"] == "GF-806"
    assert (await client.get("/Patient/bad")).status_code == 404


async def test_a_line_that_is_too_long_is_refused_without_being_read(
    client: httpx.AsyncClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    object.__setattr__(services.settings, "max_body_bytes", 2_000)
    found = await imported(client, person("long", name=[{"text": "w" * 6_000}]), person("short"))
    assert found["output"] == [{"type": "Patient", "count": 1}]
    (refused,) = await lines(client, found, "error")
    assert refused["id"] == "line-1"
    assert refused["issue"][0]["details"]["coding"][0]["code"] == "GF-304"


async def test_one_resource_several_times_gets_as_many_versions(client: httpx.AsyncClient) -> None:
    await imported(client, person("p", active=False), person("p", active=True), person("q"))
    stored = (await client.get("/Patient/p")).json()
    assert (stored["active"], stored["meta"]["versionId"]) == (True, "2")


async def test_it_is_judged_audited_and_searchable_as_any_write(client: httpx.AsyncClient) -> None:
    await imported(client, person("p"))
    assert (await client.get("/Patient?name=wulan")).json()["entry"][0]["resource"]["id"] == "p"
    events = (await client.get("/AuditEvent?entity=Patient/p")).json()["entry"]
    assert events[0]["resource"]["agent"][0]["name"] == "a admin"


async def test_roles_decide_line_by_line(client: httpx.AsyncClient, make_client: MakeClient) -> None:
    error(
        await (await make_client("reader")).post("/$import", content=ndjson(person("p")), headers=NDJSON), 403, "GF-603"
    )
    event = {
        "resourceType": "AuditEvent",
        "id": "e",
        "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"},
        "recorded": "2026-11-21T02:00:00Z",
        "agent": [{"requestor": True}],
        "source": {"observer": {"display": "SIMRS"}},
    }
    first = await imported(client, event, person("p"))
    assert {row["type"] for row in first["output"]} == {"AuditEvent", "Patient"}
    again = await imported(client, event, person("p"))
    assert again["output"] == [{"type": "Patient", "count": 1}]
    (refused,) = await lines(client, again, "error")
    assert refused["issue"][0]["details"]["coding"][0]["code"] == "GF-208"
    assert (await client.get("/AuditEvent/e")).json()["meta"]["versionId"] == "1"
    assert (await client.get("/Patient/p")).json()["meta"]["versionId"] == "2"


async def test_gzip_and_many_lines(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "BATCH", 7)
    body = gzip.compress(ndjson(*(person(f"p{n}") for n in range(50))).encode())
    headers = {**NDJSON, "Content-Encoding": "gzip"}
    found = await manifest(client, await client.post("/$import", content=body, headers=headers))
    assert found["output"] == [{"type": "Patient", "count": 50}]
    assert (await client.get("/Patient?_summary=count")).json()["total"] == 50
    error(await client.post("/$import", content=body[:-9], headers=headers), 400, "GF-301")
    error(await client.post("/$import", content=b"{}", headers=headers), 400, "GF-301")


async def test_an_interrupted_import_goes_on_where_it_stood(
    client: httpx.AsyncClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "BATCH", 5)
    keep, died = imports.Importing._keep, asyncio.Event()

    async def dying(self: imports.Importing, changes: list[object], kept: imports.Lines) -> None:
        await keep(self, changes, kept)  # type: ignore[arg-type]
        if kept.last >= 10 and not died.is_set():
            died.set()
            raise asyncio.CancelledError

    monkeypatch.setattr(imports.Importing, "_keep", dying)
    rows = [person(f"p{n}") if n % 2 else patient(f"RM-{n}") for n in range(20)]
    rows[3], rows[13] = {"resourceType": "Pasien"}, {"resourceType": "Pasien"}
    where = await begun(await client.post("/$import", content=ndjson(*rows), headers=NDJSON))
    async with asyncio.timeout(20):
        await died.wait()
    await asyncio.sleep(0.2)
    async with services.store.connection() as connection:
        await connection.execute("UPDATE bulk_job SET state = 'running', due = now() - interval '1 s'")
    found = (await ended(client, where)).json()
    assert found["output"] == [{"type": "Patient", "count": 18}]
    assert [row["id"] for row in await lines(client, found, "error")] == ["line-4", "line-14"]
    everyone = (await client.get("/Patient?_count=100&_total=accurate")).json()
    assert everyone["total"] == 18
    assert {row["resource"]["meta"]["versionId"] for row in everyone["entry"]} == {"1"}


async def test_it_delivers_only_if_asked(
    client: httpx.AsyncClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned: list[str] = []

    def deliveries(*_: object) -> object:
        async def also(connection: object, versions: list[object]) -> None:
            planned.extend(version.id for version in versions)  # type: ignore[attr-defined]

        return also

    monkeypatch.setattr(services, "deliveries", deliveries)
    await imported(client, person("quiet"))
    await imported(client, person("loud"), query="?deliver=true")
    assert planned == ["loud"]


async def test_what_is_not_understood_is_refused(client: httpx.AsyncClient, services: Services) -> None:
    body = ndjson(person("p"))
    error(
        await client.post("/$import", content=body, headers={"Content-Type": "application/fhir+ndjson"}), 400, "GF-801"
    )
    error(await client.post("/$import?deliver=perhaps", content=body, headers=NDJSON), 400, "GF-108")
    error(await client.post("/$import?depth=1", content=body, headers=NDJSON), 400, "GF-109")
    error(await client.post("/$import", content=b"", headers=NDJSON), 400, "GF-111")
    other = {**NDJSON, "Content-Type": "application/fhir+json"}
    error(await client.post("/$import", content=body, headers=other), 415, "GF-105")
    packed = {**NDJSON, "Content-Encoding": "br"}
    error(await client.post("/$import", content=body, headers=packed), 400, "GF-106")
    assert list((services.settings.home / "bulk").glob("*")) == [], "no upload is left behind"


async def test_what_was_exported_comes_back(client: httpx.AsyncClient) -> None:
    one = await create(client, patient("RM-1"))
    await create(client, observation(f"Patient/{one['id']}"))
    found = await manifest(
        client, await client.get("/$export?_type=Patient,Observation", headers={"Prefer": "respond-async"})
    )
    body = "".join([(await client.get(row["url"])).text for row in found["output"]])
    there = "http://gateway.test/rs-kenanga/fhir"
    answer = await client.post(f"{there}/$import", content=body, headers=NDJSON)
    assert (await manifest(client, answer))["error"] == []
    copy = (await client.get(f"{there}/Patient/{one['id']}")).json()
    assert {**copy, "meta": None} == {**one, "meta": None}


async def test_a_full_disk_fails_an_import(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(imports.Importing, "_noted", full)
    where = await begun(await client.post("/$import", content=ndjson(person("p")), headers=NDJSON))
    error(await ended(client, where), 507, "GF-902")
    assert (await client.get("/Patient/p")).status_code == 404
