"""Whether the gateway lives and can work: the pages that a load balancer or an orchestrator asks, without a key."""

from importlib.metadata import version
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from gateway.store import StoreError

OPEN: dict[str, Any] = {"security": []}
"""What makes an operation of the OpenAPI description one without a key."""

router = APIRouter(tags=["health"])


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"
    version: str

    model_config = {"json_schema_extra": {"example": {"status": "ok", "version": "0.1.0"}}}


class Ready(BaseModel):
    """Whether requests can be served now."""

    status: Literal["ok", "no database"] = "ok"

    model_config = {"json_schema_extra": {"example": {"status": "ok"}}}


@router.head("/health", include_in_schema=False)
@router.get("/health", openapi_extra=OPEN, summary="Does the process live?")
async def health() -> Alive:
    """That it lives, and which version it is."""
    return Alive(version=version("gapura"))


@router.head("/health/ready", include_in_schema=False)
@router.get(
    "/health/ready",
    openapi_extra=OPEN,
    summary="Can requests be served now?",
    responses={
        503: {
            "model": Ready,
            "description": "The database does not answer",
            "headers": {"Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer"}}},
            "content": {"application/json": {"example": {"status": "no database"}}},
        }
    },
)
async def ready(request: Request, response: Response) -> Ready:
    """That the database answers."""
    try:
        async with request.app.state.services.store.connection() as connection:
            await connection.fetchval("select 1")
    except StoreError:
        response.status_code, response.headers["retry-after"] = 503, "2"
        return Ready(status="no database")
    return Ready()
