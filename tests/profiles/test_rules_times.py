"""Times on the wire: in UTC, not in the future, not before 3 June 2014; and what may be otherwise."""

import re
import time

import pytest

from profiles.rules import Rules
from tests.profiles.rules_support import NOW, Json, base

RULES = Rules("10000004")
RECORD = Rules("10000004", wire=False)


def said(resource: Json, judge: Rules = RULES, now: str | None = NOW) -> list[tuple[str, str]]:
    return [(issue.rule, issue.severity) for issue in judge.judge(resource, now)]


@pytest.mark.parametrize(
    ("written", "wrong"),
    [
        ("2025-03-04T02:10:00+00:00", False),
        ("2025-03-04T02:10:00Z", False),
        ("2025-03-04T02:10:00.250+00:00", False),
        ("2025-03-04T09:10:00+07:00", True),
        ("2025-03-04T02:10:00-00:00", True),
        ("2025-03-04", True),
        ("2025-03-04T02:10+00:00", True),
        ("2025-03-04T02:10:00", True),
        ("2025-03-04 02:10:00+00:00", True),
        ("2025-13-04T02:10:00+00:00", True),
        ("2025-03-04T24:00:00+00:00", True),
        ("2014-06-02T23:59:59+00:00", True),
        ("2014-06-03T00:00:00+00:00", False),
        ("2026-01-01T00:00:01+00:00", True),
        ("2026-01-01T00:00:00+00:00", False),
    ],
)
def test_times_on_the_wire(written: str, wrong: bool) -> None:
    assert said(base("Observation") | {"issued": written}) == ([("10296", "error")] if wrong else [])


def test_the_message_says_how_to_mend_a_time() -> None:
    for written, word in (("2025-03-04T09:10:00+07:00", "WIB"), ("2027-03-04T09:10:00+00:00", "zona waktu")):
        [issue] = RULES.judge(base("Observation") | {"issued": written}, NOW)
        assert written in issue.text("id")
        assert word in issue.fix("id")


def test_the_present_is_the_clocks_where_nobody_says_otherwise() -> None:
    ahead = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() + 3600))
    behind = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() - 3600))
    assert said(base("Observation") | {"issued": ahead}, now=None) == [("10296", "error")]
    assert said(base("Observation") | {"issued": behind}, now=None) == []


@pytest.mark.parametrize(
    ("resource_type", "element"),
    [
        ("ServiceRequest", "occurrenceDateTime"),
        ("Observation", "valueDateTime"),
        ("MedicationRequest", "dispenseRequest.validityPeriod.end"),
        ("Medication", "batch.expirationDate"),
        ("PractitionerRole", "identifier.period.end"),
        ("CarePlan", "period.end"),
    ],
)
def test_what_is_planned_or_expires_may_lie_ahead(resource_type: str, element: str) -> None:
    made = base(resource_type)
    holder = made
    *above, last = element.split(".")
    for step in above:
        below = holder.setdefault(step, {})
        holder = below[0] if isinstance(below, list) else below
    holder[last] = "2031-02-01T00:00:00+00:00"
    assert said(made) == []


def test_a_time_that_no_number_guards_is_only_doubted_when_it_lies_ahead() -> None:
    ahead = base("Procedure") | {"performedDateTime": "2026-02-01T00:00:00+00:00"}
    assert said(ahead) == [("procedure-time", "warning")]
    local = base("Procedure") | {"performedDateTime": "2025-03-04T09:10:00+07:00"}
    assert said(local) == [("procedure-time", "error")]


def test_a_summary_is_not_older_than_the_ministrys_programme() -> None:
    assert said(base("Composition") | {"date": "2022-08-30T23:59:59+00:00"}) == [("10132", "error")]
    assert said(base("Composition") | {"date": "2022-08-31T00:00:00+00:00"}) == []


def test_where_the_server_takes_local_time_it_is_a_warning() -> None:
    assert said(base("QuestionnaireResponse") | {"authored": "2025-03-04T09:10:00+07:00"}) == [("10373", "warning")]


@pytest.mark.parametrize(
    ("expiry", "right"),
    [
        ("2030-01-01", True),
        ("2025-03-05", True),
        ("2025-03-04", False),
        ("2025-03-03", False),
        ("2025-03", True),
        ("2025-02", False),
        ("2025", True),
        ("2024", False),
        ("03/2025", False),
    ],
)
def test_a_vaccine_keeps_longer_than_until_it_is_given(expiry: str, right: bool) -> None:
    assert said(base("Immunization") | {"expirationDate": expiry}) == ([] if right else [("10307", "error")])


def test_an_immunization_reported_from_memory_needs_no_lot_number() -> None:
    given = base("Immunization") | {"primarySource": False}
    del given["lotNumber"], given["expirationDate"], given["location"]
    assert said(given) == []
    assert {rule for rule, _ in said(given | {"primarySource": True})} == {"10305", "10306", "10307"}


@pytest.mark.parametrize("resource_type", ["Encounter", "Observation", "Condition", "MedicationRequest", "Composition"])
def test_a_hospitals_own_record_keeps_local_time(resource_type: str) -> None:
    def local(value: object) -> object:
        if isinstance(value, dict):
            return {key: local(each) for key, each in value.items()}
        if isinstance(value, list):
            return [local(each) for each in value]
        return re.sub(r"\+00:00$", "+07:00", value) if isinstance(value, str) else value

    record = local(base(resource_type))
    assert said(record, RECORD) == []
    assert said(record) != []
