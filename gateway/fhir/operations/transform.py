"""StructureMap/$transform: a mapping module at work on a resource, so that an integration can be tried over the API.

`source` names the module (`vclaim/sep-insert`). The product is answered as it is where it is a FHIR resource, and as a
Binary of JSON where it is the payload of another system.
Source: https://hl7.org/fhir/R4/structuremap-operation-transform.html, docs/mappings.md
"""

import asyncio
import base64
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import mappings
from gateway.errors import FhirError, HttpError, Language
from gateway.fhir.call import Answer, Call
from gateway.fhir.operations.operation import HL7, Asked, Operation, Parameter, lacking
from gateway.fhir.references import references
from gateway.security.door import allow
from gateway.store import Gone, NotFound
from mappings.errors import Reason
from profiles import fhirjson
from profiles.definitions import RESOURCE_TYPES
from profiles.fhirjson import Resource

PARAMETERS = {
    "source": Parameter("uri"),
    "content": Parameter("Resource"),
    "step": Parameter("string"),
    "focus": Parameter("string"),
    "encounter": Parameter("id"),
}


class NotMapped(HttpError):
    """There is no product (422): all reasons, each at its element."""

    status = 422

    def __init__(self, reasons: Sequence[Reason]) -> None:
        self.reasons = reasons
        super().__init__("; ".join(f"{reason.path}: {reason.en}" for reason in reasons))

    def issues(self, lang: Language) -> list[dict[str, Any]]:
        """One issue for each reason."""
        return [
            {
                "severity": "error",
                "code": "business-rule",
                "details": {"coding": [{"system": "urn:gapura:reason", "code": reason.key}], "text": reason.text(lang)},
                **({"expression": [reason.path]} if reason.path else {}),
            }
            for reason in self.reasons
        ]


async def transform(call: Call, asked: Asked) -> Answer:
    """POST StructureMap/$transform"""
    source, content, encounter = asked.one("source"), asked.one("content"), asked.one("encounter")
    if not source or (content is None) is (encounter is None):
        raise lacking(call, "$transform", "source, and either content or encounter")
    if encounter is not None:
        allow(call.who, call.facility.slug, "r", "Encounter", "$transform")
        content = await _visit(call, encounter)
    step = await asyncio.to_thread(_step, source, asked.one("step"), call)
    known = await call.services.store.remote(call.facility.slug, step.module.destination, sorted(_named(content)))
    product = await asyncio.to_thread(_product, step, content, _context(call, asked, known))
    call.audited("operation", f"{call.path}?source={source}" + (f"&encounter={encounter}" if encounter else ""))
    if product.get("resourceType") in RESOURCE_TYPES:
        return Answer(200, resource=product)
    data = base64.b64encode(fhirjson.encode(product)).decode("ascii")
    return Answer(200, resource={"resourceType": "Binary", "contentType": "application/json", "data": data})


async def _visit(call: Call, encounter: str) -> Resource:
    reference = f"Encounter/{encounter}"
    try:
        bundle = await call.services.store.visit(call.facility.slug, encounter)
    except NotFound:
        raise FhirError("GF-201", reference=reference, type="Encounter") from None
    except Gone:
        raise FhirError("GF-202", reference=reference) from None
    call.services.journal.note(call.visitor, "operation", reference)
    return bundle


def _step(source: str, name: str | None, call: Call) -> mappings.Step:
    overlay = call.facility.mappings
    names = mappings.modules(overlay)
    if source not in names:
        raise FhirError("GF-108", name="source", value=source, wanted=" | ".join(names))
    try:
        steps = mappings.load(source, overlay).steps
    except mappings.MappingError as error:
        raise FhirError("GF-706", module=source, reason=error) from None
    if name is None and len(steps) == 1:
        return next(iter(steps.values()))
    if name not in steps:
        raise FhirError("GF-108", name="step", value=name or "", wanted=" | ".join(steps))
    return steps[name]


def _named(content: Resource) -> Iterable[str]:
    """Every local `Type/id` that the source holds or speaks of."""
    rows = content.get("entry", ()) if content["resourceType"] == "Bundle" else ({"resource": content},)
    resources = [row["resource"] for row in rows if "resource" in row]
    return {*references(content), *(f"{r['resourceType']}/{r['id']}" for r in resources if "id" in r)}


def _context(call: Call, asked: Asked, known: dict[str, str]) -> dict[str, Any]:
    facility = call.facility

    def crosswalk(local: str) -> str | None:
        remote = known.get(local)
        return remote.rpartition("/")[2] if remote else None

    return {
        "facility": {
            "organization_id": facility.organization_id,
            "kode_faskes": facility.kode_faskes,
            "zone": facility.zone,
            "options": facility.options,
        },
        "crosswalk": crosswalk,
        "now": datetime.now(UTC).isoformat(timespec="seconds"),
        "focus": asked.one("focus"),
    }


def _product(step: mappings.Step, content: Resource, context: dict[str, Any]) -> dict[str, Any]:
    try:
        product = step(content, **context)
    except mappings.Held as held:
        raise NotMapped(held.reasons) from None
    except mappings.MappingError as error:
        raise FhirError("GF-706", module=step.module.name, reason=error) from None
    if wrong := step.check(product):
        raise NotMapped(wrong)
    return product


OPERATIONS = (
    Operation(
        "$transform",
        f"{HL7}StructureMap-transform",
        ("Type",),
        transform,
        "t",
        PARAMETERS,
        frozenset({"StructureMap"}),
        changes=True,
    ),
)
