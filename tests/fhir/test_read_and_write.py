"""One resource at a time: create, read, vread, update, delete, history."""

import httpx
import pytest

from tests.fhir.support import Json, bundle, create, entry, error, patient


async def test_a_created_resource_comes_back_with_its_id_version_and_location(client: httpx.AsyncClient) -> None:
    answer = await client.post("/Patient", json=patient())
    stored = answer.json()
    assert answer.status_code == 201
    assert answer.headers["etag"] == 'W/"1"'
    assert answer.headers["location"] == f"http://gateway.test/fhir/Patient/{stored['id']}/_history/1"
    assert stored["meta"]["versionId"] == "1"
    assert {**stored, "id": None, "meta": None} == {**patient(), "id": None, "meta": None}

    read = await client.get(f"/Patient/{stored['id']}")
    assert read.status_code == 200
    assert read.content == answer.content
    assert read.headers["etag"] == 'W/"1"'
    assert read.headers["content-type"].startswith("application/fhir+json")
    assert read.headers["last-modified"].endswith("GMT")


async def test_decimals_strings_and_key_order_come_back_as_they_were_sent(client: httpx.AsyncClient) -> None:
    body = (
        '{"resourceType":"Observation","status":"final","code":{"text":"suhu"},'
        '"valueQuantity":{"value":36.50,"unit":"°C","system":"http://unitsofmeasure.org","code":"Cel"},'
        '"note":[{"text":"tanda \\"kutip\\" dan é"}],"effectiveDateTime":"2026-01-02T03:04:05.000+07:00"}'
    )
    made = await client.post("/Observation", content=body, headers={"Content-Type": "application/fhir+json"})
    text = (await client.get(f"/Observation/{made.json()['id']}")).text
    after_meta = text.partition('"},"status"')[2]
    assert after_meta == body.partition('"status"')[2]


async def test_an_id_in_a_created_body_is_replaced(client: httpx.AsyncClient) -> None:
    stored = await create(client, patient(id="mine"))
    assert stored["id"] != "mine"
    error(await client.get("/Patient/mine"), 404, "GF-201")


async def test_an_update_makes_the_next_version_and_the_first_stays_readable(client: httpx.AsyncClient) -> None:
    stored = await create(client, patient())
    changed = await client.put(f"/Patient/{stored['id']}", json={**stored, "active": True})
    assert changed.status_code == 200
    assert changed.headers["etag"] == 'W/"2"'
    assert (await client.get(f"/Patient/{stored['id']}/_history/1")).json() == stored
    assert (await client.get(f"/Patient/{stored['id']}/_history/2")).json() == changed.json()
    error(await client.get(f"/Patient/{stored['id']}/_history/3"), 404, "GF-203")
    error(await client.get(f"/Patient/{stored['id']}/_history/first"), 404, "GF-203")


async def test_an_update_may_create_under_the_callers_own_id(client: httpx.AsyncClient) -> None:
    answer = await client.put("/Patient/pasien-77", json=patient(id="pasien-77"))
    assert answer.status_code == 201
    assert answer.headers["location"].endswith("/Patient/pasien-77/_history/1")
    again = await client.put("/Patient/pasien-77", json=patient(id="pasien-77"), headers={"If-None-Match": "*"})
    error(again, 412, "GF-208")


async def test_if_match_keeps_a_stale_writer_out(client: httpx.AsyncClient) -> None:
    stored = await create(client, patient())
    address = f"/Patient/{stored['id']}"
    assert (await client.put(address, json=stored, headers={"If-Match": 'W/"1"'})).status_code == 200
    issue = error(await client.put(address, json=stored, headers={"If-Match": 'W/"1"'}), 412, "GF-204")
    assert 'W/"2"' in issue["diagnostics"]
    error(await client.put(address, json=stored, headers={"If-Match": "latest"}), 400, "GF-106")
    error(await client.delete(address, headers={"If-Match": 'W/"1"'}), 412, "GF-204")
    error(await client.put("/Patient/new", json=patient(id="new"), headers={"If-Match": 'W/"1"'}), 412, "GF-213")


async def test_the_body_and_the_address_must_agree(client: httpx.AsyncClient) -> None:
    error(await client.put("/Patient/a", json=patient(id="b")), 400, "GF-207")
    error(await client.put("/Patient/a", json=patient()), 400, "GF-207")
    error(await client.post("/Encounter", json=patient()), 400, "GF-303")
    error(await client.post("/Patient", json={"id": "a"}), 400, "GF-302")


async def test_what_comes_back_after_a_deletion_was_created(client: httpx.AsyncClient) -> None:
    """RFC 9110 §9.3.4: 201 where the target had no current representation."""
    for number, headers in ((1, {}), (3, {}), (5, {"If-None-Match": "*"})):
        made = await client.put("/Patient/p", json=patient(id="p"), headers=headers)
        assert (made.status_code, made.headers["etag"]) == (201, f'W/"{number}"'), made.text
        assert made.headers["location"].endswith(f"/Patient/p/_history/{number}")
        again = await client.put("/Patient/p", json=patient(id="p"), headers={"If-None-Match": "*"})
        error(again, 412, "GF-208")
        await client.delete("/Patient/p")
    entries = [entry("PUT", "Patient/p", patient(id="p")), entry("PUT", "Patient/q", patient("RM-2", id="q"))]
    rows = (await client.post("", json=bundle(*entries))).json()["entry"]
    assert [row["response"]["status"] for row in rows] == ["201 Created", "201 Created"]
    rows = (await client.post("", json=bundle(*entries))).json()["entry"]
    assert [row["response"]["status"] for row in rows] == ["200 OK", "200 OK"]


async def test_a_deleted_resource_is_gone_but_its_history_stays(client: httpx.AsyncClient) -> None:
    stored = await create(client, patient())
    address = f"/Patient/{stored['id']}"
    assert (await client.delete(address)).status_code == 204
    error(await client.get(address), 410, "GF-202")
    error(await client.get(f"{address}/_history/2"), 410, "GF-202")
    assert (await client.delete(address)).status_code == 204, "deleting twice is no error"
    history = (await client.get(f"{address}/_history")).json()
    assert [e["request"]["method"] for e in history["entry"]] == ["DELETE", "POST"]
    assert "resource" not in history["entry"][0]
    assert history["entry"][1]["resource"] == stored
    again = await client.put(address, json=stored)
    assert again.headers["etag"] == 'W/"3"', "what was deleted may return"


async def test_conditional_reads_spare_the_body(client: httpx.AsyncClient) -> None:
    made = await client.post("/Patient", json=patient())
    address = f"/Patient/{made.json()['id']}"
    for headers in (
        {"If-None-Match": 'W/"1"'},
        {"If-None-Match": '"7", W/"1"'},
        {"If-None-Match": "*"},
        {"If-Modified-Since": made.headers["last-modified"]},
    ):
        answer = await client.get(address, headers=headers)
        assert (answer.status_code, answer.content) == (304, b""), headers
        assert answer.headers["etag"] == 'W/"1"'
    for headers in (
        {"If-None-Match": 'W/"2"'},
        {"If-Modified-Since": "Sat, 01 Jan 2000 00:00:00 GMT"},
        {"If-None-Match": 'W/"2"', "If-Modified-Since": made.headers["last-modified"]},
    ):
        assert (await client.get(address, headers=headers)).status_code == 200, headers
    error(await client.get(address, headers={"If-Modified-Since": "yesterday"}), 400, "GF-106")


async def test_head_is_get_without_a_body(client: httpx.AsyncClient) -> None:
    stored = await create(client, patient())
    got = await client.get(f"/Patient/{stored['id']}")
    head = await client.head(f"/Patient/{stored['id']}")
    assert head.status_code == 200
    assert head.content == b""
    for name in ("etag", "last-modified", "content-length", "content-type"):
        assert head.headers[name] == got.headers[name]
    missing = await client.head("/Patient/none")
    assert (missing.status_code, missing.content) == (404, b"")


async def test_histories_of_a_type_and_of_everything_page_newest_first(client: httpx.AsyncClient) -> None:
    stored = [await create(client, patient(f"RM-{n}")) for n in range(3)]
    await client.post("/Organization", json={"resourceType": "Organization", "name": "Poli"})
    first = (await client.get("/Patient/_history", params={"_count": 2})).json()
    assert [e["resource"]["id"] for e in first["entry"]] == [stored[2]["id"], stored[1]["id"]]
    following = next(link["url"] for link in first["link"] if link["relation"] == "next")
    second = (await client.get(following)).json()
    assert [e["resource"]["id"] for e in second["entry"]] == [stored[0]["id"]]
    assert [link["relation"] for link in second["link"]] == ["self", "first"]

    kinds = {e["resource"]["resourceType"] for e in (await client.get("/_history")).json()["entry"]}
    assert {"Patient", "Organization"} <= kinds
    since = stored[1]["meta"]["lastUpdated"]
    late = (await client.get("/Patient/_history", params={"_since": since})).json()
    assert {e["resource"]["id"] for e in late["entry"]} == {stored[1]["id"], stored[2]["id"]}
    error(await client.get("/Patient/_history", params={"_since": "yesterday"}), 400, "GF-108")
    error(await client.get("/Patient/_history", params={"_count": "many"}), 400, "GF-108")
    error(await client.get("/Patient/_history", params={"_cursor": "???"}), 400, "GF-403")
    error(await client.get("/Patient/_history", params={"name": "x"}), 400, "GF-109")
    error(await client.get("/Patient/never/_history"), 404, "GF-201")


@pytest.mark.parametrize(
    ("prefer", "status", "kind"),
    [
        (None, 201, "Patient"),
        ("return=representation", 201, "Patient"),
        ("return=minimal", 201, None),
        ("return=OperationOutcome", 201, "OperationOutcome"),
    ],
)
async def test_prefer_chooses_what_a_write_answers(
    client: httpx.AsyncClient, prefer: str | None, status: int, kind: str | None
) -> None:
    headers = {"Prefer": prefer} if prefer else {}
    answer = await client.post("/Patient", json=patient(), headers=headers)
    assert answer.status_code == status
    assert answer.headers["etag"] == 'W/"1"'
    assert (answer.json()["resourceType"] if answer.content else None) == kind


async def test_an_unknown_preference_is_refused(client: httpx.AsyncClient) -> None:
    error(await client.get("/Patient/x", headers={"Prefer": "return=everything"}), 400, "GF-106")


async def test_facilities_see_nothing_of_each_other(client: httpx.AsyncClient) -> None:
    stored = await create(client, patient())
    here = await client.get(f"http://gateway.test/rs-melati/fhir/Patient/{stored['id']}")
    assert here.json() == stored, "the default facility has its own name too"
    there = await client.get(f"http://gateway.test/rs-kenanga/fhir/Patient/{stored['id']}")
    error(there, 404, "GF-201")
    error(await client.get("http://gateway.test/rs-mawar/fhir/Patient/1"), 404, "GF-110")
    own: Json = patient(id=stored["id"])
    made = await client.put(f"http://gateway.test/rs-kenanga/fhir/Patient/{stored['id']}", json=own)
    assert made.status_code == 201
    assert (await client.get(f"/Patient/{stored['id']}")).json() == stored
