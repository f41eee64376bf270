"""Other people's clients against a running server: fhirpy and fhirclient do their usual work."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fhirclient import server as smart
from fhirclient.models.bundle import Bundle as SmartBundle
from fhirclient.models.humanname import HumanName
from fhirclient.models.patient import Patient as SmartPatient
from fhirpy import AsyncFHIRClient, SyncFHIRClient
from fhirpy.base.exceptions import MultipleResourcesFound, OperationOutcome, ResourceNotFound

from tests.fhir.support import MRN, bundle, condition, entry, patient
from tests.support.process import Served, served


@pytest.fixture
async def running(tmp_path: Path, database_url: str) -> AsyncIterator[Served]:
    """A server process on a fresh database."""
    async with served(tmp_path, GAPURA_DATABASE_URL=database_url) as found:
        yield found


async def test_fhirpy(running: Served) -> None:
    client = AsyncFHIRClient(f"{running.url}/fhir", authorization=f"Bearer {running.key}")
    person = client.resource("Patient", **patient("RM-1"))
    await person.create()
    assert person["meta"]["versionId"] == "1"
    person["active"] = True
    await person.save()
    again = await client.reference("Patient", person["id"]).to_resource()
    assert (again["active"], again["meta"]["versionId"]) == (True, "2")

    found = await client.resources("Patient").search(identifier=f"{MRN}|RM-1").get()
    assert found["id"] == person["id"]
    other, made = (
        await client.resources("Patient")
        .search(identifier=f"{MRN}|RM-2")
        .get_or_create(client.resource("Patient", **patient("RM-2")))
    )
    same, made_again = (
        await client.resources("Patient")
        .search(identifier=f"{MRN}|RM-2")
        .get_or_create(client.resource("Patient", **patient("RM-2")))
    )
    assert (made, made_again, other["id"] == same["id"]) == (True, False, True)
    updated, created = (
        await client.resources("Patient")
        .search(identifier=f"{MRN}|RM-2")
        .update(client.resource("Patient", **patient("RM-2", active=False)))
    )
    assert (created, updated["id"], updated["active"]) == (False, other["id"], False)

    for number in range(3, 8):
        await client.resource("Patient", **patient(f"RM-{number}")).create()
    assert len(await client.resources("Patient").limit(2).fetch_all()) == 7
    assert len(await client.resources("Patient").search(gender="female").sort("-_lastUpdated").limit(3).fetch()) == 3
    sick = client.resource("Condition", **condition(f"Patient/{person['id']}"))
    await sick.create()
    joined = await client.resources("Condition").include("Condition", "subject").fetch_raw()
    assert {row["resource"]["resourceType"] for row in joined["entry"]} == {"Condition", "Patient"}
    assert (await sick["subject"].to_resource())["id"] == person["id"]
    with pytest.raises(MultipleResourcesFound):
        await client.resources("Patient").search(gender="female").get()
    with pytest.raises(OperationOutcome):
        await client.resource("Patient", gender="x").create()
    assert await person.is_valid()
    await sick.delete()
    with pytest.raises((ResourceNotFound, OperationOutcome)):
        await client.reference("Condition", sick["id"]).to_resource()


async def test_fhirpy_posts_a_transaction(running: Served) -> None:
    def work() -> Any:
        client = SyncFHIRClient(f"{running.url}/fhir", authorization=f"Bearer {running.key}")
        placeholder = "urn:uuid:5f0c0e7e-0000-4000-8000-00000000000a"
        visit = bundle(
            entry("POST", "Patient", patient(), placeholder),
            entry("POST", "Condition", condition(placeholder)),
        )
        answer = client.resource("Bundle", **visit).create()
        stored = client.resources("Condition").first()
        return answer, stored, client.execute("/metadata", method="get")

    answer, stored, statement = await asyncio.to_thread(work)
    assert stored["subject"]["reference"].startswith("Patient/")
    assert statement["resourceType"] == "CapabilityStatement"
    assert answer is None or answer["type"] == "transaction-response"


async def test_fhirclient(running: Served) -> None:
    def work() -> None:
        class Keyed(smart.FHIRServer):  # type: ignore[misc]
            """The library has no bearer keys of its own: the session carries ours."""

        server = Keyed(None, f"{running.url}/fhir")
        server.session.headers["Authorization"] = f"Bearer {running.key}"
        person = SmartPatient({"gender": "female"})
        person.name = [HumanName({"text": "Wulan Contoh"})]
        made = person.create(server)
        read = SmartPatient.read(made["id"], server)
        assert read.name[0].text == "Wulan Contoh"
        read.active = True
        assert read.update(server)["meta"]["versionId"] == "2"
        found = SmartPatient.where({"name": "wulan"}).perform_resources(server)
        assert [one.id for one in found] == [made["id"]]
        history = SmartBundle.read_from(f"Patient/{made['id']}/_history", server)
        assert len(history.entry) == 2
        assert read.delete(server) is None

    await asyncio.to_thread(work)


async def test_two_workers_serve_one_database_and_stop_when_told(tmp_path: Path) -> None:
    async with served(tmp_path, "--workers", "2") as running:
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {running.key}"}) as client:
            made = [
                (await client.put(f"{running.url}/fhir/Patient/p{n}", json=patient(f"RM-{n}", id=f"p{n}"))).status_code
                for n in range(10)
            ]
            assert made == [201] * 10
            reads = await asyncio.gather(*(client.get(f"{running.url}/fhir/Patient/p{n}") for n in range(10)))
            assert {answer.status_code for answer in reads} == {200}
        running.process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(running.process.wait(), 30)
    assert not (tmp_path / "postgres" / "postmaster.pid").exists(), "the embedded database stopped with it"
    assert list((tmp_path / "audit").glob("*.jsonl")) == [], "every note was recorded"

    async with served(tmp_path, key=running.key) as again:
        headers = {"Authorization": f"Bearer {running.key}"}
        async with httpx.AsyncClient(headers=headers) as client:
            assert (await client.get(f"{again.url}/fhir/Patient/p3")).status_code == 200
            events = (await client.get(f"{again.url}/fhir/AuditEvent?subtype=read&_count=100")).json()
    seen = {e["what"]["reference"] for row in events["entry"] for e in row["resource"]["entity"]}
    assert {f"Patient/p{n}" for n in range(10)} <= seen
