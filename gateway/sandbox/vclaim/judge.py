"""Judges a SEP insert by the rows of `data/refusals.yaml`."""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
import yaml

Facts = Mapping[str, str]
Conditions = dict[str, Any]

_PLACE = re.compile(r"\{([A-Za-z_.]+)\}")
_TESTS = ("matches", "same_as", "known")


class Row(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One reason to refuse."""

    text: str
    must: Conditions
    when: Conditions = {}
    seen: bool = True


@cache
def rows() -> tuple[Row, ...]:
    """The table, read once; a column or test that does not exist is an error."""
    raw = yaml.safe_load(files("gateway.sandbox").joinpath("data", "refusals.yaml").read_text("utf-8"))
    table = tuple(msgspec.convert(raw["refusals"], list[Row]))
    for row in table:
        for wanted in (*row.when.values(), *row.must.values()):
            if isinstance(wanted, dict) and (len(wanted) != 1 or next(iter(wanted)) not in _TESTS):
                raise ValueError(f"refusals.yaml: {wanted} in {row.text!r}; the tests are {', '.join(_TESTS)}")
    return table


def broken(facts: Facts) -> Row | None:
    """The first row that the facts break, or None where the SEP may be issued."""
    return next((row for row in rows() if _hold(row.when, facts) and not _hold(row.must, facts)), None)


def refusal(facts: Facts) -> str | None:
    """What BPJS says to these facts, or None where the SEP may be issued."""
    row = broken(facts)
    return _PLACE.sub(lambda place: facts.get(place.group(1), ""), row.text) if row else None


def _hold(conditions: Conditions, facts: Facts) -> bool:
    return all(_fits(facts.get(name, ""), wanted, facts) for name, wanted in conditions.items())


def _fits(value: str, wanted: Any, facts: Facts) -> bool:
    match wanted:
        case {"matches": pattern}:
            return re.fullmatch(pattern, value, re.ASCII) is not None
        case {"same_as": name}:
            return value == facts.get(name, "")
        case {"known": known}:
            return bool(value) is known
        case list():
            return value in wanted
        case _:
            return value == str(wanted)
