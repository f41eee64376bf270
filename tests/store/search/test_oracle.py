"""The search finds what a slow and obvious evaluator finds, for whatever the resources' own values suggest to ask."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from zoneinfo import ZoneInfo

from gateway.store import BadParameter, Change, Store
from profiles import fhirjson
from tests.store.search import oracle
from tests.store.search.hospital import HERE, HOSPITAL
from tests.store.search.oracle import Json
from tests.store.search.questions import questions
from tests.support import npm

ZONE = ZoneInfo("Asia/Jakarta")
BASES = ("http://127.0.0.1:8080/rs-melati/fhir/", "http://127.0.0.1:8080/fhir/")
RULES = Path(__file__).parents[2] / "profiles" / "rules_examples"
VISITS = Path(__file__).parents[3] / "gateway" / "demo" / "visits"
LARGEST, OF_A_TYPE = 300_000, 40
"""Bytes of a published example, and how many of a type are asked."""
ENOUGH = 4_000


def ours() -> list[Json]:
    """The resources of this repository: the tests' hospital, the rules' examples, the visits of the demonstration."""
    found = list(HOSPITAL)
    found += [fhirjson.decode(json.dumps(json.loads(p.read_text())["base"]).encode()) for p in RULES.glob("*.json")]
    for path in VISITS.glob("*.json"):
        bundles = fhirjson.decode(path.read_bytes())
        found += [entry["resource"] for entry in _entries(bundles)]
    return found


def _entries(node: object) -> Iterable[Json]:
    if isinstance(node, dict):
        if "resource" in node and "request" in node:
            yield node
        else:
            yield from (entry for value in node.values() for entry in _entries(value))
    elif isinstance(node, list):
        yield from (entry for value in node for entry in _entries(value))


def published() -> list[Json]:
    """Examples of every type of R4."""
    by_type: dict[str, list[Json]] = defaultdict(list)
    for path in sorted(npm.examples().glob("[A-Z]*.json")):
        if path.stat().st_size < LARGEST:
            resource = fhirjson.decode(path.read_bytes())
            by_type[resource["resourceType"]].append(resource)
    return [resource for found in by_type.values() for resource in found[:OF_A_TYPE]]


async def differing(store: Store, resources: list[Json]) -> tuple[list[str], int]:
    """The questions that search and oracle answer differently, and how many were asked."""
    known: dict[str, dict[str, Json]] = defaultdict(dict)
    for number, resource in enumerate(resources):
        known[resource["resourceType"]].setdefault(resource.get("id") or f"x{number}", resource)
    changes = [Change.update(resource, id) for found in known.values() for id, resource in found.items()]
    for first in range(0, len(changes), 200):
        await store.write(HERE, changes[first : first + 200])
    wrong, asked = [], 0
    for type, code, modifier, value in questions(resource for found in known.values() for resource in found.values()):
        name, asked = f"{code}:{modifier}" if modifier else code, asked + 1
        wanted = value.replace("\\,", ",").replace("\\|", "|").replace("\\$", "$").replace("\\\\", "\\")
        try:
            page = await store.search(HERE, type, [(name, value), ("_count", "1000")])
        except BadParameter as bad:
            if "is the id of several resources" not in bad.problem:
                wrong.append(f"{type}?{name}={value}: {bad}")
            continue
        found = {version.id for version in page.matches}
        met = {id for id, one in known[type].items() if oracle.meets(one, code, modifier, wanted, ZONE, BASES)}
        if found != met:
            wrong.append(f"{type}?{name}={value}: also {sorted(found - met)[:3]}, not {sorted(met - found)[:3]}")
    return wrong, asked


async def test_the_index_agrees_with_the_slow_and_obvious_way(store: Store) -> None:
    wrong, asked = await differing(store, ours())
    assert wrong == []
    assert asked > ENOUGH


async def test_it_does_so_for_the_published_examples(store: Store) -> None:
    wrong, asked = await differing(store, await asyncio.to_thread(published))
    assert wrong == []
    assert asked > 4 * ENOUGH
