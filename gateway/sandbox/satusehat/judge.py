"""Why the simulated SATUSEHAT refuses a resource: its shape, the numbered rules, its references, a duplicate.

In the ministry's order: the FHIR processor's rules first, then Google's store. Every issue is in the server's own form.
Source: reference satusehat.md §1 (pipeline), §2.0 (references), §5 (envelopes).
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from gateway.sandbox.satusehat.shelf import Shelf
from profiles.fhirjson import Resource
from profiles.rules import Rules

Json = dict[str, Any]

_UUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_ID_FORMS = {"Patient": r"P\d{11}|\d{12}", "Practitioner": r"N?\d{8,11}", "Organization": rf"\d{{6,11}}|{_UUID}"}
_REFERENCE = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})")


class Refusal(Exception):
    """A refusal: HTTP status and the issues of its OperationOutcome."""

    def __init__(self, *issues: Json, status: int = 400) -> None:
        super().__init__(issues[0]["details"]["text"])
        self.issues, self.status = list(issues), status

    def body(self) -> Json:
        """The OperationOutcome."""
        return {"resourceType": "OperationOutcome", "text": {"status": "generated"}, "issue": self.issues}


def issue(text: str, code: str = "value", *, expression: str | None = None, diagnostics: str | None = None) -> Json:
    """One issue; the words are in `details.text`, never in diagnostics, except where Google's store speaks."""
    row: Json = {"severity": "error", "code": code, "details": {"text": text}}
    if diagnostics:
        row["diagnostics"] = diagnostics
    if expression:
        row["expression"] = [expression]
    return row


@cache
def _rules(organization_id: str) -> Rules:
    return Rules(organization_id=organization_id)


def judge(resource: Resource, organization_id: str) -> None:
    """Raise Refusal where a resource (or a transaction and its entries) breaks a numbered rule."""
    findings = [f for f in _rules(organization_id).findings(resource) if f.severity == "error"]
    if findings:
        raise Refusal(*(issue(f.wire(), expression=f.path) for f in findings))


def judge_patch(resource_type: str, operations: list[Json], organization_id: str) -> None:
    """Raise Refusal where a JSON Patch breaks a numbered rule."""
    broken = _rules(organization_id).judge_patch(resource_type, operations)
    if broken:
        raise Refusal(*(issue(f"{i.text('en')} (RuleNumber: {i.rule})", expression=i.path) for i in broken))


def judge_references(
    resource: Resource, shelf: Shelf, organization_id: str, within: Mapping[str, Any], path: str | None = None
) -> None:
    """Raise Refusal for a reference to what is not kept here, or belongs to another organisation.

    `within` are the fullUrls (and `Type/id`s) that the same transaction brings; `path` is where the resource stands.
    """
    here = path or resource["resourceType"]
    for where, reference in _references(resource, here):
        if reference.startswith("#") or reference in within:
            continue
        if reference.startswith("urn:"):
            raise Refusal(issue(f"reference target(s) not found: {reference}", expression=where))
        found = _REFERENCE.fullmatch(reference)
        if not found or not re.fullmatch(_ID_FORMS.get(found[1], _UUID), found[2]):
            raise Refusal(issue(f"Wrong reference ID format: {reference}", expression=where))
        kept = shelf.get(found[1], found[2])
        if kept is None or kept.owner not in ("", organization_id):
            raise Refusal(issue(f"reference target(s) not found: {reference}", expression=where))


def judge_duplicate(resource: Resource, shelf: Shelf) -> None:
    """Raise Refusal where a resource with one of its identifiers is kept already."""
    if shelf.duplicate(resource):
        raise Refusal(issue(f"Found duplicate resource: {resource['resourceType']} (RuleNumber: 20002)", "duplicate"))


def _references(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        reference = value.get("reference")
        if isinstance(reference, str):
            yield path, reference
        for key, inner in value.items():
            yield from _references(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _references(inner, f"{path}[{index}]")
