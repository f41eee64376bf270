"""Validation: µs a resource of ours, of fhir.resources (R4B) and of jsonschema-rs (shape only), in one run.

    pip install -e .[bench]
    python bench/validate.py [--examples FOLDER]

Each resource is decoded just before the clock starts, and judged once; a value is the best tenth of many batches in
process time, so ratios count. FOLDER is the unpacked npm package hl7.fhir.r4.examples
(`npm pack hl7.fhir.r4.examples@4.0.1`): with it, its small resources give a rate a second.
"""

import argparse
import gc
import importlib
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jsonschema_rs
from resources import RECORD, WIRE, Json
from shape import schema

from profiles import INDONESIA, Validator, fhirjson, is_valid
from profiles.rules import Rules

BATCH, TURN_S, TURNS, ROUNDS = 20, 0.1, 6, 9
BASE, PROFILES, RULES = Validator(), Validator([INDONESIA]), Rules()
WHOLE = Validator([INDONESIA], RULES)
COLUMNS = ("yes/no", "R4", "+ profile", "+ rules", "all", "fhir.resources", "÷ R4", "jsonschema-rs")
SETS = (
    ("As SATUSEHAT takes them: they break no rule.", WIRE),
    ("As a hospital keeps them: they break rules of the wire, which are reported, too.", RECORD),
)
SMALL = 100_000
DEFINITIONS = ("StructureDefinition", "ValueSet", "CodeSystem", "SearchParameter", "ConceptMap", "OperationDefinition")


def best(works: Sequence[Callable[[Any], Any]], raw: bytes) -> list[float]:
    """µs of process time a call of each: the best tenth of many batches, each of copies that were decoded just before.

    The works take turns, so that a machine that is now quicker and now slower is so for all.
    """
    batches: list[list[float]] = [[] for _ in works]
    gc.collect()
    gc.disable()
    for _ in range(TURNS):
        for work, taken in zip(works, batches, strict=True):
            _turn(work, raw, taken)
    gc.enable()
    return [statistics.quantiles(taken, n=10)[0] * 1e6 for taken in batches]


def _turn(work: Callable[[Any], Any], raw: bytes, batches: list[float]) -> None:
    end = time.process_time() + TURN_S
    while time.process_time() < end:
        copies = [fhirjson.decode(raw) for _ in range(BATCH)]
        start = time.process_time()
        for copy in copies:
            work(copy)
        batches.append((time.process_time() - start) / BATCH)


def row(name: str, resource: Json) -> list[str]:
    """The measurements of one resource. Raises ValueError where R4 forbids it."""
    problems = [issue.text() for issue in BASE.validate(resource)]
    if problems:
        raise ValueError(f"{name}: {problems}")
    model = getattr(importlib.import_module(f"fhir.resources.R4B.{name.lower()}"), name)
    shape = jsonschema_rs.validator_for(schema(name)).is_valid
    ours = (BASE.accepts, BASE.validate, PROFILES.validate, RULES.judge, WHOLE.validate)
    quick, base, profiles, rules, whole, theirs, bare = best(
        (*ours, model.model_validate, shape), fhirjson.encode(resource)
    )
    figures = (quick, base, profiles - base, rules, whole)
    return [*(f"{value:.1f}" for value in figures), f"{theirs:.0f}", f"{theirs / base:.1f}", f"{bare:.1f}"]


def rate(folder: Path) -> str:
    """Examples of up to 100 kB a second, definitions left out."""
    names = [p for p in sorted(folder.glob("*-*.json")) if not p.name.startswith(DEFINITIONS)]
    raws = [p.read_bytes() for p in names if p.stat().st_size < SMALL]
    valid = sum(is_valid(BASE.validate(fhirjson.decode(raw))) for raw in raws)
    rounds = []
    for _ in range(ROUNDS):
        copies = [fhirjson.decode(raw) for raw in raws]
        gc.collect()
        start = time.process_time()
        good = sum(map(BASE.accepts, copies))
        rounds.append(len(raws) / (time.process_time() - start))
    return f"{len(raws)} examples: {max(rounds):,.0f} a second on one core; {good} accepted, {valid} valid"


def main() -> int:
    parser = argparse.ArgumentParser(description="Validation against fhir.resources and jsonschema-rs.")
    parser.add_argument("--examples", type=Path, help="unpacked npm package hl7.fhir.r4.examples")
    args = parser.parse_args()
    for title, resources in SETS:
        print(f"{title}\n{'µs a resource':20}" + "".join(f"{column:>15}" for column in COLUMNS))
        for name, resource in resources.items():
            print(f"{name:20}" + "".join(f"{value:>15}" for value in row(name, resource)))
    if args.examples:
        print(rate(args.examples))
    return 0


if __name__ == "__main__":
    sys.exit(main())
