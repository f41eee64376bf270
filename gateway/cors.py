"""Calls from pages of other origins, where the operator names these. Source: https://fetch.spec.whatwg.org/#http-cors"""

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
SENT = (
    "Authorization",
    "If-Match",
    "If-None-Match",
    "If-Modified-Since",
    "If-None-Exist",
    "Prefer",
    "Content-Encoding",
)
SHOWN = (
    *("Content-Location", "ETag", "Expires", "Last-Modified", "Location", "Retry-After", "X-Progress"),
    *("X-Request-Id", "X-Gapura-Outcome"),
)
DAY_S = 86_400


def cors(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """The application, open to pages of these origins. A preflight carries no key, so this stands before the door."""
    if not origins:
        return app
    return CORSMiddleware(
        app, allow_origins=origins, allow_methods=METHODS, allow_headers=SENT, expose_headers=SHOWN, max_age=DAY_S
    )
