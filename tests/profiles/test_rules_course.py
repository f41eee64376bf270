"""The course of a visit: status paths by class, a history without gaps, what a finished visit must hold."""

from typing import Any

import pytest

from profiles.rules import Rules
from profiles.rules.book import table
from tests.profiles.rules_support import NOW, Json, base

RULES = Rules("10000004")
RECORD = Rules("10000004", wire=False)


def visit(course: str, kind: str = "AMB", *earlier: str, **more: Any) -> Json:
    """A visit with this course of statuses, an hour each, its class and the classes that it had before."""
    statuses = course.split()
    hours = [f"2025-03-04T{hour:02}:00:00+00:00" for hour in range(len(statuses) + 1)]
    made = base("Encounter") | {"status": statuses[-1]}
    made["class"] = made["class"] | {"code": kind}
    period = {"start": hours[0], "end": hours[-1]}
    made["classHistory"] = [{"class": made["class"] | {"code": code}, "period": period} for code in (*earlier, kind)]
    made["statusHistory"] = [
        {"status": status, "period": {"start": hours[index], "end": hours[index + 1]}}
        for index, status in enumerate(statuses)
    ]
    made["period"] = dict(period)
    del made["length"]
    return made | more


def said(resource: Json, judge: Rules = RULES) -> dict[str, str]:
    """What is broken: rule → the path of the first place."""
    found: dict[str, str] = {}
    for issue in judge.judge(resource, NOW):
        if issue.severity == "error":
            found.setdefault(issue.rule, issue.path)
    return found


@pytest.mark.parametrize(
    ("kind", "course"),
    [
        ("AMB", "arrived in-progress finished"),
        ("AMB", "planned arrived in-progress finished"),
        ("AMB", "arrived finished"),
        ("AMB", "planned cancelled"),
        ("AMB", "arrived cancelled"),
        ("AMB", "arrived in-progress onleave in-progress finished"),
        ("IMP", "in-progress finished"),
        ("IMP", "planned in-progress finished"),
        ("IMP", "planned arrived in-progress onleave in-progress finished"),
        ("EMER", "arrived triaged in-progress finished"),
        ("EMER", "arrived in-progress finished"),
        ("EMER", "arrived triaged finished"),
        ("OBSENC", "arrived triaged in-progress finished"),
        ("VR", "arrived in-progress finished"),
        ("AMB", "in-progress in-progress finished"),
        ("AMB", "arrived in-progress entered-in-error"),
        ("IMP", "in-progress finished entered-in-error"),
        ("IMP", "in-progress unknown in-progress finished"),
    ],
)
def test_a_course_that_the_ministry_knows(kind: str, course: str) -> None:
    assert said(visit(course, kind)) == {}
    assert said(visit(course, kind), RECORD) == {}


@pytest.mark.parametrize(
    ("kind", "course", "at"),
    [
        ("AMB", "arrived triaged in-progress", 1),
        ("AMB", "in-progress arrived", 1),
        ("AMB", "planned finished", 1),
        ("AMB", "finished in-progress", 1),
        ("AMB", "arrived in-progress finished in-progress", 3),
        ("AMB", "cancelled arrived", 1),
        ("IMP", "arrived triaged in-progress", 1),
        ("IMP", "planned finished", 1),
        ("IMP", "planned onleave", 1),
        ("IMP", "arrived finished", 1),
        ("EMER", "triaged arrived", 1),
        ("EMER", "in-progress triaged", 1),
        ("VR", "in-progress planned", 1),
        ("AMB", "entered-in-error in-progress", 1),
    ],
)
def test_a_course_that_no_visit_of_the_class_takes(kind: str, course: str, at: int) -> None:
    path = f"Encounter.statusHistory[{at}].status"
    assert said(visit(course, kind)) == {"encounter-status-path": path}
    assert said(visit(course, kind), RECORD) == {"encounter-status-path": path}


def test_the_message_says_what_may_follow() -> None:
    [issue] = [i for i in RULES.judge(visit("planned finished", "IMP"), NOW) if i.rule == "encounter-status-path"]
    assert "planned" in issue.text("id")
    assert "arrived, cancelled, entered-in-error, in-progress, unknown" in issue.fix("id")


def test_an_emergency_that_became_a_stay_keeps_its_triage() -> None:
    assert said(visit("arrived triaged in-progress finished", "IMP")) != {}
    assert said(visit("arrived triaged in-progress finished", "IMP", "EMER")) == {}
    assert set(said(visit("arrived triaged arrived", "IMP", "EMER"))) == {"encounter-status-path"}


def test_every_status_of_r4_has_its_place_in_each_path() -> None:
    statuses = set(table("courses")["paths"]["*"])
    for path in table("courses")["paths"].values():
        assert set().union(*path.values()) <= statuses


def test_each_status_begins_when_the_one_before_it_ended() -> None:
    broken = visit("arrived in-progress finished")
    broken["statusHistory"][1]["period"]["start"] = "2025-03-04T01:20:00+00:00"
    [issue] = RULES.judge(broken, NOW)
    assert (issue.rule, issue.severity) == ("encounter-status-gap", "warning")
    assert issue.path == "Encounter.statusHistory[1].period.start"
    broken["statusHistory"][1]["period"]["end"] = "2025-03-04T01:10:00+00:00"
    assert said(broken) == {"encounter-status-gap": "Encounter.statusHistory[1].period.end"}


def test_a_status_may_last_no_time_at_all() -> None:
    instant = visit("arrived in-progress finished")
    instant["statusHistory"][2]["period"] = dict.fromkeys(("start", "end"), "2025-03-04T02:00:00+00:00")
    assert RULES.judge(instant, NOW) == []


def test_the_same_moment_with_another_offset_is_no_gap() -> None:
    record = visit("arrived in-progress finished")
    record["statusHistory"][1]["period"]["start"] = "2025-03-04T08:00:00+07:00"
    assert RECORD.judge(record, NOW) == []
    record["period"] = {"start": "2025-03-04T07:00:00+07:00", "end": "2025-03-04T03:00:00Z"}
    assert RECORD.judge(record, NOW) == []


@pytest.mark.parametrize("step", [0, 1])
def test_a_status_that_another_followed_has_an_end(step: int) -> None:
    broken = visit("arrived in-progress onleave")
    del broken["statusHistory"][step]["period"]["end"]
    assert said(broken) == {"10122": f"Encounter.statusHistory[{step}].period.end"}


def test_the_status_now_may_be_open_until_the_visit_is_finished() -> None:
    open_ = visit("arrived in-progress")
    del open_["statusHistory"][1]["period"]["end"], open_["period"]["end"], open_["diagnosis"]
    assert RULES.judge(open_, NOW) == []
    finished = visit("arrived in-progress finished")
    del finished["statusHistory"][2]["period"]["end"]
    assert said(finished) == {"10122": "Encounter.statusHistory[2].period.end"}


def test_the_last_status_of_the_history_is_the_one_now() -> None:
    late = visit("arrived in-progress finished", status="in-progress")
    assert {(issue.rule, issue.severity) for issue in RULES.judge(late, NOW)} == {("encounter-status-now", "warning")}


def test_a_finished_visit_has_a_diagnosis_and_one_under_way_need_not() -> None:
    finished, open_ = visit("arrived in-progress finished"), visit("arrived in-progress")
    for each in (finished, open_):
        del each["diagnosis"]
    assert said(finished) == {"10457": "Encounter.diagnosis"}
    assert said(finished, RECORD) == {"10457": "Encounter.diagnosis"}
    assert said(finished | {"diagnosis": []}) == {"10457": "Encounter.diagnosis"}
    assert said(open_) == {}


@pytest.mark.parametrize(
    ("period", "status", "broken"),
    [
        ({"start": "2025-03-04T00:00:00+00:00", "end": "2025-03-04T00:00:01+00:00"}, "finished", {}),
        ({"start": "2025-03-04T00:00:00+00:00", "end": "2025-03-04T00:00:00+00:00"}, "finished", {"10121"}),
        ({"start": "2025-03-04T02:00:00+00:00", "end": "2025-03-04T01:00:00+00:00"}, "finished", {"10121"}),
        ({"start": "2025-03-04T00:00:00+00:00"}, "finished", {"10121"}),
        ({"start": "2025-03-04T00:00:00+00:00"}, "in-progress", {}),
        ({"start": "2025-03-04T02:00:00+00:00", "end": "2025-03-04T01:00:00+00:00"}, "in-progress", {"10173"}),
        ({"end": "2025-03-04T01:00:00+00:00"}, "in-progress", {"10123"}),
        ({"end": "2025-03-04T01:00:00+00:00"}, "finished", {"10121", "10123"}),
        ({}, "in-progress", {"10121", "10123"}),
    ],
)
def test_the_period_of_a_visit(period: Json, status: str, broken: set[str]) -> None:
    made = visit("arrived in-progress" if status == "in-progress" else "arrived in-progress finished", period=period)
    assert set(said(made)) == set(broken)


def test_a_records_period_is_compared_by_moment_not_by_text() -> None:
    """10:00 in Jayapura is before 09:30 in Jakarta, though it reads later."""
    period = {"start": "2025-03-04T10:00:00+09:00", "end": "2025-03-04T09:30:00+07:00"}
    assert said(visit("arrived in-progress finished", period=period), RECORD) == {}
    turned = {"start": period["end"], "end": period["start"]}
    assert said(visit("arrived in-progress finished", period=turned), RECORD) == {"10121": "Encounter.period.end"}


@pytest.mark.parametrize(
    ("kind", "family", "right"),
    [
        ("AMB", "Outpatient", True),
        ("AMB", "Inpatient", False),
        ("IMP", "Inpatient", True),
        ("IMP", "Outpatient", False),
        ("EMER", "Outpatient", True),
        ("EMER", "Inpatient", True),
    ],
)
def test_the_class_of_service_where_the_visit_is_now(kind: str, family: str, right: bool) -> None:
    made = visit("in-progress finished", kind)
    coding = made["location"][0]["extension"][0]["extension"][0]["valueCodeableConcept"]["coding"][0]
    coding |= {"system": coding["system"].replace("Outpatient", family), "code": "reguler"}
    found = [(issue.rule, issue.severity) for issue in RULES.judge(made, NOW)]
    assert found == ([] if right else [("encounter-service-class", "warning")])
    moved = made["location"] + base("Encounter")["location"]
    if kind == "AMB":
        assert RULES.judge(made | {"location": moved}, NOW) == []


@pytest.mark.parametrize(
    ("kind", "unit", "right"),
    [
        ("AMB", "min", True),
        ("AMB", "h", True),
        ("AMB", "d", False),
        ("EMER", "d", False),
        ("IMP", "d", True),
        ("IMP", "h", False),
        ("VR", "wk", True),
    ],
)
def test_the_unit_of_a_visits_length(kind: str, unit: str, right: bool) -> None:
    made = visit("in-progress finished", kind)
    made["location"][0].pop("extension")
    made["length"] = {"value": 2, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}
    found = [(issue.rule, issue.severity) for issue in RULES.judge(made, NOW)]
    assert found == ([] if right else [("10840", "warning")])


def test_a_visit_of_the_death_registry_may_lack_its_doctor() -> None:
    made = visit("arrived in-progress finished")
    del made["participant"]
    assert said(made) == {"10336": "Encounter.participant"}
    made["identifier"].append({"system": "http://sys-ids.kemkes.go.id/mpdn/10000004", "value": "1"})
    assert said(made) == {}


def test_a_reason_of_whatever_system_is_judged_by_one_of_its_two_rules() -> None:
    icd, other = "http://hl7.org/fhir/sid/icd-10", "http://example.org/alasan"
    for system, code, rule in ((icd, "J06.9", None), (icd, "J069", "10326"), (other, "1", "10782")):
        made = visit("arrived in-progress finished", reasonCode=[{"coding": [{"system": system, "code": code}]}])
        assert set(said(made)) == ({rule} if rule else set())
