"""The whole application on a fresh database, spoken to over ASGI, and clients with keys of each role."""

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
from fastapi import FastAPI

from gateway.app import create_app
from gateway.security import keys
from gateway.services import Services
from gateway.settings import Settings

MakeClient = Callable[..., Awaitable[httpx.AsyncClient]]


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    """The running application; facilities `rs-melati` (default) and `rs-kenanga`."""
    made = create_app(settings)
    async with made.router.lifespan_context(made):
        yield made


@pytest.fixture
def services(app: FastAPI) -> Services:
    """What runs in the application."""
    found: Services = app.state.services
    return found


@pytest.fixture
async def make_client(app: FastAPI, services: Services) -> AsyncIterator[MakeClient]:
    """Makes a client with a key of a role: `await make_client("reader", facility="rs-melati")`."""
    opened: list[httpx.AsyncClient] = []

    async def make(role: str | None, facility: str | None = None, language: str = "en") -> httpx.AsyncClient:
        headers = {"Accept-Language": language}
        if role is not None:
            async with services.store.connection() as connection:
                headers["Authorization"] = f"Bearer {await keys.create(connection, role, facility, f'a {role}')}"
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        client = httpx.AsyncClient(transport=transport, base_url="http://gateway.test/fhir", headers=headers)
        opened.append(client)
        return client

    yield make
    for client in opened:
        await client.aclose()


@pytest.fixture
async def client(make_client: MakeClient) -> httpx.AsyncClient:
    """A client with an admin's key for all facilities; messages in English."""
    return await make_client("admin")
