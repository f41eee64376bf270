"""The validator itself: which checks a resource passes through, and in what order."""

from typing import Protocol

from profiles.definitions import R4, RESOURCE_TYPES, Definitions
from profiles.fhirjson import Resource
from profiles.validator.bundle import Entries
from profiles.validator.engine import Engine
from profiles.validator.issue import Issue
from profiles.validator.runtime import MOST_ISSUES, Context, Enough
from profiles.validator.units import Units
from profiles.validator.wording import messages


class Rules(Protocol):
    """Numbered rules of a destination, judged beside FHIR's."""

    def judge(self, resource: Resource) -> list[Issue]: ...


class Validator:
    """Made once; a call judges one decoded resource, whole Bundles included."""

    def __init__(self, rules: Rules | None = None) -> None:
        self._definitions: Definitions = R4
        self._rules = rules
        self._engine = Engine(self._definitions, Units())

    def accepts(self, resource: Resource) -> bool:
        """True where the base tier (R4 itself) finds no error. Says nothing else, and is fast."""
        return self._accepts(self._context(resource, []))

    def _accepts(self, context: Context) -> bool:
        name = context.resource.get("resourceType")
        if name.__class__ is not str or name not in RESOURCE_TYPES:
            return False
        return self._engine.fast(str(name))(context.resource, context)

    def _context(self, resource: Resource, issues: list[Issue]) -> Context:
        bundle = Entries(resource).find if resource.get("resourceType") == "Bundle" else None
        return Context(self._engine, resource, resource, issues, bundle)

    def validate(self, resource: Resource, profile: str | None = None) -> list[Issue]:
        """Every issue of a resource: R4's, those of its profiles (and of `profile`), the rules'."""
        issues: list[Issue] = []
        context = self._context(resource, issues)
        try:
            if not self._accepts(context) or context.doubtful:
                context.report_inner(resource, str(resource.get("resourceType", "Resource")), "Resource")
        except Enough:
            pass
        if any(count > MOST_ISSUES for count in context.counts.values()):
            context.issues.append(more(resource))
        if self._rules is not None:
            issues.extend(self._rules.judge(resource))
        return issues


def more(resource: Resource) -> Issue:
    """The issue that says that there are more than could be listed."""
    message = messages()["enough"]
    path = str(resource.get("resourceType"))
    return Issue("information", message.code, "base", "limit", path, None, message.wording, {"limit": MOST_ISSUES})
