"""Discriminators: the condition by which an item is told to belong to a slice.

Source: https://hl7.org/fhir/R4/profiling.html#discriminator
"""

import re
from collections.abc import Iterator
from typing import Any

from profiles.definitions import Definitions
from profiles.validator.coded import binding
from profiles.validator.source import Source
from profiles.validator.tree import Node, tree

Json = dict[str, Any]

_STEP = re.compile(r"\$this|resolve\(\)|ofType\((\w+)\)|extension\('([^']+)'\)|([A-Za-z]\w*)")


class Matcher:
    """Conditions for the slices of one sliced element."""

    def __init__(self, definitions: Definitions, s: Source, slicing: Json) -> None:
        self.definitions, self.s = definitions, s
        self.discriminators = slicing.get("discriminator", [])

    def test(self, slice_: Node, v: str) -> str:
        """The Python condition that `v` belongs to the slice. Without a usable discriminator, all that is fixed in the
        slice tells it."""
        tests = [t for d in self.discriminators for t in self._tests(slice_, d["type"], d["path"], v)]
        if not tests:
            tests = list(self._fixed(slice_, (), v))
        return " and ".join(dict.fromkeys(tests)) or "False"

    def _tests(self, slice_: Node, kind: str, path: str, v: str) -> Iterator[str]:
        steps, node = self._walk(slice_, path)
        found = self._at(v, steps)
        if kind in ("value", "pattern"):
            if node is not None:
                yield from self._content(node, steps, v)
        elif kind == "exists":
            if node is not None:
                yield found if node.element.get("min", 0) else f"not {found}"
        elif kind == "type":
            if node is not None:
                names = tuple(dict.fromkeys(name for name in self._types(node)))
                yield f"has_type({found}, {self.s.constant(repr(names))}, c)"
        elif kind == "profile" and node is not None:
            urls = tuple(
                p for t in node.types for p in (*t.get("profile", ()), *t.get("targetProfile", ()))
            )  # fmt: skip
            if urls:
                yield f"any_conforms({found}, {self.s.constant(repr(urls))}, c)"

    def _types(self, node: Node) -> Iterator[str]:
        for type_ in node.types:
            if type_["code"] == "Reference" and type_.get("targetProfile"):
                for url in type_["targetProfile"]:
                    target = self.definitions.structure(url.partition("|")[0])
                    yield target["type"] if target else url.rpartition("/")[2]
            yield type_["code"]

    def _content(self, node: Node, steps: tuple[Any, ...], v: str) -> Iterator[str]:
        """What must stand at the discriminator's path: fixed, pattern, a required binding, or what its children fix."""
        fixed = node.fixed()
        if fixed is not None:
            yield self._equal(fixed, steps, v)
            return
        bound = binding(self.definitions, node.element)
        if bound is not None and bound.strength == "required" and node.types:
            test = bound.loose_test(self.s, node.types[0]["code"], "y")
            if test is not None:
                yield f"any({test} for y in {self._at(v, steps)})"
                return
        yield from self._fixed(node, steps, v)

    def _fixed(self, node: Node, steps: tuple[Any, ...], v: str) -> Iterator[str]:
        for child in node.children.values():
            inner = (*steps, self._key(child))
            fixed = child.fixed()
            if fixed is not None:
                yield self._equal(fixed, inner, v)
            else:
                yield from self._fixed(child, inner, v)
        for each in node.slices.values():
            if each.element.get("min", 0):
                yield from self._fixed(each, steps, v)

    def _equal(self, fixed: tuple[str, Any], steps: tuple[Any, ...], v: str) -> str:
        kind, value = fixed
        if len(steps) == 1 and isinstance(steps[0], str) and isinstance(value, str):
            return f"{v}.__class__ is dict and {v}.get({steps[0]!r}) == {value!r}"
        constant = self.s.constant(repr(value))
        return f"any_fits({self._at(v, steps)}, {constant}, {kind == 'fixed'})"

    def _at(self, v: str, steps: tuple[Any, ...]) -> str:
        return f"at({v}, {self.s.constant(repr(steps))}, c)" if steps else f"({v},)"

    def _key(self, node: Node) -> Any:
        """The step to a node: its key, or for a choice its keys with their types."""
        if not node.is_choice:
            return node.name
        stem = node.name[:-3]
        codes = [t["code"] for t in (node.types or node.base.get("type", ()))]
        return tuple(stem + code[0].upper() + code[1:] for code in codes)

    def _walk(self, node: Node, path: str) -> tuple[tuple[Any, ...], Node | None]:
        """The steps of a discriminator's path, and the node of the profile that stands there."""
        steps: list[Any] = []
        here: Node | None = node
        for match in _STEP.finditer(path):
            text, type_, url, name = match[0], match[1], match[2], match[3]
            if text == "$this":
                continue
            if text == "resolve()":
                steps.append(("resolve",))
                here = self._resolved(here)
            elif type_:
                steps.append(("type", type_))
            elif url:
                steps.append(("extension", url))
                here = self._extension(here, url)
            elif name:
                here = self._child(here, name)
                steps.append(self._key(here) if here is not None else name)
        return tuple(steps), here

    def _child(self, node: Node | None, name: str) -> Node | None:
        if node is None:
            return None
        found = node.children.get(name) or node.children.get(f"{name}[x]")
        if found is not None:
            return found
        for type_ in node.types:
            for url in type_.get("profile", ()):
                definition = self.definitions.structure(url.partition("|")[0])
                if definition is not None:
                    return self._child(tree(definition, self.definitions), name)
        if node.types:
            definition = self.definitions.structure(node.types[0]["code"])
            if definition is not None and definition.get("snapshot"):
                return tree(definition, self.definitions).children.get(name)
        return None

    def _resolved(self, node: Node | None) -> Node | None:
        """The node of what a reference points to: the profile that the slice's targetProfile names."""
        for type_ in node.types if node is not None else ():
            for url in type_.get("targetProfile", ()):
                definition = self.definitions.structure(url.partition("|")[0])
                if definition is not None:
                    found = tree(definition, self.definitions)
                    found.element = {**found.element, "type": [{"code": definition["type"], "profile": [url]}]}
                    return found
        return None

    def _extension(self, node: Node | None, url: str) -> Node | None:
        extensions = node.children.get("extension") if node is not None else None
        for each in extensions.slices.values() if extensions is not None else ():
            if any(url in t.get("profile", ()) for t in each.types):
                return each
        return None
