"""Identifiers on the wire: the ministry's systems, with the sender's own organisation."""

import pytest

from profiles.rules import Rules
from tests.profiles.rules_support import NOW, Json, base

OWN, OTHER = "10000004", "10000099"
RULES = Rules(OWN)
SYS = "http://sys-ids.kemkes.go.id/"


def said(resource: Json, judge: Rules = RULES) -> list[str]:
    return [issue.rule for issue in judge.judge(resource, NOW) if issue.severity == "error"]


SYSTEMS = [
    ("Encounter", "encounter", "10117"),
    ("Condition", "condition", "10444"),
    ("Observation", "observation", "10441"),
    ("Procedure", "procedure", "10442"),
    ("AllergyIntolerance", "allergy", "10443"),
    ("ClinicalImpression", "clinicalimpression", "10418"),
    ("EpisodeOfCare", "episode-of-care", "10458"),
    ("Location", "location", "10447"),
    ("Organization", "organization", "10446"),
    ("MedicationRequest", "prescription", "10388"),
    ("MedicationRequest", "prescription-item", "10388"),
    ("MedicationStatement", "medicationstatement", "10445"),
    ("ServiceRequest", "servicerequest", "10415"),
    ("ServiceRequest", "acsn", "10415"),
    ("Specimen", "specimen", "10414"),
    ("CoverageEligibilityResponse", "claim-number", "10200"),
]


@pytest.mark.parametrize(("resource_type", "name", "rule"), SYSTEMS)
def test_the_system_carries_the_senders_own_organisation(resource_type: str, name: str, rule: str) -> None:
    def made(system: str) -> Json:
        return base(resource_type) | {"identifier": [{"system": system, "value": "1"}]}

    assert said(made(f"{SYS}{name}/{OWN}")) == []
    assert said(made(f"{SYS}{name}/{OTHER}")) == [rule]
    assert said(made(f"{SYS}{name}/{OTHER}"), Rules(OTHER)) == []
    assert said(made(f"{SYS}{name}/")) == [rule]
    assert said(made(f"{SYS}{name}/{OWN}/1")) == [rule]
    assert said(made(f"{SYS}nomor/{OWN}")) == [rule]
    assert said(made(f"http://rs.example.org/{name}/{OWN}")) == [rule]


@pytest.mark.parametrize(("department", "right"), [("lab", True), ("rad", True), ("ekg", False)])
def test_a_report_is_the_laboratorys_or_the_radiologys(department: str, right: bool) -> None:
    report = base("DiagnosticReport")
    report["identifier"] = [{"system": f"{SYS}diagnostic/{OWN}/{department}", "value": "1"}]
    assert said(report) == ([] if right else ["10432"])


def test_a_compositions_identifier_is_one_and_no_list() -> None:
    made = base("Composition")
    assert said(made | {"identifier": {"system": f"{SYS}composition/{OTHER}", "value": "1"}}) == ["10464"]
    assert said(made | {"identifier": {"system": f"{SYS}composition/{OWN}", "value": "1"}}) == []


def test_a_visit_of_a_programme_carries_its_own_number_beside() -> None:
    visit = base("Encounter")
    for system in ("http://terminology.kemkes.go.id/CodeSystem/episodeofcare/ANC", f"{SYS}sitb/{OWN}"):
        assert said(visit | {"identifier": [*visit["identifier"], {"system": system, "value": "K1"}]}) == []
    assert said(visit | {"identifier": [*visit["identifier"], {"system": f"{SYS}sitb/{OTHER}", "value": "K1"}]}) == [
        "10117"
    ]


def test_an_outside_pharmacy_names_the_facility_that_prescribed() -> None:
    dispensed = base("MedicationDispense")
    dispensed["identifier"][0]["system"] = f"{SYS}prescription/{OTHER}"
    assert said(dispensed) == []


def test_the_national_prescription_number_is_nobodys_organisation() -> None:
    request = base("MedicationRequest")
    request["identifier"].insert(0, {"system": f"{SYS}prescription/national", "value": "N-1"})
    assert said(request) == []
    assert said(request, Rules()) == []


def test_without_a_known_organisation_the_first_that_is_named_counts() -> None:
    request = base("MedicationRequest")
    request["identifier"][1]["system"] = f"{SYS}prescription-item/{OTHER}"
    assert said(request, Rules()) == ["10388"]
    bundle = base("Bundle")
    visit, finding = base("Encounter"), base("Observation")
    finding["identifier"] = [{"system": f"{SYS}observation/{OTHER}", "value": "1"}]
    for number, resource in enumerate((visit, finding)):
        url = f"urn:uuid:5f0e2c1a-7b1d-4c3e-9a57-00000000003{number}"
        bundle["entry"].append({"fullUrl": url, "resource": resource, "request": {"method": "POST", "url": "x"}})
    assert said(bundle, Rules()) == ["10441"]
    assert said(bundle, Rules(OTHER)) == ["10117"]


def test_one_judge_serves_senders_one_after_the_other() -> None:
    """What a call learns of its sender does not stay for the next."""
    judge = Rules()
    for organisation in (OWN, OTHER, OWN):
        visit = base("Encounter") | {"identifier": [{"system": f"{SYS}encounter/{organisation}", "value": "1"}]}
        assert said(visit, judge) == []


def test_the_message_names_the_senders_organisation_and_the_setting() -> None:
    visit = base("Encounter") | {"identifier": [{"system": f"{SYS}encounter/{OTHER}", "value": "1"}]}
    [issue] = RULES.judge(visit, NOW)
    assert OWN in issue.text("id")
    assert "organization_id" in issue.fix("id")
    visit["identifier"][0]["system"] = "https://rs.example.org/kunjungan"
    [issue] = RULES.judge(visit, NOW)
    assert f"{SYS}encounter/{OWN}, " in issue.fix("id")
    assert "http://terminology.kemkes.go.id/CodeSystem/episodeofcare/ANC" in issue.fix("id")
    [issue] = Rules().judge(visit, NOW)
    assert f"{SYS}encounter/<organization_id>" in issue.fix("en")


def test_an_identifier_without_a_value_is_reported_where_it_stands() -> None:
    visit = base("Encounter") | {"identifier": [{"system": f"{SYS}encounter/{OWN}"}]}
    [issue] = RULES.judge(visit, NOW)
    assert (issue.rule, issue.path) == ("10117", "Encounter.identifier[0].value")


def test_a_hospitals_own_record_has_its_own_numbers() -> None:
    visit = base("Encounter") | {"identifier": [{"system": "https://rs.example.org/kunjungan", "value": "1"}]}
    assert said(visit, Rules(OWN, wire=False)) == []
    del visit["identifier"]
    assert said(visit, Rules(OWN, wire=False)) == []
    assert said(visit) == ["10117"]
