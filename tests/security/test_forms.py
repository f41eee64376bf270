"""The AuditEvent of a write is filled into a form: it must be what it would be if it were made and indexed anew."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from zoneinfo import ZoneInfo

import pytest

from gateway.security.audit import Visitor, event, of_write, written
from gateway.security.keys import Principal
from gateway.security.roles import role
from gateway.store import Version
from gateway.store.extract import codes, plan
from gateway.store.facilities import Place
from gateway.store.forms import Filled
from gateway.store.model import Method
from gateway.store.rows import block
from gateway.store.write import stamped
from profiles import fhirjson
from profiles.fhirjson import Resource

PLACE = Place("rs-melati", 1, ZoneInfo("Asia/Jakarta"), ("http://localhost:8080/fhir/",))
PLAN = plan("AuditEvent", {code: n for n, code in enumerate(codes("AuditEvent"), 1)})
ACTS: list[tuple[str, Method, int]] = [
    ("create", "POST", 1),
    ("update", "PUT", 1),
    ("update", "PUT", 12),
    ("patch", "PATCH", 2),
    ("delete", "DELETE", 3),
    ("transaction", "POST", 1),
]
WRITTEN: list[Resource | None] = [
    None,
    {"resourceType": "Patient"},
    {"resourceType": "Observation", "subject": {"reference": "Patient/p-1"}},
    {"resourceType": "Observation", "subject": {"reference": "Group/g-1"}},
    {"resourceType": "Claim", "patient": {"reference": "Patient/9.b"}},
    {"resourceType": "Task", "for": {"reference": "Patient/x"}},
]
VISITORS = [
    Visitor("rs-melati", None, ""),
    Visitor("rs-melati", Principal("k1", "", role("admin"), None), "127.0.0.1"),
    Visitor("rs-melati", Principal("k2", 'Loket "3" \\ 50 % (é), {a}', role("admin"), "rs-melati"), "2001:db8::1"),
    Visitor("rs-melati", Principal("k3", "panjang " * 80, role("admin"), None), "10.0.0.1"),
]
MOMENTS = [datetime(2026, 2, 3, 4, 5, 6, 789000, UTC), datetime(2026, 12, 31, 23, 59, 59, 999000, UTC)]


def version(method: Method, number: int, resource: Resource | None, id: str = "018f-aB.3") -> Version:
    kind = resource["resourceType"] if resource else "Encounter"
    return Version("rs-melati", kind, id, number, MOMENTS[0], method, b"")


@pytest.mark.parametrize("visitor", VISITORS)
def test_content_and_index_rows_are_those_of_an_event_that_is_made_anew(visitor: Visitor) -> None:
    for (interaction, method, number), resource, moment in product(ACTS, WRITTEN, MOMENTS):
        one = version(method, number, resource)
        filled = of_write(visitor, interaction, [one], {one.reference: resource})
        assert isinstance(filled, Filled)
        filled = filled._replace(moment=moment)
        anew = event(
            visitor, interaction, moment, list(written(method, f"{one.reference}/_history/{number}", resource))
        )
        stored, rows = filled.made(PLACE, PLAN)
        assert stored.content == fhirjson.encode(stamped(anew, stored.id, 1, moment))
        assert stored == replace(stored, type="AuditEvent", version=1, method="POST", last_updated=moment)
        assert rows == block(PLAN.extract(anew, PLACE.zone, PLACE.bases))
        assert filled.resource == anew


def test_a_filled_form_leaves_no_trace_in_the_next() -> None:
    resource = {"resourceType": "Observation", "subject": {"reference": "Patient/p-1"}}
    one, two = version("POST", 1, resource, "a"), version("POST", 1, resource, "b")
    made = []
    for each in (one, two, one):
        filled = of_write(VISITORS[1], "create", [each], {each.reference: resource})
        assert isinstance(filled, Filled)
        made.append(filled._replace(moment=MOMENTS[0]).made(PLACE, PLAN)[1])
    assert made[0] == made[2] != made[1]


@pytest.mark.parametrize("reference", ["Patient/p-1/_history/2", "Patient/?name=a", "Patient/" + "x" * 65])
def test_a_patient_that_no_form_holds_is_written_as_it_stands(reference: str) -> None:
    resource = {"resourceType": "Observation", "subject": {"reference": reference}}
    one = version("POST", 1, resource)
    made = of_write(VISITORS[1], "create", [one], {one.reference: resource})
    assert isinstance(made, dict)
    assert made["entity"][1]["what"] == {"reference": reference}


def test_several_versions_are_one_event_that_names_them_all() -> None:
    several = [version("POST", 1, None, id) for id in "abc"]
    made = of_write(VISITORS[1], "transaction", several, {})
    assert isinstance(made, dict)
    assert [e["what"]["reference"] for e in made["entity"]] == [f"{v.reference}/_history/1" for v in several]
