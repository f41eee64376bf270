"""A destination's answers and what they mean, as a table in a YAML file beside its client.

Each row's conditions must all fit; the first row that fits decides. A column that the table's reader does not know is
an error when the table is read, as is an outcome or a regular expression that does not exist.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import yaml

from gateway.connectors.errors import (
    DestinationError,
    Duplicate,
    Held,
    Misconfigured,
    NotFound,
    OutcomeUnknown,
    Refused,
    Throttled,
    Unavailable,
)

OUTCOMES: Mapping[str, type[DestinationError]] = {
    "duplicate": Duplicate,
    "held": Held,
    "misconfigured": Misconfigured,
    "not_found": NotFound,
    "refused": Refused,
    "throttled": Throttled,
    "unknown": OutcomeUnknown,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a destination said, whatever its envelope.

    `changes` tells whether the request was to change something; `legible` is False for an HTML page or other text that
    is not the destination's own envelope.
    """

    text: str
    changes: bool
    legible: bool = True
    status: int | None = None
    code: str | None = None
    element: str | None = None
    existing: str | None = None
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One row of an outcome table."""

    outcome: type[DestinationError]
    status: frozenset[int] = frozenset()
    code: frozenset[str] = frozenset()
    text: re.Pattern[str] | None = None
    legible: bool | None = None
    existing: re.Pattern[str] | None = None
    element: str | None = None
    fix: Mapping[str, str] = field(default_factory=dict)

    def fits(self, answer: Answer) -> bool:
        """Whether every condition of this row holds."""
        return (
            (not self.status or answer.status in self.status)
            and (not self.code or answer.code in self.code)
            and (self.legible is None or answer.legible is self.legible)
            and (self.text is None or self.text.search(answer.text) is not None)
        )

    def error(self, answer: Answer) -> DestinationError:
        """The error that this row makes of the answer."""
        if self.outcome is OutcomeUnknown:
            return unknown(answer)
        if self.outcome is Throttled:
            return Throttled(answer.text, code=answer.code, retry_after=answer.retry_after)
        element = answer.element or self.element
        if self.outcome is Duplicate:
            named = self.existing.search(answer.text) if self.existing else None
            existing = answer.existing or (named.group(1) if named else None)
            return Duplicate(answer.text, code=answer.code, element=element, fix=self.fix, existing=existing)
        return self.outcome(answer.text, code=answer.code, element=element, fix=self.fix)


class OutcomeTable:
    """The rows of one destination."""

    def __init__(self, rows: Sequence[Row], success: frozenset[str] = frozenset()) -> None:
        self.rows, self.success = tuple(rows), success

    @classmethod
    def load(cls, package: str, name: str) -> "OutcomeTable":
        """Read the table `name` that lies in `package`; raise ValueError for a row that cannot be."""
        return cls.read(files(package).joinpath(name).read_text("utf-8"), name)

    @classmethod
    def read(cls, text: str, name: str) -> "OutcomeTable":
        """Read a table from YAML; `name` stands in the errors."""
        table = yaml.safe_load(text)
        if extra := sorted(set(table) - {"outcomes", "success"}):
            raise ValueError(f"{name}: unknown section {', '.join(extra)}; the sections are outcomes, success")
        return cls([_row(raw, name) for raw in table["outcomes"]], frozenset(table.get("success", ())))

    def error(self, answer: Answer) -> DestinationError:
        """What the answer means. Where no row fits, a legible code or 4xx is a refusal and all else is unknown."""
        for row in self.rows:
            if row.fits(answer):
                return row.error(answer)
        if answer.legible and (answer.code is not None or 400 <= (answer.status or 0) < 500):
            return Refused(answer.text, code=answer.code, element=answer.element)
        return unknown(answer)


def unknown(answer: Answer) -> DestinationError:
    """No trustworthy answer: safe to ask again after a read, to be reconciled after a change."""
    return (OutcomeUnknown if answer.changes else Unavailable)(answer.text, code=answer.code)


def _row(raw: Mapping[str, Any], name: str) -> Row:
    known = {"outcome", "status", "code", "text", "legible", "existing", "element", "fix"}
    if extra := sorted(set(raw) - known):
        raise ValueError(f"{name}: unknown column {', '.join(extra)}; the columns are {', '.join(sorted(known))}")
    if raw.get("outcome") not in OUTCOMES:
        raise ValueError(f"{name}: outcome {raw.get('outcome')!r} is not one of {', '.join(OUTCOMES)}")
    try:
        text, existing = (re.compile(raw[key], re.IGNORECASE) if key in raw else None for key in ("text", "existing"))
    except re.error as error:
        raise ValueError(f"{name}: {error.pattern!r} is not a regular expression: {error}") from None
    return Row(
        outcome=OUTCOMES[raw["outcome"]],
        status=frozenset(raw.get("status", ())),
        code=frozenset(str(code) for code in raw.get("code", ())),
        text=text,
        legible=raw.get("legible"),
        existing=existing,
        element=raw.get("element"),
        fix=raw.get("fix", {}),
    )
