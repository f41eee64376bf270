"""Numbers. Source: https://hl7.org/fhirpath/N1/#math."""

from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal, DecimalException
from typing import Any

from profiles.fhirpath.errors import FHIRPathError
from profiles.fhirpath.functions.registry import function
from profiles.fhirpath.functions.strings import integer
from profiles.fhirpath.quantity import Quantity
from profiles.fhirpath.values import EMPTY, Items, single, type_of

_CONTEXT = Context(prec=28, Emax=999, Emin=-999)
_SIGNIFICANT = Context(prec=20)
_EXACT = Context(prec=600)
MAX_PLACES = 28


def number(items: Items) -> Any:
    """The one number or Quantity, None when empty; FHIRPathError for anything else."""
    value = single(items)
    if value is None or value.__class__ in (int, Decimal, Quantity):
        return value
    raise FHIRPathError(f"expected a number, found {type_of(items[0])}")


def _plain(items: Items) -> Decimal | None:
    value = number(items)
    if value.__class__ is Quantity:
        raise FHIRPathError("expected a number, found System.Quantity")
    return None if value is None else Decimal(value)


def _guarded(calculate: Callable[[], Decimal], context: Context = _SIGNIFICANT) -> Items:
    """The result, to 20 digits where it is not exact; nothing where there is none (`(-1).sqrt()`)."""
    try:
        result = context.plus(calculate())
    except (DecimalException, OverflowError):
        return EMPTY
    return [result] if result.is_finite() else EMPTY


@function("abs")
def absolute(items: Items) -> Items:
    """`abs()`, of a Quantity too."""
    value = number(items)
    if value is None:
        return EMPTY
    return [value._replace(value=abs(value.value)) if value.__class__ is Quantity else abs(value)]


def _whole(rounding: str) -> Callable[[Items], Items]:
    def run(items: Items) -> Items:
        value = _plain(items)
        if value is None or abs(value) >= 2**31:
            return EMPTY  # an Integer has 32 bits
        return [int(value.to_integral_value(rounding))]

    return run


function("ceiling")(_whole(ROUND_CEILING))
function("floor")(_whole(ROUND_FLOOR))
function("truncate")(_whole(ROUND_DOWN))


@function("round", most=1)
def round_(items: Items, precision: Items = EMPTY) -> Items:
    """`round([precision])`, halves away from zero."""
    value, places = _plain(items), integer(precision)
    if value is None:
        return EMPTY
    if places is not None and not 0 <= places <= MAX_PLACES:
        raise FHIRPathError(f"round() keeps 0 to {MAX_PLACES} places")
    if not places and single(items).__class__ is int:
        return [int(value)]
    return _guarded(lambda: value.quantize(Decimal(1).scaleb(-(places or 0)), ROUND_HALF_UP, _EXACT), _EXACT)


@function("sqrt")
def sqrt(items: Items) -> Items:
    """`sqrt()`."""
    value = _plain(items)
    return EMPTY if value is None or value < 0 else _guarded(lambda: _CONTEXT.sqrt(value))


@function("exp")
def exp(items: Items) -> Items:
    """`exp()`."""
    value = _plain(items)
    return EMPTY if value is None else _guarded(lambda: _CONTEXT.exp(value))


@function("ln")
def ln(items: Items) -> Items:
    """`ln()`."""
    value = _plain(items)
    return EMPTY if value is None or value <= 0 else _guarded(lambda: _CONTEXT.ln(value))


@function("log", least=1)
def log(items: Items, base: Items) -> Items:
    """`log(base)`."""
    value, root = _plain(items), _plain(base)
    if value is None or root is None or value <= 0 or root <= 0 or root == 1:
        return EMPTY
    found = _guarded(lambda: _CONTEXT.divide(_CONTEXT.ln(value), _CONTEXT.ln(root)))
    return [Decimal(int(found[0]))] if found and found[0] == found[0].to_integral_value() else found


@function("power", least=1)
def power(items: Items, exponent: Items) -> Items:
    """`power(exponent)`: an Integer of Integers where that is exact and fits."""
    value, to = _plain(items), _plain(exponent)
    if value is None or to is None:
        return EMPTY
    found = _guarded(lambda: _CONTEXT.power(value, to) if to else Decimal(1))
    if found and single(items).__class__ is int and single(exponent).__class__ is int and to >= 0:
        return [int(found[0])] if abs(found[0]) < 2**31 else EMPTY
    return found
