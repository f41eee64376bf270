"""The sandbox's ASGI application: both simulated systems, their faults, and the doors for whoever tests with it."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from gateway.sandbox.connections import Connections
from gateway.sandbox.faults import Fault, Faulty
from gateway.sandbox.satusehat import app as satusehat
from gateway.sandbox.state import State
from gateway.sandbox.vclaim import app as vclaim
from profiles import fhirjson

Answer = Callable[[Request, State], Awaitable[Response]]
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def build(state: State, connections: Connections) -> ASGIApp:
    """The application over `state`; dropping connections works where `connections` is the server's."""

    def noted(answer: Answer) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            response = await answer(request, state)
            state.requests.append(
                {
                    "at": datetime.now(UTC).isoformat(),
                    "method": request.method,
                    "path": request.url.path,
                    "status": response.status_code,
                }
            )
            return response

        return endpoint

    async def ask_fault(request: Request) -> Response:
        try:
            fault = msgspec.json.decode(await request.body(), type=Fault)
        except msgspec.DecodeError as error:
            return _json({"error": str(error), "fields": list(Fault.__struct_fields__)}, 400)
        state.faults.add(fault)
        return _json(state.faults.shown())

    async def show(_: Request) -> Response:
        return _json(state.shown())

    async def reset(_: Request) -> Response:
        state.reset()
        return _json({"reset": True})

    app = Starlette(
        routes=[
            Route("/_sandbox/faults", ask_fault, methods=["POST"]),
            Route("/_sandbox/state", show, methods=["GET"]),
            Route("/_sandbox/reset", reset, methods=["POST"]),
            Route("/oauth2/v1/{path:path}", noted(satusehat.token), methods=METHODS),
            Route("/fhir-r4/v1", noted(satusehat.fhir), methods=METHODS),
            Route("/fhir-r4/v1/{path:path}", noted(satusehat.fhir), methods=METHODS),
            Route("/vclaim-rest/{path:path}", noted(vclaim.answer), methods=METHODS),
        ]
    )
    return Faulty(app, state.faults, connections, lambda: state.tokens.expire())


def _json(value: object, status: int = 200) -> Response:
    return Response(fhirjson.encode(value), status, media_type="application/json")
