"""A visit as one Bundle: the Encounter, what was done in it, and whom and what all of that speaks of.

Followed backwards are the references of BACKWARD; followed forwards is every literal reference. Other Encounters come
along where they are referred to (an emergency visit before an admission), but not what belongs to them.
"""

from collections.abc import Iterable
from typing import Any

from profiles import fhirjson
from profiles.fhirjson import Resource

from .emit import references
from .errors import StoreError
from .facilities import Place
from .model import Connection
from .read import read

LARGEST = 2_000
"""Resources of one visit; more is an error, never a part in silence."""

NOT_OF_A_VISIT = ("AuditEvent", "Bundle", "Encounter", "List", "Provenance", "Subscription", "Task")
"""They may refer to an Encounter, but are about it, not of it."""

BACKWARD: dict[str, tuple[str, ...]] = {
    "Patient": ("Coverage",),
    "CoverageEligibilityRequest": ("CoverageEligibilityResponse",),
    "Claim": ("ClaimResponse",),
    "MedicationRequest": ("MedicationDispense", "MedicationAdministration"),
    "ServiceRequest": ("Specimen",),
    "Specimen": ("DiagnosticReport",),
}
"""Type of a resource of the visit → types that belong to the visit because they refer to it."""

OF_ENCOUNTER = """
select s.type, s.id from reference_index i join resource s on s.key = i.resource
where i.facility = $1 and i.target_type = 'Encounter' and i.target_id = $2 and s.type <> all($3::text[])"""

REFERRING = """
select distinct s.type, s.id
from unnest($2::text[], $3::text[], $4::text[]) as u (target_type, target_id, type)
join reference_index i on i.facility = $1 and i.target_type = u.target_type and i.target_id = u.target_id
join resource s on s.key = i.resource and s.type = u.type"""

CURRENT = """
select r.type, r.id, v.content
from unnest($2::text[], $3::text[]) as u (type, id)
join resource r on r.facility = $1 and r.type = u.type and r.id = u.id and not r.deleted
join resource_version v on v.resource = r.key and v.version = r.version"""

Name = tuple[str, str]


async def gather(connection: Connection, place: Place, encounter_id: str) -> Resource:
    """The visit Bundle. `entry.fullUrl` is `Type/id`. Raises NotFound, Gone, StoreError (more than LARGEST)."""
    encounter = await read(connection, place, "Encounter", encounter_id)
    found: dict[Name, Resource] = {("Encounter", encounter_id): fhirjson.decode(encounter.content)}
    rows = await connection.fetch(OF_ENCOUNTER, place.number, encounter_id, NOT_OF_A_VISIT)
    ahead = {(row[0], row[1]) for row in rows} | set(references(found["Encounter", encounter_id]))
    asked: set[Name] = set(found)
    while ahead := ahead - asked:
        asked |= ahead
        if len(asked) > LARGEST:
            raise StoreError(f"Encounter/{encounter_id}: more than {LARGEST} resources belong to the visit")
        rows = await connection.fetch(CURRENT, place.number, *_columns(ahead))
        fresh = {(row[0], row[1]): fhirjson.decode(row[2]) for row in rows}
        found |= fresh
        followed = {name: resource for name, resource in fresh.items() if name[0] != "Encounter"}
        ahead = {target for resource in followed.values() for target in references(resource)}
        ahead |= await _referring(connection, place, followed)
    entries = [{"fullUrl": f"{type}/{id}", "resource": resource} for (type, id), resource in found.items()]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


async def _referring(connection: Connection, place: Place, names: Iterable[Name]) -> set[Name]:
    wanted = [(type, id, by) for type, id in names for by in BACKWARD.get(type, ())]
    if not wanted:
        return set()
    rows = await connection.fetch(REFERRING, place.number, *_columns(wanted))
    return {(row[0], row[1]) for row in rows}


def _columns(rows: Iterable[tuple[str, ...]]) -> list[Any]:
    return [list(column) for column in zip(*rows, strict=True)]
