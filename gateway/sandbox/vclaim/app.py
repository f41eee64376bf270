"""The simulated VClaim on the wire."""

import time
from urllib.parse import unquote

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from gateway.sandbox.state import State
from gateway.sandbox.vclaim import wire
from gateway.sandbox.vclaim.service import ROUTES, Call

PREFIX = "/vclaim-rest"
CHANGE_TYPE = "application/x-www-form-urlencoded"


async def answer(request: Request, state: State) -> Response:
    """Answer one request below `/vclaim-rest` as BPJS would."""
    path = request.url.path.removeprefix(PREFIX)
    here = (route for route in ROUTES if route.method == request.method and route.pattern.fullmatch(path))
    route = next(here, None)
    if route is None:
        return wire.page("404 - File or directory not found.", "The resource you are looking for is not here.", 404)
    raw = await request.body()
    try:
        account = wire.authenticate(request, list(state.seed.accounts.values()), time.time())
        body = None
        if request.method != "GET":
            if request.headers.get("content-type", "").split(";")[0].strip().lower() != CHANGE_TYPE:
                return wire.page("Request Error", "The server encountered an error processing the request.", 200)
            body = _decoded(raw)
        match = route.pattern.fullmatch(path)
        parts = tuple(unquote(part) for part in match.groups()) if match else ()
        response = route.handler(Call(account, state.books, parts, body))
    except wire.Refusal as refusal:
        return wire.refused(refusal)
    timestamp = request.headers["x-timestamp"]
    return wire.reply(response, account.vclaim, timestamp, plain=route.plain, message=route.message)


def _decoded(raw: bytes) -> object:
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError:
        raise wire.Refusal("Format Request Tidak Sesuai") from None
