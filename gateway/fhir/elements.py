"""Elements of a decoded resource with their FHIR types: read, written and removed as (value, extra) pairs.

`extra` is what JSON keeps beside a primitive under `_name` (id, extensions). A list of pairs holds all items of an
element; one that does not repeat has one. Source: https://hl7.org/fhir/R4/json.html#primitive
"""

from functools import cache
from itertools import zip_longest
from typing import Any

from profiles import definitions
from profiles.fhirpath.model import Element, Type, choice_key, fhir_type, is_fhir_type, type_of_resource

Json = dict[str, Any]
Pair = tuple[Any, Json | None]


def pairs(owner: Json, key: str) -> list[Pair]:
    """The items of an element by its JSON key."""
    value, extra = owner.get(key), owner.get(f"_{key}")
    values = value if isinstance(value, list) else [] if value is None else [value]
    extras = extra if isinstance(extra, list) else [] if extra is None else [extra]
    return [pair for pair in zip_longest(values, extras) if pair != (None, None)]


def put(owner: Json, key: str, items: list[Pair], *, many: bool) -> None:
    """Make these the items of an element; none removes it."""
    owner.pop(key, None)
    owner.pop(f"_{key}", None)
    values, extras = [value for value, _ in items], [extra for _, extra in items]
    if any(value is not None for value in values):
        owner[key] = values if many else values[0]
    if any(extra is not None for extra in extras):
        owner[f"_{key}"] = extras if many else extras[0]


def present(owner: Json, element: Element) -> tuple[str, Type] | None:
    """The JSON key and the type under which an element is there; None where it is not."""
    return next(((key, kind) for key, kind in element.keys if key in owner or f"_{key}" in owner), None)


def actual(value: Any, declared: Type) -> Type:
    """The type of a value: its own where it is a resource, else the declared one."""
    return (type_of_resource(value) or declared) if declared.is_resource and isinstance(value, dict) else declared


@cache
def open_types() -> frozenset[str]:
    """The types that `value[x]` of Parameters may have."""
    structure = definitions.structure("Parameters")
    assert structure is not None
    rows = structure["snapshot"]["element"]
    (row,) = (row for row in rows if row["path"] == "Parameters.parameter.value[x]")
    return frozenset(kind["code"] for kind in row["type"])


def value_type(row: Json) -> tuple[str, Type] | None:
    """The JSON key and the type of a Parameters row's value[x]; None where it has none."""
    for key in row:
        plain = key.removeprefix("_")
        suffix = plain.removeprefix("value")
        if plain != suffix and suffix:
            for name in (suffix, suffix[0].lower() + suffix[1:]):
                if is_fhir_type(name):
                    return choice_key("value", name), fhir_type(name)
    return None
