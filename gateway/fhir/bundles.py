"""Bundles that are answered: searchset, history, transaction-response. Stored bytes go in as they are.

Source: https://hl7.org/fhir/R4/bundle.html
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote_plus

from msgspec import Raw

from gateway.fhir.call import Call, Query
from gateway.security.audit import instant
from gateway.store import Contained, Version
from profiles import fhirjson
from profiles.fhirjson import Resource

STATUS = {"POST": "201 Created", "PUT": "200 OK", "PATCH": "200 OK", "DELETE": "204 No Content"}
CURSOR = "_cursor"
"""The parameter of our page links that says where the page begins."""


def searchset(
    call: Call,
    matches: Iterable[Version],
    included: Iterable[Version],
    *,
    query: Query,
    path: str,
    total: int | None,
    following: str | None,
    previous: str | None = None,
    issues: Sequence[Any] = (),
) -> Resource:
    """The answer to a search. `following` and `previous` are the cursors of the pages around this one; warnings become
    an entry of their own."""
    entries: list[Any] = [*_found(call, matches, "match"), *_found(call, included, "include")]
    if issues:
        outcome = {"resourceType": "OperationOutcome", "issue": issues}
        entries.append({"resource": outcome, "search": {"mode": "outcome"}})
    return _bundle("searchset", entries, total, _links(call, path, query, following, previous))


def history(
    call: Call, versions: Iterable[Version], *, query: Query, path: str, total: int | None, following: str | None
) -> Resource:
    """The answer to a history interaction, deletions included."""
    entries = [_past(call, version) for version in versions]
    return _bundle("history", entries, total, _links(call, path, query, following))


def _bundle(kind: str, entries: list[Any], total: int | None, links: list[dict[str, str]]) -> Resource:
    bundle: Resource = {"resourceType": "Bundle", "type": kind}
    if total is not None:
        bundle["total"] = total
    bundle["link"] = links
    if entries:
        bundle["entry"] = entries
    return bundle


def _links(
    call: Call, path: str, query: Query, following: str | None, previous: str | None = None
) -> list[dict[str, str]]:
    if call.view.format == "xml":
        query = [*query, ("_format", "xml")]
    address = f"{call.base}/{path}".rstrip("/")
    links = [{"relation": "self", "url": _url(address, query)}]
    rest = [(name, value) for name, value in query if name != CURSOR]
    if len(rest) < len(query):
        links.append({"relation": "first", "url": _url(address, rest)})
    for relation, cursor in (("previous", previous), ("next", following)):
        if cursor is not None:
            links.append({"relation": relation, "url": _url(address, [*rest, (CURSOR, cursor)])})
    return links


def _url(address: str, query: Query) -> str:
    return f"{address}?{encoded(query, ':|,/$')}" if query else address


def encoded(query: Query, safe: str = "") -> str:
    """A query as an address has it."""
    return "&".join(f"{_quoted(name, safe)}={_quoted(value, safe)}" for name, value in query)


_quoted = lru_cache(4096)(quote_plus)


def _found(call: Call, versions: Iterable[Version], mode: str) -> Iterator[Raw]:
    """The entries of what a search found; `_elements` speaks of matches only."""
    begin = b'{"fullUrl":' + fhirjson.encode(f"{call.base}/")[:-1]
    end = b',"search":{"mode":"%s"}}' % mode.encode()
    whole = not call.view.subset or (mode == "include" and bool(call.view.elements))
    for version in versions:
        content = version.content if whole else fhirjson.encode(call.shown(version.content))
        yield Raw(b'%s%s","resource":%s%s' % (begin, _reference(version), content, end))


def _reference(version: Version) -> bytes:
    """Within a JSON string. An id needs no escape; that of a contained resource is what its container says."""
    if isinstance(version, Contained):
        return fhirjson.encode(version.reference)[1:-1]
    return f"{version.type}/{version.id}".encode()


def _past(call: Call, version: Version) -> dict[str, Any]:
    entry: dict[str, Any] = {"fullUrl": f"{call.base}/{version.reference}"}
    if not version.deleted:
        entry["resource"] = call.shown(version.content)
    url = version.type if version.method == "POST" else version.reference
    entry["request"] = {"method": version.method, "url": url}
    status = "201 Created" if version.created else STATUS[version.method]
    entry["response"] = {
        "status": status,
        "etag": f'W/"{version.version}"',
        "lastModified": instant(version.last_updated),
    }
    return entry


DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def http_date(utc: datetime) -> str:
    """`Sat, 21 Nov 2026 02:03:04 GMT` (RFC 9110 §5.6.7), five times as fast as email.utils."""
    day, month = DAYS[utc.weekday()], MONTHS[utc.month - 1]
    return f"{day}, {utc.day:02} {month} {utc.year} {utc.hour:02}:{utc.minute:02}:{utc.second:02} GMT"
