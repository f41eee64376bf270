"""The rules of a resource type as a tree of its elements."""

from collections.abc import Sequence
from typing import Any

from profiles.rules.book import Rule
from profiles.rules.check import Check
from profiles.rules.findings import objects

EMPTY = frozenset((type(None), list, dict))
"""Classes of a value that says nothing where it is false; false, 0 and "" are values."""


class Node:
    """One element. `needs` are the keys (any of them) that must be there below it; `slices` its extensions by name."""

    __slots__ = ("checks", "children", "needs", "slices")

    def __init__(self) -> None:
        self.checks: list[tuple[Rule, Check]] = []
        self.needs: list[tuple[tuple[str, ...], Rule]] = []
        self.children: dict[str, Node] = {}
        self.slices: dict[str, Node] = {}

    def check(self, rule: Rule, check: Check, steps: Sequence[str]) -> None:
        """Judge the element below this one with `check`."""
        self.at(steps).checks.append((rule, check))

    def need(self, rule: Rule, steps: Sequence[str], others: Sequence[str]) -> None:
        """Demand the element or one of `others` beside it, and every element above it unless the rule only speaks of
        what is there (`each`)."""
        last = len(steps) - 1
        for depth in range(last if rule.args.get("required") == "each" else 0, last + 1):
            keys = (steps[depth], *others) if depth == last else (steps[depth],)
            self.at(steps[:depth]).needs.append((keys, rule))

    def at(self, steps: Sequence[str]) -> "Node":
        """The node of a path. A step is `code`, `extension:Name`, or `X` (the element before it, within itself)."""
        node, key = self, ""
        for step in steps:
            if step == "X":
                node = node.children.setdefault(key, Node())
                node.children[key] = node
            elif step.startswith("extension:"):
                extension = node.children.setdefault("extension", Node())
                node, key = extension.slices.setdefault(step.removeprefix("extension:"), Node()), "extension"
            else:
                node, key = node.children.setdefault(step, Node()), step
        return node

    def within_itself(self) -> bool:
        """Whether the element may hold itself."""
        return any(child is self for child in self.children.values())


def lacks(value: dict[str, Any], keys: Sequence[str]) -> bool:
    """Whether the object has nothing under any of the keys, which may be `extension:Name`."""
    return all(_extension_lacks(value, key) if ":" in key else _nothing(value.get(key)) for key in keys)


def _nothing(found: Any) -> bool:
    return not found and found.__class__ in EMPTY


def _extension_lacks(value: dict[str, Any], key: str) -> bool:
    ending = key.replace("extension:", "/")
    return all(not str(each.get("url")).endswith(ending) for each in objects(value.get("extension")))
