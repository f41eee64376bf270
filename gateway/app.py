"""The gateway as one ASGI application: the door around FHIR roots, health pages and JSON APIs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Mount, Route

from gateway.errors import FhirError
from gateway.fhir.http import FhirRoot
from gateway.security.door import Door
from gateway.services import Services
from gateway.settings import Settings, load
from gateway.store import StoreError


def create_app(settings: Settings) -> FastAPI:
    """The application; its lifespan opens and closes the store. `app.state.services` is what runs in it."""
    services = Services(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await services.open()
        try:
            yield
        finally:
            await services.close()

    app = FastAPI(
        title="Gapura",
        version=version("gapura"),
        lifespan=lifespan,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.services = services
    roots = {"/fhir": services.default, **{f"/{facility.slug}/fhir": facility for facility in settings.facilities}}
    for prefix, facility in roots.items():
        root = FhirRoot(services, facility, prefix)
        app.router.routes += [Route(prefix, root), Mount(prefix, root)]
    app.add_api_route("/health", health, include_in_schema=True)
    app.add_api_route("/ready", ready, include_in_schema=True)
    app.add_exception_handler(HTTPException, _not_ours)
    app.add_middleware(Door, services=services)
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


async def _not_ours(request: Request, error: Exception) -> JSONResponse:
    path = request.url.path
    parts = path.split("/")
    if len(parts) > 2 and parts[2] == "fhir":
        raise FhirError("GF-110", facility=parts[1])
    raise FhirError("GF-102", path=path)
