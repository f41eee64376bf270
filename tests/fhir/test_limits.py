"""What is too big, too deep, too much, too slow or not FHIR gets a clear refusal, and nothing half-written stays."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from gateway.app import create_app
from gateway.security import keys
from gateway.settings import Settings
from gateway.store import StoreFull, StoreUnavailable
from tests.fhir.support import bundle, entry, error, patient

FHIR = {"Content-Type": "application/fhir+json"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Narrow limits."""
    return settings.model_copy(
        update={"max_body_bytes": 4_000, "max_json_depth": 12, "max_bundle_entries": 3, "request_timeout_s": 2.0}
    )


async def total(client: httpx.AsyncClient) -> int:
    """How many patients were written."""
    return int((await client.get("/Patient?_summary=count")).json()["total"])


@pytest.mark.parametrize(
    ("body", "status", "number", "said"),
    [
        (b"", 400, "GF-111", "body"),
        (b"{", 400, "GF-301", "line 1"),
        (b"[]", 400, "GF-301", "object"),
        (b'{"resourceType":"Patient"} {}', 400, "GF-301", ""),
        (b'{"resourceType":"Patient","gender":"male","gender":"female"}', 400, "GF-301", "gender"),
        (b'{"resourceType":"Patient","name":[{"text":"\xff"}]}', 400, "GF-301", "UTF-8"),
        (b'{"resourceType":"Patient","x":' + b"[" * 12 + b"]" * 12 + b"}", 400, "GF-301", "deep"),
        (b'{"resourceType":"Patient","name":[{"text":"' + b"x" * 4_000 + b'"}]}', 413, "GF-304", "4000"),
        (b'{"resourceType":"Patiend"}', 400, "GF-303", "Patiend"),
        (b'{"resourceType":7}', 400, "GF-302", "resourceType"),
        (b'{"resourceType":"Patient","birthDate":NaN}', 400, "GF-301", ""),
    ],
)
async def test_a_body_that_is_no_resource_is_refused(
    client: httpx.AsyncClient, body: bytes, status: int, number: str, said: str
) -> None:
    issue = error(await client.post("/Patient", content=body, headers=FHIR), status, number)
    assert said in issue["details"]["text"]
    assert await total(client) == 0


@pytest.mark.parametrize(
    ("wrong", "element"),
    [
        ({"gender": "x"}, "Patient.gender"),
        ({"gender": ["male"]}, "Patient.gender"),
        ({"birthDate": "14-02-1990"}, "Patient.birthDate"),
        ({"name": "Wulan"}, "Patient.name"),
        ({"name": []}, "Patient.name"),
        ({"nama": "Wulan"}, "Patient.nama"),
        ({"active": "true"}, "Patient.active"),
        ({"active": None}, "Patient.active"),
    ],
)
async def test_what_breaks_r4_is_refused_with_its_element(
    client: httpx.AsyncClient, wrong: dict[str, Any], element: str
) -> None:
    answer = await client.post("/Patient", json=patient(**wrong))
    assert answer.status_code == 422
    issue = next(i for i in answer.json()["issue"] if element in i["expression"][0])
    assert issue["severity"] == "error"
    assert issue["details"]["coding"][0]["system"] == "urn:gapura:rule"
    assert await total(client) == 0


async def test_a_body_in_pieces_meets_the_same_limit(client: httpx.AsyncClient) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b" " * 1_000

    error(await client.post("/Patient", content=pieces(), headers=FHIR), 413, "GF-304")


async def test_a_bundle_has_its_limit_of_entries(client: httpx.AsyncClient) -> None:
    rows = [entry("POST", "Patient", patient(f"RM-{n}")) for n in range(4)]
    error(await client.post("", json=bundle(*rows)), 413, "GF-502")
    error(await client.post("", json=bundle(*rows, kind="batch")), 413, "GF-502")
    assert await total(client) == 0
    assert (await client.post("", json=bundle(*rows[:3]))).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "number"),
    [
        ("GET", "/Patiend", 404, "GF-101"),
        ("GET", "/patient", 404, "GF-102"),
        ("GET", "/Patient/1/nothing", 404, "GF-102"),
        ("GET", "/Patient/1/_history/1/more", 404, "GF-102"),
        ("GET", "/Patient/a_b", 400, "GF-107"),
        ("GET", f"/Patient/{'x' * 65}", 400, "GF-107"),
        ("GET", "/Patient/$everything-else", 404, "GF-112"),
        ("GET", "/$nothing", 404, "GF-112"),
        ("PATCH", "", 405, "GF-103"),
        ("POST", "/Patient/1", 405, "GF-103"),
        ("DELETE", "/Patient/1/_history", 405, "GF-103"),
        ("TRACE", "/Patient/1", 405, "GF-103"),
        ("GET", "/Patient/1?name=x", 400, "GF-109"),
        ("GET", "/Patient/1?_pretty=perhaps", 400, "GF-108"),
        ("GET", "/Patient/1?_summary=all", 400, "GF-108"),
        ("GET", "/Patient/1?_format=turtle", 406, "GF-104"),
        ("GET", "/Patient?name=%FF", 400, "GF-108"),
        ("GET", "/metadata?mode=terminology", 400, "GF-108"),
    ],
)
async def test_an_address_that_means_nothing_is_refused(
    client: httpx.AsyncClient, method: str, path: str, status: int, number: str
) -> None:
    answer = await client.request(method, f"http://gateway.test/fhir{path}")
    error(answer, status, number)
    assert ("allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize(
    ("headers", "status", "number"),
    [
        ({"Accept": "text/html"}, 406, "GF-104"),
        ({"Accept": "application/fhir+json; fhirVersion=5.0"}, 406, "GF-104"),
        ({"Accept": "application/fhir+json;q=0"}, 406, "GF-104"),
        ({"Content-Type": "text/plain"}, 415, "GF-105"),
        ({"Content-Type": "application/fhir+json; charset=latin-1"}, 415, "GF-105"),
    ],
)
async def test_other_media_types_are_refused(
    client: httpx.AsyncClient, headers: dict[str, str], status: int, number: str
) -> None:
    error(await client.post("/Patient", content=b"{}", headers=headers), status, number)


@pytest.mark.parametrize(
    "accept",
    [
        "application/fhir+json",
        "application/json",
        "*/*",
        "text/html, */*;q=0.1",
        "application/fhir+json; fhirVersion=4.0",
    ],
)
async def test_the_usual_accept_headers_are_understood(client: httpx.AsyncClient, accept: str) -> None:
    answer = await client.get("/Patient", headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/fhir+json")


async def test_a_request_has_its_time(client: httpx.AsyncClient, app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def sleep(*_: Any, **__: Any) -> None:
        await asyncio.sleep(60)

    services = app.state.services
    monkeypatch.setattr(services, "settings", services.settings.model_copy(update={"request_timeout_s": 0.05}))
    monkeypatch.setattr(services.store, "read", sleep)
    error(await client.get("/Patient/1"), 503, "GF-901")


@pytest.mark.parametrize(
    ("fault", "status", "number"),
    [
        (StoreFull("no room"), 507, "GF-902"),
        (OSError(28, "No space left on device"), 507, "GF-902"),
        (StoreUnavailable("away"), 503, "GF-903"),
        (ZeroDivisionError("a mistake of ours"), 500, "GF-904"),
    ],
)
async def test_trouble_inside_is_told_without_its_details(
    client: httpx.AsyncClient,
    app: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fault: Exception,
    status: int,
    number: str,
) -> None:
    async def fail(*_: Any, **__: Any) -> None:
        raise fault

    monkeypatch.setattr(app.state.services.store, "write", fail)
    answer = await client.post("/Patient", json=patient())
    issue = error(answer, status, number)
    assert str(fault) not in answer.text
    if status == 500:
        assert answer.headers["x-request-id"] in issue["details"]["text"]
        assert answer.headers["x-request-id"] in caplog.text
        assert "Wulan" not in caplog.text


async def test_a_read_that_cannot_be_noted_is_not_answered(
    client: httpx.AsyncClient, app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = (await client.post("/Patient", json=patient())).json()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(app.state.services.journal, "note", full)
    answer = await client.get(f"/Patient/{stored['id']}")
    error(answer, 507, "GF-902")
    assert "Wulan" not in answer.text


async def test_readiness_follows_the_database(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway.test") as client:
            assert (await client.get("/health/ready")).status_code == 200

            def away() -> None:
                raise StoreUnavailable("away")

            monkeypatch.setattr(app.state.services.store, "connection", away)
            assert (await client.get("/health/ready")).status_code == 503
            assert (await client.get("/health")).status_code == 200
            monkeypatch.undo()


async def test_an_unknown_role_is_named_with_the_roles_there_are(app: Any) -> None:
    async with app.state.services.store.connection() as connection:
        with pytest.raises(ValueError, match="simrs"):
            await keys.create(connection, "king", None)
