"""What a write calls for: the steps of the mapping modules whose heads match the written resources."""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import mappings
from gateway.outbox import queue
from gateway.outbox.rows import Planned
from gateway.outbox.visits import visit_of
from gateway.settings import Facility
from gateway.store import Also, Change, Insertion, Version
from profiles import fhirjson
from profiles.fhirjson import Resource

log = logging.getLogger(__name__)

Plans = Callable[[Facility, Sequence[Change]], Also | None]
"""What the store must do in the transaction of these changes; None: nothing."""

FRESH_S = 2.0
"""How long the modules' heads are taken as read: looking at every file at each write costs more than the write."""

PER_VISIT = frozenset({"satusehat"})
"""Destinations that get a visit whole: all its resources that call for a step share one row. Elsewhere the row is the
written resource's own."""

AFTER = {"rujukan.insert": 1}
"""Operations that need what others of the same destination bring (a referral needs the visit's SEP): added to their
rank, so that one that waits does not stand in the way of what it waits for."""

_steps: dict[Path | None, tuple[float, dict[str, list[mappings.Step]]]] = {}


def plan(facility: Facility) -> Also | None:
    """What the store must do in the transaction of every write of this facility; None where it delivers nowhere."""
    destinations = accounts(facility)
    if not destinations:
        return None

    def wishes(versions: Sequence[Version]) -> list[str]:
        planned: list[Planned] = []
        changed: list[tuple[str, int]] = []
        for version in versions:
            rows = [] if version.deleted else called_for(facility, fhirjson.decode(version.content), version.version)
            planned += rows
            if not rows:
                changed.append((version.reference, version.version))
        return queue.wishes(facility.slug, sorted(planned, key=lambda row: row.rank), changed)

    return Insertion(queue.wishing, wishes)


def of_modules(facility: Facility, _: Sequence[Change]) -> Also | None:
    """`plan` where nothing else follows from a write."""
    return plan(facility)


def accounts(facility: Facility) -> frozenset[str]:
    """The destinations that this facility has an account of."""
    return frozenset(name for name in ("vclaim", "satusehat") if getattr(facility, name) is not None)


def called_for(facility: Facility, resource: Resource, version: int) -> list[Planned]:
    """The rows that writing this version calls for: one per step and visit, or per step and resource (`PER_VISIT`)."""
    visit = visit_of(resource)
    if visit is None:
        return []
    reference = f"{resource['resourceType']}/{resource['id']}"
    destinations = accounts(facility)
    rows = []
    for step in steps(facility.mappings).get(resource["resourceType"], ()):
        destination = step.module.destination
        if destination in destinations and step.wants(resource):
            source = visit if destination in PER_VISIT else reference
            rank = list(step.module.steps).index(step.name) + AFTER.get(step.operation, 0)
            rows.append(Planned(destination, step.module.name, step.name, rank, visit, source, version))
    return rows


def steps(overlay: Path | None) -> dict[str, list[mappings.Step]]:
    """Resource type → the steps that look at it, in the order of their module. A module that cannot be loaded is
    logged and calls for nothing until it is mended."""
    looked, found = _steps.get(overlay, (-FRESH_S, {}))
    if time.monotonic() - looked < FRESH_S:
        return found
    found = {}
    for name in mappings.modules(overlay):
        try:
            module = mappings.load(name, overlay)
        except mappings.MappingError as error:
            log.error("mapping module %s is out of use: %s", name, error)
            continue
        for step in module.steps.values():
            for resource_type in step.on:
                found.setdefault(resource_type, []).append(step)
    _steps[overlay] = time.monotonic(), found
    return found
