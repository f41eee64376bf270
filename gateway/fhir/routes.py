"""Which function answers which request: one table for HTTP requests and for the entries of a Bundle.

The CapabilityStatement is made from this table. `letter` is the right that the interaction needs (roles.yaml).
"""

from collections.abc import Awaitable, Callable, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from gateway.bulk import kickoff, status
from gateway.errors import FhirError
from gateway.fhir import (
    bundle,
    capabilities,
    create,
    delete,
    history,
    patch,
    reading,
    reindex,
    search,
    update,
    validate,
)
from gateway.fhir.call import Answer, Call
from gateway.fhir.operations.operation import HL7
from gateway.fhir.operations.table import OPERATIONS
from profiles.definitions import RESOURCE_TYPES, compartments

Handler = Callable[[Call], Awaitable[Answer]]
ID_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.")


class Route(NamedTuple):
    """One interaction. `code` is its name in http://hl7.org/fhir/restful-interaction, or the operation's own; an
    operation has a `definition` and may be restricted to `types`; `raw`: its body, in or out, is a stream, not FHIR."""

    method: str
    shape: str
    code: str
    letter: str
    handler: Handler
    definition: str = ""
    types: frozenset[str] = frozenset()
    raw: bool = False


class Address(NamedTuple):
    """What a path below the FHIR root names. `compartment` is (Type, id) where the members of one are searched; `type`
    is then the members' type, empty for all of them."""

    route: Route
    type: str = ""
    id: str = ""
    version: str = ""
    compartment: tuple[str, str] | None = None

    @property
    def shape(self) -> str:
        """The path without ids, for the access log."""
        if self.compartment:
            return self.route.shape.replace("Type", self.compartment[0]).replace("Member", self.type)
        return f"{self.type}{self.route.shape[4:]}" if self.type else self.route.shape


VALIDATE = f"{HL7}Resource-validate"
BULK = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/"
PATIENT, GROUP = frozenset({"Patient"}), frozenset({"Group"})
ROUTES = (
    Route("GET", "Type/id", "read", "r", reading.read),
    Route("POST", "Type", "create", "c", create.create),
    Route("GET", "Type", "search-type", "s", search.search),
    Route("POST", "", "transaction", "", bundle.process),
    Route("PUT", "Type/id", "update", "u", update.update),
    Route("PUT", "Type", "conditional-update", "u", update.conditional_update),
    Route("PATCH", "Type/id", "patch", "u", patch.patch),
    Route("PATCH", "Type", "conditional-patch", "u", patch.conditional_patch),
    Route("DELETE", "Type/id", "delete", "d", delete.delete),
    Route("DELETE", "Type", "conditional-delete", "d", delete.conditional_delete),
    Route("GET", "Type/id/_history/version", "vread", "r", reading.vread),
    Route("GET", "Type/id/_history", "history-instance", "r", history.history),
    Route("GET", "Type/_history", "history-type", "s", history.history),
    Route("GET", "_history", "history-system", "s", history.history),
    Route("POST", "Type/_search", "search-type", "s", search.search_by_post),
    Route("GET", "", "search-system", "s", search.search),
    Route("POST", "_search", "search-system", "s", search.search_by_post),
    Route("GET", "Type/id/Member", "search-type", "s", search.search),
    Route("POST", "Type/id/Member/_search", "search-type", "s", search.search_by_post),
    Route("GET", "Type/id/*", "search-system", "s", search.search),
    Route("POST", "Type/id/*/_search", "search-system", "s", search.search_by_post),
    Route("GET", "metadata", "capabilities", "", capabilities.capabilities),
    Route("POST", "Type/$validate", "$validate", "", validate.validate, VALIDATE),
    Route("POST", "Type/id/$validate", "$validate", "r", validate.validate, VALIDATE),
    Route("GET", "Type/id/$validate", "$validate", "r", validate.validate, VALIDATE),
    Route("GET", "$export", "$export", "s", kickoff.export, f"{BULK}export"),
    Route("POST", "$export", "$export", "s", kickoff.export, f"{BULK}export"),
    Route("GET", "Type/$export", "$export", "s", kickoff.export, f"{BULK}patient-export", PATIENT),
    Route("POST", "Type/$export", "$export", "s", kickoff.export, f"{BULK}patient-export", PATIENT),
    Route("GET", "Type/id/$export", "$export", "s", kickoff.export, f"{BULK}group-export", GROUP),
    Route("POST", "Type/id/$export", "$export", "s", kickoff.export, f"{BULK}group-export", GROUP),
    Route("POST", "$import", "$import", "u", kickoff.import_, "urn:gapura:operation:import", raw=True),
    Route("GET", "$job", "$export", "", status.status),
    Route("DELETE", "$job", "$export", "", status.cancel),
    Route("POST", "$reindex", "$reindex", "p", reindex.begin, reindex.DEFINITION),
    Route("GET", "$reindex", "$reindex", "p", reindex.progress, reindex.DEFINITION),
    Route("GET", "$job-file", "$export", "", status.download, raw=True),
    *(
        Route(method, f"{shape}/{row.name}".lstrip("/"), row.name, row.letter, row.handle, row.definition, row.types)
        for row in OPERATIONS
        for shape in row.shapes
        for method in row.methods
    ),
)

IMMUTABLE = frozenset({"AuditEvent"})
"""Types that nobody changes or deletes once they are written."""

_TABLE: dict[str, dict[str, Route]] = {}
for _each in ROUTES:
    for _shape in {_each.shape.replace("Type", kind, 1) for kind in _each.types} or {_each.shape}:
        _TABLE.setdefault(_shape, {})[_each.method] = _each
        if _each.method == "GET":
            _TABLE[_shape]["HEAD"] = _each


def find(method: str, path: str) -> Address:
    """What a path below the FHIR root, and a method, ask for.

    Raises FhirError GF-101 (no such type), GF-102 (no such address), GF-103 (method), GF-107 (id), GF-112 (operation),
    GF-211 (a type that nobody changes).
    """
    segments = [part for part in path.split("/") if part]
    first = segments[0] if segments else ""
    if first[:1] in ("", "_", "$") or first == "metadata":
        return Address(_route(method, "/".join(segments), path))
    _known_type(first, path)
    if first in IMMUTABLE and method in ("PUT", "PATCH", "DELETE"):
        raise FhirError("GF-211", type=first)
    if len(segments) == 1:
        return Address(_route(method, "Type", path), first)
    second = segments[1]
    if second[0] in "_$":
        return Address(_route(method, "/".join(("Type", *segments[1:])), path, first), first)
    if len(second) > 64 or not ID_CHARACTERS.issuperset(second):
        raise FhirError("GF-107", value=second)
    if len(segments) == 4 and segments[2] == "_history":
        return Address(_route(method, "Type/id/_history/version", path), first, second, segments[3])
    if len(segments) > 2 and segments[2][0] not in "_$":
        return _in_compartment(method, path, *segments)
    return Address(_route(method, "/".join(("Type", "id", *segments[2:])), path, first), first, second)


def _in_compartment(method: str, path: str, name: str, identity: str, member: str, *rest: str) -> Address:
    if name not in compartments():
        raise FhirError("GF-102", path=f"/{path}")
    if member == "*":
        kind = ""
    else:
        _known_type(member, path)
        kind, member = member, "Member"
    route = _route(method, "/".join(("Type", "id", member, *rest)), path)
    return Address(route, kind, compartment=(name, identity))


def _route(method: str, shape: str, path: str, kind: str = "") -> Route:
    methods = _TABLE.get(shape) or (_TABLE.get(f"{kind}{shape[4:]}") if kind else None)
    if methods is None:
        parent, _, last = shape.rpartition("/")
        if last.startswith("$"):
            there = [route for route in ROUTES if route.shape == f"{parent}/{route.code}".lstrip("/")]
            valid = sorted({route.code for route in there if not route.types or kind in route.types})
            raise FhirError("GF-112", name=last, path=f"/{path}", valid=", ".join(valid) or "none")
        raise FhirError("GF-102", path=f"/{path}")
    found = methods.get(method)
    if found is None:
        allowed = ", ".join(methods)
        raise FhirError(
            "GF-103", method=method, path=f"/{path}", allowed=allowed, headers=((b"allow", allowed.encode()),)
        )
    return found


def _known_type(name: str, path: str) -> None:
    if name in RESOURCE_TYPES:
        return
    if not name[:1].isupper():
        raise FhirError("GF-102", path=f"/{path}")
    nearest: Sequence[str] = get_close_matches(name, RESOURCE_TYPES, n=3, cutoff=0.5)
    raise FhirError("GF-101", type=name, nearest=", ".join(nearest) or "none")
