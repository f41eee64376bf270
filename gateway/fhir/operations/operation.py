"""What an operation is: where it may be called, what it takes, what it does; and how its parameters are read.

By GET they are query parameters, by POST also a form, or the rows of a Parameters resource.
Source: https://hl7.org/fhir/R4/operations.html
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gateway.errors import FhirError, Rejected
from gateway.fhir.call import JSON_TYPES, Answer, Call
from profiles.definitions import RESOURCE_TYPES
from profiles.fhirjson import Resource

HL7 = "http://hl7.org/fhir/OperationDefinition/"
OURS = "urn:gapura:operation:"
TEXTS = ("string", "uri", "url", "canonical", "code", "id", "oid", "uuid", "markdown")
NUMBERS = ("integer", "positiveInt", "unsignedInt")
TIMES = ("instant", "dateTime", "date")
FAMILIES = {kind: family for family in (TEXTS, NUMBERS, TIMES) for kind in family}
"""Types that may stand for each other: the resource is JSON, and the operation checks what it is given."""
STAND_IN: Resource = {"resourceType": "Basic", "code": {"text": "resource"}}
"""What takes the place of a row's resource while the Parameters themselves are judged."""


class Parameter(NamedTuple):
    """One input parameter. `kind` is a data type, a resource type, or `Resource`."""

    kind: str
    many: bool = False


class Asked:
    """The parameters that came: texts, booleans, integers, or JSON objects, by name."""

    def __init__(self, values: Mapping[str, list[Any]]) -> None:
        self.values = values

    def one(self, name: str, default: Any = None) -> Any:
        """The value of a parameter that does not repeat."""
        found = self.values.get(name)
        return found[0] if found else default

    def many(self, name: str) -> list[Any]:
        """All values of a parameter."""
        return list(self.values.get(name, ()))

    def pairs(self) -> list[tuple[str, str]]:
        """All of them as query parameters."""
        return [(name, str(value)) for name, values in self.values.items() for value in values]


Act = Callable[[Call, Asked], Awaitable[Answer]]


@dataclass(frozen=True)
class Operation:
    """A row of the operations table.

    `shapes` are the addresses without the name (`""`, `Type`, `Type/id`); `types` restricts Type, empty: any. `letter`
    is the right that it needs (roles.yaml). What `changes` something is called by POST only. An `open` operation takes
    search parameters too, and checks their names itself.
    """

    name: str
    definition: str
    shapes: Sequence[str]
    act: Act
    letter: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    types: frozenset[str] = frozenset()
    changes: bool = False
    open: bool = False

    @property
    def methods(self) -> tuple[str, ...]:
        """The HTTP methods."""
        return ("POST",) if self.changes else ("GET", "POST")

    async def handle(self, call: Call) -> Answer:
        """Read the parameters and act. Raises FhirError GF-108, GF-109, GF-303, and Rejected for broken Parameters."""
        return await self.act(call, self.asked(call))

    def asked(self, call: Call) -> Asked:
        """The parameters of a call."""
        found: dict[str, list[Any]] = {}
        form = call.method == "POST" and call.resource is None and call.brings_form
        if form:
            call.add_parameters(call.form())
        if not self.open:
            call.no_parameters(*self.parameters)
        for name, text in call.query:
            found.setdefault(name, []).append(self._from_text(name, text))
        if call.method == "POST" and not form:
            for name, value in self._from_body(call):
                found.setdefault(name, []).append(value)
        for name, values in found.items():
            parameter = self.parameters.get(name)
            if parameter and not parameter.many and len(values) > 1:
                raise FhirError("GF-108", name=name, value=f"{len(values)} values", wanted="one value")
        return Asked(found)

    def _from_text(self, name: str, text: str) -> Any:
        parameter = self.parameters.get(name)
        kind = parameter.kind if parameter else "string"
        if kind == "boolean":
            if text not in ("true", "false"):
                raise FhirError("GF-108", name=name, value=text, wanted="true | false")
            return text == "true"
        if kind in NUMBERS:
            if not text.isascii() or not text.isdigit():
                raise FhirError("GF-108", name=name, value=text, wanted="a whole number, 0 or more")
            return int(text)
        if kind in TEXTS or kind in TIMES:
            return text
        raise FhirError("GF-108", name=name, value=text, wanted=f"{_key(kind)} in a Parameters resource (POST)")

    def _from_body(self, call: Call) -> list[tuple[str, Any]]:
        if call.resource is None:
            if not call.body:
                return []
            call.expect_media(JSON_TYPES, "application/fhir+json")
            call.resource = call.json()
        body = call.resource
        kind = body.get("resourceType")
        if kind != "Parameters":
            fitting = [name for name, row in self.parameters.items() if row.kind in (kind, "Resource")]
            if len(fitting) != 1:
                raise FhirError("GF-303", body=kind, address="Parameters", expression="Parameters")
            self._check(call, fitting[0], body)
            return [(fitting[0], body)]
        rows = body.get("parameter", ())
        bare = [{**row, "resource": STAND_IN} if isinstance(row, dict) and "resource" in row else row for row in rows]
        refuse_broken(call, {**body, "parameter": bare} if bare else body)
        return [self._from_row(call, index, row) for index, row in enumerate(rows)]

    def _check(self, call: Call, name: str, resource: Any) -> None:
        """A resource of a known type must be R4; what may be any resource is the operation's own to judge."""
        if self.parameters[name].kind != "Resource":
            refuse_broken(call, resource)

    def _from_row(self, call: Call, index: int, row: dict[str, Any]) -> tuple[str, Any]:
        name: str = row["name"]
        parameter = self.parameters.get(name)
        if parameter is None and not self.open:
            raise FhirError(
                "GF-109",
                names=name,
                valid=", ".join(self.parameters) or "none",
                expression=f"Parameters.parameter[{index}].name",
            )
        kind = parameter.kind if parameter else "string"
        found = next((key for key in row if key == "resource" or key.startswith("value")), "")
        if found not in _keys(kind) or (found == "resource" and not _is(row[found], kind)):
            raise FhirError(
                "GF-108",
                name=name,
                value=found or "nothing",
                wanted=" | ".join(_keys(kind)) if found != "resource" else kind,
                expression=f"Parameters.parameter[{index}]",
            )
        if found == "resource":
            self._check(call, name, row[found])
        return name, row[found]


def refuse_broken(call: Call, resource: Resource) -> None:
    """What is handed in, but not stored, must be R4. Raises Rejected."""
    found = [
        issue
        for issue in call.services.validator(call.facility).validate(resource)
        if issue.tier == "base" and issue.severity in ("error", "fatal")
    ]
    if found:
        raise Rejected(found)


def _key(kind: str) -> str:
    return "resource" if kind in RESOURCE_TYPES or kind == "Resource" else f"value{kind[0].upper()}{kind[1:]}"


def _keys(kind: str) -> list[str]:
    return list(dict.fromkeys([_key(kind), *map(_key, FAMILIES.get(kind, ()))]))


def _is(resource: Any, kind: str) -> bool:
    return isinstance(resource, dict) and kind in ("Resource", resource.get("resourceType"))


def parameters(*rows: tuple[str, str, Any]) -> Resource:
    """A Parameters resource of (name, JSON key, value); rows whose value is None are left out, `part` takes rows."""
    made: Resource = {"resourceType": "Parameters"}
    listed = _rows(rows)
    return {**made, "parameter": listed} if listed else made


def _rows(rows: Sequence[tuple[str, str, Any]]) -> list[dict[str, Any]]:
    return [
        {"name": name, key: _rows(value) if key == "part" else value} for name, key, value in rows if value is not None
    ]


def lacking(call: Call, operation: str, names: str) -> FhirError:
    """The refusal of a call without a parameter that it needs."""
    return FhirError("GF-701", operation=operation, names=names)
