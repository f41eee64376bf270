"""What the simulated SATUSEHAT keeps: resources with their owners. Nothing is ever deleted there."""

import datetime as dt
import uuid
from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from gateway.sandbox.seed import Doctor, Person, Seed
from profiles.fhirjson import Resource

OWN_SYSTEMS = "http://sys-ids.kemkes.go.id/"
NIK = "https://fhir.kemkes.go.id/id/nik"
GENDER = {"L": "male", "P": "female"}
FIRST_IHS = 2_990_000_000


@dataclass
class Kept:
    """A resource and the organisation that may refer to it; "" is everybody."""

    resource: Resource
    owner: str
    seeded: bool = False


class Shelf:
    """Resources by type and id, findable by identifier."""

    def __init__(self, seed: Seed) -> None:
        self._kept: dict[tuple[str, str], Kept] = {}
        self._by_identifier: dict[tuple[str, str, str], str] = {}
        self._people = 0
        for person in seed.people.values():
            for ihs in person.ihs:
                self._keep(_patient(person, ihs), "", seeded=True)
        for doctor in seed.doctors.values():
            self._keep(_practitioner(doctor), "", seeded=True)
        for row in seed.resources.values():
            self._keep({k: v for k, v in row.items() if k != "owner"}, str(row.get("owner", "")), seeded=True)

    def get(self, resource_type: str, resource_id: str) -> Kept | None:
        """The resource with this id."""
        return self._kept.get((resource_type, resource_id))

    def of_type(self, resource_type: str) -> Iterator[Resource]:
        """All resources of a type, oldest first."""
        return (kept.resource for (kind, _), kept in self._kept.items() if kind == resource_type)

    def duplicate(self, resource: Resource) -> str | None:
        """The id of the resource that already has one of this one's sys-ids identifiers."""
        for system, value in identifiers(resource):
            found = self._by_identifier.get((resource["resourceType"], system, value))
            if found and system.startswith(OWN_SYSTEMS):
                return found
        return None

    def put(self, resource: Resource, owner: str, resource_id: str | None = None) -> Resource:
        """Keep a new resource or a new version of one; returns it with id and meta."""
        stored = {**resource, "id": resource_id or str(uuid.uuid4()), "meta": {**resource.get("meta", {}), **_meta()}}
        return self._keep(stored, owner)

    def new_ihs(self) -> str:
        """The next patient number."""
        self._people += 1
        return f"P{FIRST_IHS + self._people:011d}"

    def sent(self) -> dict[str, list[Resource]]:
        """By type, everything that was sent here and not seeded."""
        found: dict[str, list[Resource]] = {}
        for (kind, _), kept in self._kept.items():
            if not kept.seeded:
                found.setdefault(kind, []).append(kept.resource)
        return found

    def _keep(self, resource: Resource, owner: str, *, seeded: bool = False) -> Resource:
        kind, resource_id = resource["resourceType"], resource["id"]
        self._kept[kind, resource_id] = Kept(resource, owner, seeded)
        for system, value in identifiers(resource):
            self._by_identifier[kind, system, value] = resource_id
        return resource


def identifiers(resource: Resource) -> Iterable[tuple[str, str]]:
    """Its identifiers; QuestionnaireResponse, Composition and Bundle have one that is no list."""
    held: Any = resource.get("identifier") or []
    return [(i.get("system", ""), i.get("value", "")) for i in (held if isinstance(held, list) else [held])]


def _meta() -> dict[str, str]:
    now = dt.datetime.now(dt.UTC)
    version = b64encode(str(int(now.timestamp() * 1e6) * 1000).encode()).decode().rstrip("=")
    return {"lastUpdated": now.isoformat(timespec="microseconds"), "versionId": version}


def _patient(person: Person, ihs: str) -> Resource:
    return {
        "resourceType": "Patient",
        "id": ihs,
        "meta": _meta(),
        "active": True,
        "identifier": [
            {"system": "https://fhir.kemkes.go.id/id/ihs-number", "use": "official", "value": ihs},
            {"system": NIK, "use": "official", "value": person.nik},
        ],
        "name": [{"use": "official", "text": person.name}],
        "gender": GENDER[person.sex],
        "birthDate": str(person.birth),
    }


def _practitioner(doctor: Doctor) -> Resource:
    return {
        "resourceType": "Practitioner",
        "id": doctor.ihs,
        "meta": _meta(),
        "identifier": [
            {"system": "https://fhir.kemkes.go.id/id/nakes-his-number", "value": doctor.ihs},
            {"system": NIK, "use": "official", "value": doctor.nik},
        ],
        "name": [{"use": "official", "text": doctor.name}],
        "gender": GENDER[doctor.sex],
    }
