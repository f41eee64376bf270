"""Existence, subsetting, combining. Source: https://hl7.org/fhirpath/N1/#existence, #subsetting, #combining."""

from profiles.fhirpath.errors import FHIRPathError
from profiles.fhirpath.functions.registry import function, truth_function
from profiles.fhirpath.values import EMPTY, Items, boolean, bounded, distinct, identity, single, truth, type_of


@truth_function("empty")
def empty(items: Items) -> bool:
    """`empty()`."""
    return not items


@truth_function("not")
def not_(items: Items) -> bool | None:
    """`not()`."""
    value = truth(items)
    return None if value is None else not value


@truth_function("hasValue")
def has_value(items: Items) -> bool:
    """`hasValue()`: one primitive that has more than extensions."""
    if len(items) != 1:
        return False
    item = items[0]
    return item.__class__ is not tuple or (item[0] is not None and item[0].__class__ is not dict)


@function("getValue")
def get_value(items: Items) -> Items:
    """`getValue()`: the System value of the one primitive."""
    return [single(items)] if has_value(items) else EMPTY


def _all(items: Items, wanted: bool) -> bool:
    found = True
    for item in items:
        value = item[0] if item.__class__ is tuple else item
        if value.__class__ is not bool:
            raise FHIRPathError(f"expected Booleans, found {type_of(item)}")
        found = found and value is wanted
    return found


@truth_function("allTrue")
def all_true(items: Items) -> bool:
    """`allTrue()`."""
    return _all(items, True)


@truth_function("allFalse")
def all_false(items: Items) -> bool:
    """`allFalse()`."""
    return _all(items, False)


@truth_function("anyTrue")
def any_true(items: Items) -> bool:
    """`anyTrue()`."""
    return bool(items) and not _all(items, False)


@truth_function("anyFalse")
def any_false(items: Items) -> bool:
    """`anyFalse()`."""
    return bool(items) and not _all(items, True)


@truth_function("subsetOf", least=1)
def subset_of(items: Items, others: Items) -> bool:
    """`subsetOf(other)`."""
    known = {identity(item) for item in others}
    return all(identity(item) in known for item in items)


@truth_function("supersetOf", least=1)
def superset_of(items: Items, others: Items) -> bool:
    """`supersetOf(other)`."""
    return subset_of(others, items)


@truth_function("isDistinct")
def is_distinct(items: Items) -> bool:
    """`isDistinct()`."""
    return len(distinct(items)) == len(items)


function("distinct")(distinct)


@function("count")
def count(items: Items) -> Items:
    """`count()`."""
    return [len(items)]


@function("single")
def one(items: Items) -> Items:
    """`single()`."""
    if len(items) > 1:
        raise FHIRPathError(f"single() found {len(items)} items")
    return items


@function("first")
def first(items: Items) -> Items:
    """`first()`."""
    return items[:1]


@function("last")
def last(items: Items) -> Items:
    """`last()`."""
    return items[-1:]


@function("tail")
def tail(items: Items) -> Items:
    """`tail()`."""
    return items[1:]


def _number(items: Items) -> int:
    value = single(items)
    if value.__class__ is not int:
        raise FHIRPathError("expected an Integer")
    return max(0, value)


@function("skip", least=1)
def skip(items: Items, number: Items) -> Items:
    """`skip(num)`."""
    return items[_number(number) :] if number else EMPTY


@function("take", least=1)
def take(items: Items, number: Items) -> Items:
    """`take(num)`."""
    return items[: _number(number)] if number else EMPTY


@function("intersect", least=1)
def intersect(items: Items, others: Items) -> Items:
    """`intersect(other)`: without repeats."""
    known = {identity(item) for item in others}
    return distinct([item for item in items if identity(item) in known])


@function("exclude", least=1)
def exclude(items: Items, others: Items) -> Items:
    """`exclude(other)`: repeats and order stay."""
    known = {identity(item) for item in others}
    return [item for item in items if identity(item) not in known]


@function("union", least=1)
def union(items: Items, others: Items) -> Items:
    """`union(other)`: without repeats."""
    return distinct([*items, *others])


@function("combine", least=1, most=2)
def combine(items: Items, others: Items, preserve_order: Items = EMPTY) -> Items:
    """`combine(other)`: with repeats."""
    return bounded([*items, *others])


@function("comparable", least=1)
def comparable(items: Items, others: Items) -> Items:
    """`comparable(quantity)`: whether the units convert into each other."""
    from profiles import ucum
    from profiles.fhirpath.quantity import Quantity

    a, b = single(items), single(others)
    if a.__class__ is not Quantity or b.__class__ is not Quantity:
        return EMPTY
    return boolean(a.unit == b.unit or (a.code is not None and b.code is not None and ucum.comparable(a.code, b.code)))
