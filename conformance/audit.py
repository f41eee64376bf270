"""The audit of a period: each visit's path, whether it is complete, and the totals."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from statistics import median

from conformance.model import Delivery, Period, Visit

NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Path:
    """One visit, judged."""

    visit: Visit

    @cached_property
    def arrived(self) -> datetime | None:
        """When the first of its resources came in."""
        return min((r.at for r in self.visit.received), default=None)

    @property
    def broken(self) -> int:
        """Versions with an error of a profile or rule."""
        return sum(r.valid is False for r in self.visit.received)

    def latest(self, destination: str | None = None) -> list[Delivery]:
        """The newest delivery of each operation and source: what stands today."""
        found = {
            (d.operation, d.source): d
            for d in sorted(self.visit.deliveries, key=lambda d: d.number)
            if destination in (None, d.destination)
        }
        return list(found.values())

    @property
    def verdict(self) -> str:
        """`complete`: everything was delivered; `open`: under way; `held`, `parked`: somebody must act; `local`:
        nothing of it is delivered anywhere."""
        states = {d.state for d in self.latest()}
        if not states:
            return "local"
        for state in ("parked", "held"):
            if state in states:
                return state
        return "open" if states & {"due", "leased"} else "complete"

    @property
    def sep(self) -> list[str]:
        """SEP numbers that stand."""
        numbers = {str(d.result["sep"]) for d in self.visit.deliveries if d.result.get("sep")}
        return sorted(
            numbers - {str(d.result["withdrawn"]) for d in self.visit.deliveries if d.result.get("withdrawn")}
        )

    @property
    def remote(self) -> dict[str, str]:
        """Local → remote `Type/id` of what destinations keep."""
        return {k: str(v) for d in self.visit.deliveries for k, v in (d.result.get("remote") or {}).items()}

    @property
    def took(self) -> timedelta | None:
        """From the first arrival to the last completion, where all is done."""
        ends = [d.finished for d in self.visit.deliveries if d.finished]
        return max(ends) - self.arrived if self.verdict == "complete" and ends and self.arrived else None


@dataclass(frozen=True)
class Audit:
    """A period's visits and what they add up to. The same data gives the same audit, in the same order."""

    period: Period
    paths: Sequence[Path]

    @cached_property
    def totals(self) -> dict[str, int]:
        """Name → count, in the order in which they are shown."""
        verdicts = Counter(p.verdict for p in self.paths)
        received = [r for p in self.paths for r in p.visit.received]
        requests = [q for p in self.paths for d in p.visit.deliveries for q in d.requests]
        return {
            "visits": len(self.paths),
            **{verdict: verdicts[verdict] for verdict in ("complete", "open", "held", "parked", "local")},
            "versions": len(received),
            "versions_judged": sum(r.valid is not None for r in received),
            "versions_broken": sum(r.valid is False for r in received),
            "sep": sum(len(p.sep) for p in self.paths),
            "remote": len({remote for p in self.paths for remote in p.remote.values()}),
            "requests": len(requests),
            "requests_unanswered": sum(q.status is None for q in requests),
        }

    @cached_property
    def states(self) -> list[tuple[str, str, str, int]]:
        """(destination, operation, state, count) of every delivery."""
        found = Counter((d.destination, d.operation, d.state) for p in self.paths for d in p.visit.deliveries)
        return [(*key, count) for key, count in sorted(found.items())]

    @cached_property
    def issues(self) -> list[tuple[str, str, int]]:
        """(rule, severity, count) of what the validator said, most frequent first."""
        found = Counter((i["rule"], i["severity"]) for p in self.paths for r in p.visit.received for i in r.issues)
        return [(*key, count) for key, count in sorted(found.items(), key=lambda row: (-row[1], row[0]))]

    @cached_property
    def median_s(self) -> float | None:
        """Median seconds from arrival to completion, of the complete visits."""
        took = [p.took.total_seconds() for p in self.paths if p.took is not None]
        return median(took) if took else None

    @cached_property
    def as_of(self) -> datetime | None:
        """The newest instant in the data: a report bears this, not the moment of its printing."""
        return max(_instants(self.paths), default=None)


def audit(period: Period, visits: Iterable[Visit]) -> Audit:
    """The audit of these visits, by first arrival."""
    paths = [Path(visit) for visit in visits]
    paths.sort(key=lambda p: (p.arrived is None, p.arrived or p.visit.start or NEVER, p.visit.reference))
    return Audit(period, tuple(paths))


def _instants(paths: Sequence[Path]) -> Iterable[datetime]:
    for path in paths:
        for received in path.visit.received:
            yield received.at
        for delivery in path.visit.deliveries:
            yield delivery.finished or delivery.planned
            yield from (q.ended or q.started for q in delivery.requests)
