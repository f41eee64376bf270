"""read, vread and HEAD. Source: https://hl7.org/fhir/R4/http.html#read, #vread"""

from email.utils import parsedate_to_datetime

from gateway.errors import FhirError
from gateway.fhir.call import Answer, Call
from gateway.store import Gone, NotFound, Version


async def read(call: Call) -> Answer:
    """GET Type/id"""
    _no_parameters(call)
    version = await current(call)
    call.services.journal.note(call.visitor, "read", version.reference)
    return Answer(304 if _unchanged(call, version) else 200, version)


async def vread(call: Call) -> Answer:
    """GET Type/id/_history/version"""
    _no_parameters(call)
    store, number = call.services.store, call.version
    try:
        if not number.isascii() or not number.isdigit() or len(number) > 9:
            raise NotFound(number)
        version = await store.vread(call.facility.slug, call.type, call.id, int(number))
    except NotFound:
        raise FhirError("GF-203", reference=call.reference, version=number) from None
    except Gone:
        raise gone(call) from None
    call.services.journal.note(call.visitor, "vread", f"{version.reference}/_history/{number}")
    return Answer(304 if _unchanged(call, version) else 200, version)


def _no_parameters(call: Call) -> None:
    call.no_parameters()
    if call.view.summary == "count":
        raise FhirError("GF-108", name="_summary", value="count", wanted="true | text | data | false")


async def current(call: Call) -> Version:
    """The current version of what the address names. Raises FhirError GF-201, GF-202."""
    try:
        return await call.services.store.read(call.facility.slug, call.type, call.id)
    except NotFound:
        raise FhirError("GF-201", reference=call.reference, type=call.type) from None
    except Gone:
        raise gone(call) from None


def gone(call: Call) -> FhirError:
    """The refusal of a deleted resource."""
    return FhirError("GF-202", reference=call.reference)


def _unchanged(call: Call, version: Version) -> bool:
    """Whether the caller has this version already (If-None-Match before If-Modified-Since, RFC 9110 §13.2.2)."""
    known = call.header(b"if-none-match")
    if known:
        # fhirpy leaves the quotes out
        tags = [tag.strip().removeprefix("W/").strip('"') for tag in known.split(",")]
        return tags == ["*"] or str(version.version) in tags
    since = call.header(b"if-modified-since")
    if not since:
        return False
    try:
        return version.last_updated.replace(microsecond=0) <= parsedate_to_datetime(since)
    except (ValueError, TypeError):
        raise FhirError(
            "GF-106", header="If-Modified-Since", value=since, wanted="Sat, 21 Nov 2026 02:03:04 GMT"
        ) from None
