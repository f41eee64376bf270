"""What a check found, for programs and for people."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from profiles.fhirjson import Resource, encode

Severity = Literal["fatal", "error", "warning", "information"]
Tier = Literal["base", "profile", "satusehat", "vclaim"]
Lang = Literal["id", "en"]

RULE_SYSTEM = "urn:gapura:rule"
"""System of the coding that carries an issue's rule in an OperationOutcome."""
TIER_SYSTEM = "urn:gapura:tier"
"""System of the coding that carries an issue's tier."""
POSITION = "http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-"
"""Base of HL7's extensions for line and column of an issue."""


class Wording(NamedTuple):
    """The sentences of an issue in both languages; `{name}` is filled from the issue's facts, value and path."""

    id: str
    en: str
    fix_id: str = ""
    fix_en: str = ""


class Issue(NamedTuple):
    """One finding.

    `code` is a FHIR IssueType, `rule` an element id, invariant key or RuleNumber, `path` the FHIRPath of the element,
    `value` what stood there. `line` and `column` count from 1, None where the bytes were not at hand. `facts` fill the
    wording; None means that it is complete as it stands.
    """

    severity: Severity
    code: str
    tier: Tier
    rule: str
    path: str
    value: Any
    wording: Wording
    facts: Mapping[str, Any] | None = None
    line: int | None = None
    column: int | None = None

    def text(self, lang: Lang = "en") -> str:
        """What is wrong."""
        return self._say(self.wording.id if lang == "id" else self.wording.en)

    def fix(self, lang: Lang = "en") -> str:
        """What to write instead; empty where the text says all."""
        return self._say(self.wording.fix_id if lang == "id" else self.wording.fix_en)

    def _say(self, template: str) -> str:
        if self.facts is None:
            return template
        return template.format_map({"path": self.path, "rule": self.rule, "value": shown(self.value), **self.facts})


def shown(value: Any, limit: int = 80) -> str:
    """A value as it may stand in a sentence: a text as it is, anything else as JSON; short, on one line."""
    text = value if isinstance(value, str) else encode(value).decode()
    text = " ".join(text[: 4 * limit].split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def is_valid(issues: Iterable[Issue]) -> bool:
    """True where nothing is an error: warnings and information do not make a resource invalid."""
    return all(issue.severity not in ("error", "fatal") for issue in issues)


def outcome(issues: Iterable[Issue], lang: Lang = "en") -> Resource:
    """The OperationOutcome that says these issues; one of severity information where there is none."""
    rows = [_row(issue, lang) for issue in issues]
    if not rows:
        text = "Tidak ada masalah." if lang == "id" else "No issues."
        rows = [{"severity": "information", "code": "informational", "details": {"text": text}}]
    return {"resourceType": "OperationOutcome", "issue": rows}


def _row(issue: Issue, lang: Lang) -> dict[str, Any]:
    row: dict[str, Any] = {}
    if issue.line is not None:
        places = (("line", issue.line), ("col", issue.column))
        row["extension"] = [{"url": POSITION + name, "valueInteger": place} for name, place in places]
    row |= {
        "severity": issue.severity,
        "code": issue.code,
        "details": {
            "coding": [{"system": RULE_SYSTEM, "code": issue.rule}, {"system": TIER_SYSTEM, "code": issue.tier}],
            "text": issue.text(lang),
        },
    }
    if fix := issue.fix(lang):
        row["diagnostics"] = fix
    row["expression"] = [issue.path]
    return row
