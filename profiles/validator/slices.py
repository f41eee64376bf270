"""Slices: to which slice an item of a list belongs, in what order they stand, how many there are of each.

Source: https://hl7.org/fhir/R4/profiling.html#slicing
"""

from collections.abc import Callable, Iterator
from typing import Any

from profiles.definitions import Definitions
from profiles.validator.discriminators import Matcher
from profiles.validator.source import Source
from profiles.validator.tree import Node, max_of

Json = dict[str, Any]

Value = Callable[[Node, Node, str, str], None]
"""Writes what a slice (first), apart from the element that it slices, asks of a value at a path."""


class Slices:
    """Writes the code for the slices of one element, and for the slices of these."""

    def __init__(self, definitions: Definitions, s: Source, node: Node, value: Value) -> None:
        self.definitions, self.s, self.node, self.value = definitions, s, node, value
        self._counters = {id(each): f"s{n}" for n, each in enumerate(_below(node))}
        sliced = [each for each in (node, *_below(node)) if each.slices]
        self._lasts = {id(each): f"l{n}" for n, each in enumerate(sliced)}

    def begin(self) -> None:
        self.s.lines(f"{name} = 0" for name in self._counters.values())
        self.s.lines(f"{name} = -1" for name in self._lasts.values())

    def item(self, path: str, node: Node | None = None) -> None:
        """One item `x`: the slice that it belongs to, what that asks of it, and where it may stand."""
        s, node = self.s, node or self.node
        slicing, slices = node.element.get("slicing", {}), list(node.slices.values())
        matcher, last = Matcher(self.definitions, s, slicing), self._lasts[id(node)]
        rules, end = slicing.get("rules", "open"), len(slices)
        for n, each in enumerate(slices):
            with s.block(f"{'elif' if n else 'if'} {matcher.test(each, 'x')}:"):
                s.line(f"{self._counters[id(each)]} += 1")
                if slicing.get("ordered", False):
                    s.line(f"if {last} > {n}: {s.bad('slice-order', path, each.element['id'], slice=_name(each))}")
                    s.line(f"{last} = {n}")
                if rules == "openAtEnd":
                    s.line(f"if {last} == {end}: {s.bad('slice-end', path, node.element['id'])}")
                self.value(each, node, "x", path)
                if each.slices:
                    self.item(path, each)
        if rules == "closed":
            with s.block("else:"):
                s.line(s.bad("slice-closed", path, node.element["id"], slices=", ".join(map(_name, slices))))
        elif rules == "openAtEnd":
            with s.block("else:"):
                s.line(f"{last} = {end}")

    def end(self, path: str) -> None:
        """After the last item: are there as many of each as there must be, and no more?"""
        for each in _below(self.node):
            e, counter = each.element, self._counters[id(each)]
            least, most = e.get("min", 0), max_of(e)
            facts = f"{path}, {e['id']!r}, {_name(each)!r}"
            if least:
                call = f"c.slice_missing({facts}, {least}, {e['max']!r}, {counter})"
                self.s.line(f"if {counter} < {least}: {call if self.s.reports else 'return False'}")
            if most < max_of(each.base):
                call = f"c.slice_too_many({facts}, {e['max']!r}, {counter})"
                self.s.line(f"if {counter} > {int(most)}: {call if self.s.reports else 'return False'}")

    def absent(self, path: str) -> None:
        """Where there is no list at all: which slices are missing?"""
        for each in _below(self.node):
            e = each.element
            if e.get("min", 0):
                facts = {"slice": _name(each), "min": e["min"], "max": e["max"], "count": 0}
                self.s.line(f"if v.__class__ is not list: {self.s.bad('slice-missing', path, e['id'], **facts)}")


def _below(node: Node) -> Iterator[Node]:
    for each in node.slices.values():
        yield each
        yield from _below(each)


def _name(node: Node) -> str:
    return str(node.element.get("sliceName", ""))
