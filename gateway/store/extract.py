"""What a search may look for in a resource: its rows in the index tables.

A type's SearchParameters are compiled once to a `Plan`. Values are told apart by their shape (a dict with `coding` is
a CodeableConcept). Source: https://hl7.org/fhir/R4/search.html#ptypes
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

from profiles import definitions, fhirpath
from profiles.fhirjson import Resource

from .emit import EMITTERS, Rows, references
from .values import system_number

HEAD_PARAMETERS = frozenset({"_id", "_lastUpdated"})
"""Answered from the head of a resource: they need no index."""
INDEXED = frozenset(EMITTERS)
LINK = 0
"""The parameter number of references that no search parameter covers."""
OF_TYPE = ":of-type"
"""Suffix of the derived parameter that holds `type code|value` of an Identifier."""

_RESOLVE = re.compile(r"(.+)\.where\(resolve\(\) is (\w+)\)")
_AS = re.compile(r"\(([\w.]+) as (\w+)\)")
"""Search expressions mean `ofType` where they say `as`: the element may repeat."""
_FIRST = re.compile(r"\w+\.(\w+)(?:\.ofType\((\w+)\))?")
_PLAIN_PATH = re.compile(r"\w+(?:\.\w+)+")

CORRECTIONS = {"value.as(DateTime)": "value.as(dateTime)"}
"""Published expression → what it means. `DateTime` is no FHIR type (Observation-code-value-date)."""

Items = Callable[[Resource], Iterable[Any]]


@dataclass(frozen=True, slots=True)
class Step:
    """One expression of one parameter: what it selects and how that becomes rows."""

    parameter: int
    kind: str
    items: Items
    target: str | None = None
    systems: Mapping[str, int] = field(default_factory=dict)
    of_type: int = LINK


@dataclass(frozen=True, slots=True)
class Composite:
    """A composite parameter: elements, and in each of them the component's values."""

    items: Items
    components: tuple[Step, ...]

    def matches(self, resource: Resource) -> Iterator[list[list[Any]]]:
        """Per element that has a value for every component: the values of each."""
        for element in self.items(resource):
            found = [list(step.items(element)) for step in self.components]
            if all(found):
                yield found


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is indexed of one resource type. `steps` stand under the JSON keys that they begin with."""

    steps: Mapping[str, tuple[Step, ...]]
    composites: tuple[Composite, ...]

    def extract(self, resource: Resource, key: int, facility: int, zone: tzinfo, rows: Rows) -> None:
        """Add the resource's index rows to `rows` (table → rows in the order of `rows.COLUMNS`)."""
        first_reference = len(rows["reference_index"])
        for element in resource:
            for step in self.steps.get(element, ()):
                head = (key, step.parameter, facility, 0)
                emit = EMITTERS[step.kind]
                for value in step.items(resource):
                    emit(rows, head, unwrapped(value), zone, step)
        for composite in self.composites:
            for part, found in enumerate(composite.matches(resource), 1):
                for step, values in zip(composite.components, found, strict=True):
                    head = (key, step.parameter, facility, part)
                    for value in values:
                        EMITTERS[step.kind](rows, head, value, zone, step)
        covered = {(row[4], row[5]) for row in rows["reference_index"][first_reference:]}
        for target in references(resource):
            if target not in covered:
                covered.add(target)
                rows["reference_index"].append((key, LINK, facility, 0, *target))


def codes(type: str) -> list[str]:
    """Every parameter of a type that the index knows, derived ones included: what needs a number."""
    found = []
    for code, parameter in definitions.search_parameters(type).items():
        if code in HEAD_PARAMETERS or "expression" not in parameter:
            continue
        if parameter["type"] == "composite":
            found += [component_code(code, n) for n, _ in enumerate(parameter["component"], 1)]
        elif parameter["type"] in INDEXED:
            found.append(code)
            if parameter["type"] == "token":
                found.append(code + OF_TYPE)
    return found


def component_code(code: str, number: int) -> str:
    """The derived parameter of a composite's component, counted from 1: `code-value-quantity$2`."""
    return f"{code}${number}"


def plan(type: str, numbers: Mapping[str, int]) -> Plan:
    """Compile a type's parameters; `numbers` are those of `codes(type)`."""
    steps: dict[str, tuple[Step, ...]] = {}
    composites = []
    for code, parameter in definitions.search_parameters(type).items():
        if code in HEAD_PARAMETERS or "expression" not in parameter:
            continue
        if parameter["type"] == "composite":
            composites.append(_composite(type, code, parameter, numbers))
        elif parameter["type"] in INDEXED:
            for element, step in _steps(type, code, parameter, numbers):
                steps[element] = (*steps.get(element, ()), step)
    return Plan(steps, tuple(composites))


def _steps(
    type: str, code: str, parameter: Mapping[str, Any], numbers: Mapping[str, int]
) -> Iterator[tuple[str, Step]]:
    for expression in expressions(type, parameter["expression"]):
        target = None
        if match := _RESOLVE.fullmatch(expression):
            expression, target = match.groups()
        step = Step(
            numbers[code],
            parameter["type"],
            fhirpath.compile(expression, type),
            target,
            _implied_systems(type, expression) if parameter["type"] == "token" else {},
            numbers.get(code + OF_TYPE, LINK),
        )
        for element in _first_elements(type, expression):
            yield element, step


def _first_elements(type: str, expression: str) -> list[str]:
    """The JSON keys that the expression may begin with: `Observation.value.ofType(Quantity)` → `valueQuantity`."""
    match = _FIRST.match(expression)
    if match is None:
        raise ValueError(f"{expression}: a search expression begins with its resource type and an element")
    name = match[1]
    structure = definitions.structure(type)
    for element in structure["snapshot"]["element"] if structure else ():
        if element["path"] == f"{type}.{name}[x]":
            kinds = [kind["code"] for kind in element["type"] if match[2] in (None, kind["code"])]
            return [name + kind[0].upper() + kind[1:] for kind in kinds]
    return [name]


def _composite(type: str, code: str, parameter: Mapping[str, Any], numbers: Mapping[str, int]) -> Composite:
    bases = [fhirpath.compile(e, type) if e != type else _itself for e in expressions(type, parameter["expression"])]
    by_url = {p["url"]: p for p in definitions.search_parameters(type).values()}
    components = tuple(
        Step(
            numbers[component_code(code, n)],
            by_url[component["definition"]]["type"],
            _within(component["expression"], type),
        )
        for n, component in enumerate(parameter["component"], 1)
    )
    return Composite(lambda resource: [element for base in bases for element in base(resource)], components)


def _itself(resource: Resource) -> list[Any]:
    return [resource]


def expressions(type: str, expression: str) -> list[str]:
    """The parts of a union that speak of `type`: `Patient.name | Person.name` → `["Patient.name"]`."""
    parts = [_AS.sub(r"\1.ofType(\2)", part.strip()).replace(".as(", ".ofType(") for part in _split(expression)]
    starts = (type, "Resource", "DomainResource")
    return [part for part in parts if re.split(r"\W", part, maxsplit=1)[0] in starts]


def _split(expression: str) -> Iterator[str]:
    depth = begin = 0
    for position, sign in enumerate(expression):
        depth += (sign == "(") - (sign == ")")
        if sign == "|" and depth == 0:
            yield expression[begin:position]
            begin = position + 1
    yield expression[begin:]


def _within(expression: str, type: str) -> Items:
    """A component's expression on an element whose type no expression names: `code`, `value.as(Quantity)`."""
    if expression.startswith("%resource."):
        return _none  # of another element than the composite's own: cannot be told apart within a part
    keys = []
    for part in _split(expression):
        part = CORRECTIONS.get(part.strip(), part.strip())
        name, _, cast = part.partition(".as(")
        cast = cast.rstrip(")")
        keys.append(name + cast[:1].upper() + cast[1:])

    def items(element: Resource) -> list[Any]:
        found = []
        for key in keys:
            value = element.get(key)
            if value is None and key == "value":
                value = next((v for k, v in element.items() if k.startswith("value")), None)
            if value is not None:
                found += value if isinstance(value, list) else [value]
        return found

    return items


def _none(element: Resource) -> list[Any]:
    return []


def _implied_systems(type: str, expression: str) -> Mapping[str, int]:
    """Of a `code` element: each code of its required binding → the number of its system."""
    if not _PLAIN_PATH.fullmatch(expression):
        return {}
    structure = definitions.structure(type)
    for element in structure["snapshot"]["element"] if structure else ():
        if element["path"] == expression and element.get("type") == [{"code": "code"}] and "binding" in element:
            known = definitions.value_set(element["binding"].get("valueSet", "")) or ()
            return {code: system_number(system) for system, code in known}
    return {}


def unwrapped(value: Any) -> Any:
    """An extension's value instead of the extension."""
    if isinstance(value, dict) and "url" in value:
        return next((v for k, v in value.items() if k.startswith("value")), value)
    return value
