"""Every operation that the CapabilityStatement declares is done once, and none is done that it does not declare."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import httpx
import pytest

from gateway.fhir.routes import ROUTES
from tests.fhir.operations.support import parameters, row
from tests.fhir.operations.test_everything import SUMMARY, encounter, observation
from tests.fhir.operations.test_terminology import MAP, SET, SYSTEM, classes, ward, wards
from tests.fhir.operations.test_transform import VISIT, asked
from tests.fhir.support import Json, condition, patient

LATER = {"Prefer": "respond-async"}
TAGGED = parameters(row("meta", valueMeta={"tag": [{"code": "uji"}]}))


class Try(NamedTuple):
    """A call that an operation must answer well."""

    method: str
    address: str
    body: Json | None = None
    status: int = 200
    headers: Mapping[str, str] = {}


CALLS: dict[tuple[str, str], Try] = {
    ("", "export"): Try("GET", "/$export", status=202, headers=LATER),
    ("", "import"): Try("POST", "/$import", patient(), 202, {**LATER, "Content-Type": "application/fhir+ndjson"}),
    ("", "reindex"): Try("POST", "/$reindex", status=202),
    ("", "meta"): Try("GET", "/$meta"),
    ("", "diff"): Try("GET", "/$diff?from=Patient/wulan&to=Patient/siti"),
    ("*", "validate"): Try("POST", "/Patient/$validate", patient()),
    ("*", "meta"): Try("GET", "/Patient/wulan/$meta"),
    ("*", "meta-add"): Try("POST", "/Patient/wulan/$meta-add", TAGGED),
    ("*", "meta-delete"): Try("POST", "/Patient/wulan/$meta-delete", TAGGED),
    ("*", "diff"): Try("GET", "/Patient/wulan/$diff"),
    ("CodeSystem", "lookup"): Try("GET", f"/CodeSystem/$lookup?system={SYSTEM}&code=icu"),
    ("CodeSystem", "subsumes"): Try("GET", f"/CodeSystem/$subsumes?system={SYSTEM}&codeA=icu&codeB=icu"),
    ("CodeSystem", "validate-code"): Try("GET", f"/CodeSystem/$validate-code?url={SYSTEM}&code=icu"),
    ("ValueSet", "validate-code"): Try("GET", f"/ValueSet/$validate-code?url={SET}&code=icu"),
    ("ValueSet", "expand"): Try("GET", f"/ValueSet/$expand?url={SET}"),
    ("ConceptMap", "translate"): Try("GET", f"/ConceptMap/$translate?url={MAP}&system={SYSTEM}&code=melati"),
    ("Patient", "everything"): Try("GET", "/Patient/wulan/$everything"),
    ("Encounter", "everything"): Try("GET", "/Encounter/satu/$everything"),
    ("Composition", "document"): Try("GET", "/Composition/resume/$document"),
    ("Observation", "lastn"): Try("GET", "/Observation/$lastn?patient=wulan&code=8310-5"),
    ("StructureMap", "transform"): Try("POST", "/StructureMap/$transform", asked(row("content", resource=VISIT))),
    ("Patient", "export"): Try("GET", "/Patient/$export", status=202, headers=LATER),
    ("Group", "export"): Try("GET", "/Group/semua/$export", status=202, headers=LATER),
    ("Subscription", "status"): Try("GET", "/Subscription/$status"),
    ("Subscription", "events"): Try("GET", "/Subscription/none/$events", status=404),
    ("Patient", "purge"): Try("POST", "/Patient/siti/$purge"),
}
"""(type, name) → a call; `*` stands for operations of every type."""

STORED: list[Json] = [
    patient("RM-1", id="wulan"),
    patient("RM-2", id="siti"),
    {"resourceType": "Practitioner", "id": "rina", "name": [{"text": "dr. Rina"}]},
    encounter("satu", "wulan"),
    observation("suhu", "8310-5", "2026-01-05"),
    {**condition("Patient/wulan"), "id": "dx"},
    {**SUMMARY, "section": []} | {"section": [{"title": "Diagnosis", "entry": [{"reference": "Condition/dx"}]}]},
    {"resourceType": "Group", "id": "semua", "type": "person", "actual": True},
    {**ward(), "id": "ward"},
    {**wards(), "id": "wards"},
    {**classes(), "id": "classes"},
]


@pytest.fixture
async def declared(client: httpx.AsyncClient) -> set[tuple[str, str]]:
    """What the server declares."""
    (rest,) = (await client.get("/metadata")).json()["rest"]
    by_type = {r["type"]: {o["name"] for o in r["operation"]} for r in rest["resource"]}
    everywhere = set.intersection(*(names for kind, names in by_type.items() if kind != "AuditEvent"))
    assert everywhere - by_type["AuditEvent"] == {"meta-add", "meta-delete"}, "nobody changes the audit trail"
    found = {("", operation["name"]) for operation in rest["operation"]} | {("*", name) for name in everywhere}
    return found | {(kind, name) for kind, names in by_type.items() for name in names - everywhere}


async def test_every_declared_operation_works(client: httpx.AsyncClient, declared: set[tuple[str, str]]) -> None:
    assert declared == set(CALLS)
    for resource in STORED:
        answer = await client.put(f"/{resource['resourceType']}/{resource['id']}", json=resource)
        assert answer.status_code in (200, 201), answer.text
    wrong: dict[Any, str] = {}
    for name, call in CALLS.items():
        answer = await client.request(call.method, call.address, json=call.body, headers=dict(call.headers))
        if answer.status_code != call.status:
            wrong[name] = answer.text[:300]
    assert wrong == {}


async def test_every_operation_of_the_routes_is_declared(declared: set[tuple[str, str]]) -> None:
    for route in ROUTES:
        if route.definition:
            level = set(route.types) or {"*" if "Type" in route.shape else ""}
            assert {(kind, route.code[1:]) for kind in level} <= declared
