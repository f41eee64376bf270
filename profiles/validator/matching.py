"""Telling whether a value is the one a profile means: fixed and pattern values, discriminators.

Source: https://hl7.org/fhir/R4/elementdefinition.html (pattern[x]), https://hl7.org/fhir/R4/profiling.html#discriminator
"""

from collections.abc import Iterable, Iterator
from typing import Any

from profiles.definitions import RESOURCE_TYPES
from profiles.validator import references
from profiles.validator.context import Context


def fits(v: Any, pattern: Any) -> bool:
    """True where all of the pattern is in the value: keys of objects, and for each item of a list one that fits."""
    if pattern.__class__ is dict:
        return v.__class__ is dict and all(key in v and fits(v[key], wanted) for key, wanted in pattern.items())
    if pattern.__class__ is list:
        return v.__class__ is list and all(any(fits(item, wanted) for item in v) for wanted in pattern)
    return bool(v == pattern)


def any_fits(values: Iterable[Any], wanted: Any, exact: bool) -> bool:
    return any(v == wanted if exact else fits(v, wanted) for v in values)


def at(v: Any, steps: tuple[Any, ...], c: Context) -> list[Any]:
    """The values that a discriminator's path leads to.

    A step is a key, a tuple of the keys of a choice, or ("resolve",), ("type", name), ("extension", url).
    """
    found = [v]
    for step in steps:
        found = [inner for value in found for inner in _step(value, step, c)]
    return found


def _step(v: Any, step: Any, c: Context) -> Iterator[Any]:
    if v.__class__ is not dict:
        return
    if step == ("resolve",):
        text = v.get("reference")
        if text.__class__ is str:
            yield c.find(text) or {"resourceType": references.type_of(text, c.find)}
    elif step.__class__ is tuple and step[0] == "type":
        if v.get("resourceType", step[1]) == step[1]:
            yield v
    elif step.__class__ is tuple and step[0] == "extension":
        yield from (x for x in v.get("extension", ()) if x.__class__ is dict and x.get("url") == step[1])
    else:
        for key in step if step.__class__ is tuple else (step,):
            value = v.get(key)
            if value.__class__ is list:
                yield from value
            elif value is not None:
                yield value


def has_type(values: Iterable[Any], names: tuple[str, ...], c: Context) -> bool:
    """True where one of the values is of a named type: a resource by its resourceType, a reference by its target."""
    for v in values:
        if v.__class__ is not dict:
            return True  # a primitive's type is that of its key
        kind = v.get("resourceType")
        if kind is None and "Reference" in names and v.get("reference").__class__ is str:
            kind = references.type_of(v["reference"], c.find)
        if kind is None:
            return RESOURCE_TYPES.isdisjoint(names) or "Reference" in names
        if kind in names or "Resource" in names:
            return True
    return False


def any_conforms(values: Iterable[Any], urls: tuple[str, ...], c: Context) -> bool:
    return any(v.__class__ is dict and c.conforms(v, urls) for v in values)
