"""The conformance report over data handed to it: what it says, in which forms, and that it is reproducible."""

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from conformance import FORMATS, Delivery, Period, Received, Request, Visit, audit, digest

AT = datetime(2026, 11, 20, 18, 30, tzinfo=UTC)
PERIOD = Period("default", "RSUD Contoh", date(2026, 11, 20), date(2026, 11, 21))


def request(number: int = 7) -> Request:
    ended = AT + timedelta(milliseconds=340)
    return Request(number, "POST", "https://bpjs.test/SEP/2.0/insert", AT, ended, 200, None, "ab" * 32, "cd" * 32)


def delivery(number: int = 1, state: str = "done", **changed: Any) -> Delivery:
    made = Delivery(
        number,
        "vclaim",
        "vclaim/sep-insert:insert",
        "CoverageEligibilityRequest/q",
        1,
        state,
        AT,
        AT + timedelta(seconds=2) if state == "done" else None,
        result={"sep": "0301R0111126V000001"} if state == "done" else {},
        requests=(request(),),
    )
    return replace(made, **changed)


def visit(reference: str = "Encounter/1", *deliveries: Delivery, **changed: Any) -> Visit:
    issue = {
        "severity": "error",
        "rule": "10336",
        "path": "Encounter.participant",
        "id": "Encounter.participant wajib diisi.",
        "en": "Encounter.participant must be given.",
    }
    received = (
        Received(
            "Encounter/1", 1, AT, "PUT", False, (issue,), ("https://fhir.kemkes.go.id/r4/Encounter",), ("10336",), 41
        ),
        Received("Encounter/1", 2, AT + timedelta(seconds=1), "PUT", True),
        Received("CoverageEligibilityResponse/r", 1, AT + timedelta(seconds=2), "PUT"),
    )
    return replace(Visit(reference, "RM-1", "AMB", "finished", AT, received, deliveries), **changed)


def page(*visits: Visit) -> str:
    return FORMATS["html"](audit(PERIOD, visits)).decode()


@pytest.mark.parametrize(
    ("states", "verdict"),
    [
        ((), "local"),
        (("done",), "complete"),
        (("done", "due"), "open"),
        (("leased",), "open"),
        (("done", "held"), "held"),
        (("held", "parked"), "parked"),
    ],
)
def test_a_visit_is_as_good_as_its_worst_delivery(states: tuple[str, ...], verdict: str) -> None:
    rows = [delivery(n, state, operation=f"m/{n}") for n, state in enumerate(states)]
    assert audit(PERIOD, [visit("Encounter/1", *rows)]).paths[0].verdict == verdict


def test_only_the_newest_delivery_of_an_operation_counts() -> None:
    rows = [delivery(1, "cancelled"), delivery(2, "done")]
    assert audit(PERIOD, [visit("Encounter/1", *rows)]).paths[0].verdict == "complete"


def test_totals_count_what_came_in_what_was_wrong_and_what_was_sent() -> None:
    held = delivery(2, "held", requests=(), reason={"id": "Data belum lengkap", "en": "Data is missing"})
    found = audit(PERIOD, [visit("Encounter/1", delivery()), visit("Encounter/2", held)])
    assert found.totals["visits"] == 2
    assert (found.totals["complete"], found.totals["held"]) == (1, 1)
    assert (found.totals["versions"], found.totals["versions_judged"], found.totals["versions_broken"]) == (6, 4, 2)
    assert (found.totals["sep"], found.totals["requests"]) == (1, 1)
    assert found.median_s == 2.0
    assert found.issues == [("10336", "error", 2)]


def test_a_withdrawn_sep_is_not_counted() -> None:
    rows = [delivery(1), delivery(2, operation="vclaim/sep-delete:delete", result={"withdrawn": "0301R0111126V000001"})]
    assert audit(PERIOD, [visit("Encounter/1", *rows)]).totals["sep"] == 0


def test_the_page_shows_days_and_times_as_indonesian_readers_write_them() -> None:
    text = page(visit("Encounter/1", delivery()))
    assert "20-11-2026 – 21-11-2026" in text
    assert "21-11-2026 01:30:00 WIB" in text
    assert "340 ms" in text
    assert "Kunjungan / Visits" in text


def test_the_page_gives_the_reason_in_both_languages_and_the_evidence_by_number() -> None:
    reason = {"id": "Diagnosa awal belum diisi", "en": "The initial diagnosis is missing"}
    text = page(visit("Encounter/1", delivery(1, "held", reason=reason)))
    assert "Diagnosa awal belum diisi" in text
    assert "The initial diagnosis is missing" in text
    assert "#7 POST https://bpjs.test/SEP/2.0/insert" in text


def test_what_comes_from_outside_cannot_become_markup() -> None:
    text = page(visit("Encounter/1", delivery(), patient="<script>alert(1)</script>"))
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_the_table_for_spreadsheets_has_a_line_a_delivery_and_no_formulas() -> None:
    rows = FORMATS["csv"](audit(PERIOD, [visit("Encounter/1", delivery(), patient="=1+1"), visit("Encounter/2")]))
    first, second = list(csv.DictReader(io.StringIO(rows.decode("utf-8-sig")), delimiter=";"))
    assert first["patient"] == "'=1+1"
    assert (first["sep"], first["state"], first["seconds"], first["requests"]) == (
        "0301R0111126V000001",
        "done",
        "2.0",
        "1",
    )
    assert (second["visit"], second["delivery"]) == ("Encounter/2", "")


def test_the_json_holds_everything_with_instants_in_utc() -> None:
    found = json.loads(FORMATS["json"](audit(PERIOD, [visit("Encounter/1", delivery())])))
    assert found["visits"][0]["deliveries"][0]["requests"][0]["sent_sha256"] == "ab" * 32
    assert found["visits"][0]["verdict"] == "complete"
    assert found["as_of"] == "2026-11-20T18:30:02+00:00"


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_the_same_data_gives_the_same_bytes_in_any_order(form: str) -> None:
    visits = [visit(f"Encounter/{n}", delivery(n)) for n in range(5)]
    one, other = FORMATS[form](audit(PERIOD, visits)), FORMATS[form](audit(PERIOD, reversed(visits)))
    assert digest(one) == digest(other)
    changed = FORMATS[form](audit(PERIOD, [*visits[:4], visit("Encounter/4", delivery(4, "parked"))]))
    assert digest(changed) != digest(one)


def test_the_pdf_is_one_that_readers_open() -> None:
    content = FORMATS["pdf"](audit(PERIOD, [visit("Encounter/1", delivery(), patient="<b>&")] * 30))
    assert content.startswith(b"%PDF-")
    assert content.rstrip().endswith(b"%%EOF")


def test_a_period_without_visits_says_so() -> None:
    assert "No visits in this period" in page()
