"""Which visit a resource belongs to."""

import re
from collections.abc import Iterator
from typing import Any

from profiles.fhirjson import Resource

PATHS = (
    ("encounter",),
    ("context",),  # MedicationAdministration, MedicationDispense, MedicationStatement, ChargeItem
    ("context", "encounter"),  # DocumentReference
    ("item", "encounter"),  # Claim
    ("supportingInfo", "information"),  # CoverageEligibilityRequest, as docs/sep.md says
)
"""Where R4 resources name their Encounter, over all types: its compartment leaves out seven types that have one."""

_ENCOUNTER = re.compile(r"^(?:.*/)?(Encounter/[A-Za-z0-9\-.]{1,64})(?:/_history/.+)?$")


def visit_of(resource: Resource) -> str | None:
    """`Encounter/id` of the visit; None for what belongs to none (a Patient, a Practitioner, …)."""
    if resource["resourceType"] == "Encounter":
        return f"Encounter/{resource['id']}"
    for path in PATHS:
        for found in _walk(resource, path):
            named = _ENCOUNTER.match(str(found.get("reference", "")))
            if named:
                return named.group(1)
    return None


def _walk(value: Any, path: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        for item in value:
            yield from _walk(item, path)
    elif isinstance(value, dict):
        if not path:
            yield value
        elif path[0] in value:
            yield from _walk(value[path[0]], path[1:])
