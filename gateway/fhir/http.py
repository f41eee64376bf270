"""The FHIR root of one facility as an ASGI application: request in, `Answer` out, bytes on the wire.

It is the same work for every interaction: body within its limit, parameters that all share, rights, Prefer, headers.
"""

import gzip
from collections.abc import AsyncIterator, Callable, Sequence
from functools import lru_cache, partial
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from msgspec import Raw
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import media
from gateway.bulk.kickoff import later
from gateway.errors import FhirError, language
from gateway.fhir.body import received
from gateway.fhir.bundles import http_date
from gateway.fhir.call import Answer, Call, Query
from gateway.fhir.routes import Address, Route, find
from gateway.fhir.view import PLAIN, View, prefer, pretty, view
from gateway.parts import Parts
from gateway.security.door import allow, remote
from gateway.settings import Facility
from profiles import fhirjson

WORTH_ZIPPING = 1_000
ZIP_LEVEL = 4
CACHING = ((b"vary", b"accept, accept-encoding"), (b"cache-control", b"private, no-cache"))
"""A cache may keep an answer for the caller alone, and asks (If-None-Match) before it shows it again."""

Headers = list[tuple[bytes, bytes]]


class FhirRoots:
    """ASGI middleware that answers below `/fhir` (the default facility) and `/{slug}/fhir`, and lets the rest by.

    It stands before the framework's router, whose way costs a read half its time.
    """

    def __init__(self, app: ASGIApp, services: Parts) -> None:
        self._app = app
        self._default = FhirRoot(services, services.default, "/fhir")
        self._named = {
            slug: FhirRoot(services, facility, f"/{slug}/fhir") for slug, facility in services.facilities.items()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Find the root of the path."""
        await self._root(scope)(scope, receive, send)

    def _root(self, scope: Scope) -> ASGIApp:
        if scope["type"] != "http":
            return self._app
        parts = scope["path"].split("/", 3)
        if parts[1] == "fhir":
            return self._default
        if len(parts) > 2 and parts[2] == "fhir":
            if parts[1] not in self._named:
                raise FhirError("GF-110", facility=parts[1])
            return self._named[parts[1]]
        return self._app


class FhirRoot:
    """The FHIR API of one facility."""

    def __init__(self, services: Parts, facility: Facility, prefix: str) -> None:
        self._services, self._facility, self._prefix = services, facility, prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. What is raised is answered by the door."""
        path: str = scope["path"][len(self._prefix) :].strip("/")
        method: str = scope["method"]
        asked = find(method, path)
        route, kind = asked.route, asked.type
        scope["shape"] = asked.shape
        scope["facility"] = self._facility.slug
        call = self._call(scope, path, asked)
        if call.who is not None:
            allow(call.who, self._facility.slug, route.letter, kind or "*", route.code)
        if route.raw:
            call.receive = _followed(receive, self._alive(scope))
        elif method in ("POST", "PUT", "PATCH"):
            coding = call.header(b"content-encoding").strip().lower()
            call.body = await received(receive, coding, self._services.settings.max_body_bytes)
            if call.body and media.brings_xml(call.header(b"content-type")):
                call.expect_media(media.XML_TYPES, media.XML)
                call.resource = media.read_xml(call.body, self._services.settings)
        answer = await (later(call, route) if call.prefer.later else route.handler(call))
        if answer.stream is None:
            await _send(send, *_response(call, route, answer))
        else:
            pieces = answer.stream if method != "HEAD" else None
            await _stream(send, answer.status, answer.headers, pieces, self._alive(scope))

    def _alive(self, scope: Scope) -> Callable[[], None]:
        """What gives the request its whole time anew."""
        return partial(scope["deadlines"].renew, self._services.settings.request_timeout_s)

    def _call(self, scope: Scope, path: str, asked: Address) -> Call:
        headers = dict(scope["headers"])
        accept = headers.get(b"accept")
        raw_query: bytes = scope["query_string"]
        how: View = PLAIN
        query: Query = []
        if raw_query:
            how, query = view(_pairs(raw_query))
        if accept is not None and not asked.route.raw and not how.format and media.accepted(accept) == "xml":
            how = how._replace(format="xml")
        preferred = headers.get(b"prefer")
        lang = headers.get(b"accept-language")
        default = self._services.settings.language
        return Call(
            services=self._services,
            facility=self._facility,
            who=scope["principal"],
            lang=default if lang is None else _language(lang, default),
            base=self._base(scope, headers),
            method=scope["method"],
            path=path,
            type=asked.type,
            id=asked.id,
            version=asked.version,
            query=query,
            headers=headers,
            view=how,
            prefer=prefer(preferred or b""),
            remote=remote(scope),
            request_id=scope["request_id"],
            compartment=asked.compartment,
        )

    def _base(self, scope: Scope, headers: dict[bytes, bytes]) -> str:
        public = self._services.settings.public_url
        if public is not None:
            return f"{public}{self._prefix}"
        host = headers.get(b"host", b"localhost").decode("latin-1")
        return f"{scope['scheme']}://{host}{self._prefix}"


_language = lru_cache(maxsize=256)(lambda header, default: language(header.decode("latin-1"), default))


def _pairs(raw: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=1000)
    except ValueError:
        raise FhirError(
            "GF-108", name="?", value=raw.decode("latin-1"), wanted="name=value&name=value in UTF-8"
        ) from None


def _response(call: Call, route: Route, answer: Answer) -> tuple[int, Headers, bytes]:
    headers: Headers = [*answer.headers, *CACHING]
    version = answer.version
    if version is not None:
        headers.append((b"etag", b'W/"%d"' % version.version))
        headers.append((b"last-modified", http_date(version.last_updated).encode()))
        if answer.location:
            headers.append((b"location", f"{call.base}/{version.reference}/_history/{version.version}".encode()))
    issues = [*answer.issues, *(error.issue(call.lang, "warning") for error in call.warnings)]
    if issues:
        headers.append((b"x-gapura-outcome", _counted(issues)))
    status, content = _content(call, route, answer, issues)
    if content:
        if call.view.format == "xml":
            content = media.to_xml(content, call.services.settings, pretty=call.view.pretty)
            headers.append((b"content-type", media.XML_TYPE))
        else:
            content = pretty(content) if call.view.pretty else content
            headers.append((b"content-type", media.JSON_TYPE))
        if len(content) > WORTH_ZIPPING and media.unzips(call.headers.get(b"accept-encoding", b"")):
            content = gzip.compress(content, ZIP_LEVEL, mtime=0)
            headers.append((b"content-encoding", b"gzip"))
    if status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        headers.append((b"content-length", b"%d" % len(content)))
    return status, headers, b"" if call.method == "HEAD" else content


def _content(call: Call, route: Route, answer: Answer, issues: list[Any]) -> tuple[int, bytes]:
    """Status and body. What was read is the body; of what was written it is what `Prefer: return` asks for."""
    status, version = answer.status, answer.version
    if status == HTTPStatus.NOT_MODIFIED:
        return status, b""
    if route.method != "GET" and answer.resource is None:
        if call.prefer.returns == "OperationOutcome":
            outcome = {"resourceType": "OperationOutcome", "issue": issues or [_done(call)]}
            return HTTPStatus.OK if status == HTTPStatus.NO_CONTENT else status, fhirjson.encode(outcome)
        if call.prefer.returns == "minimal" or status == HTTPStatus.NO_CONTENT:
            return status, b""
    if answer.resource is not None:
        return status, answer.resource if isinstance(answer.resource, bytes) else fhirjson.encode(answer.resource)
    if version is None:
        return status, b""
    shown = call.shown(version.content)
    return status, bytes(shown) if isinstance(shown, Raw) else fhirjson.encode(shown)


def _done(call: Call) -> dict[str, Any]:
    text = "Selesai; tidak ada temuan." if call.lang == "id" else "Done; nothing was found amiss."
    return {"severity": "information", "code": "informational", "details": {"text": text}}


def _counted(issues: list[Any]) -> bytes:
    """`error=2 warning=1`: that there are findings; `Prefer: return=OperationOutcome` shows them."""
    counts: dict[str, int] = {}
    for issue in issues:
        counts[issue["severity"]] = counts.get(issue["severity"], 0) + 1
    return " ".join(f"{severity}={number}" for severity, number in counts.items()).encode()


def _followed(receive: Receive, alive: Callable[[], None]) -> Receive:
    """`receive`, for a body that may take longer than a request as long as it keeps coming."""

    async def next_message() -> Message:
        message = await receive()
        alive()
        return message

    return next_message


async def _stream(
    send: Send,
    status: int,
    headers: Sequence[tuple[bytes, bytes]],
    pieces: AsyncIterator[bytes] | None,
    alive: Callable[[], None],
) -> None:
    """Send piece by piece; it may take longer than a request as long as the caller takes them."""
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    if pieces is not None:
        async for piece in pieces:
            alive()
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _send(send: Send, status: int, headers: Headers, content: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
