"""The ministry's numbered rules: all are in the data, and each that is judged here passes and fails as it should."""

import re
from copy import deepcopy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from profiles.rules import Rules, rules
from tests.profiles.rules_support import NOW, Example, base, examples, has

RULES = Rules("10000004")
EXAMPLES = list(examples())


def test_the_whole_rule_book_is_in_the_data() -> None:
    numbers = [(rule.resource, rule.number) for rule in rules()]
    assert len(numbers) == len(set(numbers))
    assert len({rule.number for rule in rules() if rule.kamus}) == sum(rule.kamus for rule in rules()) == 558


def test_a_rule_is_judged_here_or_says_why_not() -> None:
    judged = {example.rule for example in EXAMPLES}
    for rule in rules():
        if rule.local:
            assert rule in judged or rule.check == "patch", f"{rule.resource} {rule.number} has no example"
        else:
            assert rule.outside is not None
            assert rule.outside["id"]
            assert rule.outside["en"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: f"{e.rule.resource}-{e.rule.number}")
def test_passing_example(example: Example) -> None:
    assert RULES.judge(example.passing, NOW) == []
    assert any(has(example.passing, element.split(".")) for element in example.rule.elements) or (
        example.rule.check == "fhirpath"
    ), "the example does not touch the rule's element"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: f"{e.rule.resource}-{e.rule.number}")
def test_failing_example(example: Example) -> None:
    found = [issue for issue in RULES.judge(example.failing, NOW) if issue.rule == example.rule.number]
    assert found, f"{example.rule.number} is not reported"
    issue = found[0]
    assert issue.tier == "satusehat"
    assert issue.path.startswith(example.rule.resource)
    inside = re.sub(r"\[\d+\]", "", issue.path).removeprefix(example.rule.resource + ".").split(".")
    tops = {element.split(".")[0].split(":")[0] for element in example.rule.elements}
    assert any(inside[0].startswith(top) for top in tops)
    for lang in ("id", "en"):
        assert "{" not in issue.text(lang)
        assert issue.text("id") != issue.text("en")


def test_every_finding_has_the_servers_own_phrase() -> None:
    for example in EXAMPLES:
        for finding in RULES.findings(example.failing, NOW):
            phrase = finding.wire()
            assert "{" not in phrase
            assert (f"(RuleNumber: {finding.rule.number})" in phrase) == finding.rule.number.isdigit()


def _numbers(resource: dict, organization: str | None = "10000004", now: str = NOW) -> set[str]:
    return {issue.rule for issue in Rules(organization).judge(resource, now) if issue.severity == "error"}


def test_identifiers_are_held_to_the_senders_organisation() -> None:
    visit = base("Encounter")
    assert "10117" in _numbers(visit, "10000099")
    assert _numbers(visit, "10000004") == set()
    assert _numbers(visit, None) == set()


def test_without_a_known_organisation_the_first_that_is_named_counts() -> None:
    request = base("MedicationRequest")
    request["identifier"][1]["system"] = "http://sys-ids.kemkes.go.id/prescription-item/10000099"
    assert _numbers(request, None) == {"10388"}


@pytest.mark.parametrize(
    ("written", "wrong"),
    [
        ("2025-03-04T02:10:00+00:00", False),
        ("2025-03-04T02:10:00Z", False),
        ("2025-03-04T02:10:00.250+00:00", False),
        ("2025-03-04T09:10:00+07:00", True),
        ("2025-03-04", True),
        ("2025-03-04T02:10+00:00", True),
        ("2025-13-04T02:10:00+00:00", True),
        ("2014-06-02T23:59:59+00:00", True),
        ("2014-06-03T00:00:00+00:00", False),
        ("2026-01-01T00:00:01+00:00", True),
        ("2026-01-01T00:00:00+00:00", False),
    ],
)
def test_times_on_the_wire(written: str, wrong: bool) -> None:
    finding = base("Observation") | {"issued": written}
    assert ("10296" in _numbers(finding)) is wrong


def test_a_planned_date_may_lie_ahead_and_an_expiry_must() -> None:
    assert _numbers(base("ServiceRequest") | {"occurrenceDateTime": "2026-02-01T00:00:00+00:00"}) == set()
    assert _numbers(base("Immunization") | {"expirationDate": "2030-01-01"}) == set()
    assert _numbers(base("Immunization") | {"expirationDate": "2025-03-03"}) == {"10307"}


def test_an_immunization_reported_from_memory_needs_no_lot_number() -> None:
    given = base("Immunization") | {"primarySource": False}
    del given["lotNumber"], given["expirationDate"], given["location"]
    assert _numbers(given) == set()


@pytest.mark.parametrize(
    ("course", "kind", "right"),
    [
        (["arrived", "in-progress", "finished"], "AMB", True),
        (["planned", "arrived", "in-progress"], "AMB", True),
        (["arrived", "triaged", "in-progress", "finished"], "EMER", True),
        (["arrived", "triaged", "in-progress"], "AMB", False),
        (["in-progress", "finished"], "IMP", True),
        (["planned", "in-progress", "onleave", "in-progress", "finished"], "IMP", True),
        (["in-progress", "arrived"], "AMB", False),
        (["finished", "in-progress"], "IMP", False),
    ],
)
def test_the_course_of_a_visit_by_class(course: list[str], kind: str, right: bool) -> None:
    visit = base("Encounter") | {"status": course[-1]}
    visit["class"] = visit["class"] | {"code": kind}
    hours = [f"2025-03-04T{hour:02}:00:00+00:00" for hour in range(len(course) + 1)]
    visit["statusHistory"] = [
        {"status": status, "period": {"start": hours[index], "end": hours[index + 1]}}
        for index, status in enumerate(course)
    ]
    assert (_numbers(visit) == set()) is right


def test_an_open_status_that_another_followed_breaks_10122() -> None:
    visit = base("Encounter")
    del visit["statusHistory"][0]["period"]["end"]
    assert _numbers(visit) == {"10122"}


def test_a_visit_of_the_death_registry_may_lack_its_doctor() -> None:
    visit = base("Encounter")
    del visit["participant"]
    visit["identifier"].append({"system": "http://sys-ids.kemkes.go.id/mpdn/10000004", "value": "1"})
    assert _numbers(visit) == set()


def test_a_reference_within_a_transaction_must_lead_to_an_entry() -> None:
    bundle = base("Bundle")
    patient, other = (f"urn:uuid:5f0e2c1a-7b1d-4c3e-9a57-00000000002{n}" for n in (1, 2))
    bundle["entry"].append(
        {"fullUrl": patient, "resource": base("Patient"), "request": {"method": "POST", "url": "Patient"}}
    )
    relative = bundle["entry"][0]["resource"]
    relative["patient"] = {"reference": patient}
    assert _numbers(bundle) == set()
    relative["patient"] = {"reference": other}
    [issue] = RULES.judge(bundle, NOW)
    assert (issue.rule, issue.path) == ("10162", "Bundle.entry[0].resource.patient.reference")
    relative["patient"] = {"reference": bundle["entry"][1]["fullUrl"]}
    assert _numbers(bundle) == {"10162"}


def test_an_unknown_code_of_a_large_system_is_a_doubt_and_with_a_table_an_error() -> None:
    finding = base("Observation")
    finding["code"]["coding"][0]["code"] = "99999-9"
    [issue] = RULES.judge(finding, NOW)
    assert (issue.rule, issue.severity) == ("10010", "warning")
    loaded = Rules("10000004", codes=lambda url: frozenset({"8867-4"}) if url == "http://loinc.org" else None)
    [issue] = loaded.judge(finding, NOW)
    assert (issue.rule, issue.severity) == ("10010", "error")
    finding["code"]["coding"][0]["code"] = "8867-4"
    assert loaded.judge(finding, NOW) == []


def test_a_code_outside_a_closed_table_is_an_error() -> None:
    place = base("Location")
    place["extension"][0]["valueCodeableConcept"]["coding"][0]["code"] = "9"
    assert _numbers(place) == {"10163"}


def test_a_known_misspelling_of_a_system_is_a_warning_with_the_right_one() -> None:
    visit = base("Encounter")
    visit["serviceType"] = {"coding": [{"system": "http://snomed.info.sct", "code": "419192003"}]}
    [issue] = RULES.judge(visit, NOW)
    assert (issue.rule, issue.severity) == ("10327", "warning")
    assert "http://snomed.info/sct" in issue.text("en")


def test_a_contained_medication_is_judged_in_its_place() -> None:
    request = base("MedicationRequest") | {"contained": [base("Medication") | {"id": "obat"}]}
    request["medicationReference"] = {"reference": "#obat"}
    assert _numbers(request) == set()
    request["contained"][0]["form"]["coding"][0]["code"] = "BS999"
    [issue] = RULES.judge(request, NOW)
    assert (issue.rule, issue.path) == ("10025", "MedicationRequest.contained[0].form.coding[0].code")
    request["medicationReference"] = {"reference": "#lain"}
    assert "10135" in _numbers(request)


def test_a_compounded_medication_has_ingredients_wherever_it_stands() -> None:
    request = base("MedicationRequest") | {"contained": [base("Medication") | {"id": "obat"}]}
    request["contained"][0]["extension"][0]["valueCodeableConcept"]["coding"][0]["code"] = "SD"
    assert _numbers(request) == set()
    del request["contained"][0]["ingredient"]
    [issue] = RULES.judge(request, NOW)
    assert (issue.rule, issue.path) == ("medication-type-content", "MedicationRequest.contained[0].extension")


def test_part_of_operational_status_may_not_be_patched() -> None:
    [issue] = RULES.judge_patch("Location", [{"op": "replace", "path": "/operationalStatus/code", "value": "O"}])
    assert issue.rule == "10171"
    assert RULES.judge_patch("Location", [{"op": "replace", "path": "/operationalStatus", "value": {}}]) == []
    assert RULES.judge_patch("Encounter", [{"op": "add", "path": "/account", "value": []}]) == []


def test_what_has_no_rules_has_no_issues() -> None:
    assert RULES.judge({"resourceType": "Slot"}) == []
    assert RULES.judge({}) == []
    assert RULES.judge({"resourceType": ["Encounter"]}) == []


def test_a_hospitals_own_record_may_be_in_its_own_form_but_not_incomplete() -> None:
    record = Rules("10000004", wire=False)
    visit = base("Encounter") | {"identifier": [{"system": "https://rs.example.org/kunjungan", "value": "1"}]}
    visit["subject"] = {"reference": "https://rs.example.org/fhir/Patient/1"}
    visit["location"][0]["period"] = {"start": "2025-03-04T09:10:00+07:00"}
    visit["serviceType"]["coding"].append({"system": "https://rs.example.org/poli", "code": "PD"})
    assert record.judge(visit, NOW) == []
    assert {"10117", "10118", "10290", "10327"} <= _numbers(visit)
    del visit["subject"], visit["diagnosis"]
    assert {issue.rule for issue in record.judge(visit, NOW)} == {"10118", "10457"}
    bundle = base("Bundle")
    del bundle["entry"][0]["fullUrl"]
    assert record.judge(bundle, NOW) == []
    referral = base("ServiceRequest")
    del referral["encounter"], referral["performer"]
    assert record.judge(referral, NOW) == []


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=4),
    st.builds(list),
    st.builds(dict),
    st.lists(st.just(1), min_size=1),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_malformed_content_is_judged_without_failing(data: st.DataObject) -> None:
    resource = deepcopy(EXAMPLES[data.draw(st.integers(0, len(EXAMPLES) - 1))].passing)
    for _ in range(data.draw(st.integers(1, 4))):
        parent = resource
        while True:
            keys = [k for k in (parent if isinstance(parent, dict) else range(len(parent))) if k != "resourceType"]
            if not keys:
                break
            key = data.draw(st.sampled_from(keys))
            if isinstance(parent[key], dict | list) and data.draw(st.booleans()):
                parent = parent[key]
                continue
            parent[key] = data.draw(ODD)
            break
    RULES.judge(resource, NOW)
