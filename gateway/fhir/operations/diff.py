"""$diff: what changed between two versions of a resource, or between two resources of one type, as a FHIRPath Patch.

Not in the specification; names and shape are those of HAPI. `meta.versionId` and `meta.lastUpdated` differ always, and
are shown only with `includeMeta`.
"""

import re
from typing import Any

from gateway.errors import FhirError
from gateway.fhir.call import Answer, Call
from gateway.fhir.differences import differences
from gateway.fhir.operations.operation import OURS, Asked, Operation, Parameter, lacking
from gateway.fhir.reading import current
from gateway.security.door import allow
from gateway.store import Gone, NotFound
from profiles import fhirjson
from profiles.definitions import RESOURCE_TYPES
from profiles.fhirjson import Resource

NAME = re.compile(r"([A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/([1-9][0-9]{0,8}))?")


async def between_versions(call: Call, asked: Asked) -> Answer:
    """GET or POST Type/id/$diff: from the version before to the current one, unless others are named."""
    newest = (await current(call)).version
    to = asked.one("toVersion", newest)
    first = asked.one("fromVersion", max(to - 1, 1))
    return await _answer(call, asked, (call.type, call.id, first), (call.type, call.id, to))


async def between_resources(call: Call, asked: Asked) -> Answer:
    """GET or POST $diff with `from` and `to`, each `Type/id` or `Type/id/_history/version`"""
    ends = []
    for name in ("from", "to"):
        if name not in asked.values:
            raise lacking(call, "$diff", "from and to")
        text = asked.one(name)
        found = NAME.fullmatch(text)
        if not found or found[1] not in RESOURCE_TYPES:
            raise FhirError("GF-108", name=name, value=text, wanted="Type/id or Type/id/_history/version")
        allow(call.who, call.facility.slug, "r", found[1], "$diff")
        ends.append((found[1], found[2], int(found[3]) if found[3] else None))
    if ends[0][0] != ends[1][0]:
        raise FhirError("GF-108", name="to", value=asked.one("to"), wanted=f"a {ends[0][0]}")
    return await _answer(call, asked, ends[0], ends[1])


Name = tuple[str, str, int | None]


async def _answer(call: Call, asked: Asked, first: Name, second: Name) -> Answer:
    whole = asked.one("includeMeta", False)
    old, new = await _content(call, first, whole), await _content(call, second, whole)
    made: dict[str, Any] = {"resourceType": "Parameters"}
    rows = differences(old, new)
    return Answer(200, resource={**made, "parameter": rows} if rows else made)


async def _content(call: Call, name: Name, whole: bool) -> Resource:
    kind, identity, number = name
    reference, store, slug = f"{kind}/{identity}", call.services.store, call.facility.slug
    try:
        if number is None:
            version = await store.read(slug, kind, identity)
        else:
            version = await store.vread(slug, kind, identity, number)
    except NotFound:
        if number is None:
            raise FhirError("GF-201", reference=reference, type=kind) from None
        raise FhirError("GF-203", reference=reference, version=number) from None
    except Gone:
        raise FhirError("GF-202", reference=reference) from None
    call.services.journal.note(call.visitor, "vread", f"{reference}/_history/{version.version}")
    resource = fhirjson.decode(version.content)
    if whole:
        return resource
    meta = {key: value for key, value in resource["meta"].items() if key not in ("versionId", "lastUpdated")}
    rest = {key: value for key, value in resource.items() if key != "meta"}
    return {**rest, "meta": meta} if meta else rest


_META = {"includeMeta": Parameter("boolean")}
OPERATIONS = (
    Operation(
        "$diff",
        f"{OURS}Resource-diff",
        ("Type/id",),
        between_versions,
        "r",
        {"fromVersion": Parameter("positiveInt"), "toVersion": Parameter("positiveInt"), **_META},
    ),
    Operation(
        "$diff",
        f"{OURS}Resource-diff",
        ("",),
        between_resources,
        "",
        {"from": Parameter("string"), "to": Parameter("string"), **_META},
    ),
)
