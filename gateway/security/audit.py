"""The audit trail: FHIR AuditEvents, immutable, beside the records they speak of.

A write's event is committed in the write's own transaction. Reads are noted in a journal file before they are answered
(a note outlives the process) and become AuditEvents in batches, one per key, address and interaction, with an entity
for each thing that was looked at; a journal that a killed process left is taken up at the next start.

Source: https://hl7.org/fhir/R4/auditevent.html
"""

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from gateway.security.keys import Principal
from gateway.store import Version
from gateway.store.forms import MARKS, MOMENT, Filled, Form
from gateway.store.write import now
from profiles.fhirjson import Resource

ACTIONS = {"create": "C", "read": "R", "vread": "R", "update": "U", "patch": "U", "delete": "D"}
EXECUTE = "E"
LIFECYCLE = {"POST": ("1", "Origination / Creation"), "PUT": ("3", "Amendment"), "PATCH": ("3", "Amendment")}
DELETION = ("14", "Logical deletion")
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
SUBJECTS = ("subject", "patient", "beneficiary", "for")
"""Elements of R4 resources that hold the reference to their patient."""


class Visitor(NamedTuple):
    """Who asks from where: what every event says of its agent. `principal` is None for someone without a valid key."""

    facility: str
    principal: Principal | None
    remote: str


def instant(moment: datetime) -> str:
    """A UTC datetime as FHIR writes it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def event(
    visitor: Visitor, interaction: str, recorded: datetime, entities: Sequence[dict[str, Any]], outcome: str = "0"
) -> Resource:
    """One AuditEvent. `interaction`: a code of FHIR's restful-interaction; `outcome`: 0 done, 8 refused."""
    principal = visitor.principal
    agent: dict[str, Any] = {"requestor": True}
    if principal is not None:
        agent["type"] = {"coding": [{"system": "urn:gapura:role", "code": principal.role.name}]}
        agent["who"] = {"identifier": {"system": "urn:gapura:key", "value": principal.key}}
        agent["name"] = principal.label or principal.key
    else:
        agent["name"] = "?"
    if visitor.remote:
        agent["network"] = {"address": visitor.remote, "type": "2"}
    made: Resource = {
        "resourceType": "AuditEvent",
        "type": {"system": f"{TERMINOLOGY}audit-event-type", "code": "rest", "display": "RESTful Operation"},
        "subtype": [{"system": "http://hl7.org/fhir/restful-interaction", "code": interaction}],
        "action": ACTIONS.get(interaction, EXECUTE),
        "recorded": instant(recorded),
        "outcome": outcome,
        "agent": [agent],
        "source": {"site": visitor.facility, "observer": {"display": "Gapura"}},
    }
    if entities:
        made["entity"] = list(entities)
    return made


def written(method: str, reference: str, resource: Resource | None) -> Iterable[dict[str, Any]]:
    """The entities of one written version: the resource, and its patient where it names one."""
    code, display = LIFECYCLE.get(method, DELETION)
    yield {
        "what": {"reference": reference},
        "type": {"system": f"{TERMINOLOGY}audit-entity-type", "code": "2", "display": "System Object"},
        "lifecycle": {"system": f"{TERMINOLOGY}dicom-audit-lifecycle", "code": code, "display": display},
    }
    if person := _person(resource):
        yield patient(person)


def _person(resource: Resource | None) -> str:
    """The reference to the patient whom a resource names; empty: none."""
    for name in SUBJECTS if resource else ():
        subject = resource.get(name) if resource else None
        if isinstance(subject, dict) and str(reference := subject.get("reference", "")).startswith("Patient/"):
            return str(reference)
    return ""


def of_write(
    visitor: Visitor, interaction: str, versions: Sequence[Version], resources: Mapping[str, Resource | None]
) -> Resource | Filled:
    """The event of an act that wrote these versions. `resources` are what was written, by their references."""
    if len(versions) == 1:
        (version,) = versions
        person = _person(resources.get(version.reference))
        if not person or _PATIENT.fullmatch(person):
            form = _form(visitor, interaction, version.method, version.type, bool(person))
            return Filled(form, (version.id, str(version.version), person.removeprefix("Patient/")), now())
    entities = [
        entity
        for version in versions
        for entity in written(
            version.method, f"{version.reference}/_history/{version.version}", resources.get(version.reference)
        )
    ]
    return event(visitor, interaction, now(), entities)


_PATIENT = re.compile(r"Patient/[A-Za-z0-9\-.]{1,64}")
MOST_FORMS = 500
"""Each takes some ten kilobytes, and there may be many who ask from many places."""
_forms: dict[object, Form] = {}


def _form(visitor: Visitor, interaction: str, method: str, type: str, of_person: bool) -> Form:
    who = visitor.principal
    name = (visitor.facility, visitor.remote, who and (who.key, who.label, who.role.name))
    key = (name, interaction, method, type, of_person)
    form = _forms.get(key)
    if form is None:
        if len(_forms) == MOST_FORMS:
            _forms.pop(next(iter(_forms)))
        id, version, person = MARKS
        entities = list(written(method, f"{type}/{id}/_history/{version}", None))
        entities += [patient(f"Patient/{person}")] if of_person else []
        form = _forms[key] = Form(event(visitor, interaction, MOMENT, entities))
    return form


def patient(reference: str) -> dict[str, Any]:
    """The entity that says whose record it was."""
    return {
        "what": {"reference": reference},
        "type": {"system": f"{TERMINOLOGY}audit-entity-type", "code": "1", "display": "Person"},
        "role": {"system": f"{TERMINOLOGY}object-role", "code": "1", "display": "Patient"},
    }


def looked_at(reference: str, times: Sequence[str]) -> dict[str, Any]:
    """The entity of a resource that was read, with the moments. It says no more: there are many of them."""
    return {"what": {"reference": reference}, "detail": [{"type": "at", "valueString": moment} for moment in times]}


def asked(query: str, times: Sequence[str]) -> dict[str, Any]:
    """The entity of a search or history: its address and query, as FHIR keeps queries, in base64."""
    return {
        "type": {"system": f"{TERMINOLOGY}audit-entity-type", "code": "2", "display": "System Object"},
        "role": {"system": f"{TERMINOLOGY}object-role", "code": "24", "display": "Query"},
        "query": base64.b64encode(query.encode()).decode("ascii"),
        "detail": [{"type": "at", "valueString": moment} for moment in times],
    }
