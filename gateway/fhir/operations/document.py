"""Composition/id/$document: the composition and all that it speaks of, as one Bundle.

Source: https://hl7.org/fhir/R4/composition-operation-document.html, https://hl7.org/fhir/R4/documents.html
"""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from gateway.errors import FhirError
from gateway.fhir.call import Answer, Call
from gateway.fhir.operations.operation import HL7, Asked, Operation, Parameter
from gateway.fhir.reading import current
from gateway.fhir.references import references
from gateway.fhir.writing import commit, judge, shown
from gateway.security.audit import instant
from gateway.security.door import allow
from gateway.store import Change, new_id
from gateway.store.emit import references as literal
from gateway.store.visit import LARGEST
from profiles import fhirjson
from profiles.fhirjson import Resource

CURRENT = """
select r.type, r.id, v.content
from unnest($2::text[], $3::text[]) as u (type, id)
join resource r on r.facility = (select id from facility where slug = $1) and r.type = u.type and r.id = u.id
    and not r.deleted
join resource_version v on v.resource = r.key and v.version = r.version"""

Name = tuple[str, str]


async def document(call: Call, asked: Asked) -> Answer:
    """GET or POST Composition/id/$document"""
    persist = asked.one("persist", False)
    if persist:
        allow(call.who, call.facility.slug, "c", "Bundle", "$document")
    root = await current(call)
    composition = fhirjson.decode(root.content)
    contents = await _gather(call, composition)
    bundle: Resource = {
        "resourceType": "Bundle",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{uuid4()}"},
        "type": "document",
        "timestamp": instant(datetime.now(UTC)),
        "entry": [{"fullUrl": f"{call.base}/{kind}/{identity}", "resource": r} for (kind, identity), r in contents],
    }
    for kind, identity in (name for name, _ in contents):
        call.services.journal.note(call.visitor, "operation", f"{kind}/{identity}")
    if not persist:
        return Answer(200, resource=bundle)
    judgement, issues = judge(call, bundle)
    (version,) = await commit(call, "create", [Change.create(bundle, new_id(), judgement=judgement)])
    stored = fhirjson.decode(version.content)
    return Answer(200, version, resource=stored, location=True, issues=shown(call, issues))


async def _gather(call: Call, composition: Resource) -> list[tuple[Name, Resource]]:
    """The composition first, then everything that is referred to, to any depth, but no other patient and no other
    composition. Raises FhirError GF-705 where something that the composition itself speaks of is not here."""
    own: Name = ("Composition", composition["id"])
    subject = set(literal(composition.get("subject", {})))
    found: dict[Name, Resource] = {own: composition}
    ahead = set(literal(composition))
    asked = {own}
    while ahead := {name for name in ahead - asked if _belongs(name, subject)}:
        asked |= ahead
        if len(asked) > LARGEST:
            raise FhirError("GF-704", most=LARGEST)
        fresh = await _current(call, ahead)
        if missing := sorted(f"{kind}/{identity}" for kind, identity in ahead - fresh.keys()):
            _whole(composition, missing)
        found |= fresh
        ahead = {name for resource in fresh.values() for name in literal(resource)}
    for kind, _ in found:
        allow(call.who, call.facility.slug, "r", kind, "$document")
    return list(found.items())


def _belongs(name: Name, subject: set[Name]) -> bool:
    kind, _ = name
    return kind != "Composition" and (kind != "Patient" or name in subject or not subject)


def _whole(composition: Resource, missing: list[str]) -> None:
    spoken_of = {"/".join(reference.split("/")[-2:]) for reference in references(composition)}
    if lost := [name for name in missing if name in spoken_of]:
        raise FhirError("GF-705", references=", ".join(lost))


async def _current(call: Call, names: set[Name]) -> dict[Name, Resource]:
    kinds, ids = zip(*sorted(names), strict=True)
    async with call.services.store.connection() as connection:
        rows: list[Any] = await connection.fetch(CURRENT, call.facility.slug, kinds, ids)
    return {(row[0], row[1]): fhirjson.decode(row[2]) for row in rows}


OPERATIONS = (
    Operation(
        "$document",
        f"{HL7}Composition-document",
        ("Type/id",),
        document,
        "r",
        {"persist": Parameter("boolean")},
        frozenset({"Composition"}),
    ),
)
