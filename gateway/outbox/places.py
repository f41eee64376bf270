"""What a visit needs at SATUSEHAT before it can go: its people by NIK, its organisations and locations by identifier.

People are only ever looked up: nobody is registered on the way. Organisations and locations of the hospital's own that
SATUSEHAT does not know yet are created there.
"""

from collections.abc import Iterable
from typing import Any

from gateway.connectors.errors import Ambiguous, NotFound
from gateway.connectors.satusehat import Satusehat
from gateway.outbox.attempt import Attempt, NotReady
from gateway.outbox.checks import judged
from gateway.outbox.desk import Visit
from profiles import fhirjson
from profiles.fhirjson import Resource

IDS = "https://fhir.kemkes.go.id/id/"
NIK, ORG_NUMBER = f"{IDS}nik", f"{IDS}org-number"
IHS = {"patient": f"{IDS}ihs-number", "practitioner": f"{IDS}nakes-his-number"}
SYSTEM_IDS = "http://sys-ids.kemkes.go.id"
INSIDE = frozenset({"resourceType", "id", "meta", "text", "identifier", "managingOrganization", "partOf", "endpoint"})

ABSENT = (
    "{local} tidak ada di gateway.",
    "{local} is not in the gateway.",
)
NO_NIK = (
    "{who} belum punya NIK, sehingga tidak dapat dicari di SATUSEHAT.",
    "{who} has no NIK, so SATUSEHAT cannot be asked.",
)
UNKNOWN = (
    "{who} dengan NIK ini belum dikenal SATUSEHAT; periksa NIK, atau daftarkan dahulu.",
    "SATUSEHAT knows no {who} with this NIK; check the NIK, or register the person first.",
)
SEVERAL = (
    "SATUSEHAT punya {count} {who} dengan NIK ini; isi nomor yang benar ({candidates}) sebagai identifier {system}.",
    "SATUSEHAT has {count} {who} with this NIK; enter the right one ({candidates}) as identifier {system}.",
)


class Prerequisites:
    """Finds, for one delivery, where local resources are at SATUSEHAT."""

    def __init__(self, attempt: Attempt, visit: Visit, client: Satusehat) -> None:
        self._attempt, self._visit, self._client = attempt, visit, client
        self._found: dict[str, str] = {}

    async def find(self, needed: Iterable[tuple[str, str]]) -> dict[str, str]:
        """Local → remote `Type/id`, for all of `needed` (kind, local). Raises NotReady with everything that is in the
        way, or a DestinationError."""
        in_the_way: list[NotReady] = []
        for kind, local in needed:
            try:
                self._found[local] = await self._one(kind, local)
            except NotReady as problem:
                in_the_way.append(problem)
        if in_the_way:
            issues = tuple(issue for problem in in_the_way for issue in problem.issues)
            raise NotReady(in_the_way[0].code or "missing", issues)
        return self._found

    async def _one(self, kind: str, local: str) -> str:
        if local in self._found:
            return self._found[local]
        resource = self._visit.resources.get(local)
        if resource is None:
            raise _problem("absent", local, ABSENT, local=local)
        if kind in IHS:
            return f"{resource['resourceType']}/{await self._person(kind, local, resource)}"
        return await self._place(local, resource)

    async def _person(self, kind: str, local: str, resource: Resource) -> str:
        if known := _identifier(resource, IHS[kind]):
            return known
        who, path = resource["resourceType"], f"{local}.identifier"
        nik = _identifier(resource, NIK)
        if nik is None:
            raise _problem("no-nik", path, NO_NIK, who=who)
        find = self._client.find_patient if kind == "patient" else self._client.find_practitioner
        try:
            return await find(nik)
        except NotFound as error:
            raise _problem("unknown-person", path, UNKNOWN, who=who) from error
        except Ambiguous as error:
            facts = {"count": len(error.candidates), "candidates": ", ".join(error.candidates), "system": IHS[kind]}
            raise _problem("several-persons", path, SEVERAL, who=who, **facts) from error

    async def _place(self, local: str, resource: Resource) -> str:
        org, kind = self._visit.facility.organization_id, resource["resourceType"]
        if kind == "Organization" and _identifier(resource, ORG_NUMBER) == org:
            return f"Organization/{org}"
        system = f"{SYSTEM_IDS}/{kind.lower()}/{org}"
        value = _identifier(resource, system) or self._visit.stable_ids()[local]
        kept = await self._client.find(kind, system, value)
        if kept is None:
            made = self._made(resource, system, value)
            judged(made, self._visit.facility, self._attempt.home)
            async with self._attempt.sending(f"{kind} {value}", fhirjson.encode(made)):
                kept = await self._client.create(made)
        return f"{kind}/{kept['id']}"

    def _made(self, resource: Resource, system: str, value: str) -> Resource:
        own = {"reference": f"Organization/{self._visit.facility.organization_id}"}
        parent = "partOf" if resource["resourceType"] == "Organization" else "managingOrganization"
        return {
            "resourceType": resource["resourceType"],
            "identifier": [{"use": "official", "system": system, "value": value}],
            parent: own,
            **{key: element for key, element in resource.items() if key not in INSIDE},
        }


def _identifier(resource: Resource, system: str) -> str | None:
    found = (i.get("value") for i in resource.get("identifier", ()) if i.get("system") == system)
    return next((str(value) for value in found if value), None)


def _problem(key: str, path: str, texts: tuple[str, str], **facts: Any) -> NotReady:
    id_text, en_text = (text.format(**facts) for text in texts)
    return NotReady("missing", ({"key": key, "path": path, "id": id_text, "en": en_text, "value": None},))
