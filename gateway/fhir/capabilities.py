"""The CapabilityStatement, made from the routes and definitions that exist.

Source: https://hl7.org/fhir/R4/http.html#capabilities, https://hl7.org/fhir/R4/capabilitystatement.html
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache
from hashlib import sha256
from importlib.metadata import version
from typing import Any, NamedTuple

from gateway.errors import FhirError
from gateway.fhir.call import Answer, Call
from gateway.fhir.patch import MEDIA, MERGE_MEDIA
from gateway.fhir.view import subset
from gateway.security.audit import instant
from gateway.store.search.parameters import parameters
from gateway.subscriptions.topics import topics as subscribable
from profiles import fhirjson
from profiles.definitions import RESOURCE_TYPES, compartments, search_parameters
from profiles.fhirjson import Resource

STARTED = datetime.now(UTC)
TOPIC = (
    "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/capabilitystatement-subscriptiontopic-canonical"
)


class Here(NamedTuple):
    """What differs between two statements: the facility's address and name; whether pages of other origins may ask, and
    a conditional delete may remove many."""

    base: str
    name: str
    browsers: bool
    many: bool


async def capabilities(call: Call) -> Answer:
    """GET metadata, to anyone"""
    call.no_parameters("mode")
    mode = dict(call.query).get("mode", "full")
    if mode != "full":
        raise FhirError("GF-108", name="mode", value=mode, wanted="full")
    if call.view.summary == "count":
        raise FhirError("GF-108", name="_summary", value="count", wanted="true | text | data | false")
    here = Here(call.base, call.facility.name, bool(call.services.settings.cors_origins), call.facility.delete_many)
    told, etag = statement(here), _etag(here)
    own = call.services.store.parameters(call.facility.slug)
    if own:
        told = _with(told, own)
        etag = _hash(told)
    headers = ((b"etag", etag),)
    if etag in call.headers.get(b"if-none-match", b""):
        return Answer(304, headers=headers)
    return Answer(200, resource=subset(told, call.view) if call.view.subset else told, headers=headers)


@lru_cache(maxsize=64)
def _etag(here: Here) -> bytes:
    return _hash(statement(here))


def _hash(told: Resource) -> bytes:
    """An ETag that every process gives the same statement: it does not count when the process was started."""
    return b'W/"%s"' % sha256(fhirjson.encode({**told, "date": ""})).hexdigest()[:16].encode()


def _with(told: Resource, own: Sequence[Mapping[str, Any]]) -> Resource:
    """The statement with the search parameters that the site added for itself."""
    (rest,) = told["rest"]
    resources = []
    for resource in rest["resource"]:
        more = [
            {"name": p["code"], "definition": p["url"], "type": p["type"]}
            for p in own
            if resource["type"] in p["base"] or "Resource" in p["base"]
        ]
        resources.append({**resource, "searchParam": [*resource["searchParam"], *more]})
    return {**told, "rest": [{**rest, "resource": resources}]}


# a caller may write any address into the Host header
@lru_cache(maxsize=64)
def statement(here: Here) -> Resource:
    """What this server does at one of its addresses."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": instant(STARTED),
        "publisher": "Gapura",
        "kind": "instance",
        "instantiates": ["http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data"],
        "software": {"name": "Gapura", "version": version("gapura")},
        "implementation": {"description": here.name, "url": here.base},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json", "application/fhir+xml", "xml"],
        "patchFormat": [MEDIA, MERGE_MEDIA, "application/fhir+json", "application/fhir+xml"],
        "rest": [_rest(here.browsers, here.many)],
    }


@cache
def _rest(browsers: bool, many: bool) -> dict[str, Any]:
    from gateway.fhir.routes import ROUTES

    codes = [route.code for route in ROUTES]
    return {
        "mode": "server",
        "security": {"cors": browsers, "description": "Authorization: Bearer KEY"},
        "resource": [_resource(kind, codes, many) for kind in sorted(RESOURCE_TYPES)],
        "interaction": [
            {"code": code}
            for code, there in (
                ("transaction", "transaction" in codes),
                ("batch", "transaction" in codes),
                ("history-system", "history-system" in codes),
                ("search-system", "search-system" in codes),
            )
            if there
        ],
        "searchParam": [
            {"name": "_type", "type": "special", "documentation": "Types to search, separated by commas"},
            *({"name": code, "definition": p["url"], "type": p["type"]} for code, p in _of_all().items()),
        ],
        "operation": _operations(route for route in ROUTES if route.shape == route.code),
        "compartment": list(compartments().values()),
    }


def _of_all() -> dict[str, Mapping[str, Any]]:
    """The search parameters of every type."""
    everywhere = set.intersection(*({*parameters(kind)} for kind in RESOURCE_TYPES))
    return {code: search_parameters("Basic")[code] for code in sorted(everywhere)}


def _operations(routes: Iterable[Any]) -> list[dict[str, str]]:
    """What the routes that are operations declare, each once."""
    named = {route.code[1:]: route.definition for route in routes if route.definition}
    return [{"name": name, "definition": definition} for name, definition in named.items()]


@cache
def _references(kind: str) -> list[str]:
    """What `_include` may name of a type."""
    return [f"{kind}:{code}" for code, one in sorted(parameters(kind).items()) if one.kind == "reference"]


@cache
def _pointing() -> dict[str, list[str]]:
    """What `_revinclude` may name, by the type that is pointed to."""
    found: dict[str, list[str]] = {kind: [] for kind in RESOURCE_TYPES}
    for kind in sorted(RESOURCE_TYPES):
        for written in _references(kind):
            for target in parameters(kind)[written.partition(":")[2]].targets:
                found[target].append(written)
    return found


INTERACTIONS = (
    "read",
    "vread",
    "update",
    "patch",
    "delete",
    "history-instance",
    "history-type",
    "create",
    "search-type",
)


def _resource(kind: str, codes: list[str], many: bool) -> dict[str, Any]:
    from gateway.fhir.routes import IMMUTABLE, ROUTES

    frozen = {"update", "patch", "delete"} if kind in IMMUTABLE else set()
    may_change = not frozen
    definitions = search_parameters(kind)
    here = [route for route in ROUTES if "Type" in route.shape and (not route.types or kind in route.types)]
    topics = {"extension": [{"url": TOPIC, "valueCanonical": url} for url in subscribable()]}
    return {
        **(topics if kind == "Subscription" else {}),
        "type": kind,
        "interaction": [{"code": code} for code in INTERACTIONS if code in codes and code not in frozen],
        "versioning": "versioned-update",
        "readHistory": "vread" in codes,
        "updateCreate": may_change,
        "conditionalCreate": True,
        "conditionalRead": "full-support",
        "conditionalUpdate": may_change and "conditional-update" in codes,
        "conditionalDelete": ("multiple" if many else "single") if may_change else "not-supported",
        "referencePolicy": ["literal", "logical", "local"],
        "searchInclude": ["*", *_references(kind)],
        **({"searchRevInclude": pointing} if (pointing := _pointing()[kind]) else {}),
        "searchParam": [
            *({"name": name, "type": "special"} for name in ("_has", "_list") if name != "_has" or pointing),
            *(
                {"name": code, "definition": definitions[code]["url"], "type": definitions[code]["type"]}
                for code in sorted(parameters(kind))
            ),
        ],
        "operation": _operations(route for route in here if may_change or route.letter not in ("u", "d")),
    }
