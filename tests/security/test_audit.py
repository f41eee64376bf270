"""The audit trail: an AuditEvent in every write's own transaction, reads noted before they are answered."""

import base64
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.security.audit import Visitor
from gateway.security.journal import Journal
from gateway.services import Services
from profiles import Validator
from profiles.fhirjson import Resource
from tests.fhir.support import bundle, condition, create, entry, patient
from tests.support.server import MakeClient

Json = dict[str, Any]


async def trail(client: httpx.AsyncClient, services: Services, **query: str) -> list[Json]:
    """The AuditEvents that meet a query, oldest first, the journal's included."""
    await services.journal.drain()
    found = (await client.get("/AuditEvent", params={**query, "_sort": "date", "_count": "200"})).json()
    return [row["resource"] for row in found.get("entry", ())]


def acts(events: list[Json]) -> list[tuple[str, list[str]]]:
    """(interaction, references) of each event."""
    return [
        (event["subtype"][0]["code"], [e["what"]["reference"] for e in event.get("entity", ()) if "what" in e])
        for event in events
    ]


async def test_every_write_leaves_an_event(client: httpx.AsyncClient, services: Services) -> None:
    stored = await create(client, patient())
    one = f"Patient/{stored['id']}"
    await client.put(f"/{one}", json=stored)
    await client.delete(f"/{one}")
    assert acts(await trail(client, services, action="C")) == [("create", [f"{one}/_history/1"])]
    assert acts(await trail(client, services, action="U")) == [("update", [f"{one}/_history/2"])]
    assert acts(await trail(client, services, action="D")) == [("delete", [f"{one}/_history/3"])]


async def test_a_transaction_is_one_event_that_names_whose_record_it_was(
    client: httpx.AsyncClient, services: Services
) -> None:
    person = await create(client, patient())
    await client.post(
        "", json=bundle(*(entry("POST", "Condition", condition(f"Patient/{person['id']}")) for _ in range(2)))
    )
    (event,) = await trail(client, services, subtype="transaction")
    ((_, references),) = acts([event])
    assert [r.partition("/")[0] for r in references] == ["Condition", "Patient", "Condition", "Patient"]
    found = await trail(client, services, patient=f"Patient/{person['id']}", subtype="transaction")
    assert [e["id"] for e in found] == [event["id"]]


async def test_a_refused_write_leaves_none(client: httpx.AsyncClient, services: Services) -> None:
    assert (await client.post("/Patient", json=patient(gender="x"))).status_code == 422
    assert await trail(client, services, action="C") == []


async def test_events_say_who_asked_and_are_valid_fhir(make_client: MakeClient, services: Services) -> None:
    client = await make_client("admin")
    await create(client, patient())
    await client.get("/Patient?name=wulan")
    events = await trail(client, services)
    assert len(events) == 2
    for event in events:
        (agent,) = event["agent"]
        assert agent["who"]["identifier"]["value"] == client.headers["authorization"].split("_")[1]
        assert agent["name"] == "a admin"
        assert event["source"]["site"] == "rs-melati"
        assert [i for i in Validator().validate(event) if i.severity == "error"] == []


async def test_reads_and_searches_are_noted(client: httpx.AsyncClient, services: Services) -> None:
    stored = await create(client, patient())
    one = f"Patient/{stored['id']}"
    for _ in range(3):
        await client.get(f"/{one}")
    await client.get(f"/{one}/_history/1")
    await client.get(f"/{one}/_history")
    await client.post("/Patient/_search", data={"name": "wulan"})
    await client.get("/Patient/never")
    events = {event["subtype"][0]["code"]: event for event in await trail(client, services)}
    assert events["read"]["entity"][0]["what"]["reference"] == one
    assert len(events["read"]["entity"][0]["detail"]) == 3, "each time has its moment"
    assert events["vread"]["entity"][0]["what"]["reference"] == f"{one}/_history/1"
    searched, past = (base64.b64decode(events[code]["entity"][0]["query"]) for code in ("search-type", "history"))
    assert searched == b"Patient?name=wulan"
    assert past.decode().startswith(f"{one}/_history")
    assert events["read"]["period"]["start"] <= events["read"]["period"]["end"]


async def test_a_knock_without_a_key_is_noted_as_refused(
    client: httpx.AsyncClient, make_client: MakeClient, services: Services
) -> None:
    stranger = await make_client(None)
    await stranger.get("/Patient")
    (event,) = await trail(client, services, outcome="8")
    assert event["agent"][0]["name"] == "?"
    assert event["subtype"][0]["code"] == "login"


class Recorder:
    """Stands for the database: it may refuse, and it keeps each id once."""

    def __init__(self) -> None:
        self.events: dict[str, Resource] = {}
        self.broken = False

    async def __call__(self, facility: str, events: list[tuple[str, Resource]]) -> None:
        if self.broken:
            raise ConnectionError("no database")
        self.events.update(events)


def files(folder: Path) -> list[Path]:
    """What lies in the journal's folder."""
    return list(folder.iterdir())


VISITOR = Visitor("rs-melati", None, "10.0.0.1")


async def test_notes_survive_a_killed_process_and_are_recorded_once(tmp_path: Path) -> None:
    recorder = Recorder()
    killed = Journal(tmp_path, recorder)
    killed.note(VISITOR, "read", "Patient/1")
    killed._file.close(remove=False)  # what the kernel does when a process is killed

    successor = Journal(tmp_path, recorder)
    await successor.drain()
    (event,) = recorder.events.values()
    assert event["entity"][0]["what"]["reference"] == "Patient/1"
    await successor.drain()
    await successor.close()
    assert len(recorder.events) == 1
    assert files(tmp_path) == []


async def test_a_database_that_is_away_loses_no_note(tmp_path: Path) -> None:
    recorder = Recorder()
    journal = Journal(tmp_path, recorder)
    journal.note(VISITOR, "read", "Patient/1")
    recorder.broken = True
    with pytest.raises(ConnectionError):
        await journal.drain()
    journal.note(VISITOR, "read", "Patient/2")
    recorder.broken = False
    await journal.drain()
    await journal.close()
    seen = {e["what"]["reference"] for event in recorder.events.values() for e in event["entity"]}
    assert seen == {"Patient/1", "Patient/2"}


async def test_a_living_neighbours_file_is_left_alone(tmp_path: Path) -> None:
    recorder = Recorder()
    neighbour, journal = Journal(tmp_path, recorder), Journal(tmp_path, recorder)
    neighbour.note(VISITOR, "read", "Patient/1")
    await journal.drain()
    assert recorder.events == {}
    await neighbour.close()
    await journal.close()
    assert len(recorder.events) == 1


async def test_half_a_line_is_skipped(tmp_path: Path) -> None:
    recorder = Recorder()
    journal = Journal(tmp_path, recorder)
    journal.note(VISITOR, "read", "Patient/1")
    journal._file.append(b'["rs-melati","",')
    await journal.close()
    assert len(recorder.events) == 1
