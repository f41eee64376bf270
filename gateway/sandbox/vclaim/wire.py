"""How the simulated VClaim knows its caller, and the envelope in which it answers.

Source: reference bpjs.md §1 and §2. The texts of the gateway's own refusals (401, 403) are not published.
"""

import base64
import hashlib
import hmac
from typing import Any

import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from gateway.sandbox.seed import Account, VClaimKeys
from gateway.sandbox.vclaim.lzstring import compress

SKEW_S = 300
PAGE = """<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1><p>{text}</p></body></html>"""


class Refusal(Exception):
    """A refusal in VClaim's envelope: HTTP 200 with a code that is not "200", as a rule."""

    def __init__(self, text: str, code: str = "201", status: int = 200) -> None:
        super().__init__(text)
        self.text, self.code, self.status = text, code, status


def authenticate(request: Request, accounts: list[Account], now: float) -> Account:
    """The facility that signed this request; raise Refusal where nobody known did, or its clock is off."""
    headers = request.headers
    account = next((a for a in accounts if a.vclaim.consumer_id == headers.get("x-cons-id")), None)
    timestamp = headers.get("x-timestamp", "")
    if account is None or not timestamp.isdigit():
        raise Refusal("Unauthorized! consumer id or timestamp is not valid", "401", 401)
    keys = account.vclaim
    digest = hmac.digest(keys.consumer_secret.encode(), f"{keys.consumer_id}&{timestamp}".encode(), "sha256")
    if not hmac.compare_digest(base64.b64encode(digest).decode(), headers.get("x-signature", "")):
        raise Refusal("Unauthorized! signature does not match", "401", 401)
    if abs(now - int(timestamp)) > SKEW_S:
        raise Refusal("Unauthorized! timestamp is out of range", "401", 401)
    if headers.get("user_key") != keys.user_key:
        raise Refusal("Unauthorized! You are not registered for this service", "403", 403)
    return account


def reply(response: Any, keys: VClaimKeys, timestamp: str, *, plain: bool, message: str = "OK") -> Response:
    """A success: `response` encrypted with the key of this request's timestamp, unless it is None or `plain`."""
    if response is not None and not plain:
        response = encrypt(msgspec.json.encode(response).decode(), keys, timestamp)
    return _envelope("200", message, response, 200)


def refused(refusal: Refusal) -> Response:
    """A refusal's envelope; its `response` is null."""
    return _envelope(refusal.code, refusal.text, None, refusal.status)


def page(title: str, text: str, status: int) -> Response:
    """One of the HTML pages that stand in front of the service."""
    return HTMLResponse(PAGE.format(title=title, text=text), status)


def encrypt(text: str, keys: VClaimKeys, timestamp: str) -> str:
    """base64(AES-256-CBC-PKCS7(LZString(text))) with K = SHA-256(consid + secret + timestamp), IV = K[:16]."""
    key = hashlib.sha256(f"{keys.consumer_id}{keys.consumer_secret}{timestamp}".encode()).digest()
    packed = compress(text).encode("ascii")
    fill = 16 - len(packed) % 16
    cipher = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    return base64.b64encode(cipher.update(packed + bytes([fill]) * fill) + cipher.finalize()).decode("ascii")


def _envelope(code: str, message: str, response: Any, status: int) -> Response:
    body = {"metaData": {"code": code, "message": message}, "response": response}
    return Response(msgspec.json.encode(body), status, media_type="application/json; charset=utf-8")
