"""A receiver on a real socket, and what the tests ask of Subscriptions."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.support.process import free_port

Json = dict[str, Any]
BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
TOPICS = "https://gapura.dev/fhir/SubscriptionTopic/"


@dataclass(frozen=True)
class Heard:
    """One request that arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Json:
        found: Json = json.loads(self.body)
        return found

    @property
    def status(self) -> dict[str, Any]:
        """The SubscriptionStatus of a notification Bundle: parameter → its value; events under `events`."""
        found: dict[str, Any] = {"events": []}
        for row in self.json["entry"][0]["resource"]["parameter"]:
            if row["name"] == "notification-event":
                found["events"].append({part["name"]: _value(part) for part in row["part"]})
            else:
                found[row["name"]] = _value(row)
        return found


def _value(row: Json) -> Any:
    value = next(value for key, value in row.items() if key.startswith("value"))
    return value["reference"] if isinstance(value, dict) else value


@dataclass
class Receiver:
    """An endpoint that keeps what it hears; `answers` are the statuses of the next requests, 200 after them."""

    url: str
    heard: list[Heard] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    async def take(self, request: Request) -> Response:
        body = await request.body()
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        self.heard.append(Heard(request.method, path, dict(request.headers), body))
        status = self.answers.pop(0) if self.answers else 200
        if status == 302:
            return Response(status_code=302, headers={"Location": f"{self.url}/elsewhere"})
        return Response(status_code=status)

    def of(self, kind: str) -> list[Heard]:
        """The notifications of one type."""
        return [one for one in self.heard if one.body and one.status["type"] == kind]

    def numbers(self) -> list[int]:
        """The event numbers in the order of their arrival."""
        return [int(event["event-number"]) for one in self.of("event-notification") for event in one.status["events"]]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    port = free_port()
    made = Receiver(f"http://127.0.0.1:{port}")
    app = Starlette(routes=[Route("/{rest:path}", made.take, methods=["POST", "PUT"])])
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, lifespan="off"))
    task = asyncio.create_task(server.serve())

    async def started() -> bool:
        return server.started

    await until(started)
    yield made
    server.should_exit = True
    await task


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
    """Wait for what must happen; the limit only ends a test that fails."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 (what is waited for happens elsewhere)
            await asyncio.sleep(0.01)


async def hears(receiver: Receiver, count: int) -> list[Heard]:
    """Wait until so many requests have arrived."""

    async def there() -> bool:
        return len(receiver.heard) >= count

    await until(there)
    return receiver.heard


def by_search(endpoint: str, criteria: str, *, payload: bool = False, header: tuple[str, ...] = ()) -> Json:
    """R4's own form."""
    channel: Json = {"type": "rest-hook", "endpoint": endpoint}
    if payload:
        channel["payload"] = "application/fhir+json"
    if header:
        channel["header"] = list(header)
    made = {"resourceType": "Subscription", "status": "requested", "reason": "uji", "criteria": criteria}
    return {**made, "channel": channel}


def by_topic(endpoint: str, topic: str, content: str, *filters: str, **limits: int) -> Json:
    """The backport's form; `limits`: heartbeat_period, timeout, max_count."""
    kinds = {"heartbeat_period": "valueUnsignedInt", "timeout": "valueUnsignedInt", "max_count": "valuePositiveInt"}
    channel: Json = {
        "type": "rest-hook",
        "endpoint": endpoint,
        "payload": "application/fhir+json",
        "_payload": {"extension": [{"url": f"{BACKPORT}backport-payload-content", "valueCode": content}]},
    }
    if limits:
        channel["extension"] = [
            {"url": f"{BACKPORT}backport-{name.replace('_', '-')}", kinds[name]: value}
            for name, value in limits.items()
        ]
    made: Json = {
        "resourceType": "Subscription",
        "meta": {"profile": [f"{BACKPORT}backport-subscription"]},
        "status": "requested",
        "reason": "uji",
        "criteria": TOPICS + topic,
        "channel": channel,
    }
    if filters:
        rows = [{"url": f"{BACKPORT}backport-filter-criteria", "valueString": text} for text in filters]
        made["_criteria"] = {"extension": rows}
    return made


async def subscribe(client: httpx.AsyncClient, wanted: Json, status: str = "active") -> str:
    """Create a Subscription, wait until it has a status, and return its id."""
    answer = await client.post("/Subscription", json=wanted)
    assert answer.status_code == 201, answer.text
    id: str = answer.json()["id"]
    await becomes(client, id, status)
    return id


async def becomes(client: httpx.AsyncClient, id: str, status: str) -> Json:
    """Wait until a Subscription has a status; return it."""

    async def there() -> bool:
        return bool((await client.get(f"/Subscription/{id}")).json()["status"] == status)

    await until(there)
    found: Json = (await client.get(f"/Subscription/{id}")).json()
    return found
