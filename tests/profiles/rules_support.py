"""The examples of the rules: for each resource type one that breaks nothing, and for each rule how to break it.

A patch is `[path, value]` (put the value there) or `[path]` (take away what is there).
"""

import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

from profiles import fhirjson
from profiles.rules import Rule, rules

EXAMPLES = Path(__file__).parent / "rules_examples"
NOW = "2026-01-01T00:00:00"

Json = dict[str, Any]


class Example(NamedTuple):
    rule: Rule
    passing: Json
    failing: Json


def base(resource_type: str) -> Json:
    """The example of a resource type that breaks nothing."""
    return fhirjson.decode((EXAMPLES / f"{resource_type}.json").read_bytes())["base"]


def examples() -> Iterator[Example]:
    """The passing and the failing example of every rule that has one."""
    by_number = {(rule.resource, rule.number): rule for rule in rules()}
    for path in sorted(EXAMPLES.glob("*.json")):
        content = fhirjson.decode(path.read_bytes())
        for number, variant in content["rules"].items():
            passing = patched(content["base"], variant.get("pass", ()))
            yield Example(by_number[path.stem, number], passing, patched(passing, variant["fail"]))


def patched(resource: Json, patches: Any) -> Json:
    result = deepcopy(resource)
    for patch in patches:
        keys = [int(key) if key.isdigit() else key for key in re.findall(r"[^.\[\]]+", patch[0])]
        parent: Any = result
        for key in keys[:-1]:
            parent = parent[key]
        if len(patch) == 1:
            del parent[keys[-1]]
        else:
            parent[keys[-1]] = patch[1]
    return result


def has(value: Any, steps: list[str]) -> bool:
    """Whether a resource holds a value at an element path of the rule book."""
    if isinstance(value, list):
        return any(has(item, steps) for item in value)
    if not steps:
        return value is not None
    if not isinstance(value, dict):
        return False
    step, rest = steps[0], steps[1:]
    if step.startswith("extension:"):
        name = step.removeprefix("extension:")
        return any(e["url"].endswith(name) and has(e, rest) for e in value.get("extension", ()))
    if rest and rest[0] == "X":
        inner = value.get(step)
        return has(inner, [step, *rest[1:]]) or has(inner, [step, "X", *rest[1:]]) if inner is not None else False
    return step in value and has(value[step], rest)
