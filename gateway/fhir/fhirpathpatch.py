"""FHIRPath Patch on a decoded resource: all operations or none. Source: https://hl7.org/fhir/R4/fhirpatch.html

A path is followed from element to element, so that each item found is known by its place (owner, key, position), which
is where the operation then acts. Filters in a path (`where`, `first`, an index, …) are the engine's own.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.errors import FhirError
from gateway.fhir.elements import Json, Pair, actual, pairs, present, put, value_type
from gateway.fhir.jsonpatch import MOST_OPERATIONS
from profiles.fhirjson import Resource
from profiles.fhirpath import FHIRPathError
from profiles.fhirpath.engine import Closure, Compiler
from profiles.fhirpath.environment import Environment
from profiles.fhirpath.model import Element, Type, type_of_resource
from profiles.fhirpath.parser import parse
from profiles.fhirpath.syntax import Call, Index, Literal, Member, Node, Special, TypeTest

PARTS = {
    "add": ("path", "name", "value"),
    "insert": ("path", "index", "value"),
    "delete": ("path",),
    "replace": ("path", "value"),
    "move": ("path", "source", "destination"),
}
"""Operation → its parts, as the specification names them."""
NUMBERS = ("index", "source", "destination")
FILTERS = frozenset({"where", "first", "last", "single", "skip", "take", "tail", "ofType", "as"})
"""Functions that only choose among the items before them."""


class _Refused(Exception):
    """Why an operation cannot be applied."""


@dataclass(frozen=True, slots=True)
class Step:
    """One operation as it came."""

    type: str
    path: str
    name: str
    value: Json | None
    index: int
    source: int
    destination: int


@dataclass(frozen=True, slots=True)
class Spot:
    """An item and its place; the resource itself has no owner."""

    value: Any
    type: Type
    extra: Json | None = None
    owner: Json | None = None
    element: Element | None = None
    key: str = ""
    position: int = 0


def steps(parameters: Resource) -> list[Step]:
    """The operations of a Parameters resource that is R4. Raises FhirError GF-310."""
    count = len(parameters.get("parameter", ()))
    if count > MOST_OPERATIONS:
        raise FhirError("GF-310", reason=f"{count} operations, more than {MOST_OPERATIONS}")
    return [_step(index, row) for index, row in enumerate(parameters.get("parameter", ()))]


def apply(steps: Sequence[Step], resource: Resource) -> Resource:
    """The patched copy of `resource`. Raises FhirError GF-306 for an operation that cannot be applied."""
    patched: Resource = copy.deepcopy(resource)
    for index, step in enumerate(steps):
        try:
            _ACTS[step.type](patched, step)
        except _Refused as refused:
            raise FhirError("GF-306", index=index, op=step.type, path=step.path, reason=refused) from None
        except FHIRPathError as error:
            raise FhirError("GF-306", index=index, op=step.type, path=step.path, reason=error) from None
    return patched


def _step(index: int, row: Any) -> Step:
    def refuse(reason: str) -> FhirError:
        return FhirError("GF-310", reason=reason, expression=f"Parameters.parameter[{index}]")

    if not isinstance(row, dict) or row.get("name") != "operation" or not isinstance(row.get("part"), list):
        raise refuse(f"parameter {index} is not named operation, or has no parts")
    parts: dict[str, Json] = {}
    for part in row["part"]:
        name = part.get("name") if isinstance(part, dict) else None
        if not isinstance(name, str) or name in parts:
            raise refuse(f"operation {index} has a part without a name, or one twice")
        parts[name] = part
    kind = parts.pop("type", {}).get("valueCode")
    if kind not in PARTS:
        raise refuse(f"operation {index} has type {kind!r}; known are {', '.join(PARTS)}")
    if missing := [name for name in PARTS[kind] if name not in parts]:
        raise refuse(f"operation {index} ({kind}) lacks {', '.join(missing)}")
    if unknown := sorted(parts.keys() - {*PARTS[kind]}):
        raise refuse(f"operation {index} ({kind}) has {', '.join(unknown)}; it takes {', '.join(PARTS[kind])}")
    texts = {name: parts[name].get("valueString") for name in ("path", "name") if name in parts}
    numbers = {name: parts[name].get("valueInteger") for name in NUMBERS if name in parts}
    if not all(isinstance(text, str) and text for text in texts.values()):
        raise refuse(f"operation {index}: path and name are valueString")
    if not all(isinstance(number, int) and number >= 0 for number in numbers.values()):
        raise refuse(f"operation {index}: {', '.join(numbers)} are valueInteger, 0 or more")
    where = [numbers.get(name) or 0 for name in NUMBERS]
    return Step(kind, texts["path"] or "", texts.get("name") or "", parts.get("value"), *where)


# --- where


def _locate(resource: Resource, path: str) -> list[Spot]:
    kind = type_of_resource(resource)
    if kind is None:
        raise _Refused("the resource has no type")
    return _spots(parse(path), Spot(resource, kind))


def _spots(node: Node | None, root: Spot) -> list[Spot]:
    """The items that a path leads to, with their places."""
    if node is None:
        return [root]
    if isinstance(node, Special) and node.name == "this":
        return [root]
    if isinstance(node, Member):
        if node.base is None and node.name in {kind.name for kind in root.type.ancestors}:
            return [root]
        return [found for spot in _spots(node.base, root) for found in _children(spot, node.name)]
    if isinstance(node, Call) and node.name == "extension" and len(node.arguments) == 1:
        url = node.arguments[0]
        spots = _spots(node.base, root)
        found = [child for spot in spots for child in _children(spot, "extension")]
        return [spot for spot in found if isinstance(url, Literal) and spot.value.get("url") == url.value]
    if isinstance(node, Index):
        return _chosen(Index(node.place, Special(node.place, "this"), node.index), _spots(node.base, root), root)
    if isinstance(node, Call) and node.name in FILTERS:
        here = Call(node.place, node.arguments, Special(node.place, "this"), node.name)
        return _chosen(here, _spots(node.base, root), root)
    if isinstance(node, TypeTest) and node.operator == "as":
        return _chosen(
            TypeTest(node.place, Special(node.place, "this"), "as", node.type), _spots(node.operand, root), root
        )
    raise _Refused("a path names elements, with indexes and filters; it calculates nothing")


def _chosen(filter_: Node, spots: list[Spot], root: Spot) -> list[Spot]:
    """What a filter leaves of the items: the engine hands back the very items that it keeps."""
    items = [(spot.value, spot.type, spot.extra) for spot in spots]
    closure: Closure = Compiler({}).items(filter_)
    kept = closure(items, Environment([(root.value, root.type, None)], {}))
    by_item = {id(item): spot for item, spot in zip(items, spots, strict=True)}
    return [by_item[id(item)] for item in kept if id(item) in by_item]


def _children(spot: Spot, name: str) -> list[Spot]:
    owner = spot.extra if spot.type.primitive else spot.value
    element = spot.type.elements.get(name)
    if element is None:
        raise _Refused(f"{spot.type.name} has no element {name}")
    found = present(owner, element) if isinstance(owner, dict) else None
    if found is None:
        return []
    key, kind = found
    return [
        Spot(value, actual(value, kind), extra, owner, element, key, position)
        for position, (value, extra) in enumerate(pairs(owner or {}, key))
    ]


def _one(resource: Resource, path: str) -> Spot:
    found = _locate(resource, path)
    if len(found) != 1:
        raise _Refused(f"the path leads to {len(found) or 'no'} elements, where it must name one")
    return found[0]


def _list(resource: Resource, path: str) -> tuple[Json, Element, str, Type]:
    """The list that a path names: its owner, element, key and type. It may be empty."""
    node = parse(path)
    kind = type_of_resource(resource)
    if not isinstance(node, Member) or kind is None:
        raise _Refused("the path must end with the name of a list")
    owners = _spots(node.base, Spot(resource, kind))
    if len(owners) != 1 or not isinstance(owners[0].value, dict):
        raise _Refused(f"the list's owner is {len(owners) or 'no'} elements, where it must be one")
    element = owners[0].type.elements.get(node.name)
    if element is None:
        raise _Refused(f"{owners[0].type.name} has no element {node.name}")
    if not element.many:
        raise _Refused(f"{node.name} does not repeat")
    key, item = element.keys[0]
    return owners[0].value, element, key, item


# --- what


def _add(resource: Resource, step: Step) -> None:
    spot = _one(resource, step.path)
    if spot.type.primitive:
        if step.name not in ("id", "extension") or spot.owner is None or spot.element is None:
            raise _Refused("a primitive takes only id and extension")
        extra = dict(spot.extra or {})
        _into(extra, spot.type, step.name, step.value or {})
        _set(spot, (spot.value, extra))
        return
    _into(spot.value, spot.type, step.name, step.value or {})


def _into(owner: Json, kind: Type, name: str, row: Json) -> None:
    """Add a value under an element's name, which may be a choice's with or without its type."""
    element = kind.elements.get(name) or kind.key_elements.get(name)
    if element is None:
        raise _Refused(f"{kind.name} has no element {name}; it has {', '.join(kind.elements)}")
    there = present(owner, element)
    if there is not None and not element.many:
        raise _Refused(f"{name} is there already; replace it")
    key, pair = _made(element, row)
    put(owner, key, [*pairs(owner, key), pair], many=element.many)


def _made(element: Element, row: Json) -> tuple[str, Pair]:
    """The JSON key and the item that a value part makes of an element."""
    if "resource" in row:
        if not any(kind.is_resource for _, kind in element.keys):
            raise _Refused(f"{element.name} is no resource")
        return element.keys[0][0], (row["resource"], None)
    if isinstance(row.get("part"), list):
        key, kind = element.keys[0]
        if element.choice or kind.primitive:
            raise _Refused(f"{element.name} takes a value[x], not parts")
        made: Json = {}
        for part in row["part"]:
            _into(made, kind, str(part.get("name")), part)
        return key, (made, None)
    found = value_type(row)
    if found is None:
        raise _Refused(f"the value of {element.name} has neither value[x] nor parts nor a resource")
    value_key, given = found
    pair = row.get(value_key), row.get(f"_{value_key}")
    for key, kind in element.keys:
        if kind is given or (not element.choice and _fits(kind, given)):
            return key, pair
    names = ", ".join(kind.name for _, kind in element.keys)
    raise _Refused(f"{element.name} is {names}, not {given.name}")


def _fits(kind: Type, given: Type) -> bool:
    """Whether JSON writes both alike: primitives, and a type and what it is derived from."""
    alike = kind in given.ancestors or given in kind.ancestors
    texts = kind.primitive and given.primitive and {kind.name, given.name}.isdisjoint(_NOT_TEXT)
    return alike or texts or kind.namespace == "System"


_NOT_TEXT = frozenset({"boolean", "integer", "positiveInt", "unsignedInt", "decimal"})


def _set(spot: Spot, pair: Pair | None) -> None:
    """Put a pair in the place of an item, or remove it."""
    if spot.owner is None or spot.element is None:
        raise _Refused("the resource itself cannot be removed or replaced")
    items = pairs(spot.owner, spot.key)
    items[spot.position : spot.position + 1] = [] if pair is None else [pair]
    put(spot.owner, spot.key, items, many=spot.element.many)


def _insert(resource: Resource, step: Step) -> None:
    owner, element, key, _ = _list(resource, step.path)
    items = pairs(owner, key)
    if step.index > len(items):
        raise _Refused(f"the list has {len(items)} items")
    made_key, pair = _made(element, step.value or {})
    put(owner, made_key, [*items[: step.index], pair, *items[step.index :]], many=True)


def _delete(resource: Resource, step: Step) -> None:
    found = _locate(resource, step.path)
    if len(found) > 1:
        raise _Refused(f"the path leads to {len(found)} elements, where it may name one at most")
    if found:
        _set(found[0], None)
        _prune(resource)


def _replace(resource: Resource, step: Step) -> None:
    spot = _one(resource, step.path)
    if spot.owner is None or spot.element is None:
        raise _Refused("the resource itself cannot be replaced")
    key, pair = _made(spot.element, step.value or {})
    if key == spot.key:
        _set(spot, pair)
    else:
        put(spot.owner, spot.key, [], many=False)
        put(spot.owner, key, [pair], many=False)


def _move(resource: Resource, step: Step) -> None:
    owner, _, key, _ = _list(resource, step.path)
    items = pairs(owner, key)
    if max(step.source, step.destination) >= len(items):
        raise _Refused(f"the list has {len(items)} items")
    items.insert(step.destination, items.pop(step.source))
    put(owner, key, items, many=True)


def _prune(node: Any) -> None:
    """Remove objects that a deletion left empty: FHIR has none."""
    rows = list(node.items()) if isinstance(node, dict) else []
    for key, value in rows:
        for item in value if isinstance(value, list) else [value]:
            _prune(item)
        if isinstance(value, list) and {} in value:
            node[key] = [item for item in value if item != {}]
        if node[key] in ({}, []):
            del node[key]


_ACTS = {"add": _add, "insert": _insert, "delete": _delete, "replace": _replace, "move": _move}
