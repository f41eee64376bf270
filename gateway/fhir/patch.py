"""patch and conditional patch, as JSON Patch, JSON Merge Patch or FHIRPath Patch.

Source: https://hl7.org/fhir/R4/http.html#patch, RFC 6902, RFC 7396, https://hl7.org/fhir/R4/fhirpatch.html
"""

import base64
import binascii
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from gateway.errors import FhirError
from gateway.fhir import fhirpathpatch, jsonpatch, mergepatch
from gateway.fhir.call import Answer, Call
from gateway.fhir.conditional import criteria, exclusively, until_quiet
from gateway.fhir.operations.operation import refuse_broken
from gateway.fhir.writing import commit, expected, judge, shown
from gateway.store import NEW, Change, Gone, NotFound, Transaction, Version
from profiles import fhirjson
from profiles.fhirjson import Resource
from profiles.validator import Issue

MEDIA = "application/json-patch+json"
MERGE_MEDIA = "application/merge-patch+json"
FHIR_MEDIA = "application/fhir+json"
PLAIN_MEDIA = "application/json"
"""What some clients call any of them: an array is a JSON Patch, Parameters are a FHIRPath Patch, the rest is merged."""
WANTED = f"{MEDIA}, {MERGE_MEDIA}, or FHIRPath Patch as {FHIR_MEDIA} or application/fhir+xml"

Patch = Callable[[Resource], Resource]
"""Makes the patched copy of a resource, or raises FhirError."""


async def patch(call: Call) -> Answer:
    """PATCH Type/id"""
    call.no_parameters()
    operations = read_patch(call)

    async def act() -> Answer:
        async with exclusively(call, ()) as (transaction, _, _):
            return await _apply(call, transaction, operations, await before(call, transaction, call.id))

    return await until_quiet(act, sure=bool(call.header(b"if-match")))


async def conditional_patch(call: Call) -> Answer:
    """PATCH Type?criteria"""
    operations = read_patch(call)
    asked = criteria(call, call.type, call.query)

    async def act() -> Answer:
        async with exclusively(call, [asked]) as (transaction, found, _):
            existing = found[asked]
            if existing is None:
                raise FhirError("GF-210", criteria=str(asked))
            return await _apply(call, transaction, operations, existing)

    return await until_quiet(act, sure=bool(call.header(b"if-match")))


async def before(call: Call, transaction: Transaction, identity: str) -> Version:
    """What a patch begins with. Raises FhirError GF-201, GF-202."""
    reference = f"{call.type}/{identity}"
    try:
        return await transaction.read(call.type, identity)
    except NotFound:
        raise FhirError("GF-201", reference=reference, type=call.type) from None
    except Gone:
        raise FhirError("GF-202", reference=reference) from None


def read_patch(call: Call) -> Patch:
    """The patch: the body, a JSON Patch, JSON Merge Patch or Parameters; in a Bundle a Binary that holds one, or the
    last.

    Raises FhirError GF-105, GF-301, GF-305, GF-310.
    """
    media = _media(call.header(b"content-type"))
    if call.resource is None and media == FHIR_MEDIA:
        call.resource = call.json()
    if call.resource is None:
        call.expect_media((MEDIA, MERGE_MEDIA, PLAIN_MEDIA), WANTED)
        return _json_patch(call, media, call.body)
    if call.resource.get("resourceType") == "Parameters":
        return _fhirpath_patch(call, call.resource)
    return _json_patch(call, *_in_binary(call.resource))


def _media(header: str) -> str:
    return header.partition(";")[0].strip().lower()


def _fhirpath_patch(call: Call, parameters: Resource) -> Patch:
    refuse_broken(call, parameters)
    return partial(fhirpathpatch.apply, fhirpathpatch.steps(parameters))


def _json_patch(call: Call, media: str, body: bytes) -> Patch:
    # wrapped as a member, the array passes the same limits as a resource does
    wrapped = replace(call, body=b'{"patch":' + (body or b"null") + b"}").json()
    if len(wrapped) != 1:
        raise FhirError("GF-305", reason="more than one JSON value")
    patch = wrapped["patch"]
    if media == PLAIN_MEDIA and isinstance(patch, dict):
        if patch.get("resourceType") == "Parameters":
            return _fhirpath_patch(call, patch)
        media = MERGE_MEDIA
    return partial(mergepatch.apply if media == MERGE_MEDIA else jsonpatch.apply, patch)


def _in_binary(resource: Resource) -> tuple[str, bytes]:
    """Source: https://hl7.org/fhir/R4/http.html#jsonpatch (in a Bundle, a JSON Patch travels as a Binary)"""
    media = resource.get("contentType")
    if resource.get("resourceType") != "Binary" or media not in (MEDIA, MERGE_MEDIA):
        raise FhirError(
            "GF-105",
            format=str(resource.get("resourceType")),
            wanted=f"Parameters, or a Binary of {MEDIA} or {MERGE_MEDIA}",
        )
    try:
        return media, base64.b64decode(resource.get("data", ""), validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise FhirError("GF-305", reason="Binary.data is not base64") from None


def patched(call: Call, patch: Patch, before: Version) -> tuple[Change, list[Issue]]:
    """The change that a patch makes of a version. Raises FhirError GF-204, GF-306, GF-307, and Rejected."""
    wanted = expected(call)
    if wanted == NEW:
        raise FhirError("GF-208", reference=before.reference)
    if wanted is not None and wanted != before.version:
        raise FhirError("GF-204", reference=before.reference, current=before.version, given=wanted)
    old = fhirjson.decode(before.content)
    new = _applied(call, patch, old)
    for element in ("resourceType", "id"):
        if new.get(element) != old.get(element):
            raise FhirError("GF-307", element=element, expression=f"{before.type}.{element}")
    judgement, found = judge(call, new)
    change = Change.update(new, before.id, expected=before.version, method="PATCH", judgement=judgement)
    return change, found


def _applied(call: Call, patch: Patch, old: Resource) -> Resource:
    """What a patch makes, within the limits of a body. Raises FhirError GF-305, GF-306."""
    settings = call.services.settings
    try:
        made = fhirjson.encode(patch(old))
        return fhirjson.decode(made, max_bytes=settings.max_body_bytes, max_depth=settings.max_json_depth)
    except fhirjson.FhirJsonError as bad:
        raise FhirError("GF-305", reason=f"what it makes: {bad}") from None
    except RecursionError:
        raise FhirError("GF-305", reason="what it makes: nested too deeply") from None


async def _apply(call: Call, transaction: Transaction, patch: Patch, before: Version) -> Answer:
    change, found = patched(call, patch, before)
    (version,) = await commit(call, "patch", [change], transaction)
    return Answer(200, version, issues=shown(call, found))
