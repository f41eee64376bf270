"""The ministry's own examples: what it accepted passes, what it refused is refused with its number and in its words."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from profiles import fhirjson
from profiles.rules import Finding, Rule, Rules, rules
from profiles.rules.checks import CHECKS
from profiles.rules.codes import Site
from profiles.rules.findings import Judgement
from tests.conftest import shared_path
from tests.profiles.rules_support import NOW, Json, base, patched

SAMPLES = shared_path("samples", "satusehat")


def _accepted() -> list[str]:
    """The request bodies that were answered with 200 or 201, by the index of the samples."""
    rows = msgspec.json.decode((SAMPLES / "INDEX.json").read_bytes())
    return [
        row["file"]
        for row in rows
        if row.get("method") in ("POST", "PUT")
        and row.get("response_status") in (200, 201)
        and not row["file"].endswith((".response.json", "_response.json"))
        and (SAMPLES / row["file"]).exists()
    ]


@pytest.mark.parametrize("name", _accepted())
def test_what_the_ministry_accepted_breaks_no_rule(name: str) -> None:
    resource = fhirjson.decode((SAMPLES / name).read_bytes())
    assert [issue.text("en") for issue in Rules().judge(resource) if issue.severity == "error"] == []


SLIPS = {
    ("Procedure.code", "001"),
    ("ServiceRequest.reasonCode", " Z12.4"),
    ("Location.operationalStatus", "UO"),
    ("Encounter.location.extension.extension.valueCodeableConcept", "*"),  # two rules, each for its own part
}
"""Where the ministry's own examples slipped, or a path tells too little."""


def _observed() -> Iterator[tuple[Rule, str, Json]]:
    """(rule, element, value) for each code that the ministry's examples use where a rule looks."""
    seen = msgspec.json.decode((SAMPLES / "observed_codes_by_element.json").read_bytes())
    coded = [rule for rule in rules() if rule.local and rule.check in ("coding", "unit")]
    for path, systems in seen.items():
        resource, _, element = path.removesuffix(".coding").partition(".")
        for rule in coded:
            if rule.resource == resource and element in (re.sub(":[A-Za-z]+", "", each) for each in rule.elements):
                for system, codes in systems.items():
                    for code in codes:
                        coding = {"system": system, "code": code}
                        yield rule, f"{resource}.{element}", coding if rule.check == "unit" else {"coding": [coding]}


def test_every_code_that_the_ministrys_examples_use_is_taken_where_they_use_it() -> None:
    tried, refused = 0, set()
    for rule, element, value in _observed():
        judgement = Judgement({"resourceType": rule.resource}, None, NOW, {})
        CHECKS[rule.check](rule, Site()).report(value, None, judgement)
        code = (value.get("coding") or [value])[0]["code"]
        if any(finding.severity == "error" for finding in judgement.found):
            refused.add((element, "*" if (element, "*") in SLIPS else code))
        tried += 1
    assert refused == SLIPS
    assert tried > 1500


def test_every_rule_of_the_book_is_known() -> None:
    book = msgspec.json.decode((SAMPLES / "kamus_rule_number.json").read_bytes())
    assert {number for number in book if number.isdigit()} == {rule.number for rule in rules() if rule.kamus}


REFUSED: dict[str, tuple[str, list[Any]]] = {
    "code_not_found_10001": ("Encounter", [["class.code", "xxx"]]),
    "invalid_coding_system_10002": ("Encounter", [["participant[0].type[0].coding[0].system", "http://xxx.org"]]),
    "datetime_format_10132": ("Composition", [["date", "2022-06-14"]]),
    "datetime_value_10132": ("Composition", [["date", "2021-06-02T12:28:03Z"]]),
    "reference_mandatory_10124": ("Encounter", [["serviceProvider"]]),
    "element_not_found_10263": ("Claim", [["insurance[0].focal"]]),
    "invalid_identifier_system_10117": ("Encounter", [["identifier[0].system", "http://xxx.org"]]),
    "integer_as_string_10254": ("Claim", [["supportingInfo[0].sequence", "Satu"]]),
    "text_empty_10134": ("Composition", [["title", ""]]),
    "wrong_org_in_identifier_system_10117": (
        "Encounter",
        [["identifier[0].system", "http://sys-ids.kemkes.go.id/encounter/100025753"]],
    ),
    "wrong_org_claim_number_10200": (
        "CoverageEligibilityResponse",
        [["identifier[0].system", "http://sys-ids.kemkes.go.id/claim-number/100025753"]],
    ),
    "diagnosis_required_10457": ("Encounter", [["diagnosis"]]),
    "bundle_nested_20011": ("Bundle", [["entry[0].resource", {"resourceType": "Bundle", "type": "collection"}]]),
}
"""Refusals of the ministry, and a request that earns each: the example of a type, and what is done to it."""


def _refusal(name: str) -> dict[str, Any]:
    catalog = msgspec.json.decode((SAMPLES / "errors_catalog.json").read_bytes())
    return next(row["body"]["issue"][0] for row in catalog if row["id"] == name)


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_ministry_refused_is_refused_with_its_number(name: str) -> None:
    resource_type, patches = REFUSED[name]
    findings = Rules("10000004").findings(patched(base(resource_type), patches), NOW)
    [finding] = [finding for finding in findings if finding.severity == "error"]
    refusal = _refusal(name)
    assert finding.rule.number == name.rpartition("_")[2]
    if "expression" in refusal:
        assert finding.element == refusal["expression"][0]
    _same_words(finding, refusal)


def _same_words(finding: Finding, refusal: dict[str, Any]) -> None:
    """The first words of both sentences, the value and the number are the same."""
    ours, theirs = finding.wire(), refusal["details"]["text"]
    assert f"(RuleNumber: {finding.rule.number})" in theirs
    assert f"(RuleNumber: {finding.rule.number})" in ours
    if finding.rule.number not in ("20011", "10200"):  # abridged in the sample
        assert ours.partition(" (")[0] == theirs.partition(" (")[0]


def test_each_numbered_refusal_of_the_catalogue_is_earned_here_or_the_servers_alone() -> None:
    local = {rule.number for rule in rules() if rule.local}
    for row in msgspec.json.decode((SAMPLES / "errors_catalog.json").read_bytes()):
        number = re.search(r"RuleNumber: (\d+)", str(row["body"]))
        if number and number[1] in local:
            assert row["id"] in REFUSED or row["id"] == "patch_operationalstatus_10171"


def test_a_patch_of_part_of_operational_status_is_refused_with_its_number() -> None:
    [issue] = Rules().judge_patch("Location", [{"op": "add", "path": "/operationalStatus/system", "value": "x"}])
    assert issue.rule == "10171"
    assert "RuleNumber: 10171" in _refusal("patch_operationalstatus_10171")["details"]["text"]


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("error_wrong_org_in_identifier_system_10117.json", "10117"),
        ("error_duplicate_encounter.json", "20002"),
        ("error_unparseable_resource_400.json", "20008"),
        ("error_not_opted_in_400.json", "consent-or-permission"),
    ],
)
def test_a_refusal_of_the_ministry_is_read_by_its_number(name: str, rule: str) -> None:
    [issue] = Rules().judge(fhirjson.decode((SAMPLES / name).read_bytes()))
    assert (issue.rule, issue.severity) == (rule, "error")


def test_a_search_that_hides_its_content_is_a_warning() -> None:
    name = "error_suppressed_entry_in_searchset_200.json"
    [issue] = Rules().judge(fhirjson.decode((SAMPLES / name).read_bytes()))
    assert (issue.severity, issue.path) == ("warning", "Bundle.entry[0].resource.issue[0]")


def test_every_reply_of_the_catalogue_is_read() -> None:
    for row in msgspec.json.decode((SAMPLES / "errors_catalog.json").read_bytes()):
        body = row["body"]
        if isinstance(body, dict) and body.get("resourceType") == "OperationOutcome":
            issues = Rules().judge(body)
            assert len(issues) == len(body["issue"])
            assert all("{" not in issue.text("id") for issue in issues)
