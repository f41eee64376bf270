"""The judge: which rules are broken by what is about to be sent to SATUSEHAT.

The rules of a resource type are grouped once into a tree of its elements (`tree`), and that becomes a function of
plain Python (`source`).
"""

import time
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

from profiles import fhirpath
from profiles.definitions import RESOURCE_TYPES
from profiles.fhirjson import Resource
from profiles.fhirpath import FHIRPathError
from profiles.rules import bundle, reply
from profiles.rules.book import Rule, rules
from profiles.rules.checks import CHECKS
from profiles.rules.codes import Lookup, Site
from profiles.rules.course import course
from profiles.rules.findings import NOTHING, Finding, Judgement, Place, objects
from profiles.rules.source import Judge, compile_judge
from profiles.rules.tree import Node
from profiles.validator.issue import Issue

FORM = frozenset({"instant", "reference", "identifier"})
"""Checks of what only the ministry's wire format asks."""

CONTAINED = frozenset({"Coverage", "Medication"})
"""Types that the server judges where they are contained, too."""


def _compiled(resource_type: str, site: Site) -> Judge:
    """The judge of a resource type by its rules; of rules of form only the demand counts in a record, and not even
    that of an identifier."""
    mine, top = _local(resource_type, site), Node()
    for rule in mine:
        form = not site.wire and rule.check in FORM
        steps = [element.split(".") for element in rule.elements]
        if (rule.args.get("required") or rule.check == "required") and not (form and rule.check == "identifier"):
            others = (*rule.args.get("or", ()), *(() if site.wire else rule.args.get("record_or", ())))
            for each in steps:
                top.need(rule, each, others)
        if rule.check in CHECKS and not form:
            check = CHECKS[rule.check](rule, site)
            for each in steps:
                top.check(rule, check, each)
    conditions = [(rule.args["expression"], _broken(rule)) for rule in mine if rule.check == "fhirpath"]
    judge = compile_judge(resource_type, top, conditions)
    courses = [rule for rule in mine if "aspect" in rule.args]
    return course(courses, judge) if courses else judge


def _local(resource_type: str, site: Site) -> list[Rule]:
    """The rules of a resource type that are judged here."""
    mine = (rule for rule in rules() if rule.resource == resource_type and rule.local)
    return [rule for rule in mine if site.wire or rule.args.get("record", True)]


def _broken(rule: Rule) -> Judge:
    """What reports a condition that is not true. Where the shape is not R4's, the base tier says so."""
    expression = fhirpath.compile(rule.args["expression"], rule.resource)
    severity = rule.args.get("severity", "error")
    at: Place = None
    for step in rule.elements[0].split("."):
        at = (at, step, -1)

    def report(resource: Resource, judgement: Judgement) -> None:
        try:
            kept = expression(resource) == [True]
        except FHIRPathError:
            return
        if not kept:
            judgement.report(rule, rule.args["problem"], at, None, severity)

    return report


class Rules:
    """The ministry's numbered rules, ready to judge. Made once; a call judges one decoded resource or Bundle.

    `organization_id`: the sender's own SATUSEHAT Organization id; None takes whichever organisation the payload names
    first, and holds it to that one. `codes`: the site's own code tables, asked before the shipped ones. `wire`: False
    judges a hospital's own record, which has yet to be put into the ministry's form: local time, identifiers, codes
    and references are as good there.
    """

    def __init__(self, organization_id: str | None = None, codes: Lookup | None = None, *, wire: bool = True) -> None:
        self._org, self._site = organization_id, Site(codes, wire)
        self._judges: dict[str, Judge] = {}

    def judge(
        self, resource: Resource, now: str | None = None, beside: Mapping[str, Resource] = NOTHING
    ) -> list[Issue]:
        """The issues of one resource, or of a Bundle and all its entries, in the order of its entries.

        `now`: the present instant in UTC as `YYYY-MM-DDThh:mm:ss`, the clock's by default. `beside`: what references
        of it may lead to, by what they call it (a Medication that was sent before).
        """
        return [finding.issue() for finding in self.findings(resource, now, beside)]

    def findings(
        self, resource: Resource, now: str | None = None, beside: Mapping[str, Resource] = NOTHING
    ) -> list[Finding]:
        """As `judge`, with the rule itself and the server's own phrase (`Finding.wire()`) of each."""
        judgement = Judgement(resource, self._org, now or _now(), beside)
        kind = resource.get("resourceType")
        if kind == "Bundle":
            bundle.judge(resource, judgement, self._one, urls=self._site.wire)
        elif isinstance(kind, str):
            judgement.turn_to(resource)
            self._one(resource, judgement)
        return judgement.found

    def judge_patch(self, resource_type: str, operations: Sequence[dict[str, Any]]) -> list[Issue]:
        """The issues of a JSON Patch that is about to be sent."""
        return [finding.issue() for finding in self.patch_findings(resource_type, operations)]

    def patch_findings(self, resource_type: str, operations: Sequence[dict[str, Any]]) -> list[Finding]:
        """As `judge_patch`, with the rule itself and the server's own phrase of each."""
        judgement = Judgement({"resourceType": resource_type}, self._org, "", NOTHING, resource_type, resource_type)
        for rule in rules():
            if rule.check == "patch" and rule.resource == resource_type:
                for operation in operations:
                    path = str(operation.get("path", ""))
                    if path.startswith(rule.args["below"] + "/"):
                        judgement.report(rule, "patch-part", (None, rule.elements[0], -1), path, part=path, **rule.args)
        return judgement.found

    def _judge(self, resource_type: str) -> Judge:
        judge = self._judges.get(resource_type)
        if judge is None:
            if resource_type not in _ruled():
                return _nothing
            judge = self._judges[resource_type] = _compiled(resource_type, self._site)
        return judge

    def _one(self, resource: Resource, judgement: Judgement) -> None:
        """Judge one resource and what it contains; `judgement.root` is the resource that holds its references."""
        if resource["resourceType"] == "OperationOutcome":
            reply.read(resource, judgement)
            return
        self._judge(resource["resourceType"])(resource, judgement)
        if "contained" in resource:
            outer = judgement.at, judgement.within
            for index, inner in enumerate(objects(resource["contained"])):
                if str(inner.get("resourceType")) in CONTAINED:
                    judgement.at, judgement.within = (f"{path}.contained[{index}]" for path in outer)
                    self._judge(inner["resourceType"])(inner, judgement)
            judgement.at, judgement.within = outer


@cache
def _ruled() -> frozenset[str]:
    """The resource types that have rules."""
    return RESOURCE_TYPES & {rule.resource for rule in rules()}


def _nothing(resource: Resource, judgement: Judgement) -> None:
    """The judge of a type without rules."""


def _now() -> str:
    """The present instant in UTC, `YYYY-MM-DDThh:mm:ss`."""
    return _instant(int(time.time()))


@lru_cache(1)
def _instant(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
