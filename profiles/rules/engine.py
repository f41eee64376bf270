"""The judge: which rules are broken by what is about to be sent to SATUSEHAT.

The rules of a resource type are grouped once into a tree of its elements; judging walks the resource once beside it, so
an element that is absent costs nothing.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from profiles import fhirpath
from profiles.fhirjson import Resource
from profiles.fhirpath import FHIRPathError
from profiles.rules import bundle, reply
from profiles.rules.book import Rule, rules
from profiles.rules.checks import CHECKS
from profiles.rules.coded import Check
from profiles.rules.codes import Lookup
from profiles.rules.course import course
from profiles.rules.findings import Finding, Judgement, Place, objects
from profiles.validator.issue import Issue

Whole = Callable[[Resource, Judgement], None]
"""Judges a resource as a whole."""

ABSENT: tuple[Any, ...] = (None, [], {})

FORM = frozenset({"instant", "reference", "identifier"})
"""Checks of what only the ministry's wire format asks."""

CONTAINED = frozenset({"Coverage", "Medication"})
"""Types that the server judges where they are contained, too."""

CHOICES = {  # the first is the one that the ministry's own rules speak of
    "medication[x]": ("medicationReference", "medicationCodeableConcept"),
    "occurrence[x]": ("occurrenceDateTime", "occurrenceString"),
}


class _Node:
    """One element in the tree of a resource type's rules. `run` judges a value of it and all that is below."""

    __slots__ = ("checks", "children", "needs", "run", "slices")

    def __init__(self) -> None:
        self.checks: list[Check] = []
        self.needs: list[tuple[tuple[str, ...], Rule]] = []
        self.children: dict[str, _Node] = {}
        self.slices: dict[str, _Node] = {}
        self.run: Check = self._first

    def child(self, step: str) -> "_Node":
        """The node of one step of an element path: `code`, `extension:Name`, or `X` (this element within itself)."""
        if step.startswith("extension:"):
            node = self.children.setdefault("extension", _Node())
            return node.slices.setdefault(step.removeprefix("extension:"), _Node())
        return self.children.setdefault(step, _Node())

    def _first(self, value: Any, place: Place, judgement: Judgement) -> None:
        """The tree is complete when the first value comes: from here on the shortest way."""
        if self.slices:
            self.run = self._slice
        elif self.children or self.needs:
            self.run = self._below
        elif len(self.checks) == 1:
            self.run = self.checks[0]
        else:
            self.run = self._each
        self.run(value, place, judgement)

    def _each(self, value: Any, place: Place, judgement: Judgement) -> None:
        for check in self.checks:
            check(value, place, judgement)

    def _slice(self, value: Any, place: Place, judgement: Judgement) -> None:
        self._each(value, place, judgement)
        if value.__class__ is dict:
            inner = self.slices.get(str(value.get("url", "")).rpartition("/")[2])
            if inner is not None:
                inner.run(value, place, judgement)

    def _below(self, value: Any, place: Place, judgement: Judgement) -> None:
        for check in self.checks:
            check(value, place, judgement)
        if value.__class__ is not dict:
            return
        for keys, rule in self.needs:
            if value.get(keys[0]) in ABSENT and all(_lacks(value, key) for key in keys):
                _miss(rule, keys[0], place, judgement)
        children = self.children
        for key, item in value.items():
            if key in children:
                run = children[key].run
                if item.__class__ is list:
                    for index, one in enumerate(item):
                        run(one, (place, key, index), judgement)
                else:
                    run(item, (place, key, -1), judgement)


class _Book:
    """The compiled rules of one resource type."""

    def __init__(self, chosen: Iterable[Rule], lookup: Lookup | None, wire: bool) -> None:
        self.top = _Node()
        self.whole: list[Whole] = []
        for rule in chosen:
            form = not wire and rule.check in FORM
            if (rule.args.get("required") or rule.check == "required") and not (form and rule.check == "identifier"):
                for element in rule.elements:
                    self._need(rule, element.split("."))
            if rule.check in CHECKS and not form:
                check = CHECKS[rule.check](rule, lookup)
                for element in rule.elements:
                    *above, last = element.split(".")
                    self._node([*above, CHOICES.get(last, (last,))[0]]).checks.append(check)
            elif rule.check in WHOLE:
                self.whole.append(WHOLE[rule.check](rule))

    def _need(self, rule: Rule, steps: Sequence[str]) -> None:
        """Demand the element, and every element above it unless the rule only speaks of what is there (`each`)."""
        depths = range(len(steps)) if rule.args.get("required") != "each" else (len(steps) - 1,)
        for depth in depths:
            self._node(steps[:depth]).needs.append((CHOICES.get(steps[depth], (steps[depth],)), rule))

    def _node(self, steps: Sequence[str]) -> _Node:
        node, key = self.top, ""
        for step in steps:
            if step == "X":
                inner = node.child(key)
                inner.children[key] = inner
                node = inner
            else:
                node, key = node.child(step), step
        return node


def _condition(rule: Rule) -> Whole:
    expression = fhirpath.compile(rule.args["expression"], rule.resource)
    severity = rule.args.get("severity", "error")
    at: Place = None
    for step in rule.elements[0].split("."):
        at = (at, step, -1)

    def judge(resource: Resource, judgement: Judgement) -> None:
        try:
            kept = expression(resource) == [True]
        except FHIRPathError:  # the shape is not R4's: the base tier says so
            return
        if not kept:
            judgement.report(rule, rule.args["problem"], at, None, severity)

    return judge


WHOLE: dict[str, Callable[[Rule], Whole]] = {"fhirpath": _condition, "course": course}
"""Checks that look at the resource as a whole. `bundle` and `patch` are judged on other things than a resource."""


class Rules:
    """The ministry's numbered rules, ready to judge. Made once; a call judges one decoded resource or Bundle.

    `organization_id`: the sender's own SATUSEHAT Organization id; None takes whichever organisation the payload names
    first, and holds it to that one. `codes`: the site's own code tables, asked before the shipped ones. `wire`: False
    judges a hospital's own record, which has yet to be put into the ministry's form: local time, identifiers and
    references are as good there.
    """

    def __init__(self, organization_id: str | None = None, codes: Lookup | None = None, *, wire: bool = True) -> None:
        self._org, self._codes, self._wire = organization_id, codes, wire
        self._books: dict[str, _Book] = {}

    def judge(self, resource: Resource, now: str | None = None) -> list[Issue]:
        """The issues of one resource, or of a Bundle and all its entries, in the order of its entries.

        `now`: the present instant in UTC as `YYYY-MM-DDThh:mm:ss`, the clock's by default.
        """
        return [finding.issue() for finding in self.findings(resource, now)]

    def findings(self, resource: Resource, now: str | None = None) -> list[Finding]:
        """As `judge`, with the rule itself and the server's own phrase (`Finding.wire()`) of each."""
        judgement = Judgement(resource, self._org, now or time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()))
        kind = resource.get("resourceType")
        if kind == "Bundle":
            bundle.judge(resource, judgement, self._one, urls=self._wire)
        elif isinstance(kind, str):
            judgement.turn_to(resource)
            self._one(resource, judgement)
        return judgement.found

    def judge_patch(self, resource_type: str, operations: Sequence[dict[str, Any]]) -> list[Issue]:
        """The issues of a JSON Patch that is about to be sent."""
        return [finding.issue() for finding in self.patch_findings(resource_type, operations)]

    def patch_findings(self, resource_type: str, operations: Sequence[dict[str, Any]]) -> list[Finding]:
        """As `judge_patch`, with the rule itself and the server's own phrase of each."""
        judgement = Judgement({"resourceType": resource_type}, self._org, "", at=resource_type, within=resource_type)
        for rule in rules():
            if rule.check == "patch" and rule.resource == resource_type:
                for operation in operations:
                    path = str(operation.get("path", ""))
                    if path.startswith(rule.args["below"] + "/"):
                        judgement.report(rule, "patch-part", (None, rule.elements[0], -1), path, part=path, **rule.args)
        return judgement.found

    def _book(self, resource_type: str) -> _Book:
        if resource_type not in self._books:
            chosen = [rule for rule in rules() if rule.resource == resource_type and rule.local]
            self._books[resource_type] = _Book(chosen, self._codes, self._wire)
        return self._books[resource_type]

    def _one(self, resource: Resource, judgement: Judgement) -> None:
        """Judge one resource and what it contains; `judgement.root` is the resource that holds its references."""
        if resource["resourceType"] == "OperationOutcome":
            reply.read(resource, judgement)
            return
        self._whole(resource, judgement)
        if "contained" in resource:
            outer = judgement.at, judgement.within
            for index, inner in enumerate(objects(resource["contained"])):
                if str(inner.get("resourceType")) in CONTAINED:
                    judgement.at, judgement.within = (f"{path}.contained[{index}]" for path in outer)
                    self._whole(inner, judgement)
            judgement.at, judgement.within = outer

    def _whole(self, resource: Resource, judgement: Judgement) -> None:
        book = self._book(resource["resourceType"])
        book.top.run(resource, None, judgement)
        for whole in book.whole:
            whole(resource, judgement)


def _lacks(value: dict[str, Any], key: str) -> bool:
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
