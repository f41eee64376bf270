"""What the operators do. Source: https://hl7.org/fhirpath/N1/#operations."""

from collections.abc import Callable
from decimal import Context, Decimal, DecimalException
from typing import Any

from profiles import ucum
from profiles.fhirpath import temporal
from profiles.fhirpath.errors import FHIRPathError
from profiles.fhirpath.quantity import Quantity, added, calendar_unit
from profiles.fhirpath.temporal import FHIRTime, Temporal
from profiles.fhirpath.values import (
    EMPTY,
    Items,
    as_quantity,
    bounded_text,
    equal_lists,
    equivalent_lists,
    identity,
    order,
    single,
    type_of,
)

Condition = Callable[[Items, Any], bool | None]
_CONTEXT = Context(prec=28)
_WIDE = Context(prec=1000)
_NUMBERS = (int, Decimal)
_DATE_UNITS = frozenset(("year", "month", "week", "day"))


def signed(items: Items, negative: bool) -> Items:
    """`-x`, `+x` of a number or Quantity."""
    value = single(items)
    if value is None:
        return EMPTY
    if value.__class__ in _NUMBERS:
        return [-value if negative else value]
    if value.__class__ is Quantity:
        return [value._replace(value=-value.value) if negative else value]
    raise FHIRPathError(f"{type_of(items[0])} has no sign")


def _and(left: Condition, right: Condition) -> Condition:
    def both(this: Items, env: Any) -> bool | None:
        a = left(this, env)
        if a is False:
            return False
        b = right(this, env)
        return False if b is False else True if a and b else None

    return both


def _or(left: Condition, right: Condition) -> Condition:
    def either(this: Items, env: Any) -> bool | None:
        a = left(this, env)
        if a:
            return True
        b = right(this, env)
        return True if b else False if a is False and b is False else None

    return either


def _xor(left: Condition, right: Condition) -> Condition:
    def one(this: Items, env: Any) -> bool | None:
        a = left(this, env)
        b = None if a is None else right(this, env)
        return None if a is None or b is None else a is not b

    return one


def _implies(left: Condition, right: Condition) -> Condition:
    def follows(this: Items, env: Any) -> bool | None:
        a = left(this, env)
        if a is False:
            return True
        b = right(this, env)
        return True if b else False if a and b is False else None

    return follows


LOGIC: dict[str, Callable[[Condition, Condition], Condition]] = {
    "and": _and,
    "or": _or,
    "xor": _xor,
    "implies": _implies,
}


def _not_equal(left: Items, right: Items) -> bool | None:
    same = equal_lists(left, right)
    return None if same is None else not same


def _compare(accept: Callable[[int], bool]) -> Callable[[Items, Items], bool | None]:
    def relation(left: Items, right: Items) -> bool | None:
        if not left or not right:
            return None
        if len(left) > 1 or len(right) > 1:
            raise FHIRPathError("only single items have an order")
        found = order(left[0], right[0])
        return None if found is None else accept(found)

    return relation


def _in(left: Items, right: Items) -> bool | None:
    if not left:
        return None
    if len(left) > 1:
        raise FHIRPathError(f"expected one item at most to look for, found {len(left)}")
    wanted = identity(left[0])
    return any(identity(item) == wanted for item in right)


RELATIONS: dict[str, Callable[[Items, Items], bool | None]] = {
    "=": equal_lists,
    "!=": _not_equal,
    "~": equivalent_lists,
    "!~": lambda left, right: not equivalent_lists(left, right),
    "<": _compare(lambda found: found < 0),
    ">": _compare(lambda found: found > 0),
    "<=": _compare(lambda found: found <= 0),
    ">=": _compare(lambda found: found >= 0),
    "in": _in,
    "contains": lambda left, right: _in(right, left),
}


def _calculation(on_values: Callable[[Any, Any], Any]) -> Callable[[Items, Items], Items]:
    def calculate(left: Items, right: Items) -> Items:
        a, b = single(left), single(right)
        if a is None or b is None:
            return EMPTY
        try:
            result = on_values(a, b)
        except DecimalException:
            return EMPTY  # beyond what a Decimal holds: the specification answers empty on overflow
        if result is NotImplemented:
            raise FHIRPathError(f"the operator does not join {type_of(left[0])} and {type_of(right[0])}")
        return EMPTY if result is None else [result]

    return calculate


def _numbers(a: Any, b: Any) -> bool:
    return a.__class__ in _NUMBERS and b.__class__ in _NUMBERS


def _add(a: Any, b: Any, sign: int = 1) -> Any:
    if _numbers(a, b):
        return fit(a + sign * b)
    if a.__class__ is str and b.__class__ is str and sign > 0:
        bounded_text(len(a) + len(b))
        return a + b
    if isinstance(a, Temporal) and b.__class__ is Quantity:
        return _move(a, b, sign)
    x, y = _as_quantities(a, b)
    if x is None or y is None:
        return NotImplemented
    return added(x, y if sign > 0 else y._replace(value=-y.value))


def _move(point: Temporal, by: Quantity, sign: int) -> Temporal | None:
    unit = calendar_unit(by)
    if unit is None:
        raise FHIRPathError(f"a date moves by calendar units (years, months, days, …), not by '{by.unit}'")
    if isinstance(point, FHIRTime) and unit in _DATE_UNITS:
        raise FHIRPathError(f"a Time moves by hours, minutes, seconds or milliseconds, not by {unit}s")
    return temporal.add(point, by.value * sign, unit)


def _subtract(a: Any, b: Any) -> Any:
    return _add(a, b, -1)


def _multiply(a: Any, b: Any) -> Any:
    if _numbers(a, b):
        return fit(a * b)
    x, y = _as_quantities(a, b)
    if x is None or y is None:
        return NotImplemented
    if y.calendar and not x.calendar:
        x, y = y, x
    return _joined(ucum.multiply, x, y)


def _divide(a: Any, b: Any) -> Any:
    if _numbers(a, b):
        return _CONTEXT.divide(Decimal(a), Decimal(b)) if b else None
    x, y = _as_quantities(a, b)
    return NotImplemented if x is None or y is None else _joined(ucum.divide, x, y)


def _as_quantities(a: Any, b: Any) -> tuple[Quantity | None, Quantity | None]:
    """Two values as Quantities where one of them is; a number has the unit 1."""
    if Quantity not in (a.__class__, b.__class__):
        return None, None
    return as_quantity(a), as_quantity(b)


def _joined(join: Callable[[Decimal, str, Decimal, str], tuple[Decimal, str] | None], x: Quantity, y: Quantity) -> Any:
    if x.calendar and y.unit == "1":
        scaled = join(x.value, "1", y.value, "1")
        return None if scaled is None else x._replace(value=scaled[0])
    if x.code is None or y.code is None:
        return None
    joined = join(x.value, x.code, y.value, y.code)
    return None if joined is None else Quantity(*joined)


def _div(a: Any, b: Any) -> Any:
    if not _numbers(a, b):
        return NotImplemented
    if not b:
        return None
    result = Decimal(a) / Decimal(b)
    return int(result) if abs(result) < 2**31 else None


def _mod(a: Any, b: Any) -> Any:
    if not _numbers(a, b):
        return NotImplemented
    if not b:
        return None
    rest = _WIDE.remainder(Decimal(a), Decimal(b))
    return int(rest) if a.__class__ is int and b.__class__ is int else rest


def fit(value: int | Decimal) -> int | Decimal | None:
    """An Integer that leaves 32 bits has no value. Source: https://hl7.org/fhirpath/N1/#math."""
    return None if value.__class__ is int and not -(2**31) <= value < 2**31 else value


def _concatenate(left: Items, right: Items) -> Items:
    a, b = single(left), single(right)
    for value, items in ((a, left), (b, right)):
        if value is not None and value.__class__ is not str:
            raise FHIRPathError(f"& joins Strings, not {type_of(items[0])}; use toString()")
    bounded_text(len(a or "") + len(b or ""))
    return [(a or "") + (b or "")]


CALCULATIONS: dict[str, Callable[[Items, Items], Items]] = {
    "+": _calculation(_add),
    "-": _calculation(_subtract),
    "*": _calculation(_multiply),
    "/": _calculation(_divide),
    "div": _calculation(_div),
    "mod": _calculation(_mod),
    "&": _concatenate,
}
