"""The generated function of a template and its closures answer alike, whatever is wrong with the source."""

from collections.abc import Iterator
from copy import copy, deepcopy
from pathlib import Path
from typing import Any

import pytest

import mappings
from mappings import registry
from mappings.errors import Held, MappingError
from mappings.examples import source_of
from mappings.language import SHIPPED
from mappings.module import Module, Step
from profiles import fhirjson

SEP = SHIPPED / "vclaim" / "sep-insert" / "examples"


def example(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    found = fhirjson.decode(path.read_bytes())
    sources = {source.name: source for source in (path.parent / "sources").glob("*.json")}
    return found, source_of(found, sources)


def by_closures(step: Step) -> Step:
    """The same step, whose generated function never answers."""

    def gives_up(*_: Any) -> Any:
        raise KeyError

    made = copy(step)
    made._written = gives_up
    return made


def outcome(step: Step, source: dict[str, Any], context: dict[str, Any]) -> Any:
    """The product, or what was raised in its words."""
    context = {**context, "crosswalk": context["crosswalk"].get} if "crosswalk" in context else context
    try:
        return step(source, **context)
    except Held as held:
        return held.reasons
    except MappingError as error:
        return str(error)
    except (TypeError, AttributeError, KeyError) as error:
        return type(error)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield (*path, key)
        yield from places(inner, (*path, key))


def changed(source: dict[str, Any], path: tuple[Any, ...], change: Any) -> dict[str, Any]:
    made = deepcopy(source)
    owner = made
    for key in path[:-1]:
        owner = owner[key]
    change(owner, path[-1])
    return made


def removed(owner: Any, key: Any) -> None:
    del owner[key]


def doubled(owner: Any, key: Any) -> None:
    if isinstance(owner, list):
        owner.insert(key, deepcopy(owner[key]))
    elif isinstance(owner[key], str):
        owner[f"_{key}"] = {"extension": [{"url": "http://example.org/x", "valueString": "y"}]}


def valueless(owner: Any, key: Any) -> None:
    if isinstance(owner, dict) and isinstance(owner[key], str):
        del owner[key]
        owner[f"_{key}"] = {"extension": [{"url": "http://example.org/x", "valueString": "y"}]}


def elsewhere(owner: Any, key: Any) -> None:
    if isinstance(owner[key], str):
        owner[key] = "nowhere"


@pytest.mark.parametrize("name", registry.modules())
def test_examples(name: str) -> None:
    module: Module = mappings.load(name)
    for path in sorted((SHIPPED / name / "examples").glob("*.json")):
        given, source = example(path)
        step = module.step(given["step"]) if "step" in given else module.only
        context = given.get("context", {})
        product = outcome(step, source, context)
        assert product == outcome(by_closures(step), source, context), path.name
        if isinstance(product, dict):
            assert step.trace(source, **{**context, "crosswalk": context.get("crosswalk", {}).get})[0] == product


@pytest.mark.parametrize("change", [removed, doubled, valueless, elsewhere])
@pytest.mark.parametrize("name", ["referral", "control-by-referral", "written-codes-win", "inpatient", "emergency"])
def test_every_change_of_a_source(name: str, change: Any) -> None:
    given, source = example(SEP / f"{name}.json")
    step = mappings.load("vclaim/sep-insert").only
    slow, context = by_closures(step), given["context"]
    for path in places(source):
        if path[-1] in ("resourceType", "id", "entry", "resource") or len(path) < 4:
            continue
        source_now = changed(source, path, change)
        assert outcome(step, source_now, context) == outcome(slow, source_now, context), (path, change.__name__)


@pytest.mark.parametrize("name", ["referral", "emergency", "haemodialysis", "inpatient", "post-inpatient"])
def test_a_usual_visit_needs_no_closures(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given, source = example(SEP / f"{name}.json")
    step = mappings.load("vclaim/sep-insert").only
    monkeypatch.setattr(step, "_template", None)
    assert step(source, **given["context"]) == given["product"]
