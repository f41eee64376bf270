"""The one door: every request passes here, whatever page or API it is for.

It says who asks (an API key), gives the request its id, keeps it within its time, turns what goes wrong into an
OperationOutcome, and writes the access log. What the caller may do is asked of `allow` by the room that knows the act.
"""

import errno
import logging
import secrets
import time
from typing import Any

from msgspec import json
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import media
from gateway.errors import FhirError, HttpError, Language, language
from gateway.parts import Parts
from gateway.security.accesslog import AccessLog
from gateway.security.audit import Visitor
from gateway.security.deadlines import Deadlines
from gateway.security.keys import Principal
from gateway.security.roles import roles
from gateway.settings import Settings
from gateway.store import StoreFull, StoreUnavailable

log = logging.getLogger(__name__)


class Door:
    """ASGI application around the whole of the gateway. `services` gives the key ring, the log and the journal, which
    exist once the application has started."""

    def __init__(self, app: ASGIApp, services: Parts) -> None:
        self._app, self._services, self._deadlines = app, services, Deadlines()
        self._count, self._prefix = 0, secrets.token_hex(4)
        statements = (f"/{slug}/fhir/metadata" for slug in services.facilities)
        self._without_key = frozenset({"/health", "/health/ready", "/fhir/metadata", *statements})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer why not."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        started = time.perf_counter()
        self._count += 1
        request_id = f"{self._prefix}-{self._count}"
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"x-request-id", request_id.encode()))
            await send(message)

        scope["request_id"] = request_id
        scope["deadlines"] = self._deadlines
        try:
            scope["principal"] = await self._who(scope)
            task = self._deadlines.begin(self._services.settings.request_timeout_s)
            try:
                await self._app(scope, receive, watched)
            finally:
                self._deadlines.end(task)
        except Exception as error:
            if status:
                log.exception("request %s broke off after its answer had begun", request_id)
                raise
            await self._refuse(scope, watched, error, request_id)
        finally:
            self._log(scope, request_id, status, started)

    async def _who(self, scope: Scope) -> Principal | None:
        if scope["path"] in self._without_key:
            return None
        key = None
        for name, value in scope["headers"]:
            if name == b"authorization":
                key = value
                break
        try:
            return self._services.keys.known(key) or await self._services.keys.who(key)
        except HttpError:
            visitor = Visitor(self._services.default.slug, None, remote(scope))
            self._services.journal.note(visitor, "login", "", outcome="8")
            raise

    async def _refuse(self, scope: Scope, send: Send, error: Exception, request_id: str) -> None:
        refused = refusal(error, self._services.settings, request_id)
        accept = next((value for name, value in scope["headers"] if name == b"accept-language"), b"")
        lang: Language = language(accept.decode("latin-1"), self._services.settings.language)
        body, kind = json.encode(refused.outcome(lang)), media.JSON_TYPE
        wants = next((value for name, value in scope["headers"] if name == b"accept"), b"")
        if media.for_refusal(wants, scope["query_string"]) == "xml":
            body, kind = media.to_xml(body, self._services.settings), media.XML_TYPE
        headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), *refused.headers]
        await send({"type": "http.response.start", "status": refused.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _log(self, scope: Scope, request_id: str, status: int, started: float) -> None:
        access: AccessLog | None = self._services.access_log
        if access is None:
            return
        principal: Principal | None = scope.get("principal")
        line: dict[str, Any] = {
            "request": request_id,
            "method": scope["method"],
            "at": scope.get("shape", "other"),
            "status": status,
            "ms": round((time.perf_counter() - started) * 1000, 2),
            "key": principal.key if principal else None,
            "facility": scope.get("facility"),
        }
        access.write(line)


def refusal(error: Exception, settings: Settings, request_id: str) -> HttpError:
    """What the caller is told of an exception; what nobody foresaw goes to the log, and the caller gets its number."""
    if isinstance(error, HttpError):
        return error
    if isinstance(error, TimeoutError):
        return FhirError("GF-901", limit=settings.request_timeout_s)
    if isinstance(error, StoreFull) or (isinstance(error, OSError) and error.errno == errno.ENOSPC):
        return FhirError("GF-902")
    if isinstance(error, StoreUnavailable):
        return FhirError("GF-903", headers=((b"retry-after", b"2"),))
    log.error("request %s failed", request_id, exc_info=error)
    return FhirError("GF-904", request=request_id)


def remote(scope: Scope) -> str:
    """The address of the caller."""
    client = scope.get("client")
    return client[0] if client else ""


def allow(principal: Principal, facility: str, letter: str, resource_type: str, interaction: str) -> None:
    """Let a principal do one FHIR interaction, or raise FhirError GF-603 (role) or GF-604 (facility).

    `letter` is one of `cruds`; the empty string stands for an act that shows and changes no record.
    """
    if principal.facility is not None and principal.facility != facility:
        raise FhirError("GF-604", own=principal.facility, asked=facility)
    if letter and not principal.role.may(letter, resource_type):
        raise refused(principal, letter, resource_type, interaction)


def refused(principal: Principal, letter: str, resource_type: str, interaction: str) -> FhirError:
    """GF-603: the principal's role has not the right `letter` on a type; it names the roles that have."""
    able = ", ".join(role.name for role in roles().values() if role.may(letter, resource_type))
    return FhirError(
        "GF-603", role=principal.role.name, interaction=interaction, type=resource_type, roles=able or "none"
    )
