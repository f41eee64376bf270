"""patch and conditional patch, as JSON Patch or FHIRPath Patch.

Source: https://hl7.org/fhir/R4/http.html#patch, RFC 6902, https://hl7.org/fhir/R4/fhirpatch.html
"""

import base64
import binascii
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from gateway.errors import FhirError
from gateway.fhir import fhirpathpatch, jsonpatch
from gateway.fhir.call import Answer, Call
from gateway.fhir.conditional import criteria, exclusively, until_quiet
from gateway.fhir.operations.operation import refuse_broken
from gateway.fhir.writing import commit, expected, judge, shown
from gateway.store import NEW, Change, Gone, NotFound, Transaction, Version
from profiles import fhirjson
from profiles.fhirjson import Resource
from profiles.validator import Issue

MEDIA = "application/json-patch+json"
FHIR_MEDIA = "application/fhir+json"
WANTED = f"{MEDIA}, or FHIRPath Patch as {FHIR_MEDIA} or application/fhir+xml"

Patch = Callable[[Resource], Resource]
"""Makes the patched copy of a resource, or raises FhirError."""


async def patch(call: Call) -> Answer:
    """PATCH Type/id"""
    call.no_parameters()
    operations = read_patch(call)

    async def act() -> Answer:
        async with exclusively(call, ()) as (transaction, _):
            return await _apply(call, transaction, operations, await before(call, transaction, call.id))

    return await until_quiet(act, sure=bool(call.header(b"if-match")))


async def conditional_patch(call: Call) -> Answer:
    """PATCH Type?criteria"""
    operations = read_patch(call)
    asked = criteria(call.type, call.query)

    async def act() -> Answer:
        async with exclusively(call, [asked]) as (transaction, found):
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
    """The patch: the body, a JSON Patch or Parameters; in a Bundle a Binary that holds the one, or the other.

    Raises FhirError GF-105, GF-301, GF-305, GF-310.
    """
    body = call.body
    if call.resource is None and call.header(b"content-type").partition(";")[0].strip().lower() == FHIR_MEDIA:
        call.resource = call.json()
    if call.resource is None:
        call.expect_media((MEDIA,), WANTED)
    elif call.resource.get("resourceType") == "Parameters":
        refuse_broken(call, call.resource)
        return partial(fhirpathpatch.apply, fhirpathpatch.steps(call.resource))
    else:
        body = _in_binary(call.resource)
    # wrapped as a member, the array passes the same limits as a resource does
    wrapped = replace(call, body=b'{"patch":' + (body or b"null") + b"}").json()
    if len(wrapped) != 1:
        raise FhirError("GF-305", reason="more than one JSON value")
    return partial(jsonpatch.apply, wrapped["patch"])


def _in_binary(resource: Resource) -> bytes:
    """Source: https://hl7.org/fhir/R4/http.html#jsonpatch (in a Bundle, a JSON Patch travels as a Binary)"""
    if resource.get("resourceType") != "Binary" or resource.get("contentType") != MEDIA:
        raise FhirError(
            "GF-105", format=str(resource.get("resourceType")), wanted=f"Parameters, or a Binary of {MEDIA}"
        )
    try:
        return base64.b64decode(resource.get("data", ""), validate=True)
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
    new = patch(old)
    for element in ("resourceType", "id"):
        if new.get(element) != old.get(element):
            raise FhirError("GF-307", element=element, expression=f"{before.type}.{element}")
    judgement, found = judge(call, new)
    change = Change.update(new, before.id, expected=before.version, method="PATCH", judgement=judgement)
    return change, found


async def _apply(call: Call, transaction: Transaction, patch: Patch, before: Version) -> Answer:
    change, found = patched(call, patch, before)
    (version,) = await commit(call, "patch", [change], transaction)
    return Answer(200, version, issues=shown(call, found))
