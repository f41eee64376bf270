"""HTTP's own rules around every interaction: preferences, formats, encodings, caches, other origins."""

import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from gateway.app import create_app
from gateway.settings import Settings
from tests.fhir.support import Json, bundle, create, entry, error, patient
from tests.support.server import MakeClient

FHIR = {"Content-Type": "application/fhir+json"}
PAGE = "https://simrs.example"


@pytest.mark.parametrize(
    ("preferred", "shown"),
    [
        ("return=minimal, wait=10", False),
        ("foo=bar; return=minimal", False),
        ("RETURN=Minimal", False),
        ("wait=10", True),
        ("handling=strict, return=representation", True),
    ],
)
async def test_preferences_that_fhir_does_not_know_are_left_out(
    client: httpx.AsyncClient, preferred: str, shown: bool
) -> None:
    answer = await client.post("/Patient", json=patient(), headers={"Prefer": preferred})
    assert (answer.status_code, bool(answer.content)) == (201, shown)


async def test_an_outcome_is_preferred_in_any_spelling(client: httpx.AsyncClient) -> None:
    answer = await client.post("/Patient", json=patient(), headers={"Prefer": "return=operationoutcome"})
    assert answer.json()["resourceType"] == "OperationOutcome"
    error(await client.get("/Patient", headers={"Prefer": "return=everything"}), 400, "GF-106")
    error(await client.get("/Patient", headers={"Prefer": "handling=perhaps"}), 400, "GF-106")


async def test_a_body_may_come_zipped(client: httpx.AsyncClient) -> None:
    zipped = {**FHIR, "Content-Encoding": "gzip"}
    body = gzip.compress(json.dumps(patient()).encode())
    made = await client.post("/Patient", content=body, headers=zipped)
    assert (made.status_code, made.json()["gender"]) == (201, "female")
    as_xml = gzip.compress(b'<Patient xmlns="http://hl7.org/fhir"><gender value="male"/></Patient>')
    xml = {"Content-Type": "application/fhir+xml", "Content-Encoding": "gzip"}
    assert (await client.post("/Patient", content=as_xml, headers=xml)).status_code == 201
    visit = gzip.compress(json.dumps(bundle(entry("POST", "Patient", patient()))).encode())
    assert (await client.post("", content=visit, headers=zipped)).status_code == 200
    plain = {**FHIR, "Content-Encoding": "identity"}
    assert (await client.post("/Patient", json=patient(), headers=plain)).status_code == 201
    for broken in (body[:-9], body + b"more", b"not zipped", b""):
        error(await client.post("/Patient", content=broken, headers=zipped), 400, "GF-301")
    refused = await client.post("/Patient", content=body, headers={**FHIR, "Content-Encoding": "br"})
    error(refused, 415, "GF-105")
    assert refused.headers["accept-encoding"] == "gzip"


async def test_a_small_body_that_unzips_to_a_big_one_is_refused(client: httpx.AsyncClient, app: Any) -> None:
    limit = app.state.services.settings.max_body_bytes
    bomb = gzip.compress(b" " * (limit + 1))
    assert len(bomb) < limit / 500
    issue = error(
        await client.post("/Patient", content=bomb, headers={**FHIR, "Content-Encoding": "gzip"}), 413, "GF-304"
    )
    assert str(limit) in issue["details"]["text"]


@pytest.mark.parametrize(
    ("accepted", "zipped"),
    [("gzip", True), ("br, gzip;q=0.5", True), ("*", True), ("gzip;q=0", False), ("identity", False), ("", False)],
)
async def test_an_answer_is_zipped_for_who_unzips_it(client: httpx.AsyncClient, accepted: str, zipped: bool) -> None:
    answer = await client.get("/metadata", headers={"Accept-Encoding": accepted})
    assert (answer.headers.get("content-encoding") == "gzip") is zipped
    assert answer.json()["resourceType"] == "CapabilityStatement"


async def test_caches_keep_an_answer_for_its_caller_and_ask_before_they_show_it(client: httpx.AsyncClient) -> None:
    stored = await create(client, patient())
    for answer in (
        await client.get(f"/Patient/{stored['id']}"),
        await client.get(f"/Patient/{stored['id']}?_format=xml"),
        await client.get(f"/Patient/{stored['id']}", headers={"If-None-Match": 'W/"1"'}),
        await client.get("/Patient"),
    ):
        assert answer.headers["cache-control"] == "private, no-cache"
        assert answer.headers["vary"] == "accept, accept-encoding"


async def test_an_empty_accept_header_leaves_it_open(client: httpx.AsyncClient) -> None:
    answer = await client.get("/Patient", headers={"Accept": ""})
    assert answer.headers["content-type"].startswith("application/fhir+json")


async def test_a_body_of_another_fhir_version_or_charset_is_refused(client: httpx.AsyncClient) -> None:
    xml = b'<Patient xmlns="http://hl7.org/fhir"><gender value="male"/></Patient>'
    for kind, body in (("json", json.dumps(patient()).encode()), ("xml", xml)):
        for option in ("", "; fhirVersion=4.0", '; charset="UTF-8"', "; fhirVersion=4.0.1; charset=utf-8"):
            sent = {"Content-Type": f"application/fhir+{kind}{option}"}
            assert (await client.post("/Patient", content=body, headers=sent)).status_code == 201, sent
        for option in ("; fhirVersion=3.0", "; charset=iso-8859-1"):
            sent = {"Content-Type": f"application/fhir+{kind}{option}"}
            error(await client.post("/Patient", content=body, headers=sent), 415, "GF-105")
        error(await client.post("/Patient", headers={"Content-Type": f"application/fhir+{kind}"}), 400, "GF-111")


@pytest.mark.parametrize("escaped", [r"\u0000", r"\u0007", r"\u001F", r"\b", r"\f", r"\uFFFE", "\uffff"])
async def test_characters_that_fhir_strings_may_not_hold_are_refused(client: httpx.AsyncClient, escaped: str) -> None:
    body = f'{{"resourceType":"Patient","name":[{{"text":"Wulan{escaped}"}}]}}'.encode()
    issue = error(await client.post("/Patient", content=body, headers=FHIR), 400, "GF-301")
    assert "column 49" in issue["details"]["text"]


@pytest.mark.parametrize("escaped", [r"\\u0000", r"\t\r\n", r"\u0009", r"\ufffd", r"\ud83d\ude00", r"\u0085"])
async def test_other_characters_come_back_in_both_formats(client: httpx.AsyncClient, escaped: str) -> None:
    text = json.loads(f'"Wulan{escaped}x"')
    body = f'{{"resourceType":"Patient","name":[{{"text":"Wulan{escaped}x"}}]}}'.encode()
    made = await client.post("/Patient", content=body, headers=FHIR)
    assert made.json()["name"][0]["text"] == text
    assert (await client.get(f"/Patient/{made.json()['id']}?_format=xml")).status_code == 200


async def test_a_part_of_a_resource_does_not_replace_the_whole(client: httpx.AsyncClient) -> None:
    stored = await create(client, patient())
    address = f"/Patient/{stored['id']}"
    for part in ("_summary=true", "_elements=gender"):
        shown = (await client.get(f"{address}?{part}")).json()
        error(await client.put(address, json=shown), 422, "GF-311")
        answer = await client.post("", json=bundle(entry("PUT", address[1:], shown)))
        assert error(answer, 422, "GF-311")["expression"] == ["Bundle.entry[0].resource.meta.tag"]
    assert (await client.get(address)).json() == stored


async def test_what_a_read_cannot_show_is_refused(client: httpx.AsyncClient) -> None:
    stored = await create(client, patient())
    for address in (f"/Patient/{stored['id']}", f"/Patient/{stored['id']}/_history/1", "/metadata"):
        error(await client.get(f"{address}?_summary=count"), 400, "GF-108")
    nested = (await client.get(f"/Patient/{stored['id']}?_elements=name.text")).json()
    assert nested["name"] == stored["name"]
    assert "gender" not in nested
    error(await client.get(f"/Patient/{stored['id']}?_elements=nama.text"), 400, "GF-108")


async def test_a_version_of_what_does_not_exist_is_not_a_change_by_someone_else(client: httpx.AsyncClient) -> None:
    sent = {"If-Match": 'W/"7"'}
    error(await client.put("/Patient/none", json=patient(id="none"), headers=sent), 412, "GF-213")


async def test_the_statement_has_an_etag_and_may_be_cut(client: httpx.AsyncClient) -> None:
    whole = await client.get("/metadata")
    etag = whole.headers["etag"]
    unchanged = await client.get("/metadata", headers={"If-None-Match": etag})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    there = await client.get("http://gateway.test/rs-kenanga/fhir/metadata", headers={"If-None-Match": etag})
    assert there.status_code == 200
    part = (await client.get("/metadata?_elements=fhirVersion,software")).json()
    assert part["software"]["name"] == "Gapura"
    assert "rest" not in part
    assert len((await client.get("/metadata?_summary=text")).content) < len(whole.content) / 2


@pytest.fixture
async def opened(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a key, of a gateway that lets a page call."""
    app = create_app(settings.model_copy(update={"cors_origins": (PAGE,)}))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://gateway.test/fhir") as client,
    ):
        yield client


async def test_pages_of_named_origins_may_call(opened: httpx.AsyncClient) -> None:
    asks = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization, if-match"}
    preflight = await opened.options("/Patient/1", headers={"Origin": PAGE, **asks})
    assert preflight.status_code == 200, "before it has a key"
    assert preflight.headers["access-control-allow-origin"] == PAGE
    assert "PUT" in preflight.headers["access-control-allow-methods"]
    answer = await opened.get("/metadata", headers={"Origin": PAGE})
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert {"ETag", "Location"} <= set(answer.headers["access-control-expose-headers"].split(", "))
    assert answer.json()["rest"][0]["security"]["cors"] is True
    refused = await opened.get("/Patient", headers={"Origin": PAGE})
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == PAGE, "a page can read why"
    stranger = await opened.options("/Patient/1", headers={"Origin": "https://stranger.example", **asks})
    assert stranger.status_code == 400
    assert "access-control-allow-origin" not in stranger.headers


async def test_without_named_origins_no_page_may_call(client: httpx.AsyncClient, make_client: MakeClient) -> None:
    statement: Json = (await client.get("/metadata", headers={"Origin": PAGE})).json()
    assert statement["rest"][0]["security"]["cors"] is False
    preflight = await client.options("/Patient", headers={"Origin": PAGE, "Access-Control-Request-Method": "GET"})
    error(preflight, 405, "GF-103")
    assert "access-control-allow-origin" not in preflight.headers
