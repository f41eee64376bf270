"""Is it there already? What a product would create, looked for at SATUSEHAT after an unknown outcome.

A resource is known by an identifier of our own organisation; where its type carries none, by being of the same visit
and equal in every element that does not depend on the transaction.
"""

from typing import Any

from gateway.connectors.satusehat import Satusehat
from gateway.outbox.desk import Visit
from profiles import fhirjson
from profiles.fhirjson import Resource

OWN_SYSTEMS = "http://sys-ids.kemkes.go.id/"
SEARCH = {
    "FamilyMemberHistory": "patient",
    "Goal": "subject",
    "ImagingStudy": "subject",
    "Immunization": "patient",
    "MedicationDispense": "subject",
}
"""The parameter that finds a type's candidates; `encounter` where nothing else is said (satusehat.md §3)."""


class Lookup:
    """Looks for the resources of one product; searches are kept, and nothing that was found is found twice."""

    def __init__(self, client: Satusehat, visit: Visit) -> None:
        self._client, self._visit = client, visit
        self._candidates: dict[str, list[Resource]] = {}

    async def find(self, resource: Resource) -> str | None:
        """`Type/id` of what is kept of this resource there, None if it is not there.

        Raises a DestinationError, Ambiguous among them.
        """
        kind = resource["resourceType"]
        if key := self._own_identifier(resource):
            kept = await self._client.find(kind, *key)
        else:
            kept = next((one for one in await self._kept(resource) if _alike(resource, one)), None)
            if kept is not None:
                self._candidates[kind].remove(kept)
        return None if kept is None else f"{kind}/{kept['id']}"

    async def _kept(self, resource: Resource) -> list[Resource]:
        kind = resource["resourceType"]
        if kind not in self._candidates:
            parameter = SEARCH.get(kind, "encounter")
            named = self._visit.remote.get(self._visit.reference) if parameter == "encounter" else None
            value = named or (resource.get(parameter) or {}).get("reference", "")
            self._candidates[kind] = await self._client.search(kind, {parameter: value}) if value else []
        return self._candidates[kind]

    def _own_identifier(self, resource: Resource) -> tuple[str, str] | None:
        org, given = self._visit.facility.organization_id, resource.get("identifier") or []
        for identifier in given if isinstance(given, list) else [given]:
            system = str(identifier.get("system", ""))
            if system.startswith(OWN_SYSTEMS) and org in system.split("/") and identifier.get("value"):
                return system, identifier["value"]
        return None


def _alike(ours: Resource, theirs: Resource) -> bool:
    return all(theirs.get(key) == element for key, element in ours.items() if not _of_the_transaction(element))


def _of_the_transaction(element: Any) -> bool:
    return b'"urn:uuid:' in fhirjson.encode(element)
