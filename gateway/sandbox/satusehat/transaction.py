"""The simulated transaction: whole or not at all, and a reply with `resourceID`s that FHIR does not have.

Duplicates are looked for among what is kept, not among the entries: the ministry's own example has two Medications
of one identifier.

Source: reference satusehat.md §4.
"""

import uuid
from typing import Any

from gateway.sandbox.satusehat.judge import Refusal, issue, judge, judge_duplicate, judge_references
from gateway.sandbox.satusehat.shape import judge_shape
from gateway.sandbox.satusehat.shelf import Shelf
from profiles.fhirjson import Resource

Json = dict[str, Any]


def perform(bundle: Resource, shelf: Shelf, organization_id: str, base: str) -> Resource:
    """Store every entry and return the transaction-response; raise Refusal, with nothing stored, for any fault."""
    entries = bundle.get("entry") or []
    if bundle.get("type") != "transaction" or not entries:
        raise Refusal(
            issue("unparseable_resource", "structure", diagnostics="expected a transaction Bundle with entries")
        )
    judge(bundle, organization_id)
    ids = [_planned_id(entry, index) for index, entry in enumerate(entries)]
    places = {
        entry["fullUrl"]: f"{entry['resource']['resourceType']}/{i}" for entry, i in zip(entries, ids, strict=True)
    }
    brought = places | {place: place for place in places.values()}
    for index, entry in enumerate(entries):
        resource, path = entry["resource"], f"Bundle.entry[{index}].resource"
        judge_shape(resource, path)
        judge_references(resource, shelf, organization_id, brought, path)
        if entry["request"]["method"] == "POST":
            judge_duplicate(resource, shelf)
    stored = [
        shelf.put(_resolved(entry["resource"], places), organization_id, resource_id)
        for entry, resource_id in zip(entries, ids, strict=True)
    ]
    return {"resourceType": "Bundle", "type": "transaction-response", "entry": [_answer(row, base) for row in stored]}


def _planned_id(entry: Json, index: int) -> str:
    resource, request = entry.get("resource") or {}, entry.get("request") or {}
    kind, method, url = resource.get("resourceType"), request.get("method"), str(request.get("url", "")).split("/")
    where = f"Bundle.entry[{index}].request"
    if method not in ("POST", "PUT"):
        raise Refusal(
            issue("unparseable_resource", "structure", expression=where, diagnostics="method must be POST or PUT")
        )
    if url[0] != kind or (method == "PUT") is not (len(url) == 2):
        raise Refusal(
            issue("unparseable_resource", "structure", expression=where, diagnostics="url does not fit the resource")
        )
    if method == "POST":
        return str(uuid.uuid4())
    if resource.get("id") != url[1]:
        raise mismatch(url[1], resource.get("id"))
    return url[1]


def mismatch(asked: str, given: Any) -> Refusal:
    """Google's answer to a PUT whose id and body disagree."""
    text = f"resource id mismatch, id of specified resource: {asked}, id from payload: {given}"
    return Refusal(issue("resource_mismatch", "structure", diagnostics=text))


def _resolved(value: Any, places: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            key: places.get(inner, inner) if key == "reference" and isinstance(inner, str) else _resolved(inner, places)
            for key, inner in value.items()
        }
    return [_resolved(inner, places) for inner in value] if isinstance(value, list) else value


def _answer(stored: Resource, base: str) -> Json:
    kind, version = stored["resourceType"], stored["meta"]["versionId"]
    return {
        "response": {
            "etag": f'W/"{version}"',
            "lastModified": stored["meta"]["lastUpdated"],
            "location": f"{base}/{kind}/{stored['id']}/_history/{version}",
            "status": "201 Created",
            "resourceType": kind,
            "resourceID": stored["id"],
        }
    }
