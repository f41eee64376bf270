"""The gateway as one ASGI application: the door around FHIR roots, health pages and JSON APIs."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.errors import FhirError, HttpError, language
from gateway.fhir.http import FhirRoots
from gateway.security.door import Door, refusal
from gateway.services import Services
from gateway.settings import Settings, load
from gateway.store import StoreError
from gateway.warm import warming


class Application(FastAPI):
    """FastAPI behind the door: what the FHIR roots answer does not take the framework's way, which costs a read half
    its time."""

    door: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Every request goes to the door; what it and the FHIR roots let by comes back to the framework."""
        await self.door(scope, receive, send)

    async def inside(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The framework itself."""
        await super().__call__(scope, receive, send)


def create_app(settings: Settings) -> FastAPI:
    """The application; its lifespan opens and closes the store. `app.state.services` is what runs in it."""
    services = Services(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await services.open()
        try:
            # what is there now stays for good: the collector need not walk through it at every turn
            gc.collect()
            gc.freeze()
            gc.set_threshold(20_000, 20, 20)
            async with warming(services):
                yield
        finally:
            await services.close()

    app = Application(
        title="Gapura",
        version=version("gapura"),
        lifespan=lifespan,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = services
    app.add_api_route("/health", health, include_in_schema=True)
    app.add_api_route("/health/ready", ready, include_in_schema=True)
    app.add_exception_handler(HTTPException, _nothing_there)
    app.add_exception_handler(HttpError, _refused)
    app.add_exception_handler(StoreError, _refused)
    app.door = Door(FhirRoots(app.inside, services), services)
    return app


def from_environment() -> FastAPI:
    """The application of `gapura serve`'s processes."""
    return create_app(load())


async def health() -> dict[str, str]:
    """The process lives."""
    return {"status": "ok", "version": version("gapura")}


async def ready(request: Request) -> JSONResponse:
    """The process can do its work: the database answers."""
    try:
        async with request.app.state.services.store.connection() as connection:
            await connection.fetchval("select 1")
    except StoreError:
        return JSONResponse({"status": "no database"}, 503, headers={"retry-after": "2"})
    return JSONResponse({"status": "ok"})


async def _nothing_there(request: Request, error: Exception) -> JSONResponse:
    return await _refused(request, FhirError("GF-102", path=request.url.path))


async def _refused(request: Request, error: Exception) -> JSONResponse:
    settings = request.app.state.services.settings
    refused = refusal(error, settings, request.scope["request_id"])
    lang = language(request.headers.get("accept-language", ""), settings.language)
    return JSONResponse(refused.outcome(lang), refused.status, media_type="application/fhir+json")
