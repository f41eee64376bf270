"""The rules of a resource type as a tree of its elements, and the walk that reports what is wrong."""

from collections.abc import Sequence
from typing import Any

from profiles.rules.book import Rule
from profiles.rules.coded import Check
from profiles.rules.findings import Judgement, Place, objects

ABSENT: tuple[Any, ...] = (None, [], {})

CHOICES = {  # the first is the one that the ministry's own rules speak of
    "medication[x]": ("medicationReference", "medicationCodeableConcept"),
    "occurrence[x]": ("occurrenceDateTime", "occurrenceString"),
}


class Node:
    """One element. `needs` are the keys (any of them) that must be there below it."""

    __slots__ = ("checks", "children", "needs", "slices")

    def __init__(self) -> None:
        self.checks: list[tuple[Rule, Check]] = []
        self.needs: list[tuple[tuple[str, ...], Rule]] = []
        self.children: dict[str, Node] = {}
        self.slices: dict[str, Node] = {}

    def check(self, rule: Rule, check: Check, steps: Sequence[str]) -> None:
        """Judge the element below this one with `check`."""
        *above, last = steps
        self.at([*above, CHOICES.get(last, (last,))[0]]).checks.append((rule, check))

    def need(self, rule: Rule, steps: Sequence[str]) -> None:
        """Demand the element, and every element above it unless the rule only speaks of what is there (`each`)."""
        depths = range(len(steps)) if rule.args.get("required") != "each" else (len(steps) - 1,)
        for depth in depths:
            self.at(steps[:depth]).needs.append((CHOICES.get(steps[depth], (steps[depth],)), rule))

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

    def run(self, value: Any, place: Place, judgement: Judgement) -> None:
        """Report everything that is wrong with a value of this element and all below it."""
        for _, check in self.checks:
            check(value, place, judgement)
        if not isinstance(value, dict):
            return
        for keys, rule in self.needs:
            if all(lacks(value, key) for key in keys):
                _miss(rule, keys[0], place, judgement)
        for key, item in value.items():
            child = self.children.get(key)
            if child is None:
                continue
            if isinstance(item, list):
                for index, one in enumerate(item):
                    child.run(one, (place, key, index), judgement)
            else:
                child.run(item, (place, key, -1), judgement)
        if self.slices:
            inner = self.slices.get(str(value.get("url", "")).rpartition("/")[2])
            if inner is not None:
                inner.run(value, place, judgement)


def lacks(value: dict[str, Any], key: str) -> bool:
    """Whether the object has nothing under `key`, which may be `extension:Name`."""
    if key.startswith("extension:"):
        ending = key.replace("extension:", "/")
        return all(not str(each.get("url")).endswith(ending) for each in objects(value.get("extension")))
    return value.get(key) in ABSENT


def _miss(rule: Rule, key: str, place: Place, judgement: Judgement) -> None:
    if any(judgement.root.get(name) != wanted for name, wanted in rule.args.get("when", {}).items()):
        return
    severity = rule.args.get("severity", "error")
    if rule.check == "reference":
        targets = ", ".join(rule.args.get("targets", ())) or "*"
        judgement.report(rule, "reference-absent", (place, key, -1), None, severity, targets=targets)
    else:
        judgement.report(rule, "missing", (place, key.partition(":")[0], -1), severity=severity)
