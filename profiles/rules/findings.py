"""What a rule found: where, what was wrong, in whose words.

A place is a chain `(parent, key, index)` (index -1: not in a list) and becomes a FHIRPath only when something is wrong.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from profiles.fhirjson import Resource
from profiles.rules.book import Rule, named, table
from profiles.validator.issue import Issue, Wording

Place = tuple[Any, str, int] | None
Severity = Literal["error", "warning"]

NOTHING: Mapping[str, Resource] = MappingProxyType({})


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
    entries: Mapping[str, Resource]
    """What references may lead to: in a Bundle its resources by fullUrl and by `Type/id`, and what was said to be
    beside it."""
    at: str = ""
    """FHIRPath of the resource being judged, from the root of what was handed in."""
    within: str = ""
    """The same from the sent resource: what the server would write."""
    found: "list[Finding]" = field(default_factory=list)

    def report(
        self, rule: Rule, problem: str, place: Place, value: Any = None, severity: Severity = "error", **facts: str
    ) -> None:
        self.found.append(Finding(rule, problem, self.at, self.within, _fhirpath(place), value, severity, facts))

    def resolve(self, reference: str) -> Resource | None:
        """The contained resource or the Bundle's entry that `reference` names; None where there is none."""
        if reference.startswith("#"):
            inner = objects(self.root.get("contained"))
            return next((resource for resource in inner if resource.get("id") == reference[1:]), None)
        return self.entries.get(reference)

    def turn_to(self, resource: Resource, at: str = "") -> None:
        """Judge another resource from here on; `at` is its FHIRPath where it is not the root."""
        self.root, self.within = resource, resource["resourceType"]
        self.at = at or self.within


def _fhirpath(place: Place) -> str:
    path = ""
    while place is not None:
        place, key, index = place
        path = f".{key}{path}" if index < 0 else f".{key}[{index}]{path}"
    return path


class Finding(NamedTuple):
    """A broken rule. `at` is the FHIRPath of the resource from the root of what was judged, `within` what the server
    calls it, `inside` the path from there."""

    rule: Rule
    problem: str
    at: str
    within: str
    inside: str
    value: Any
    severity: Severity
    facts: dict[str, str]

    @property
    def path(self) -> str:
        """The FHIRPath from the root of what was judged."""
        return self.at + self.inside

    @property
    def element(self) -> str:
        """The FHIRPath as the server writes it, from the sent resource."""
        return self.within + self.inside

    def issue(self) -> Issue:
        code, wording = _wording(self.rule, self.problem, self.inside)
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


_INDEX = re.compile(r"\[\d+\]")


@lru_cache(4096)
def _wording(rule: Rule, problem: str, inside: str) -> tuple[str, Wording]:
    """The FHIR code and the sentences of a problem at a path, with what people call the element."""
    return _worded(rule, problem, _element(rule, inside))


def _element(rule: Rule, inside: str) -> str:
    """Which of the rule's elements stands at a path."""
    elements = rule.elements
    if len(elements) < 2:
        return elements[0] if elements else ""
    path = f"{_INDEX.sub('', inside)}."
    return next((each for each in elements if path.startswith(f".{each}.")), elements[0])


@cache
def _worded(rule: Rule, problem: str, element: str) -> tuple[str, Wording]:
    words, names = table("messages")[problem], named(rule.resource, element)
    advice = rule.advice or {"id": "", "en": ""}
    called = {lang: f"{name[:1].upper()}{name[1:]}" for lang, name in names.items()}
    said = (words[lang].replace("{name}", called[lang]) for lang in ("id", "en"))
    fixes = (f"{words[f'fix_{lang}']} {advice[lang]}".strip() for lang in ("id", "en"))
    return words["code"], Wording(*said, *fixes)
