"""What a search may look for in a resource: its rows in the index tables.

A type's SearchParameters are compiled once to a `Plan`. Values are told apart by their shape (a dict with `coding` is
a CodeableConcept). Source: https://hl7.org/fhir/R4/search.html#ptypes
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from typing import Any

from profiles import definitions, fhirpath
from profiles.fhirjson import Resource

from .catalogue import SHIPPED, Catalogue
from .emit import EMITTERS, NO_SYSTEM, Tail, narrative, readable, system_cell, walked
from .kinds import value_types
from .rows import Rows
from .values import folded, phonetic

HEAD_PARAMETERS = frozenset({"_id", "_lastUpdated"})
"""Answered from the head of a resource: they need no index."""
INDEXED = frozenset(EMITTERS)
LINK = 0
"""The parameter number of references that no search parameter covers."""
UNNAMED, WHOLE = str(LINK), "0"
"""Its cell, and that of a row which is no part of a composite."""
FEW = 12
"""Rows among which none is sought that stands there twice: the entities of an AuditEvent are alike, a reading's not."""
OF_TYPE = ":of-type"
"""Suffix of the derived parameter that holds `type code|value` of an Identifier."""

_RESOLVE = re.compile(r"(.+)\.where\(resolve\(\) is (\w+)\)")
_AS = re.compile(r"\(([\w.]+) as (\w+)\)")
"""Search expressions mean `ofType` where they say `as`: the element may repeat."""
_FIRST = re.compile(r"\w+\.(\w+)(?:\.ofType\((\w+)\))?")
_PLAIN_PATH = re.compile(r"\w+(?:\.\w+)+")
_STEPS = re.compile(r"\w+((?:\.\w+(?:\.ofType\(\w+\))?)+)")
"""An expression that only names elements, from the resource's type on."""
_STEP = re.compile(r"\.(\w+)(?:\.ofType\((\w+)\))?")

PHONETIC = "phonetic"
TEXT, CONTENT = "_text", "_content"
WORDS = (TEXT, CONTENT)
"""Parameters over the words of the narrative, and of everything that a person may read."""

CORRECTIONS = {"value.as(DateTime)": "value.as(dateTime)"}
"""Published expression → what it means. `DateTime` is no FHIR type (Observation-code-value-date)."""

COMPONENTS = {("DocumentReference", "relationship"): ("target", "code")}
"""(type, composite) → the expressions of its components, where the published ones stand in each other's place."""

OUTSIDE = "%resource."
"""How a component begins that is not within the composite's own element."""

Items = Callable[[Resource], Iterable[Any]]


@dataclass(frozen=True, slots=True)
class Step:
    """One expression of one or more parameters: what it selects and how that becomes rows.

    `keys` are the JSON keys that lead to it, where it only names elements; `items` finds it by FHIRPath otherwise.
    `parameters` are the numbers of each parameter and of its `:of-type` twin (empty: it has none). Strings are
    compared as `fold` makes them, and found by each of their `words`; tokens that are no codes are `caseless`.
    """

    parameters: tuple[tuple[str, str], ...]
    kind: str
    items: Items
    keys: tuple[str, ...] = ()
    target: str | None = None
    systems: Mapping[str, str] = field(default_factory=dict)
    fold: Callable[[str], str] = folded
    words: bool = False
    caseless: bool = False
    outside: bool = False
    """A component that belongs to the resource and not to the composite's own element."""

    def tails(self, resource: Resource, zone: tzinfo, bases: Sequence[str]) -> list[Tail]:
        """The rows of everything that the expression selects, without their first columns."""
        tails: list[Tail] = []
        emit, values = EMITTERS[self.kind], _along(resource, self.keys) if self.keys else self.items(resource)
        for value in values:
            emit(tails, unwrapped(value) if type(value) is dict else value, zone, self, bases)
        if values and not tails and self.target is None:
            tails.append(THERE)
        return tails


def _along(element: Resource, keys: Sequence[str]) -> list[Any]:
    found: list[Any] = [element]
    for key in keys:
        ahead = []
        for node in found:
            value = node.get(key)
            if type(value) is list:
                ahead += [item for item in value if item is not None]
            elif value is not None:
                ahead.append(value)
        found = ahead
    return found


THERE: Tail = ("token_index", False, (NO_SYSTEM, ""))
"""Of an element whose value cannot be compared: it is not missing."""

Composite = tuple[Step, ...]
"""The components of a composite parameter, within one element."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is indexed of one resource type. `steps` stand under the JSON keys that they begin with, `always`
    are those that say something of an element that is not there, `composites` stand under the keys that lead to their
    element.

    `words` are the numbers of `_text` and `_content`, where the type has them.
    """

    steps: Mapping[str, tuple[Step, ...]]
    always: tuple[Step, ...]
    composites: Mapping[tuple[str, ...], tuple[Composite, ...]]
    words: Mapping[str, str]

    def extract(self, resource: Resource, zone: tzinfo, bases: Sequence[str] = (), *, alone: bool = True) -> Rows:
        """The resource's index rows, each once.

        `bases` are the addresses below which a reference means a resource of this facility. A contained resource is not
        `alone`: links that no parameter covers are its container's.
        """
        found: Rows = defaultdict(list)
        covered, known = set(), {}
        for steps in (self.always, *(self.steps.get(element, ()) for element in resource)):
            for step in steps:
                tails = step.tails(resource, zone, bases)
                if step.target is None:
                    known[step.kind, step.keys] = tails
                for table, derived, tail in tails:
                    if table == "reference_index":
                        covered.add(tail)
                    for number, of_type in step.parameters:
                        if not derived:
                            found[table].append((number, WHOLE, *tail))
                        elif of_type:
                            found[table].append((of_type, WHOLE, *tail))
        part = 0
        for keys, composites in self.composites.items():
            for among in _along(resource, keys):
                part += 1
                said = _said(resource, among, composites, known if among is resource else {}, zone, bases)
                for step, table, tail in said:
                    found[table].append((step.parameters[0][0], str(part), *tail))
        targets, texts = walked(resource)
        for target in targets if alone else ():
            if target not in covered:
                covered.add(target)
                found["reference_index"].append((UNNAMED, WHOLE, *target))
        if self.words:
            self._words(resource, found, texts)
        return {table: rows if len(rows) < FEW else list(dict.fromkeys(rows)) for table, rows in found.items()}

    def _words(self, resource: Resource, rows: Rows, texts: list[str]) -> None:
        told = narrative(resource)
        if told and TEXT in self.words:
            rows["text_index"].append((self.words[TEXT], WHOLE, readable([told])))
        rows["text_index"].append((self.words[CONTENT], WHOLE, readable([*texts, told])))


Known = dict[tuple[str, tuple[str, ...]], list[Tail]]
"""The tails of what is selected in one element, by parameter type and keys: composites share their components."""


def _said(
    resource: Resource,
    element: Resource,
    composites: Sequence[Composite],
    known: Known,
    zone: tzinfo,
    bases: Sequence[str],
) -> Iterator[tuple[Step, str, tuple[Any, ...]]]:
    """The rows of every composite that has a value for each component in this element."""
    for components in composites:
        for step in components:
            name = (step.kind, step.keys)
            if step.keys and step.keys[0] not in element:
                break
            if not step.keys or name not in known:
                known[name] = step.tails(resource if step.outside else element, zone, bases)
            if not known[name]:
                break
        else:
            for step in components:
                for table, derived, tail in known[step.kind, step.keys]:
                    # composites have neither :text nor :of-type
                    if not derived and (table != "string_index" or step.kind == "string"):
                        yield step, table, tail


def codes(type: str, catalogue: Catalogue = SHIPPED) -> list[str]:
    """Every parameter of a type that the index knows, derived ones included: what needs a number."""
    found = []
    for code, parameter in catalogue.definitions(type).items():
        if code in WORDS:
            found.append(code)
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


def plan(type: str, numbers: Mapping[str, int], catalogue: Catalogue = SHIPPED) -> Plan:
    """Compile a type's parameters; `numbers` are those of `codes(type)`."""
    steps: dict[str, tuple[Step, ...]] = {}
    always: list[Step] = []
    composites: dict[tuple[str, ...], tuple[Composite, ...]] = {}
    for code, parameter in catalogue.definitions(type).items():
        if code in HEAD_PARAMETERS or "expression" not in parameter:
            continue
        if parameter["type"] == "composite":
            components = _components(type, code, parameter, numbers, catalogue)
            for base in expressions(type, parameter["expression"]):
                keys = tuple(base.split(".")[1:])
                composites[keys] = (*composites.get(keys, ()), components)
        elif parameter["type"] in INDEXED:
            for expression in expressions(type, parameter["expression"]):
                step = _step(type, code, parameter, numbers, expression)
                if not step.keys and list(step.items({"resourceType": type})):
                    always.append(step)
                    continue
                for element in _first_elements(type, expression):
                    own = replace(step, keys=(element, *step.keys[1:])) if step.keys else step
                    steps[element] = (*steps.get(element, ()), own)
    words = {code: str(numbers[code]) for code in WORDS if code in numbers}
    return Plan({element: _merged(those) for element, those in steps.items()}, tuple(always), composites, words)


def _merged(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Parameters that select the same share one step: `value-quantity` and `combo-value-quantity`."""
    merged: dict[Any, Step] = {}
    for step in steps:
        how = (step.kind, step.target, tuple(step.systems), step.fold, step.words, step.caseless)
        same = (step.keys, how) if step.keys else id(step)
        if same in merged:
            step = replace(step, parameters=merged[same].parameters + step.parameters)
        merged[same] = step
    return tuple(merged.values())


def _step(type: str, code: str, parameter: Mapping[str, Any], numbers: Mapping[str, int], expression: str) -> Step:
    target = None
    if match := _RESOLVE.fullmatch(expression):
        expression, target = match.groups()
    kind, types = parameter["type"], value_types(expression)
    return Step(
        ((str(numbers[code]), str(numbers.get(code + OF_TYPE, ""))),),
        kind,
        fhirpath.compile(expression, type),
        _keys(type, expression),
        target,
        _implied_systems(type, expression) if kind == "token" else {},
        phonetic if code == PHONETIC else folded,
        words=kind == "string" and ("HumanName" in types or expression.endswith(".family")),
        caseless="string" in types,
    )


def _keys(type: str, expression: str) -> tuple[str, ...]:
    """The JSON keys of an expression that only names elements: `Observation.component.value.ofType(Quantity)` →
    `component`, `valueQuantity`; nothing where it does more, or names an element of several types."""
    match = _STEPS.fullmatch(expression)
    structure = definitions.structure(type)
    if match is None or structure is None:
        return ()
    kinds = {element["path"]: element.get("type", ()) for element in structure["snapshot"]["element"]}
    keys, path = [], type
    for name, cast in _STEP.findall(match[1]):
        path = f"{path}.{name}"
        if path in kinds and not cast:
            keys.append(name)
        elif f"{path}[x]" in kinds and (cast or not keys):
            keys.append(name + cast[:1].upper() + cast[1:])
        elif len(keys) == 1 and not cast and _is_plain(kinds.get(path.rpartition(".")[0], ()), name):
            keys.append(name)
        else:
            return ()
    return tuple(keys)


def _is_plain(kinds: Sequence[Mapping[str, Any]], name: str) -> bool:
    """Whether every one of the data types has an element of just this name."""
    structures = [definitions.structure(kind["code"]) for kind in kinds]
    return bool(structures) and all(
        s is not None and any(e["path"] == f"{s['type']}.{name}" for e in s["snapshot"]["element"]) for s in structures
    )


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


def _components(
    type: str, code: str, parameter: Mapping[str, Any], numbers: Mapping[str, int], catalogue: Catalogue
) -> Composite:
    by_url = {p["url"]: p for p in catalogue.definitions(type).values()}
    components = []
    for n, component in enumerate(parameter["component"], 1):
        number = str(numbers[component_code(code, n)])
        expression = COMPONENTS[type, code][n - 1] if (type, code) in COMPONENTS else component["expression"]
        kind = by_url[component["definition"]]["type"]
        if expression.startswith(OUTSIDE):
            whole = fhirpath.compile(f"{type}.{expression.removeprefix(OUTSIDE)}", type)
            components.append(Step(((number, ""),), kind, whole, outside=True))
            continue
        keys, items = _within(expression)
        components.append(Step(((number, ""),), kind, items, keys))
    return tuple(reversed(components))  # the value, which most elements have not, before the code


def expressions(type: str, expression: str) -> list[str]:
    """The parts of a union that speak of `type`: `Patient.name | Person.name` → `["Patient.name"]`."""
    parts = [_AS.sub(r"\1.ofType(\2)", part.strip()).replace(".as(", ".ofType(") for part in _split(expression)]
    starts = (type, "Resource", "DomainResource")
    # InsurancePlan's `name | alias` names no type
    whole = [part if part[:1].isupper() or part[:1] == "(" else f"{type}.{part}" for part in parts]
    return [part for part in whole if re.split(r"\W", part, maxsplit=1)[0] in starts]


def _split(expression: str) -> Iterator[str]:
    depth = begin = 0
    for position, sign in enumerate(expression):
        depth += (sign == "(") - (sign == ")")
        if sign == "|" and depth == 0:
            yield expression[begin:position]
            begin = position + 1
    yield expression[begin:]


def _within(expression: str) -> tuple[tuple[str, ...], Items]:
    """A component's expression on an element whose type no expression names: `code`, `value.as(Quantity)`."""
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

    return (tuple(keys), _none) if len(keys) == 1 and keys[0] != "value" else ((), items)


def _none(element: Resource) -> list[Any]:
    return []


def _implied_systems(type: str, expression: str) -> Mapping[str, str]:
    """Of a `code` element: each code of its required binding → the number of its system."""
    if not _PLAIN_PATH.fullmatch(expression):
        return {}
    structure = definitions.structure(type)
    for element in structure["snapshot"]["element"] if structure else ():
        if element["path"] == expression and element.get("type") == [{"code": "code"}] and "binding" in element:
            known = definitions.value_set(element["binding"].get("valueSet", "")) or ()
            return {code: system_cell(system) for system, code in known}
    return {}


def unwrapped(value: Any) -> Any:
    """An extension's value instead of the extension."""
    if isinstance(value, dict) and "url" in value:
        return next((v for k, v in value.items() if k.startswith("value")), value)
    return value
