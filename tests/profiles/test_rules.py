"""The ministry's numbered rules: all are in the data, and each that is judged here passes and fails as it should."""

import re
from copy import deepcopy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from profiles.rules import Rules, rules
from profiles.rules.book import named
from profiles.validator.issue import Lang
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


@pytest.mark.parametrize("lang", ["id", "en"])
def test_every_message_names_the_element_as_people_do_and_says_what_to_do(lang: Lang) -> None:
    for example in EXAMPLES:
        for issue in RULES.judge(example.failing, NOW):
            name, _, rest = issue.text(lang).partition(f" ({issue.path})")
            assert rest, issue.text(lang)
            assert name[0].isupper()
            assert "." not in name
            assert len(issue.fix(lang)) > 10
            for word in ("~", "None", "{", "}", "()"):
                assert word not in issue.text(lang) + issue.fix(lang)


def test_each_element_has_names_of_its_own_in_both_languages() -> None:
    for rule in rules():
        for element in rule.elements:
            names = named(rule.resource, element)
            assert names["id"]
            assert names["en"]
            assert names["id"] != names["en"] or element == "prognosisCodeableConcept"


def test_every_finding_has_the_servers_own_phrase() -> None:
    for example in EXAMPLES:
        for finding in RULES.findings(example.failing, NOW):
            phrase = finding.wire()
            assert "{" not in phrase
            assert (f"(RuleNumber: {finding.rule.number})" in phrase) == finding.rule.number.isdigit()


def _numbers(resource: dict, organization: str | None = "10000004", now: str = NOW) -> set[str]:
    return {issue.rule for issue in Rules(organization).judge(resource, now) if issue.severity == "error"}


def test_an_immunization_reported_from_memory_needs_no_lot_number() -> None:
    given = base("Immunization") | {"primarySource": False}
    del given["lotNumber"], given["expirationDate"], given["location"]
    assert _numbers(given) == set()


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


@pytest.mark.parametrize("resource", [None, [], "Encounter", {}, {"resourceType": ["Encounter"]}, {"resourceType": 1}])
def test_an_entry_that_holds_no_resource_is_passed_over(resource: object) -> None:
    bundle = base("Bundle")
    bundle["entry"][0]["resource"] = resource
    assert RULES.judge(bundle, NOW) == []


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
