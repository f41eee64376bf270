"""Bundles whose entries refer to each other: documents, messages, and what a server answers."""

from copy import deepcopy
from typing import Any

import pytest

from profiles import Validator

Json = dict[str, Any]

R4 = Validator()
SERVER = "http://example.org/fhir/"


def urn(n: int) -> str:
    return f"urn:uuid:0000000{n}-0000-4000-8000-000000000000"


def entry(url: str, resource: Json) -> Json:
    return {"fullUrl": url, "resource": resource}


PATIENT: Json = {"resourceType": "Patient", "id": "p", "active": True}
DOCTOR: Json = {"resourceType": "Practitioner", "id": "d", "active": True}


def document(patient: str, doctor: str, *more: Json, patient_url: str = urn(2)) -> Json:
    """A document whose Composition refers to its patient and doctor by these references."""
    composition = {
        "resourceType": "Composition",
        "id": "c",
        "status": "final",
        "type": {"text": "Resume medis"},
        "date": "2026-01-31",
        "title": "Resume",
        "subject": {"reference": patient},
        "author": [{"reference": doctor}],
    }
    root = SERVER + "Composition/c" if patient_url.startswith(SERVER) else urn(1)
    people = [entry(patient_url, PATIENT), entry(urn(3), DOCTOR)]
    return {
        "resourceType": "Bundle",
        "type": "document",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": urn(9)},
        "timestamp": "2026-01-31T08:00:00+07:00",
        "entry": deepcopy([entry(root, composition), *people, *more]),
    }


def found(resource: Json) -> set[tuple[str, str, str]]:
    issues = R4.validate(resource)
    assert R4.accepts(resource) is not any(i.severity == "error" and i.tier == "base" for i in issues)
    return {(i.severity, i.rule, i.path.removeprefix("Bundle.")) for i in issues}


SUBJECT = "entry[0].resource.subject.reference"
LINKED = {**PATIENT, "link": [{"type": "refer", "other": {"reference": urn(2)}}]}
STYLE = {"resourceType": "Binary", "id": "b", "contentType": "text/css"}
VERSIONED = {**PATIENT, "meta": {"versionId": "7"}}


@pytest.mark.parametrize(
    ("resource", "issue"),
    [
        (document(urn(2), urn(3)), None),
        (document("Patient/p", urn(3), patient_url=SERVER + "Patient/p"), None),
        (document(SERVER + "Patient/p", urn(3), patient_url=SERVER + "Patient/p"), None),
        (document(urn(8), urn(3), entry(urn(8), LINKED)), None),
        (document(urn(2), urn(3), entry(urn(4), {**DOCTOR, "id": "e"})), ("error", "bundle-reach", "entry[3]")),
        (document(urn(2), urn(3), entry(urn(4), STYLE)), None),
    ],
)  # fmt: skip
def test_a_document_holds_what_its_composition_refers_to_and_nothing_else(
    resource: Json, issue: tuple[str, str, str] | None
) -> None:
    assert found(resource) == ({issue} if issue else set())


@pytest.mark.parametrize(
    ("reference", "patient_url"),
    [
        ("Patient/other", urn(2)),
        ("Patient/p", urn(2)),
        ("Patient/other", SERVER + "Patient/p"),
        ("Patient/p", "http://example.com/Patient/p"),
        (SERVER + "Patient/other", SERVER + "Patient/p"),
        (urn(8), urn(2)),
    ],
)
def test_a_composition_that_refers_to_no_entry(reference: str, patient_url: str) -> None:
    issues = found(document(reference, urn(3), patient_url=patient_url))
    assert ("error", "bundle-reference", SUBJECT) in issues


def test_an_entry_that_a_relative_reference_does_not_find_is_named_with_its_fullurl() -> None:
    issues = R4.validate(document("Patient/p", urn(3)))
    assert [i.fix("en").partition(",")[0] for i in issues if i.rule == "bundle-reference"] == [f"Write {urn(2)}"]


@pytest.mark.parametrize(("version", "good"), [("7", True), ("6", False)])
def test_a_version_of_an_entry(version: str, good: bool) -> None:
    resource = document(f"Patient/p/_history/{version}", urn(3), patient_url=SERVER + "Patient/p")
    resource["entry"][1]["resource"] = VERSIONED
    assert found(resource) == (set() if good else {("error", "bundle-reference", SUBJECT)})


def test_two_versions_that_one_urn_could_mean() -> None:
    resource = document(urn(2), urn(3), entry(urn(2), VERSIONED))
    assert ("error", "bundle-reference", SUBJECT) in found(resource)


def message(focus: str, *more: Json) -> Json:
    header = {"resourceType": "MessageHeader", "eventUri": "http://example.org/e", "focus": [{"reference": focus}],
              "source": {"endpoint": "http://example.org"}}  # fmt: skip
    rows = [entry(urn(1), header), entry(urn(2), PATIENT), *more]
    return {"resourceType": "Bundle", "type": "message", "timestamp": "2026-01-31T08:00:00+07:00", "entry": rows}


def test_a_message_holds_its_focus_and_what_it_does_not_need_is_a_warning() -> None:
    assert found(message(urn(2))) == set()
    assert ("error", "bundle-reference", "entry[0].resource.focus[0].reference") in found(message("Patient/p"))
    assert found(message(urn(2), entry(urn(3), DOCTOR))) == {("warning", "bundle-reach", "entry[2]")}


def searchset(kind: str, mode: str = "match") -> Json:
    rows = [{**entry(SERVER + "Patient/p", PATIENT), "search": {"mode": mode}}]
    link = [{"relation": "self", "url": f"{SERVER}{kind}?name=siti"}]
    return {"resourceType": "Bundle", "type": "searchset", "total": 1, "link": link, "entry": rows}


def test_matches_are_of_the_type_that_was_searched_for() -> None:
    assert found(searchset("Patient")) == found(searchset("Practitioner", "include")) == set()
    assert found(searchset("")) == found(searchset("Patient/p/$everything")) == set()
    assert found(searchset("Practitioner")) == {("error", "bundle-search-type", "entry[0].resource")}


@pytest.mark.parametrize(("type_", "id_", "good"), [
    ("transaction", "p", True), ("transaction", "q", False), ("transaction", None, True),
    ("collection", "p", True), ("collection", "q", False), ("collection", None, False),
])  # fmt: skip
def test_a_restful_fullurl_agrees_with_the_id(type_: str, id_: str | None, good: bool) -> None:
    resource = {k: v for k, v in {**PATIENT, "id": id_}.items() if v is not None}
    request = {"request": {"method": "POST", "url": "Patient"}} if type_ == "transaction" else {}
    bundle = {"resourceType": "Bundle", "type": type_, "entry": [{**entry(SERVER + "Patient/p", resource), **request}]}
    assert {rule for _, rule, _ in found(bundle)} == (set() if good else {"bundle-fullurl"})


def test_a_choice_in_the_path_of_a_reference_is_written_as_fhirpath() -> None:
    requested = {"resourceType": "MedicationRequest", "status": "active", "intent": "order",
                 "medicationReference": {"reference": urn(8)}, "subject": {"reference": urn(2)}}  # fmt: skip
    rows = [{**entry(url, each), "request": {"method": "POST", "url": each["resourceType"]}}
            for url, each in ((urn(1), requested), (urn(2), PATIENT))]  # fmt: skip
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": rows}
    path = "entry[0].resource.medication.ofType(Reference).reference"
    assert found(bundle) == {("warning", "bundle-reference", path)}
