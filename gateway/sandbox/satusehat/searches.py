"""The simulated searches: the parameters that SATUSEHAT heeds; it ignores all others in silence.

Source: reference satusehat.md §3.
"""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from gateway.sandbox.satusehat import patients
from gateway.sandbox.satusehat.judge import Refusal, issue
from gateway.sandbox.satusehat.shelf import Shelf, identifiers
from profiles.fhirjson import Resource

PAGE = 20

REFERENCES = {
    "subject": ("subject", "patient"),
    "patient": ("patient", "subject"),
    "encounter": ("encounter", "context"),
    "context": ("context",),
    "based-on": ("basedOn",),
    "performer": ("performer",),
    "organization": ("managingOrganization", "organization"),
    "partof": ("partOf",),
    "practitioner": ("practitioner",),
    "service-provider": ("serviceProvider",),
    "specimen": ("specimen",),
    "request": ("request",),
    "collector": ("collector",),
    "prescription": ("authorizingPrescription",),
}
"""Search parameter → the elements it looks in."""

REQUIRED = {"MedicationDispense": ("subject",)}
IGNORED = {"MedicationDispense": ("encounter",)}


def found(resource_type: str, params: dict[str, str], shelf: Shelf, owner: str) -> list[Resource]:
    """The resources that a search answers, oldest first; raise Refusal where a parameter is missing."""
    if missing := [name for name in REQUIRED.get(resource_type, ()) if name not in params]:
        raise Refusal(issue(f"Missing query parameters: {', '.join(missing)}"))
    if resource_type == "Patient":
        return patients.search(shelf, params)
    heeded = {k: v for k, v in params.items() if k not in IGNORED.get(resource_type, ())}
    rows = (row for row in shelf.of_type(resource_type) if _visible(row, shelf, owner))
    return [row for row in rows if all(_fits(row, name, value) for name, value in heeded.items())]


def bundle(resource_type: str, rows: list[Resource], params: dict[str, str], base: str) -> Resource:
    """One page of a searchset."""
    start, size = int(params.get("_page_token", "0")), int(params.get("_count", PAGE))
    page = rows[start : start + size]
    asked = {k: v for k, v in params.items() if k != "_page_token"}
    links = [
        {"relation": name, "url": f"{base}/{resource_type}/?{urlencode(asked)}"} for name in ("search", "first", "self")
    ]
    if start + size < len(rows):
        more = urlencode({**asked, "_page_token": str(start + size)})
        links.append({"relation": "next", "url": f"{base}/{resource_type}/?{more}"})
    result: Resource = {"resourceType": "Bundle", "type": "searchset", "total": len(rows), "link": links}
    if page:
        result["entry"] = [{"fullUrl": f"{base}/{resource_type}/{row['id']}", "resource": row} for row in page]
    return result


def _visible(row: Resource, shelf: Shelf, owner: str) -> bool:
    kept = shelf.get(row["resourceType"], row["id"])
    return kept is not None and kept.owner in ("", owner)


def _fits(row: Resource, name: str, value: str) -> bool:
    if name == "identifier":
        system, _, wanted = value.rpartition("|")
        return any(v == wanted and (not system or s == system) for s, v in identifiers(row))
    if name in REFERENCES:
        return any(_refers(row.get(element), value) for element in REFERENCES[name])
    if name == "_id":
        return bool(row["id"] == value)
    if name == "name":
        return value.upper() in _name(row)
    if name in ("gender", "status"):
        return row.get(name) == value
    if name == "birthdate":
        return row.get("birthDate") == value
    return True


def _refers(element: Any, value: str) -> bool:
    rows: Iterable[Any] = element if isinstance(element, list) else [element]
    targets = [row.get("reference", "") for row in rows if isinstance(row, dict)]
    return any(target == value or target.endswith(f"/{value}") for target in targets)


def _name(row: Resource) -> str:
    name = row.get("name", "")
    return (name if isinstance(name, str) else " ".join(str(n.get("text", "")) for n in name)).upper()
