"""The gateway as one ASGI application: the door around FHIR roots, health pages and JSON APIs."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway import health
from gateway.cors import cors
from gateway.errors import FhirError, HttpError, language
from gateway.fhir.http import FhirRoots
from gateway.security.door import Door, refusal
from gateway.services import Services
from gateway.settings import Settings, load
from gateway.store import StoreError
from gateway.warm import warming

KEY = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key; the operator makes one with `gapura key create`.",
}
ABOUT = """What the gateway answers beside FHIR. The FHIR API is at `/fhir` (the default facility) and
`/{facility}/fhir`, and says of itself what it does: the CapabilityStatement at `/fhir/metadata`."""
REFUSED: dict[int | str, dict[str, Any]] = {
    401: {
        "description": "No key, or none that is valid: an OperationOutcome",
        "content": {
            "application/fhir+json": {
                "schema": {
                    "type": "object",
                    "required": ["resourceType", "issue"],
                    "properties": {
                        "resourceType": {"const": "OperationOutcome"},
                        "issue": {"type": "array", "minItems": 1, "items": {"type": "object"}},
                    },
                },
                "example": FhirError("GF-601").outcome("en"),
            }
        },
    }
}


class Application(FastAPI):
    """FastAPI behind the door: what the FHIR roots answer does not take the framework's way, which costs a read half
    its time."""

    door: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Every request goes to the door; what it and the FHIR roots let by comes back to the framework."""
        await self.door(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """What the JSON APIs beside FHIR are, and that they want the same key."""
        if self.openapi_schema is None:
            described = super().openapi()
            described.setdefault("components", {})["securitySchemes"] = {"key": KEY}
            described["security"] = [{"key": []}]
        return super().openapi()

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
        description=ABOUT,
        version=version("gapura"),
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = services
    app.include_router(health.router)
    app.add_api_route(
        "/api/openapi.json", described, tags=["description"], summary="What is described here", responses=REFUSED
    )
    app.add_exception_handler(HTTPException, _not_here)
    app.add_exception_handler(HttpError, _refused)
    app.add_exception_handler(StoreError, _refused)
    app.door = cors(Door(FhirRoots(app.inside, services), services), settings.cors_origins)
    return app


def from_environment() -> FastAPI:
    """The application of `gapura serve`'s processes."""
    return create_app(load())


async def described(request: Request) -> dict[str, Any]:
    """The OpenAPI description of these pages and APIs."""
    app: FastAPI = request.app
    return app.openapi()


async def _not_here(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    path, allowed = request.url.path, (error.headers or {}).get("Allow")
    if allowed is None:
        return await _refused(request, FhirError("GF-102", path=path))
    allow = ((b"allow", allowed.encode()),)
    return await _refused(
        request, FhirError("GF-103", method=request.method, path=path, allowed=allowed, headers=allow)
    )


async def _refused(request: Request, error: Exception) -> JSONResponse:
    settings = request.app.state.services.settings
    refused = refusal(error, settings, request.scope["request_id"])
    lang = language(request.headers.get("accept-language", ""), settings.language)
    headers = {name.decode(): value.decode() for name, value in refused.headers}
    return JSONResponse(refused.outcome(lang), refused.status, headers, media_type="application/fhir+json")
