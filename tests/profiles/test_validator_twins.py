"""The yes or no and the report are made apart: on whatever comes, they say the same."""

import random
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest

from profiles import Validator, is_valid
from profiles.validator import Issue
from tests.profiles.rules_support import EXAMPLES, base

Json = dict[str, Any]

R4 = Validator()
TYPES = sorted(path.stem for path in EXAMPLES.glob("*.json") if path.stem != "OperationOutcome")
MUTATIONS = 100

VALUES: list[Any] = [
    None, {}, [], "", " ", "x", "a b", "<b>", "<script>", "é", "٣", 0, -1, 2147483648, True, [None], [{}], {"id": "x"},
    "2026", "2026-01", "2024-02-29", "2026-02-30", "2026-01-31T07:00", "2026-01-31T07:00:00+07:00",
    "2026-01-31T24:00:00Z", "2026-01-31T07:00:60+14:00", "2026-01-31T07:00:00.5Z", "urn:uuid:x", "urn:oid:1.2",
    {"reference": "Patient/1"}, {"reference": "#x"}, {"reference": "Pasien/1"}, {"reference": "Patient/a b"},
    {"text": "x"}, {"system": None, "code": "AMB"}, {"coding": [{"code": "AMB"}]},
    {"start": "2026-02", "end": "2026-01"},
    {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB", "display": "rawat jalan"},
    {"system": "http://unitsofmeasure.org", "code": "tablet", "value": 1},
    {"extension": [{"url": "http://example.org/x", "valueString": "x"}]}, {"id": ""},
]  # fmt: skip
KEYS = [
    "id", "extension", "modifierExtension", "value", "valueString", "_valueString", "_status", "_text", "coding",
    "system", "period", "start", "display", "contained", "meta", "reference", "_family", "given", "_given", "unknown",
]  # fmt: skip


def containers(value: Json | list[Any]) -> Iterator[Json | list[Any]]:
    """A JSON value and all objects and lists within it."""
    stack: list[Any] = [value]
    while stack:
        item = stack.pop()
        yield item
        stack.extend(v for v in (item.values() if isinstance(item, dict) else item) if isinstance(v, dict | list))


def remove(o: Json, key: str, chance: random.Random) -> None:
    del o[key]


def replace(o: Json, key: str, chance: random.Random) -> None:
    o[key] = deepcopy(chance.choice(VALUES))


def add(o: Json, key: str, chance: random.Random) -> None:
    o[chance.choice(KEYS)] = deepcopy(chance.choice(VALUES))


def pair(o: Json, key: str, chance: random.Random) -> None:
    o["_" + key] = deepcopy(chance.choice([*VALUES[-2:], [VALUES[-2]], [None]]))
    if chance.random() < 0.5:
        del o[key]


def wrap(o: Json, key: str, chance: random.Random) -> None:
    o[key] = o[key][0] if isinstance(o[key], list) and o[key] else [o[key]]


def edit(o: Json, key: str, chance: random.Random) -> None:
    if isinstance(o[key], str):
        o[key] = chance.choice([o[key] + " ", o[key].upper(), o[key][:-1], o[key].replace("2", "9"), o[key] + "x"])
    elif isinstance(o[key], list):
        o[key].insert(0, chance.choice([None, *o[key]]))


CHANGES: list[Callable[[Json, str, random.Random], None]] = [remove, replace, add, pair, wrap, edit]


def changed(resource: Json, chance: random.Random) -> Json:
    """A copy with one to three changes anywhere."""
    resource = deepcopy(resource)
    for _ in range(chance.randint(1, 3)):
        objects = [o for o in containers(resource) if isinstance(o, dict) and o.keys() - {"resourceType"}]
        if objects:
            o = chance.choice(objects)
            chance.choice(CHANGES)(o, chance.choice(sorted(o.keys() - {"resourceType"})), chance)
    return resource


def seen(issues: list[Issue]) -> set[tuple[str, str, str]]:
    return {(i.severity, i.rule, i.path) for i in issues if i.tier == "base"}


def check(resource: Json) -> None:
    """An unknown element makes the validator report all, whatever it thought of the rest."""
    issues = [issue for issue in R4.validate(resource) if issue.tier == "base"]
    assert R4.accepts(resource) is is_valid(issues), resource
    assert R4.accepts(resource) is is_valid(issues), resource  # again: what was found good is remembered
    kind = resource["resourceType"]
    more = seen(R4.validate({**resource, "bukan": 1}))
    assert seen(issues) == more - {("error", kind, f"{kind}.bukan")}, resource


@pytest.mark.parametrize("resource_type", TYPES)
def test_both_say_the_same_of_any_change_of_an_example(resource_type: str) -> None:
    chance, resource = random.Random(resource_type), base(resource_type)
    check(resource)
    for _ in range(MUTATIONS):
        check(changed(resource, chance))
