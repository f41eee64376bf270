"""A batch: every entry for itself, each with its own answer. Source: https://hl7.org/fhir/R4/http.html#transaction"""

from http import HTTPStatus
from typing import Any

from gateway.errors import HttpError
from gateway.fhir import entries
from gateway.fhir.call import Answer, Call
from gateway.fhir.entries import Entry
from gateway.security.audit import instant
from gateway.security.door import refusal
from profiles.fhirjson import Resource


async def batch(call: Call, bundle: Resource) -> Answer:
    """Answer each entry in turn; one that fails stops no other."""
    rows = []
    for index, row in enumerate(entries.checked(call, bundle)):
        try:
            entry = entries.read(call, index, row)
            rows.append(response(entry, await entry.route.handler(entry.call)))
        except Exception as error:
            rows.append(refused(call, error))
    answer: Resource = {"resourceType": "Bundle", "type": "batch-response"}
    return Answer(200, resource={**answer, "entry": rows} if rows else answer)


def refused(call: Call, error: Exception) -> dict[str, Any]:
    """The entry of an answer that says why an entry was refused."""
    found: HttpError = refusal(error, call.services.settings, call.request_id)
    return {"response": {"status": status(found.status), "outcome": found.outcome(call.lang)}}


def response(entry: Entry, answer: Answer) -> dict[str, Any]:
    """The entry of an answer that says what became of an entry. What was read is always shown, what was written only
    where the caller prefers its representation."""
    call = entry.call
    said: dict[str, Any] = {"status": status(answer.status)}
    row: dict[str, Any] = {"response": said}
    version = answer.version
    if version is not None:
        said["location"] = f"{version.reference}/_history/{version.version}"
        said["etag"] = f'W/"{version.version}"'
        said["lastModified"] = instant(version.last_updated)
    if answer.issues:
        said["outcome"] = {"resourceType": "OperationOutcome", "issue": answer.issues}
    if call.method == "HEAD":
        return row
    if answer.resource is not None:
        row["resource"] = answer.resource
    elif version is not None and _shown(entry, answer.status) and not version.deleted:
        row["resource"] = call.shown(version.content)
    return row


def _shown(entry: Entry, code: int) -> bool:
    if code == HTTPStatus.NOT_MODIFIED:
        return False
    return entry.route.method == "GET" or entry.call.prefer.returns == "representation"


def status(code: int) -> str:
    """`201 Created`."""
    return f"{code} {HTTPStatus(code).phrase}"
