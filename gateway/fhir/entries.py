"""The entries of a transaction or batch Bundle, read and checked before anything is done.

Source: https://hl7.org/fhir/R4/http.html#transaction
"""

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, unquote

from gateway.errors import FhirError, HttpError, InEntry, Rejected
from gateway.fhir.call import Call
from gateway.fhir.operations.operation import STAND_IN
from gateway.fhir.routes import Route, find
from gateway.fhir.view import view
from gateway.security.door import allow
from profiles.fhirjson import Resource

CONDITIONS = {
    "ifMatch": b"if-match",
    "ifNoneMatch": b"if-none-match",
    "ifModifiedSince": b"if-modified-since",
    "ifNoneExist": b"if-none-exist",
}
ALONE = frozenset({"transaction", "$export", "$import", "$reindex"})
"""What is no part of a Bundle: another Bundle, and what is only begun."""
WRITES = frozenset(
    {"create", "update", "conditional-update", "patch", "conditional-patch", "delete", "conditional-delete"}
)
WITH_RESOURCE = frozenset({"POST", "PUT", "PATCH"})


@dataclass(slots=True)
class Entry:
    """One entry as a call of its own. `full_url` is empty where it has none."""

    index: int
    full_url: str
    call: Call
    route: Route

    @property
    def writes(self) -> bool:
        """Whether it is one of the interactions that write a resource."""
        return self.route.code in WRITES


def checked(call: Call, bundle: Resource) -> list[dict[str, Any]]:
    """The raw entries of a Bundle. Raises FhirError GF-502, and Rejected for the Bundle's own form."""
    rows: list[dict[str, Any]] = bundle.get("entry", [])
    limit = call.services.settings.max_bundle_entries
    if isinstance(rows, list) and len(rows) > limit:
        raise FhirError("GF-502", count=len(rows), limit=limit, expression="Bundle.entry")
    # the resources are judged one by one later, with their own paths
    frame = dict(bundle)
    if isinstance(rows, list):
        frame["entry"] = [
            _without_resource(row) if isinstance(row, dict) and "resource" in row else row for row in rows
        ]
        if not rows:
            del frame["entry"]
    found = [
        issue
        for issue in call.services.validator(call.facility).validate(frame)
        if issue.tier == "base" and issue.severity in ("error", "fatal")
    ]
    if found:
        raise Rejected(found)
    return rows


def _without_resource(row: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in row.items() if k != "resource"} or {"resource": STAND_IN}


def read(call: Call, index: int, row: dict[str, Any]) -> Entry:
    """One entry. Raises InEntry."""
    try:
        return _read(call, index, row)
    except HttpError as error:
        raise InEntry(error, index) from None


def _read(call: Call, index: int, row: dict[str, Any]) -> Entry:
    request = row["request"]  # required of a batch or transaction by bdl-3, which `checked` has seen
    method = request["method"]
    resource = row.get("resource")
    path, _, query = _relative(call.base, request["url"]).partition("?")
    route, kind, identity, version, compartment = find(method, unquote(path).strip("/"))
    if route.raw or route.code in ALONE:
        raise FhirError("GF-511", method=method, url=request["url"])
    if resource is None and method in WITH_RESOURCE:
        raise FhirError("GF-504", method=method)
    if resource is not None and not isinstance(resource, dict):
        raise FhirError("GF-301", reason="entry.resource is not an object")
    how, parameters = view(parse_qsl(query, keep_blank_values=True))
    headers = {header: request[name].encode() for name, header in CONDITIONS.items() if name in request}
    one = replace(
        call,
        method=method,
        path=path.strip("/"),
        type=kind,
        id=identity,
        version=version,
        query=parameters,
        view=how,
        headers=headers,
        compartment=compartment,
        body=b"",
        resource=resource,
        warnings=[],
    )
    allow(call.who, call.facility.slug, route.letter, kind or "*", route.code)
    return Entry(index, row.get("fullUrl", ""), one, route)


def _relative(base: str, url: str) -> str:
    return url.removeprefix(base).lstrip("/")
