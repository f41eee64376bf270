"""Codes: closed tables hold, large ones only warn until a site loads them; classes of service; units."""

import pytest

from profiles.rules import Rules
from tests.profiles.rules_support import NOW, Json, base

RULES = Rules("10000004")
SNOMED, LOINC, KFA = "http://snomed.info/sct", "http://loinc.org", "http://sys-ids.kemkes.go.id/kfa"
KK = "http://terminology.kemkes.go.id/CodeSystem/"


def said(resource: Json, judge: Rules = RULES) -> list[tuple[str, str]]:
    return [(issue.rule, issue.severity) for issue in judge.judge(resource, NOW)]


def _observation(system: str, code: str) -> tuple[Json, str]:
    return base("Observation") | {"code": {"coding": [{"system": system, "code": code}]}}, "10010"


def _medication(system: str, code: str) -> tuple[Json, str]:
    return base("Medication") | {"code": {"coding": [{"system": system, "code": code}]}}, "10024"


@pytest.mark.parametrize(
    ("make", "system", "code", "misspelt"),
    [
        (_observation, LOINC, "99999-9", "99999"),
        (_observation, SNOMED, "999999990000000", "nyeri"),
        (_medication, KFA, "93999999", "9399"),
    ],
)
def test_an_unknown_code_is_a_doubt_and_one_that_cannot_be_an_error(
    make: object, system: str, code: str, misspelt: str
) -> None:
    made, rule = make(system, code)
    assert said(made) == [(rule, "warning")]
    [issue] = RULES.judge(made, NOW)
    assert "gapura terminology load" in issue.fix("id")
    assert said(make(system, misspelt)[0]) == [(rule, "error")]
    for known in (code, "1"):
        loaded = Rules("10000004", codes=lambda url, known=known: {known} if url == system else None)
        of_the_rule = [severity for number, severity in said(made, loaded) if number == rule]
        assert of_the_rule == ([] if known == code else ["error"])


def test_a_table_of_the_site_comes_before_the_shipped_one() -> None:
    place = base("Location")
    place["type"] = [{"coding": [{"system": KK + "location-type", "code": "RT9999"}]}]
    assert said(place) == [("10172", "warning")]
    newer = Rules("10000004", codes=lambda url: frozenset({"RT9999"}) if url == KK + "location-type" else None)
    assert said(place, newer) == []


@pytest.mark.parametrize("family", ["Inpatient", "Outpatient"])
@pytest.mark.parametrize("code", ["1", "2", "3", "vip", "vvip", "reguler", "eksekutif", "9"])
def test_the_class_of_service_of_a_location(family: str, code: str) -> None:
    place = base("Location")
    place["extension"][0]["valueCodeableConcept"]["coding"][0] = {
        "system": f"{KK}locationServiceClass-{family}",
        "code": code,
    }
    known = {"Inpatient": {"1", "2", "3", "vip", "vvip", "reguler"}, "Outpatient": {"reguler", "eksekutif"}}
    assert said(place) == ([] if code in known[family] else [("10163", "error")])


@pytest.mark.parametrize("code", ["kelas-tetap", "naik-kelas", "turun-kelas", "titip-rawat", "pindah"])
def test_the_change_of_class_of_a_stay(code: str) -> None:
    visit = base("Encounter")
    indicator = visit["location"][0]["extension"][0]["extension"][1]
    indicator["valueCodeableConcept"]["coding"][0]["code"] = code
    assert said(visit) == ([("10165", "error")] if code == "pindah" else [])


def test_each_location_of_a_visit_is_judged() -> None:
    visit = base("Encounter")
    visit["location"] = visit["location"] * 2 + base("Encounter")["location"]
    visit["location"][2]["extension"][0]["extension"][0]["valueCodeableConcept"]["coding"][0]["code"] = "9"
    [issue] = RULES.judge(visit, NOW)
    path = "Encounter.location[2].extension[0].extension[0].valueCodeableConcept.coding[0].code"
    assert (issue.rule, issue.path) == ("10164", path)


def test_a_known_misspelling_of_a_system_is_a_warning_with_the_right_one() -> None:
    visit = base("Encounter")
    visit["serviceType"] = {"coding": [{"system": "http://snomed.info.sct", "code": "419192003"}]}
    [issue] = RULES.judge(visit, NOW)
    assert (issue.rule, issue.severity) == ("10327", "warning")
    assert SNOMED in issue.fix("en")
    assert RULES.judge(visit, NOW), "a misspelling is no better the second time"


@pytest.mark.parametrize(
    ("code", "right"),
    [("mm[Hg]", True), ("/min", True), ("10*3/uL", True), ("{titer}", True), ("mmHg", False), ("kali/menit", False)],
)
def test_a_unit_is_one_of_ucum(code: str, right: bool) -> None:
    quantity = {"value": 80, "unit": code, "system": "http://unitsofmeasure.org", "code": code}
    finding = base("Observation")
    for key in [key for key in finding if key.startswith("value")]:
        del finding[key]
    assert said(finding | {"valueQuantity": quantity}) == ([] if right else [("10012", "error")])


def test_the_same_code_is_judged_the_same_each_time() -> None:
    """What a judge remembers to be good is remembered for its own element and system only."""
    judge = Rules("10000004")
    condition = base("Condition")
    assert said(condition, judge) == []
    code = condition["code"]["coding"][0]["code"]
    elsewhere = [{"coding": [{"system": condition["code"]["coding"][0]["system"], "code": code}]}]
    wrong = base("Condition") | {"bodySite": elsewhere}
    for _ in range(2):
        assert said(wrong, judge) == [("10409", "error")]
        assert said(condition, judge) == []


def test_a_hospitals_own_code_may_stand_beside_the_ministrys_in_its_record() -> None:
    finding = base("Observation")
    finding["code"]["coding"].append({"system": "https://rs.example.org/lab", "code": "HB"})
    assert said(finding) == [("10010", "error")]
    assert said(finding, Rules("10000004", wire=False)) == []
