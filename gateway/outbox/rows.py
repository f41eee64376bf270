"""What the outbox holds: planned rows, claimed rows, and how a claimed row ends."""

from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["due", "leased", "held", "parked", "done", "cancelled"]
OPEN: tuple[State, ...] = ("due", "leased", "held", "parked")
STATES: tuple[State, ...] = (*OPEN, "done", "cancelled")


@dataclass(frozen=True, slots=True)
class Planned:
    """One delivery that a write calls for. `source` is what it delivers, `visit` what it belongs to (both `Type/id`).

    Within a visit a destination gets its rows by `rank`, and those of one rank in the order of the writes.
    """

    destination: str
    operation: str
    step: str
    rank: int
    visit: str
    source: str
    source_version: int


@dataclass(frozen=True, slots=True)
class Row:
    """A claimed delivery. `claims` is its fencing token: who claims later wins, whoever settles with an old one loses.

    `attempts` counts the attempts that failed in a row. `unsettled`: an earlier attempt may have reached the
    destination and nobody knows, so its outcome must be asked for before anything is sent again. `refused` is the
    SHA-256 of the content that the destination refused last.
    """

    id: int
    facility: str
    destination: str
    operation: str
    step: str
    visit: str
    source: str
    source_version: int
    claims: int
    attempts: int
    unsettled: bool
    refused: str | None = None

    @property
    def what(self) -> str:
        """Module and step, as an operator names them: `satusehat/visit:encounter`."""
        return f"{self.operation}:{self.step}" if self.step else self.operation


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a row is held, parked or waiting, in both languages. `issues` is what the checks found."""

    code: str
    id: str
    en: str
    issues: tuple[dict[str, Any], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The reason as it is stored and shown."""
        found: dict[str, Any] = {"code": self.code, "id": self.id, "en": self.en}
        if self.issues:
            found["issues"] = list(self.issues)
        return found


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a claim ended. `delay` is in seconds until the row is due again; `watches` are the resources whose change
    makes a held row worth another look, besides those of its own visit; `result` is what the destination gave.
    `recorded`: the delivery has settled the row itself, in the transaction of what it wrote.
    """

    row: Row
    state: State
    delay: float = 0.0
    attempts: int = 0
    unsettled: bool = False
    reason: Reason | None = None
    result: dict[str, Any] | None = None
    watches: frozenset[str] = field(default_factory=frozenset)
    recorded: bool = False
