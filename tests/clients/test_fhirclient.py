"""fhirclient (SMART on FHIR's Python client) does all it can against a running server."""

import asyncio
from collections.abc import Callable

import pytest
import requests
from fhirclient import server as smart
from fhirclient.client import FHIRClient
from fhirclient.models.bundle import Bundle
from fhirclient.models.condition import Condition
from fhirclient.models.fhirreference import FHIRReference
from fhirclient.models.humanname import HumanName
from fhirclient.models.patient import Patient

from tests.fhir.support import bundle, condition, entry, patient
from tests.support.process import Served


@pytest.fixture
def server(running: Served) -> smart.FHIRServer:
    """The library has no bearer keys of its own: its session carries ours."""
    client = FHIRClient(settings={"app_id": "simrs", "api_base": f"{running.url}/fhir"})
    assert client.prepare(), "it has read the CapabilityStatement, which asks for no OAuth"
    assert client.server.capabilityStatement.fhirVersion == "4.0.1"
    client.server.session.headers["Authorization"] = f"Bearer {running.key}"
    return client.server


async def aside(work: Callable[[smart.FHIRServer], None], server: smart.FHIRServer) -> None:
    """Do blocking work without stopping the loop that reads the server's output."""
    await asyncio.to_thread(work, server)


async def test_models_are_made_read_changed_and_removed(server: smart.FHIRServer) -> None:
    def work(server: smart.FHIRServer) -> None:
        person = Patient({"gender": "female"})
        person.name = [HumanName({"text": "Wulan Contoh"})]
        made = person.create(server)
        read = Patient.read(made["id"], server)
        assert read.name[0].text == "Wulan Contoh"
        assert read.as_json() == made
        read.active = True
        assert read.update(server)["meta"]["versionId"] == "2"
        first = Patient.read_from(f"Patient/{made['id']}/_history/1", server)
        assert first.active is None
        history = Bundle.read_from(f"Patient/{made['id']}/_history", server)
        assert [row.request.method for row in history.entry] == ["PUT", "POST"]
        assert read.delete(server) is None
        with pytest.raises(requests.HTTPError, match="410"):
            Patient.read(made["id"], server)

    await aside(work, server)


async def test_it_searches_and_follows(server: smart.FHIRServer) -> None:
    def work(server: smart.FHIRServer) -> None:
        for number in range(5):
            Patient(patient(f"RM-{number}", id=f"p{number}")).update(server)
        Condition({**condition("Patient/p1"), "id": "c1"}).update(server)
        found = Patient.where({"name": "wulan", "_count": "2"})
        assert len(found.perform_resources(server)) == 5, "it follows the links to the last page"
        pages = list(found.perform_iter(server))
        assert [len(page.entry) for page in pages] == [2, 2, 1]
        assert len({one.id for one in found.perform_resources_iter(server)}) == 5
        assert Patient.where({"birthdate": "gt1991"}).perform_resources(server) == []
        assert len(Patient.where({"name": {"$exact": "Wulan Contoh"}}).perform_resources(server)) == 5
        either = Patient.where({"_id": {"$or": ["p1", "p2"]}}).perform_resources(server)
        assert {one.id for one in either} == {"p1", "p2"}
        joined = Condition.where({"subject": "Patient/p1"}).include("subject").perform(server)
        assert {row.resource.resource_type for row in joined.entry} == {"Condition", "Patient"}
        joined = Patient.where({"_id": "p1"}).include("subject", Condition, reverse=True).perform(server)
        assert {row.resource.resource_type for row in joined.entry} == {"Condition", "Patient"}
        diagnosis = Condition.read("c1", server)
        assert isinstance(diagnosis.subject, FHIRReference)
        assert diagnosis.subject.resolved(Patient).id == "p1"

    await aside(work, server)


async def test_it_posts_a_transaction_and_calls_operations(server: smart.FHIRServer) -> None:
    def work(server: smart.FHIRServer) -> None:
        link = "urn:uuid:5f0c0e7e-0000-4000-8000-00000000000a"
        visit = bundle(entry("POST", "Patient", patient(), link), entry("POST", "Condition", condition(link)))
        answer = Bundle(server.post_json("", Bundle(visit).as_json()).json())
        assert [row.response.status for row in answer.entry] == ["201 Created", "201 Created"]
        person = answer.entry[0].response.location.partition("/_history")[0]
        everything = server.request_json(f"{person}/$everything")
        assert [row["resource"]["resourceType"] for row in everything["entry"]] == ["Patient", "Condition"]
        assert server.request_data(person, headers={"Accept": "application/fhir+xml"}).startswith(b"<?xml")
        assert server.delete_json(person).status_code == 204

    await aside(work, server)


async def test_refusals_have_their_own_exceptions(server: smart.FHIRServer) -> None:
    def work(server: smart.FHIRServer) -> None:
        with pytest.raises(smart.FHIRNotFoundException):
            Patient.read("nobody", server)
        with pytest.raises(requests.HTTPError, match="422"):
            server.post_json("Patient", {"resourceType": "Patient", "gender": "x"})
        server.session.headers["Authorization"] = "Bearer none"
        with pytest.raises(smart.FHIRUnauthorizedException):
            Patient.read("nobody", server)

    await aside(work, server)
