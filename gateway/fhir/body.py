"""The body of a request, whole and within its limit, unzipped where it came zipped. Source: RFC 9110 §8.4"""

import zlib

from starlette.types import Receive

from gateway.errors import FhirError

GZIP = 16 + zlib.MAX_WBITS


async def received(receive: Receive, coding: str, limit: int) -> bytes:
    """The body. Raises FhirError GF-105 (Content-Encoding), GF-111 (the caller left), GF-301 (not gzip), GF-304 (too
    long, before or after unzipping)."""
    whole = await _whole(receive, limit)
    if not coding or coding == "identity":
        return whole
    if coding not in ("gzip", "x-gzip"):
        raise FhirError(
            "GF-105", format=coding, wanted="it as it is, or with gzip", headers=((b"accept-encoding", b"gzip"),)
        )
    return _unzipped(whole, limit)


async def _whole(receive: Receive, limit: int) -> bytes:
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise FhirError("GF-111", wanted="the whole body before you leave")
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise FhirError("GF-304", limit=limit, headers=((b"connection", b"close"),))
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _unzipped(body: bytes, limit: int) -> bytes:
    unzip = zlib.decompressobj(GZIP)
    try:
        found = unzip.decompress(body, limit + 1)
    except zlib.error as bad:
        raise FhirError("GF-301", reason=f"gzip: {bad}") from None
    if len(found) > limit:
        raise FhirError("GF-304", limit=limit)
    if not unzip.eof or unzip.unused_data:
        raise FhirError("GF-301", reason="gzip: the body ends too early or goes on after its end")
    return found
