"""$validate on a type or an instance. Source: https://hl7.org/fhir/R4/resource-operation-validate.html"""

from typing import Any

from gateway.errors import FhirError
from gateway.fhir.call import JSON_TYPES, Answer, Call
from gateway.fhir.reading import current
from gateway.fhir.targets import missing
from profiles import fhirjson
from profiles.fhirjson import Resource
from profiles.validator import outcome

MODES = ("create", "update", "delete", "profile")
PARAMETERS = {"resource": "resource", "profile": "valueUri", "mode": "valueCode"}


async def validate(call: Call) -> Answer:
    """POST Type/$validate with a resource or Parameters; GET or POST Type/id/$validate for what is stored."""
    resource, given = _asked(call)
    mode = given.get("mode")
    if mode is not None and mode not in MODES:
        raise FhirError("GF-108", name="mode", value=mode, wanted=" | ".join(MODES))
    if resource is None:
        if not call.id:
            raise FhirError("GF-111", wanted=f"a {call.type}, or Parameters with a parameter named resource")
        version = await current(call)
        resource = fhirjson.decode(version.content)
    if mode == "delete":
        return Answer(200, resource=outcome([], call.lang))
    if mode == "update" and call.id and resource.get("id") != call.id:
        raise FhirError("GF-207", body=resource.get("id", ""), address=call.id, expression=f"{call.type}.id")
    found = call.services.validator(call.facility).validate(resource, given.get("profile"))
    found.extend(await missing(call, resource))
    return Answer(200, resource=outcome(found, call.lang))


def _asked(call: Call) -> tuple[Resource | None, dict[str, str]]:
    """The resource and the parameters `profile` and `mode`, from the address and from a Parameters resource."""
    call.no_parameters("profile", "mode")
    given = dict(call.query)
    if call.resource is None and call.body:
        call.expect_media(JSON_TYPES, "application/fhir+json")
        call.resource = call.json()
    resource = call.resource
    if resource is None:
        return None, given
    if resource.get("resourceType") == "Parameters" and call.type != "Parameters":
        resource, more = _parameters(resource)
        given |= more
    if resource is not None and resource.get("resourceType") != call.type:
        raise FhirError("GF-303", body=resource.get("resourceType"), address=call.type)
    return resource, given


def _parameters(parameters: Resource) -> tuple[Resource | None, dict[str, str]]:
    found: dict[str, Any] = {}
    rows = parameters.get("parameter", [])
    for row in rows if isinstance(rows, list) else []:
        name = row.get("name") if isinstance(row, dict) else None
        if name not in PARAMETERS:
            raise FhirError("GF-109", names=str(name), valid=", ".join(PARAMETERS))
        value = next((row[key] for key in (PARAMETERS[name], "valueCanonical", "valueString") if key in row), None)
        if not isinstance(value, dict if name == "resource" else str):
            raise FhirError("GF-108", name=name, value=str(value), wanted=PARAMETERS[name])
        found[name] = value
    return found.pop("resource", None), found
