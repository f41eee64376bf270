"""What a rule found: where, what was wrong, in whose words.

A place is a chain `(parent, key, index)` (index -1: not in a list) and becomes a FHIRPath only when something is wrong.
"""

from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from profiles.fhirjson import Resource
from profiles.rules.book import Rule, table
from profiles.validator.issue import Issue, Wording

Place = tuple[Any, str, int] | None
Severity = Literal["error", "warning"]


def objects(value: Any) -> list[dict[str, Any]]:
    """The JSON objects of a list; none where `value` is no list (the base tier says what is wrong with it)."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


@dataclass(slots=True)
class Judgement:
    """One call of the judge: what it looks at, what it knows, what it found."""

    root: Resource
    org: str | None
    """The sender's own organisation; where none was given, the first that an identifier names."""
    now: str
    """The present instant in UTC, `YYYY-MM-DDThh:mm:ss`; comparable with the wire format as text."""
    entries: dict[str, str] | None = None
    """In a Bundle: fullUrl → resource type of its entry."""
    at: str = ""
    """FHIRPath of the resource being judged, from the root of what was handed in."""
    within: str = ""
    """The same from the sent resource: what the server would write."""
    found: "list[Finding]" = field(default_factory=list)

    def report(
        self, rule: Rule, problem: str, place: Place, value: Any = None, severity: Severity = "error", **facts: str
    ) -> None:
        inside = _fhirpath(place)
        self.found.append(Finding(rule, problem, self.at + inside, self.within + inside, value, severity, facts))

    def turn_to(self, resource: Resource, at: str = "") -> None:
        """Judge another resource from here on; `at` is its FHIRPath where it is not the root."""
        self.root, self.within = resource, resource["resourceType"]
        self.at = at or self.within


def _fhirpath(place: Place) -> str:
    steps = []
    while place is not None:
        place, key, index = place
        steps.append(f".{key}" if index < 0 else f".{key}[{index}]")
    return "".join(reversed(steps))


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken rule. `path` is the FHIRPath from the root of what was judged, `element` from the resource's own."""

    rule: Rule
    problem: str
    path: str
    element: str
    value: Any
    severity: Severity
    facts: dict[str, str]

    def issue(self) -> Issue:
        code, wording = _wording(self.rule, self.problem)
        return Issue(self.severity, code, "satusehat", self.rule.number, self.path, self.value, wording, self.facts)

    def wire(self) -> str:
        """The sentence as the ministry's server phrases it, with the number where the rule has one."""
        number = f" (RuleNumber: {self.rule.number})" if self.rule.number.isdigit() else ""
        template = str(table("messages")[self.problem]["wire"])
        if "{number}" not in template:
            template += "{number}"
        return template.format_map({"path": self.element, "value": self.value, "number": number, **self.facts})

    @property
    def wire_code(self) -> str:
        """The `issue.code` that the server gives: `value` for nearly everything."""
        return {"instant": "format", "offset": "format"}.get(self.problem, "value")


@cache
def _wording(rule: Rule, problem: str) -> tuple[str, Wording]:
    words = table("messages")[problem]
    note = rule.note or {"id": "", "en": ""}
    indonesian, english = (f"{words[lang]} {note[lang]}".rstrip() for lang in ("id", "en"))
    return words["code"], Wording(indonesian, english, words["fix_id"], words["fix_en"])
