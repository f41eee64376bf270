"""VClaim's reply, opened: which envelope it came in, whether it is encrypted, and what it holds.

The key is spelt `metaData` or `metadata`, its code is text or a number, and `response` is null, plain or encrypted.
Source: reference bpjs.md §2 and §4.1.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from gateway.connectors.vclaim.crypto import UnreadableReply, decrypt, is_encrypted

_decoder = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")
_TITLE = re.compile(rb"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)


class NotAnEnvelope(ValueError):
    """The body is not VClaim's JSON; the text is what it seems to be instead."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """The opened reply: `code` and `message` of its metadata, and the decrypted, decoded `response`."""

    code: str
    message: str
    response: Any

    def encode(self) -> bytes:
        """The reply as it would read unencrypted: what evidence keeps."""
        return _encoder.encode({"metaData": {"code": self.code, "message": self.message}, "response": self.response})


def opened(body: bytes, key: Callable[[], bytes], success: frozenset[str]) -> Envelope:
    """Open a reply body; `key` gives the bytes that decrypt it and is asked only where something is encrypted.

    Raises NotAnEnvelope for anything but VClaim's JSON, UnreadableReply for a success that does not decrypt.
    """
    try:
        raw = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise NotAnEnvelope(page_title(body)) from None
    meta = next((raw[k] for k in ("metaData", "metadata") if k in raw), None) if isinstance(raw, dict) else None
    if not isinstance(meta, dict) or "code" not in meta:
        raise NotAnEnvelope("JSON without metaData")
    code, response = str(meta["code"]), raw.get("response")
    if isinstance(response, str) and is_encrypted(response):
        try:
            response = _decoder.decode(decrypt(response, key()))
        except (UnreadableReply, msgspec.DecodeError) as error:
            # A refusal's meaning is in its message; only a success needs what it encloses.
            if code in success:
                raise UnreadableReply(str(error)) from error
    return Envelope(code, str(meta.get("message") or ""), response)


def page_title(body: bytes) -> str:
    """A short name for a body that is not JSON: an HTML page's title, or how it begins."""
    title = _TITLE.search(body)
    text = (title.group(1) if title else body[:120]).decode("utf-8", "replace")
    return " ".join(text.split()) or "an empty body"
