"""The visits, sent as a SIMRS sends them, and what became of each."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import yaml

from gateway import collect
from gateway.demo.stage import Stage
from gateway.demo.visits import VISITS, bundles
from gateway.outbox import admin
from profiles import fhirjson

LONGEST_S = 30.0
"""How long the deliveries of one Bundle may take before the demo goes on without them."""


@dataclass
class Sent:
    """One Bundle that was posted: the gateway's answer, how long it took, and until its deliveries were at rest."""

    visit: str
    entries: int
    status: int
    seconds: float
    delivered_s: float


@dataclass
class Outcome:
    """What became of a visit: its rows in the outbox, and how that differs from what was expected.

    `findings` are the numbered rules that the versions as they stand break (`rule`, `id`, `en`).
    """

    visit: str
    encounter: str
    rows: list[dict[str, Any]]
    sep: list[str]
    remote: dict[str, str]
    waiting: list[dict[str, Any]]
    findings: list[Mapping[str, str]]
    wrong: list[str] = field(default_factory=list)


@cache
def expected() -> dict[str, dict[str, Any]]:
    """`expected.yaml`."""
    found: dict[str, dict[str, Any]] = yaml.safe_load(files(__package__).joinpath("expected.yaml").read_text("utf-8"))
    return found


async def play(stage: Stage, today: date) -> AsyncIterator[Sent]:
    """Send every Bundle of every visit over HTTP, each when the deliveries of the one before have come to rest."""
    headers = {"Authorization": f"Bearer {stage.key}", "Content-Type": "application/fhir+json"}
    async with httpx.AsyncClient(headers=headers, timeout=60) as client:
        for visit in VISITS:
            for bundle in bundles(visit, today):
                started = time.perf_counter()
                reply = await client.post(f"{stage.url}/fhir", content=fhirjson.encode(bundle))
                took = time.perf_counter() - started
                await _rest(stage)
                rest = time.perf_counter() - started - took
                yield Sent(visit, len(bundle["entry"]), reply.status_code, took, rest)


async def outcome(stage: Stage, visit: str) -> Outcome:
    """What became of a visit, against `expected.yaml`."""
    wanted = expected()[visit]
    reference = f"Encounter/{wanted['encounter']}"
    async with stage.store.connection() as connection:
        rows = await admin.listed(connection, admin.Filter(visit=reference), 1000)
    results = [row["result"] or {} for row in reversed(rows)]
    found = Outcome(
        visit,
        reference,
        rows,
        sep=[str(result["sep"]) for result in results if result.get("sep")],
        remote={local: place for result in results for local, place in (result.get("remote") or {}).items()},
        waiting=[row for row in rows if row["reason"]],
        findings=await _findings(stage, reference),
    )
    found.wrong = list(_differences(stage, found, wanted))
    return found


async def _findings(stage: Stage, encounter: str) -> list[Mapping[str, str]]:
    facility = stage.settings.facilities[0]
    today = datetime.now(ZoneInfo(facility.zone)).date()
    visits = [v for v in await collect.visits(stage.store, facility, today, today) if v.reference == encounter]
    current = {one.reference: one for visit in visits for one in visit.received}
    errors = (issue for one in current.values() for issue in one.issues if issue["severity"] == "error")
    return [issue for issue in errors if issue["rule"].isdigit()]


def _differences(stage: Stage, found: Outcome, wanted: dict[str, Any]) -> list[str]:
    issued = set(found.sep) & set(stage.sandbox.state.shown()["seps"])
    wrong = []
    if not len(issued) == len(found.sep) == wanted["sep"]:
        wrong.append(f"{len(issued)} SEPs at BPJS, {len(found.sep)} at home, expected {wanted['sep']}")
    kept = found.remote.get(found.encounter)
    there = {f"Encounter/{row['id']}": row["status"] for row in _encounters(stage)}
    if there.get(kept or "") != wanted["satusehat"]:
        wrong.append(f"the Encounter at SATUSEHAT is {there.get(kept or '')}, expected {wanted['satusehat']}")
    reasons = {row["operation"]: row["reason"]["en"] for row in found.waiting}
    if reasons.keys() != wanted["waiting"].keys():
        wrong.append(f"waiting are {sorted(reasons)}, expected {sorted(wanted['waiting'])}")
    rules = sorted(issue["rule"] for issue in found.findings)
    if rules != wanted["findings"]:
        wrong.append(f"the rules noted as broken are {rules}, expected {wanted['findings']}")
    wrong += [
        f"{operation} gives the reason {reasons[operation]!r}, expected one with {word!r}"
        for operation, word in wanted["waiting"].items()
        if word not in reasons.get(operation, word)
    ]
    return wrong


def _encounters(stage: Stage) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stage.sandbox.state.shown()["resources"].get("Encounter", [])
    return found


async def _rest(stage: Stage) -> None:
    """Wait until no delivery moves: all are done, or wait for somebody."""
    deadline = time.monotonic() + LONGEST_S
    while time.monotonic() < deadline:
        async with stage.store.connection() as connection:
            if await admin.at_rest(connection):
                return
        await asyncio.sleep(0.05)
