"""Searches within a compartment: the records of one patient, visit, practitioner, relative or device."""

import httpx
import pytest

from tests.fhir.support import MRN, Json, bundle, condition, entry, error, patient
from tests.support.server import MakeClient

COMPARTMENTS = ("Patient", "Encounter", "RelatedPerson", "Practitioner", "Device")


@pytest.fixture
async def client(make_client: MakeClient) -> httpx.AsyncClient:
    """A client that does not see the audit trail."""
    return await make_client("simrs", language="en")


async def stored(client: httpx.AsyncClient) -> None:
    """Two patients with a diagnosis each, and what belongs to nobody."""
    rows = [
        entry("PUT", "Patient/wulan", patient("RM-1", id="wulan")),
        entry("PUT", "Patient/siti", patient("RM-2", id="siti")),
        entry("PUT", "Condition/d1", {**condition("Patient/wulan"), "id": "d1"}),
        entry("PUT", "Condition/d2", {**condition("Patient/siti"), "id": "d2"}),
        entry("PUT", "Flag/f1", flag()),
        entry("PUT", "Organization/rs", {"resourceType": "Organization", "id": "rs", "name": "RS Melati"}),
    ]
    assert (await client.post("", json=bundle(*rows))).status_code == 200


def flag() -> Json:
    """A warning about a patient."""
    subject = {"reference": "Patient/wulan"}
    return {"resourceType": "Flag", "id": "f1", "status": "active", "code": {"text": "jatuh"}, "subject": subject}


def ids(answer: httpx.Response) -> list[str]:
    """The ids that a search found."""
    assert answer.status_code == 200, answer.text
    return sorted(row["resource"]["id"] for row in answer.json().get("entry", ()))


async def test_members_of_a_type_and_of_all(client: httpx.AsyncClient) -> None:
    await stored(client)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert ids(await client.get("/Patient/wulan/Condition")) == ["d1"]
    assert ids(await client.get("/Patient/wulan/Condition?code=J18.9")) == ["d1"]
    assert ids(await client.get("/Patient/wulan/Condition?code=A00")) == []
    assert ids(await client.post("/Patient/siti/Condition/_search", content="code=J18.9", headers=form)) == ["d2"]
    assert ids(await client.get("/Patient/wulan/*")) == ["d1", "f1"]
    assert ids(await client.get("/Patient/wulan/*?_type=Flag")) == ["f1"]
    assert ids(await client.post("/Patient/wulan/*/_search", content="_type=Condition", headers=form)) == ["d1"]
    assert ids(await client.get("/Patient/nobody/*")) == []
    batch = bundle(entry("GET", "Patient/wulan/Condition?code=J18.9"), entry("GET", "Patient/siti/*"), kind="batch")
    rows = (await client.post("", json=batch)).json()["entry"]
    assert [[one["resource"]["id"] for one in row["resource"]["entry"]] for row in rows] == [["d1"], ["d2"]]


async def test_pages_stay_in_the_compartment(client: httpx.AsyncClient) -> None:
    await stored(client)
    first = (await client.get("/Patient/wulan/*?_count=1&_total=accurate")).json()
    links = {link["relation"]: link["url"] for link in first["link"]}
    assert links["self"] == "http://gateway.test/fhir/Patient/wulan/*?_count=1&_total=accurate"
    second = (await client.get(links["next"])).json()
    assert first["total"] == 2
    assert {row["resource"]["id"] for row in [*first["entry"], *second["entry"]]} == {"d1", "f1"}
    assert [link["relation"] for link in second["link"]] == ["self", "first", "previous"]


async def test_what_is_no_compartment_is_said(client: httpx.AsyncClient) -> None:
    await stored(client)
    for address in ("/Organization/rs/Patient", "/Organization/rs/*", "/Organization/rs/Member", "/Patient/wulan/d1"):
        error(await client.get(address), 404, "GF-102")
    error(await client.get("/Patient/wulan/Conditio"), 404, "GF-101")
    error(await client.get("/Patient/wulan/Condition/d1"), 404, "GF-102")
    issue = error(await client.get("/Patient/wulan/Organization"), 400, "GF-401")
    assert "Condition" in issue["diagnostics"], "it names the members"
    error(await client.get("/Patient/wulan/*?_type=Organization"), 400, "GF-401")
    error(await client.get(f"/Patient/wulan/Condition?nik={MRN}"), 400, "GF-401")
    error(await client.post("/Patient/wulan/Condition", json=condition("Patient/wulan")), 405, "GF-103")
    (rest,) = (await client.get("/metadata")).json()["rest"]
    names = {definition.rpartition("/")[2].lower() for definition in rest["compartment"]}
    assert names == {kind.lower() for kind in COMPARTMENTS}
    for kind in COMPARTMENTS:
        assert ids(await client.get(f"/{kind}/none/*")) == []


async def test_rights_count_within_a_compartment(client: httpx.AsyncClient, make_client: MakeClient) -> None:
    await stored(client)
    await client.get("/Patient/wulan")
    reader, auditor = await make_client("reader"), await make_client("auditor")
    error(await reader.get("/Patient/wulan/AuditEvent"), 403, "GF-603")
    assert ids(await reader.get("/Patient/wulan/*")) == ["d1", "f1"]
    assert len(ids(await auditor.get("/Patient/wulan/*"))) > 2, "the audit trail is in the patient's compartment"
    error(await (await make_client("operator")).get("/Patient/wulan/Condition"), 403, "GF-603")
