"""A job's life: asked for, downloaded, stopped, expired, interrupted; and who may see it."""

import asyncio
import base64
import gzip
from collections.abc import Awaitable, Callable
from datetime import datetime

import httpx
import pytest

from gateway.bulk import export, files, jobs, kickoff, worker
from gateway.services import Services
from gateway.store import Change, Store
from tests.bulk.support import ASYNC, begun, ended, error, lines, manifest
from tests.fhir.support import create, patient
from tests.support.server import MakeClient


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Exports wait for this event before they write their files."""
    gate, settled = asyncio.Event(), export._settled

    async def wait(store: Store, moment: datetime) -> None:
        await gate.wait()
        await settled(store, moment)

    monkeypatch.setattr(export, "_settled", wait)
    return gate


async def until(so: Callable[[], Awaitable[bool]]) -> None:
    """Return once it is so."""
    async with asyncio.timeout(20):
        while not await so():  # noqa: ASYNC110 - the database rings no bell
            await asyncio.sleep(0.05)


async def _state(services: Services, wanted: str) -> bool:
    async with services.store.connection() as connection:
        return bool(await connection.fetchval("SELECT state FROM bulk_job") == wanted)


async def _no_folder(services: Services) -> bool:
    return not list((services.settings.home / "bulk").iterdir())


async def test_while_it_runs_the_answer_is_202(client: httpx.AsyncClient, held: asyncio.Event) -> None:
    where = await begun(await client.get("/$export?_type=Patient", headers=ASYNC))
    answer = await client.get(where)
    assert (answer.status_code, answer.content) == (202, b"")
    assert answer.headers["x-progress"] in ("waiting", "begun")
    assert answer.headers["retry-after"] == "1"
    held.set()
    done = await ended(client, where)
    assert done.status_code == 200
    assert done.headers["expires"].endswith("GMT")


async def test_only_the_key_that_began_it_sees_it_and_only_in_its_facility(
    client: httpx.AsyncClient, make_client: MakeClient
) -> None:
    await create(client, patient())
    found = await manifest(client, await client.get("/$export?_type=Patient", headers=ASYNC))
    where = await begun(await client.get("/$export?_type=Patient", headers=ASYNC))
    await ended(client, where)
    stranger = await make_client("admin")
    for address in (where, found["output"][0]["url"]):
        error(await stranger.get(address), 404, "GF-802")
        error(await client.get(address.replace("/fhir/", "/rs-kenanga/fhir/")), 404, "GF-802")
        nobody = await (await make_client(None)).get(address)
        error(nobody, 401, "GF-601")
    error(await stranger.delete(where), 404, "GF-802")
    assert (await client.get(where)).status_code == 200


async def test_a_cancelled_job_is_gone_with_its_files(
    client: httpx.AsyncClient, services: Services, held: asyncio.Event
) -> None:
    running = await begun(await client.get("/$export?_type=Patient", headers=ASYNC))
    assert (await client.delete(running)).status_code == 202
    held.set()
    error(await client.get(running), 404, "GF-802")
    error(await client.delete(running), 404, "GF-802")
    await create(client, patient())
    found = await manifest(client, await client.get("/$export?_type=Patient", headers=ASYNC))
    url = found["output"][0]["url"]
    address = url.replace("$job-file", "$job").partition("&")[0]
    assert (await client.delete(address)).status_code == 202
    error(await client.get(url), 404, "GF-802")
    await until(lambda: _no_folder(services))


async def test_files_expire(client: httpx.AsyncClient, services: Services) -> None:
    await create(client, patient())
    found = await manifest(client, await client.get("/$export?_type=Patient", headers=ASYNC))
    url = found["output"][0]["url"]
    async with services.store.connection() as connection:
        await connection.execute("UPDATE bulk_job SET expires = now() - interval '1 s'")
    error(await client.get(url), 410, "GF-803")
    await services.bulk.sweep()
    assert list((services.settings.home / "bulk").iterdir()) == []
    error(await client.get(url), 410, "GF-803")
    error(await client.get(url.replace("$job-file", "$job").partition("&")[0]), 410, "GF-803")


async def test_an_upload_that_was_broken_off_is_removed(
    services: Services, monkeypatch: pytest.MonkeyPatch, client: httpx.AsyncClient
) -> None:
    place = files.prepared(services.settings.home, "nobodys")
    (place / files.INPUT).write_text("{}")
    await services.bulk.sweep()
    assert place.exists(), "it may still be coming in"
    monkeypatch.setattr(worker, "ORPHAN_S", -1.0)
    await services.bulk.sweep()
    assert not place.exists()


async def test_files_are_gzipped_for_who_accepts_that(client: httpx.AsyncClient) -> None:
    await create(client, patient())
    found = await manifest(client, await client.get("/$export?_type=Patient", headers=ASYNC))
    url = found["output"][0]["url"]
    plain = await client.get(url, headers={"Accept-Encoding": "identity"})
    assert int(plain.headers["content-length"]) == len(plain.content)
    assert plain.headers["content-disposition"] == 'attachment; filename="Patient.1.ndjson"'
    async with client.stream("GET", url, headers={"Accept-Encoding": "gzip"}) as zipped:
        assert zipped.headers["content-encoding"] == "gzip"
        raw = b"".join([piece async for piece in zipped.aiter_raw()])
    assert gzip.decompress(raw) == plain.content
    head = await client.head(url)
    assert (head.status_code, head.content) == (200, b"")
    error(await client.get(f"{url}9"), 400, "GF-108")


async def test_beginning_and_downloading_are_audited(client: httpx.AsyncClient, services: Services) -> None:
    await create(client, patient())
    found = await manifest(client, await client.get("/$export?_type=Patient", headers=ASYNC))
    await lines(client, found)
    await services.journal.drain()
    events = (await client.get("/AuditEvent?subtype=operation&_sort=_lastUpdated")).json()["entry"]
    queries = [entity["query"] for row in events for entity in row["resource"]["entity"]]
    texts = [base64.b64decode(query).decode() for query in queries]
    assert texts[0] == "GET http://gateway.test/fhir/$export?_type=Patient"
    assert texts[1].startswith("GET $job-file?id=")
    assert {row["resource"]["agent"][0]["name"] for row in events} == {"a admin"}


async def test_a_key_may_not_begin_without_end(
    client: httpx.AsyncClient, held: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kickoff, "MOST_OPEN", 1)
    await begun(await client.get("/$export?_type=Patient", headers=ASYNC))
    refused = await client.get("/$export?_type=Patient", headers=ASYNC)
    error(refused, 429, "GF-804")
    assert refused.headers["retry-after"]
    held.set()


async def test_a_revoked_key_exports_nothing_more(
    client: httpx.AsyncClient, services: Services, held: asyncio.Event
) -> None:
    where = await begun(await client.get("/$export?_type=Patient", headers=ASYNC))
    key = where.partition("id=")[2]
    async with services.store.connection() as connection:
        await connection.execute("UPDATE bulk_job SET state = 'due', due = now() + interval '1 h' WHERE id = $1", key)
        await connection.execute("UPDATE api_key SET revoked = now()")
        await connection.execute("UPDATE bulk_job SET due = now() WHERE id = $1", key)
        held.set()
    await until(lambda: _state(services, "failed"))
    async with services.store.connection() as connection:
        failure = await connection.fetchval("SELECT failure FROM bulk_job WHERE id = $1", key)
    assert "GF-602" in failure


async def test_a_job_that_a_dead_process_left_is_done_by_another(client: httpx.AsyncClient, services: Services) -> None:
    person = await create(client, patient())
    where = await begun(await client.get("/$export?_type=Patient", headers=ASYNC))
    await ended(client, where)
    async with services.store.connection() as connection:
        # as a process leaves it that was killed: claimed, its lease over, half a file on disk
        await connection.execute("UPDATE bulk_job SET state = 'running', due = now() - interval '1 s', files = '[]'")
    found = await ended(client, where)
    assert [row["id"] for row in await lines(client, found.json())] == [person["id"]]


async def test_a_job_that_kills_its_process_each_time_is_given_up(
    client: httpx.AsyncClient, services: Services
) -> None:
    where = await begun(await client.get("/$export?_type=Patient", headers=ASYNC))
    await ended(client, where)
    async with services.store.connection() as connection:
        await connection.execute(
            "UPDATE bulk_job SET state = 'running', due = now() - interval '1 s', interruptions = $1",
            jobs.INTERRUPTIONS,
        )
    error(await ended(client, where), 500, "GF-805")


async def test_a_process_that_stops_gives_its_jobs_back(
    client: httpx.AsyncClient, services: Services, held: asyncio.Event
) -> None:
    where = await begun(await client.get("/$export?_type=Patient", headers=ASYNC))
    await until(lambda: _state(services, "running"))
    async with services.store.connection() as connection:
        job = await jobs.find(connection, where.partition("id=")[2], "rs-melati", await _key(services))
        assert job is not None
    doing = asyncio.create_task(services.bulk.do(job))
    await asyncio.sleep(0.1)
    doing.cancel()
    await asyncio.gather(doing, return_exceptions=True)
    async with services.store.connection() as connection:
        row = await connection.fetchrow("SELECT state, interruptions FROM bulk_job")
    assert (row["state"], row["interruptions"]) in (("due", 0), ("running", 0))
    held.set()
    assert (await ended(client, where)).status_code == 200


async def _key(services: Services) -> str:
    async with services.store.connection() as connection:
        return str(await connection.fetchval("SELECT key FROM bulk_job LIMIT 1"))


async def test_a_full_disk_fails_the_job(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    await create(client, patient())

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "_settle", full)
    where = await begun(await client.get("/$export?_type=Patient", headers=ASYNC))
    error(await ended(client, where), 507, "GF-902")


async def test_an_export_waits_for_writers_who_began_before_it(client: httpx.AsyncClient, services: Services) -> None:
    async with services.store.transaction("rs-melati") as transaction:
        await transaction.write([Change.create(patient(), "late")])
        where = await begun(await client.get("/$export?_type=Patient", headers=ASYNC))
        await asyncio.sleep(3 * export.SETTLE_S)
        assert (await client.get(where)).status_code == 202
    found = (await ended(client, where)).json()
    assert [row["id"] for row in await lines(client, found)] == ["late"]
