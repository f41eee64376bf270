"""Topics: what may be subscribed to in the R5 manner. One for the changes of each resource type, and topics.yaml."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from profiles import fhirpath
from profiles.definitions import RESOURCE_TYPES

BASE = "https://gapura.dev/fhir/SubscriptionTopic/"
SILENT = frozenset({"AuditEvent", "Parameters", "Subscription"})
"""Types whose changes are told to nobody: the audit trail, what is never stored, and what every notification writes."""


@dataclass(frozen=True)
class Topic:
    """`name` ends its canonical URL. `type` is None where no written resource makes it happen; `acts` are of `create`,
    `update`, `delete`; `became`, where there is one, must hold of the new version and not of the one before."""

    name: str
    type: str | None
    acts: frozenset[str]
    became: Callable[[Any], bool] | None = None

    @property
    def url(self) -> str:
        """The canonical URL."""
        return BASE + self.name


@cache
def topics() -> dict[str, Topic]:
    """Every topic by its URL."""
    every = frozenset({"create", "update", "delete"})
    found = [Topic(kind, kind, every) for kind in sorted(RESOURCE_TYPES - SILENT)]
    rows = yaml.safe_load(files(__package__).joinpath("topics.yaml").read_text("utf-8"))
    for name, row in rows.items():
        kind, became = row.get("resource"), row.get("became")
        found.append(Topic(name, kind, frozenset(row["acts"]), _condition(became, kind) if became else None))
    return {topic.url: topic for topic in found}


def _condition(expression: str, kind: str) -> Callable[[Any], bool]:
    compiled = fhirpath.compile(expression, kind)
    return lambda resource: compiled(resource) == [True]
