"""One HTTP request to an outside system, and the evidence of it.

httpx on aiohttp's connections (ten times the requests per second of httpx's own), kept alive. Nothing is ever sent
twice here: whether to send again is for whoever knows if it might have been done.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache, partial

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver
from httpx_aiohttp import AiohttpTransport

from gateway.connectors.errors import DestinationError, OutcomeUnknown, Unavailable

log = logging.getLogger(__name__)
# It would log every URL, and these hold NIKs and card numbers.
logging.getLogger("httpx").setLevel(logging.WARNING)

MAX_REPLY_BYTES = 64 * 1024 * 1024
CONNECT_S = 5.0
SHOWN_HEADERS = frozenset(
    (
        *(
            "accept",
            "accept-encoding",
            "connection",
            "content-encoding",
            "content-length",
            "content-type",
            "date",
            "etag",
        ),
        *("host", "location", "retry-after", "server", "transfer-encoding", "user-agent", "via"),
        *("x-request-id", "x-timestamp"),
    )
)

_NEVER_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)


@dataclass(frozen=True, slots=True)
class Exchange:
    """Evidence of one request and what came back. Header values that might be credentials are `***`.

    `reply` is the reply's body, decrypted where the system encrypts it; `status` and `reply` are None where none came,
    and `failure` then says why. Bodies hold personal data: they are evidence, not log text.
    """

    system: str
    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None
    started: datetime
    ended: datetime
    status: int | None = None
    reply_headers: dict[str, str] = field(default_factory=dict)
    reply: bytes | None = None
    failure: str | None = None


Observer = Callable[[Exchange], None]


def nobody(_: Exchange) -> None:
    """The observer of whoever keeps no evidence."""


class NoReply(Exception):
    """No whole reply came. `sent` is False only where the request certainly never reached the other side."""

    def __init__(self, exchange: Exchange, *, sent: bool) -> None:
        super().__init__(exchange.failure)
        self.exchange, self.sent = exchange, sent

    def as_error(self, *, changes: bool) -> DestinationError:
        """What it means for a request that changes something there, or only reads."""
        kind = OutcomeUnknown if changes and self.sent else Unavailable
        return kind(f"{self.exchange.system}: {self.exchange.failure}")


class Wire:
    """Kept-alive connections to one system. `timeout_s` covers one whole exchange, reply body included.

    A `resolver` decides which addresses may be connected to; a proxy, which would resolve by itself, is then not used.
    """

    def __init__(self, system: str, timeout_s: float, *, resolver: AbstractResolver | None = None) -> None:
        self.system, self._timeout_s = system, timeout_s
        connect_s = min(timeout_s, CONNECT_S)
        self._http = httpx.AsyncClient(
            transport=AiohttpTransport(verify=_tls(), client=partial(_session, resolver)),
            timeout=httpx.Timeout(timeout_s, connect=connect_s, pool=connect_s),
            headers={"Accept": "application/json"},
        )

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Exchange:
        """Send one request; raise NoReply where no whole reply came within the time."""
        request = self._http.build_request(method, url, headers=dict(headers), content=body)
        started, clock = datetime.now(UTC), time.perf_counter()
        status: int | None = None
        failure, sent, reply, reply_headers = "", True, b"", httpx.Headers()
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await self._http.send(request, stream=True)
                try:
                    status, reply_headers, reply = response.status_code, response.headers, await _body(response)
                finally:
                    await response.aclose()
        except (httpx.HTTPError, aiohttp.ClientError, TimeoutError, OSError) as error:
            # httpx-aiohttp calls a connection lost in mid-reply a ConnectTimeout, so only aiohttp's own class tells.
            status, sent = None, not isinstance(error.__cause__ or error, _NEVER_SENT)
            failure = _failure(error, self._timeout_s)
        log.debug("%s %s: %s in %.0f ms", self.system, method, status or failure, (time.perf_counter() - clock) * 1000)
        exchange = Exchange(
            system=self.system,
            method=method,
            url=str(request.url),
            headers=redacted(request.headers),
            body=body,
            started=started,
            ended=datetime.now(UTC),
            status=status,
            reply_headers=redacted(reply_headers),
            reply=None if status is None else reply,
            failure=failure or None,
        )
        if status is None:
            raise NoReply(exchange, sent=sent)
        return exchange

    async def close(self) -> None:
        """Close the kept-alive connections."""
        await self._http.aclose()


def redacted(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers with the values of all but the harmless ones replaced."""
    return {name.lower(): value if name.lower() in SHOWN_HEADERS else "***" for name, value in headers.items()}


def retry_after(exchange: Exchange) -> float | None:
    """Seconds that the reply's Retry-After asks for (a number or an HTTP date, RFC 9110 §10.2.3), or None."""
    value = exchange.reply_headers.get("retry-after", "").strip()
    if value.isdigit():
        return float(value)
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


@cache
def _tls() -> ssl.SSLContext:
    # certifi's authorities, or those of SSL_CERT_FILE and SSL_CERT_DIR.
    return httpx.create_ssl_context()


def _session(resolver: AbstractResolver | None) -> aiohttp.ClientSession:
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=_tls(), limit=32, keepalive_timeout=15.0, resolver=resolver),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=resolver is None,
    )
    # aiohttp resends PUT and DELETE by itself when a kept-alive connection drops: a second delete would be answered
    # "not found" and the first one's success lost. It offers no public switch.
    session._retry_connection = False
    return session


async def _body(response: httpx.Response) -> bytes:
    chunks, size = [], 0
    async for chunk in response.aiter_bytes():
        size += len(chunk)
        if size > MAX_REPLY_BYTES:
            raise httpx.ReadError(f"the reply is larger than {MAX_REPLY_BYTES} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _failure(error: Exception, timeout_s: float) -> str:
    cause = error.__cause__ or error
    if isinstance(error, TimeoutError) or isinstance(cause, TimeoutError):
        return f"no reply within {timeout_s:g} s"
    return f"{type(cause).__name__}: {cause}" if str(cause) else type(cause).__name__
