"""Faults that a test or an operator asks for, and the middleware that makes them happen on the wire."""

import asyncio
import re
from typing import Annotated, Any, Literal

import msgspec
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.sandbox.connections import Connections

Kind = Literal["latency", "status", "html", "drop", "stall", "throttle", "expired_token"]


class Fault(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One fault.

    `kind`: `latency` answers after `seconds`; `status` answers with `status` and a bare text; `html` with an HTML page;
    `drop` closes the connection without an answer; `stall` gives no answer for `seconds`, then closes; `throttle`
    answers 429, with Retry-After where `retry_after` (seconds) is given; `expired_token` answers 401 and ends every
    token.

    `committed`: the request takes effect first, only its answer is lost (`status`, `html`, `drop`, `stall`).
    `system`, `method` and `path` (a regular expression, searched in the path without regard to case) choose the
    requests; `times` how many of them, 0 for all until a reset; `after` how many are let through first.
    """

    kind: Kind
    system: Literal["vclaim", "satusehat"] | None = None
    method: str | None = None
    path: str = ""
    committed: bool = False
    seconds: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    status: Annotated[int, msgspec.Meta(ge=400, le=599)] = 503
    retry_after: int | None = None
    times: Annotated[int, msgspec.Meta(ge=0)] = 1
    after: Annotated[int, msgspec.Meta(ge=0)] = 0

    def __post_init__(self) -> None:
        if self.committed and self.kind in ("latency", "throttle", "expired_token"):
            raise ValueError(f"`committed` has no meaning for {self.kind}")
        try:
            re.compile(self.path)
        except re.error as error:
            raise ValueError(f"path is not a regular expression: {error}") from None

    def concerns(self, system: str, method: str, path: str) -> bool:
        """Whether this fault is about such a request."""
        return (
            self.system in (None, system)
            and (self.method is None or self.method.upper() == method)
            and re.search(self.path, path, re.IGNORECASE) is not None
        )


class Faults:
    """The faults that are waiting to happen, oldest first."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Ask for a fault."""
        self._waiting.append(fault)

    def clear(self) -> None:
        """Ask for none any more."""
        self._waiting.clear()

    def shown(self) -> list[Any]:
        """The waiting faults, with the times that are left."""
        return [msgspec.to_builtins(fault) for fault in self._waiting]

    def take(self, system: str, method: str, path: str) -> Fault | None:
        """The fault that befalls this request, if any; it is then one time less."""
        for fault in self._waiting:
            if not fault.concerns(system, method, path):
                continue
            if fault.after:
                fault.after -= 1
                continue
            if fault.times:
                fault.times -= 1
                if not fault.times:
                    self._waiting.remove(fault)
            return fault
        return None


class Faulty:
    """ASGI middleware: lets the faults happen to the requests that they concern."""

    def __init__(self, app: ASGIApp, faults: Faults, connections: Connections, expire: Any) -> None:
        self._app, self._faults, self._connections, self._expire = app, faults, connections, expire

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        system = system_of(scope["path"]) if scope["type"] == "http" else None
        fault = self._faults.take(system, scope["method"], scope["path"]) if system else None
        if fault is None:
            await self._app(scope, receive, send)
        elif fault.kind == "latency":
            await asyncio.sleep(fault.seconds)
            await self._app(scope, receive, send)
        else:
            if fault.committed:
                await self._app(scope, receive, _unheard)
            await self._fail(fault, scope, receive, send)

    async def _fail(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        if fault.kind in ("drop", "stall"):
            await asyncio.sleep(fault.seconds)
            self._connections.cut(scope["client"])
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        if fault.kind == "expired_token":
            self._expire()
        await _response(fault)(scope, receive, send)


def system_of(path: str) -> str | None:
    """Which simulated system a path belongs to; None for the sandbox's own."""
    lowered = path.lower()
    if lowered.startswith("/vclaim-rest"):
        return "vclaim"
    return "satusehat" if lowered.startswith(("/fhir-r4", "/oauth2")) else None


def _response(fault: Fault) -> Response:
    if fault.kind == "throttle":
        headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
        return Response("Too Many Requests", 429, headers, "text/plain")
    if fault.kind == "expired_token":
        return JSONResponse(
            {
                "fault": {
                    "faultstring": "Access Token expired",
                    "detail": {"errorcode": "keymanagement.service.access_token_expired"},
                }
            },
            401,
        )
    if fault.kind == "html":
        return HTMLResponse(
            "<html><head><title>Runtime Error</title></head><body>Server Error</body></html>", fault.status
        )
    return Response("no healthy upstream", fault.status, media_type="text/plain")


async def _unheard(_: Message) -> None:
    """The answer that nobody gets."""
