"""Bundles: the rules that bind their entries together, and who is in them.

Source: https://hl7.org/fhir/R4/bundle.html. One pass over the entries: time grows as their number.
"""

import re
from collections.abc import Iterator
from typing import Any

from profiles.definitions import RESOURCE_TYPES
from profiles.fhirjson import Resource
from profiles.validator import links
from profiles.validator.links import FIRST, REST, Finding

Json = dict[str, Any]

REQUESTS = frozenset({"batch", "transaction", "history"})
RESPONSES = frozenset({"batch-response", "transaction-response", "history"})
_ABSOLUTE = re.compile(r"(?:https?://|urn:uuid:|urn:oid:|[a-z][a-z0-9+.\-]*:)\S+").match


class Entries:
    """The resources of a Bundle, found by fullUrl or `Type/id`; a version in the reference is ignored."""

    def __init__(self, bundle: Resource) -> None:
        self._found: dict[str, Resource] = {}
        for entry in entries(bundle):
            resource = entry.get("resource")
            if resource.__class__ is not dict:
                continue
            for key in (entry.get("fullUrl"), f"{resource.get('resourceType')}/{resource.get('id')}"):
                if key.__class__ is str:
                    self._found.setdefault(key, resource)

    def find(self, reference: str) -> Resource | None:
        found = self._found.get(reference)
        if found is None and "/_history/" in reference:
            found = self._found.get(reference.partition("/_history/")[0])
        return found


def entries(bundle: Resource) -> Iterator[Json]:
    """The entries that are objects, as far as there are any."""
    rows = bundle.get("entry")
    if rows.__class__ is list:
        yield from (row for row in rows if row.__class__ is dict)


def findings(bundle: Resource) -> Iterator[Finding]:
    """Every broken rule of a Bundle whose elements are well formed."""
    type_ = str(bundle.get("type"))
    rows = bundle.get("entry", [])
    if rows.__class__ is not list:
        return
    if "total" in bundle and type_ not in ("searchset", "history"):
        yield Finding("forbidden", ".total", "bdl-1")
    yield from _whole(bundle, type_, rows)
    yield from links.findings(rows, type_)
    wanted = _searched(bundle) if type_ == "searchset" else None
    seen: set[tuple[str, Any]] = set()
    ids: set[tuple[str, str]] = set()
    for n, entry in enumerate(rows):
        if entry.__class__ is dict:
            at = f".entry[{n}]"
            yield from _parts(entry, type_, at, wanted)
            yield from _identity(entry, type_, at, seen, ids)


def _whole(bundle: Resource, type_: str, rows: list[Any]) -> Iterator[Finding]:
    if type_ == "document":
        identifier = bundle.get("identifier")
        if identifier.__class__ is not dict or "system" not in identifier or "value" not in identifier:
            yield Finding("missing", ".identifier", "bdl-9", None, {"min": 1, "max": "1", "count": 0})
        if "timestamp" not in bundle:
            yield Finding("missing", ".timestamp", "bdl-10", None, {"min": 1, "max": "1", "count": 0})
    if type_ in FIRST:
        expected, rule = FIRST[type_]
        first = rows[0].get("resource") if rows and rows[0].__class__ is dict else None
        if first.__class__ is not dict or first.get("resourceType") != expected:
            yield Finding("bundle-first", ".entry[0]", rule, None, {"type": type_, "expected": expected})


def _parts(entry: Json, type_: str, at: str, wanted: str | None) -> Iterator[Finding]:
    """request, response, search and resource: each where the type of Bundle wants it."""
    if "search" in entry and type_ != "searchset":
        yield Finding("forbidden", at + ".search", "bdl-2")
    for name, types, rule in (("request", REQUESTS, "bdl-3"), ("response", RESPONSES, "bdl-4")):
        if name in entry and type_ not in types:
            yield Finding("forbidden", f"{at}.{name}", rule)
        elif name not in entry and type_ in types:
            yield Finding("missing", f"{at}.{name}", rule, None, {"min": 1, "max": "1", "count": 0})
    if type_ == "searchset":
        yield from _found(entry, at, wanted)
    if not ("resource" in entry or "request" in entry or "response" in entry):
        yield Finding("entry-empty", at, "bdl-5")


def _searched(bundle: Resource) -> str | None:
    """The type that a search was for, as its own url says; None where it does not."""
    rows = bundle.get("link")
    own = (
        (row for row in rows if row.__class__ is dict and row.get("relation") == "self")
        if rows.__class__ is list
        else ()
    )
    url = str(next((row.get("url") for row in own), ""))
    last = url.partition("?")[0].rpartition("/")[2]
    return last if last in RESOURCE_TYPES else None


def _found(entry: Json, at: str, wanted: str | None) -> Iterator[Finding]:
    """What a search found: outcomes are OperationOutcomes and nothing else is, matches are of the type `wanted`;
    what is no OperationOutcome has an id."""
    resource, search = entry.get("resource"), entry.get("search")
    if resource.__class__ is not dict:
        return
    kind = str(resource.get("resourceType"))
    mode = search.get("mode") if search.__class__ is dict else None
    if mode is not None and (kind == "OperationOutcome") is not (mode == "outcome"):
        yield Finding("search-mode", at + ".search.mode", "bundle-search-mode", mode, {"found": kind})
    elif mode == "match" and wanted is not None and kind != wanted:
        yield Finding("search-type", at + ".resource", "bundle-search-type", kind, {"wanted": wanted})
    if kind != "OperationOutcome" and "id" not in resource:
        yield Finding("missing", at + ".resource.id", "bundle-search-id", None, {"min": 1, "max": "1", "count": 0})


def _identity(
    entry: Json, type_: str, at: str, seen: set[tuple[str, Any]], ids: set[tuple[str, str]]
) -> Iterator[Finding]:
    url, resource = entry.get("fullUrl"), entry.get("resource")
    if resource.__class__ is not dict:
        resource = {}
    if url.__class__ is not str:
        told = resource.get("resourceType") not in (None, "OperationOutcome")
        if told and type_ not in REQUESTS and type_ not in RESPONSES:
            yield Finding("fullurl-missing", at, "bundle-fullurl")
        return
    meta = resource.get("meta")
    version = str(meta.get("versionId")) if meta.__class__ is dict else "None"
    if type_ != "history" and (url, version) in seen:
        yield Finding("fullurl-twice", at + ".fullUrl", "bdl-7", url)
    seen.add((url, version))
    if "/_history/" in url:
        yield Finding("forbidden", at + ".fullUrl", "bdl-8", url)
    if not _ABSOLUTE(url):
        yield Finding("fullurl-relative", at + ".fullUrl", "bundle-fullurl", url)
        return
    named = REST(url)
    if not named or not resource:
        return
    if "id" in resource:
        kind, id_ = resource.get("resourceType"), resource["id"]
        if (named[2], named[3]) != (kind, id_):
            yield Finding("fullurl-id", at + ".fullUrl", "bundle-fullurl", url, {"id": f"{kind}/{id_}"})
    elif type_ not in ("batch", "transaction", "searchset"):  # there it may be new, or is missed for itself
        yield Finding("missing", at + ".resource.id", "bundle-fullurl", None, {"min": 1, "max": "1", "count": 0})
