"""Every envelope of SATUSEHAT's refusals becomes the error that says what to do."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.connectors.errors import (
    DestinationError,
    Duplicate,
    Held,
    Misconfigured,
    NotFound,
    OutcomeUnknown,
    Refused,
    Throttled,
    Unavailable,
)
from gateway.connectors.satusehat.replies import failure
from gateway.connectors.wire import Exchange


def said(status: int, body: Any, *, changes: bool = True, **headers: str) -> DestinationError | None:
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    now = datetime.now(UTC)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    shown = Exchange("satusehat", "POST", "http://x/", {}, None, now, now, status, named, raw)
    return failure(shown, changes=changes)


def outcome(*issues: tuple[str, str]) -> dict[str, Any]:
    return {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": code, "details": {"text": text}} for code, text in issues],
    }


REPLIES: list[tuple[int, Any, type[DestinationError], str | None]] = [
    (400, outcome(("value", "Element not found: Encounter.diagnosis (RuleNumber: 10457)")), Refused, "10457"),
    (400, outcome(("value", "Code not found (Rule Number: 10109)")), Refused, "10109"),
    (400, outcome(("duplicate", "Found duplicate resource: Encounter")), Duplicate, "duplicate"),
    (400, outcome(("duplicate", "Found duplicate: Location (RuleNumber: 20002)")), Duplicate, "20002"),
    (400, outcome(("value", "Wrong organization ID provided (RuleNumber: 10117)")), Misconfigured, "10117"),
    (400, outcome(("value", "Invalid identifier system: http://x (RuleNumber: 10117)")), Misconfigured, "10117"),
    (400, outcome(("value", "Element not found: Encounter.identifier (RuleNumber: 10117)")), Refused, "10117"),
    (403, outcome(("forbidden", "Failed to get permission for client (RuleNumber: 20003)")), Misconfigured, "20003"),
    (400, outcome(("x", "resource cannot be accessed due to business rule")), Misconfigured, "x"),
    (403, outcome(("forbidden", "Not possible due to consent or privacy rules.")), Refused, "forbidden"),
    (400, outcome(("value", "reference target(s) not found: Encounter/x")), Held, "value"),
    (400, outcome(("value", "Forbidden resource Condition due to previous error (RuleNumber: 20012)")), Held, "20012"),
    (404, outcome(("not-found", "Resource not found Encounter/x (RuleNumber: 20007)")), NotFound, "20007"),
    (404, outcome(("no-store", "storage_error")), NotFound, "storage_error"),
    (412, outcome(("multiple-matches", "multiple matches")), Refused, "multiple-matches"),
    (500, outcome(("exception", "An unexpected internal error has occurred.")), OutcomeUnknown, "exception"),
    (401, {"fault": {"faultstring": "Invalid access token", "detail": {"errorcode": "oauth.v2.InvalidAccessToken"}}},
     Misconfigured, "oauth.v2.InvalidAccessToken"),
    (500, {"fault": {"faultstring": "SC-PostProcessor failed", "detail": {"errorcode": "steps.ExecutionFailed"}}},
     OutcomeUnknown, "steps.ExecutionFailed"),
    (401, {"ErrorCode": "invalid_client", "Error": "ClientId is Invalid"}, Misconfigured, "invalid_client"),
    (200, {"success": False, "message": "Citizen Not Exists"}, Refused, None),
    (200, {"success": False, "message": "Patient Resource Exists", "data": {"resourceID": "P1"}}, Duplicate, None),
    (200, {"create_patient": {"success": False, "message": "Citizen Not Exists"}}, Refused, None),
    (200, {"metadata": {"code": "400", "message": "nik tidak valid"}}, Refused, "400"),
    (422, {"detail": [{"loc": ["query", "page"], "msg": "field required", "type": "value_error"}]}, Refused, None),
    (200, {"resourceType": "OperationOutcome", "issue": [{"severity": "information", "code": "suppressed"}]}, Refused,
     "suppressed"),
    (403, "<!doctype html><title>403</title>403 Forbidden", Misconfigured, None),
    (404, "<html><title>Not Found</title></html>", Misconfigured, None),
    (429, "slow down", Throttled, None),
    (503, "no healthy upstream", OutcomeUnknown, None),
    (504, "Gateway Timeout", OutcomeUnknown, None),
    (200, "<html><title>Maintenance</title></html>", OutcomeUnknown, None),
    (200, "", OutcomeUnknown, None),
    (400, {}, Refused, None),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "kind", "code"), REPLIES)
def test_a_reply_to_a_change(status: int, body: Any, kind: type[DestinationError], code: str | None) -> None:
    error = said(status, body)
    assert type(error) is kind
    assert error.code == code
    assert error.text


@pytest.mark.parametrize(
    ("status", "body"), [(503, "no healthy upstream"), (500, outcome(("x", "y"))), (200, "<html>")]
)
def test_the_same_trouble_on_a_read_may_be_asked_again(status: int, body: Any) -> None:
    assert type(said(status, body, changes=False)) is Unavailable


def test_what_exists_already_is_named() -> None:
    error = said(200, {"success": False, "message": "Patient Resource Exists", "data": {"resourceID": "P02100000001"}})
    assert isinstance(error, Duplicate)
    assert error.existing == "P02100000001"


def test_the_reason_is_the_first_issue_that_does_not_follow_from_another() -> None:
    error = said(
        400,
        outcome(
            ("value", "Forbidden resource Condition due to previous error (RuleNumber: 20012)"),
            ("value", "Element not found: Encounter.period (RuleNumber: 10121)"),
        ),
    )
    assert isinstance(error, Refused)
    assert error.code == "10121"
    assert "20012" in error.text


def test_words_of_the_store_come_with_its_diagnostics_and_place() -> None:
    row = {
        "severity": "error",
        "code": "structure",
        "details": {"text": "unparseable_resource"},
        "diagnostics": 'missing required field "status"',
        "expression": ["Bundle.entry[0].resource.serviceRequest"],
    }
    error = said(400, {"resourceType": "OperationOutcome", "issue": [row]})
    assert isinstance(error, Refused)
    assert error.text == 'unparseable_resource: missing required field "status"'
    assert (error.code, error.element) == ("unparseable_resource", "Bundle.entry[0].resource.serviceRequest")


@pytest.mark.parametrize(("value", "seconds"), [("12", 12.0), ("", None), ("soon", None)])
def test_how_long_to_wait(value: str, seconds: float | None) -> None:
    error = said(429, "slow down", retry_after=value)
    assert isinstance(error, Throttled)
    assert error.retry_after == seconds


def test_an_http_date_to_wait_for_is_counted_from_now() -> None:
    error = said(429, "slow down", retry_after="Wed, 21 Oct 2015 07:28:00 GMT")
    assert isinstance(error, Throttled)
    assert error.retry_after == 0.0


@pytest.mark.parametrize(
    "body",
    [
        {"resourceType": "Encounter", "id": "x"},
        {"success": True, "message": "created", "data": {"Patient ID:": "P1"}},
        {"resourceType": "OperationOutcome", "issue": [{"severity": "information", "code": "informational"}]},
        {"resourceType": "Bundle", "type": "searchset", "total": 0},
    ],
)
def test_a_success_is_no_failure(body: Any) -> None:
    assert said(200, body) is None


CATALOGUE = {
    "duplicate_encounter": Duplicate,
    "duplicate_medication": Duplicate,
    "duplicate_location_rule_20002": Duplicate,
    "patient_exists": Duplicate,
    "invalid_identifier_system_10117": Misconfigured,
    "wrong_org_in_identifier_system_10117": Misconfigured,
    "wrong_org_claim_number_10200": Misconfigured,
    "client_org_mismatch": Misconfigured,
    "scope_20003": Misconfigured,
    "apigee_no_product_401": Misconfigured,
    "apigee_invalid_token_401": Misconfigured,
    "apigee_expired_token_401": Misconfigured,
    "invalid_client_401": Misconfigured,
    "auth_failed_official": Misconfigured,
    "forbidden_html_403": Misconfigured,
    "reference_target_not_found": Held,
    "no_store_404": NotFound,
    "internal_500_patient_create_staging": OutcomeUnknown,
    "apigee_sc_postprocessor_500": OutcomeUnknown,
    "no_healthy_upstream_503": OutcomeUnknown,
    "gateway_timeout_504": OutcomeUnknown,
    "suppressed_entry_in_searchset_200": None,  # a Bundle: the search tells (test_satusehat)
}


def test_the_catalogue_of_errors_seen_at_the_ministry(shared: Path) -> None:
    cases = json.loads((shared / "samples/satusehat/errors_catalog.json").read_text("utf-8"))
    assert len(cases) >= 43
    for case in cases:
        error = said(case["http_status"], case["body"])
        expected = CATALOGUE.get(case["id"], Refused)
        assert (None if error is None else type(error)) is expected, case["id"]


def test_the_patient_indexs_replies(shared: Path) -> None:
    cases = json.loads((shared / "samples/satusehat/patient_create_responses_non_fhir.json").read_text("utf-8"))
    for case in cases:
        error = said(case["http_status"], case["body"])
        part = case["body"].get("create_patient", case["body"])
        if part["success"]:
            assert error is None
        elif "data" in part:
            assert isinstance(error, Duplicate)
            assert error.existing == part["data"]["resourceID"]
        else:
            assert type(error) is Refused
