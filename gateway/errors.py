"""Every refusal of the REST API, by number; the table is errors.yaml.

An error becomes an OperationOutcome: which element (`expression`), which rule (`details.coding`), what is wrong
(`details.text`) and what to do (`diagnostics`), in the language that the caller asked for.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Literal, NamedTuple

import yaml

from profiles.fhirjson import Resource
from profiles.validator.issue import Issue, outcome

Language = Literal["id", "en"]
SYSTEM = "urn:gapura:error"


class Refusal(NamedTuple):
    """One row of errors.yaml. `text` maps a language to (what is wrong, what to do)."""

    number: str
    status: int
    issue: str
    text: dict[str, tuple[str, str]]


@cache
def refusals() -> dict[str, Refusal]:
    """The table, by number."""
    rows = yaml.safe_load(files(__package__).joinpath("errors.yaml").read_text("utf-8"))
    return {
        number: Refusal(number, row["status"], row["issue"], {"en": tuple(row["en"]), "id": tuple(row["id"])})
        for number, row in rows.items()
    }


class HttpError(Exception, ABC):
    """A request that is refused, with its status and OperationOutcome."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...] = ()

    @abstractmethod
    def issues(self, lang: Language) -> list[dict[str, Any]]:
        """OperationOutcome.issue of this refusal."""

    def outcome(self, lang: Language) -> Resource:
        """The OperationOutcome that answers this."""
        return {"resourceType": "OperationOutcome", "issue": self.issues(lang)}


class FhirError(HttpError):
    """A refusal of the table. `number` names a row of errors.yaml, `values` fill its text."""

    def __init__(
        self,
        number: str,
        *,
        expression: str | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        **values: object,
    ) -> None:
        self.refusal = refusals()[number]
        self.status = self.refusal.status
        self.expression, self.headers, self.values = expression, headers, values
        super().__init__(f"{number}: {self.refusal.text['en'][0].format_map(values)}")

    def issue(self, lang: Language, severity: str = "error") -> dict[str, Any]:
        """OperationOutcome.issue of this refusal."""
        wrong, remedy = self.refusal.text[lang]
        issue: dict[str, Any] = {
            "severity": severity,
            "code": self.refusal.issue,
            "details": {
                "coding": [{"system": SYSTEM, "code": self.refusal.number}],
                "text": wrong.format_map(self.values),
            },
            "diagnostics": remedy.format_map(self.values),
        }
        if self.expression:
            issue["expression"] = [self.expression]
        return issue

    def issues(self, lang: Language) -> list[dict[str, Any]]:
        """The one issue."""
        return [self.issue(lang)]


class Rejected(HttpError):
    """A resource that the validator does not let in (422): all its findings."""

    status = 422

    def __init__(self, found: Sequence[Issue]) -> None:
        self.found = found
        super().__init__(f"{len(found)} findings, first: {found[0].rule} at {found[0].path}")

    def issues(self, lang: Language) -> list[dict[str, Any]]:
        """One issue for each finding."""
        rows: list[dict[str, Any]] = outcome(self.found, lang)["issue"]
        return rows


class InEntry(HttpError):
    """A refusal that one entry of a Bundle caused: its issues point to the entry."""

    def __init__(self, cause: HttpError, index: int) -> None:
        self.cause, self.index = cause, index
        self.status, self.headers = cause.status, cause.headers
        super().__init__(f"entry {index}: {cause}")

    def issues(self, lang: Language) -> list[dict[str, Any]]:
        """The issues of the cause, each with the entry in front of its expression."""
        place = f"Bundle.entry[{self.index}]"
        found = self.cause.issues(lang)
        for issue in found:
            inner = issue.get("expression", [""])[0].partition(".")[2]
            issue["expression"] = [f"{place}.resource.{inner}" if inner else place]
        return found


def language(accept: str, default: Language) -> Language:
    """The language of an Accept-Language header (RFC 9110 §12.5.4): the one of ours that is preferred most."""
    best: tuple[float, Language] = (0.0, default)
    for part in accept.split(","):
        tag, _, weight = part.partition(";")
        primary = tag.strip().lower().partition("-")[0]
        found: Language | None = "id" if primary in ("id", "in", "ms") else "en" if primary == "en" else None
        if found is None:
            continue
        try:
            quality = float(weight.strip().removeprefix("q=")) if weight.strip() else 1.0
        except ValueError:
            continue
        if quality > best[0]:
            best = (quality, found)
    return best[1]
