"""A profile as a tree of elements and slices, each beside what R4 itself says of it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from profiles.definitions import Definitions
from profiles.snapshot import with_snapshot

Json = dict[str, Any]

REGULAR = ("constraint", "specialization")


@dataclass(slots=True)
class Node:
    """One element of a profile, or a slice. `base` is R4's own element, `place` where its children are found."""

    name: str
    element: Json
    base: Json
    place: "Place"
    children: "dict[str, Node]" = field(default_factory=dict)
    slices: "dict[str, Node]" = field(default_factory=dict)

    @property
    def types(self) -> list[Json]:
        return list(self.element.get("type", ()))

    @property
    def is_choice(self) -> bool:
        return self.name.endswith("[x]")

    @property
    def many(self) -> bool:
        return max_of(self.base.get("base", self.base)) > 1

    def fixed(self) -> tuple[str, Any] | None:
        """("fixed" or "pattern", value) where the element has one."""
        for key, value in self.element.items():
            if key.startswith(("fixed", "pattern")):
                return ("fixed" if key.startswith("fixed") else "pattern"), value
        return None

    def walk(self) -> "Iterator[Node]":
        yield self
        for child in (*self.children.values(), *self.slices.values()):
            yield from child.walk()


def max_of(element: Json) -> float:
    return float("inf") if element["max"] == "*" else int(element["max"])


@dataclass(frozen=True, slots=True)
class Place:
    """Where R4 describes an element: in the snapshot of a type, at a path."""

    definitions: Definitions
    type: str
    path: str

    def element(self) -> Json | None:
        return _elements(self.definitions, self.type).get(self.path)

    def child(self, name: str, types: list[Json]) -> "Place":
        """The place of a child: in the same snapshot, behind a content reference, or in that of the element's type."""
        inner = f"{self.path}.{name}"
        elements = _elements(self.definitions, self.type)
        if inner in elements:
            return Place(self.definitions, self.type, inner)
        here = elements.get(self.path, {})
        if "contentReference" in here:
            return Place(self.definitions, self.type, here["contentReference"].partition("#")[2]).child(name, types)
        code = types[0]["code"] if types else "Element"
        return Place(self.definitions, code, f"{code}.{name}")


_paths: dict[tuple[int, str], dict[str, Json]] = {}


def _elements(definitions: Definitions, type_: str) -> dict[str, Json]:
    key = (id(definitions), type_)
    if key not in _paths:
        definition = definitions.structure(type_)
        rows = definition["snapshot"]["element"] if definition and "snapshot" in definition else ()
        _paths[key] = {e["path"]: e for e in rows if ":" not in e["id"]}
    return _paths[key]


def tree(definition: Json, definitions: Definitions) -> Node:
    """The tree of a profile; its snapshot is made where it has none."""
    rows = with_snapshot(definition, definitions.structure)["snapshot"]["element"]
    type_ = definition["type"]
    place = Place(definitions, type_, type_)
    root = Node(type_, rows[0], place.element() or rows[0], place)
    for element in rows[1:]:
        _grow(root, element)
    return root


def _grow(root: Node, element: Json) -> None:
    node = root
    steps = element["id"].split(".")[1:]
    for n, step in enumerate(steps):
        name, _, slice_ = step.partition(":")
        last = n == len(steps) - 1
        child = node.children.get(name)
        if child is None:
            place = node.place.child(name, node.types)
            child = node.children[name] = Node(name, element, place.element() or element, place)
        if slice_:
            child = _slice(child, slice_, element)
        node = child
        if last:
            node.element = element


def _slice(node: Node, name: str, element: Json) -> Node:
    """The slice of a node; `a/b` is the slice `b` of the slice `a`."""
    so_far = ""
    for part in name.split("/"):
        so_far = f"{so_far}/{part}" if so_far else part
        if so_far not in node.slices:
            node.slices[so_far] = Node(node.name, element, node.base, node.place)
        node = node.slices[so_far]
    return node
