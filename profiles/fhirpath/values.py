"""Items: what collections hold while an expression runs, and how items convert, equal and order.

A System value is itself (bool, int, Decimal, str, Quantity, Temporal). A FHIR element is the plain tuple
`(value, type, extra)`: its JSON value (None for a primitive that has only extensions), its model Type, and for a
primitive its `_element` object or None. Lists are never changed once they are made.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from decimal import Context, Decimal
from typing import Any, NamedTuple

from profiles import ucum
from profiles.fhirpath import quantity, temporal
from profiles.fhirpath.errors import FHIRPathError
from profiles.fhirpath.model import SYSTEM, UNTYPED, Type, type_of_resource
from profiles.fhirpath.quantity import Quantity
from profiles.fhirpath.temporal import FHIRDate, FHIRDateTime, FHIRTime, Temporal

Json = dict[str, Any]
Item = Any
Items = list[Any]
Element = tuple[Any, Type, dict[str, Any] | None]

EMPTY: Items = []
TRUE: Items = [True]
FALSE: Items = [False]


class TypeInfo(NamedTuple):
    """What `type()` answers."""

    namespace: str
    name: str


MAX_ITEMS = 5_000_000
"""Items that one step of an expression may yield."""
MAX_TEXT = 10_000_000
"""Characters of a text that an expression may make."""
MAX_MAGNITUDE = 400
"""Powers of ten that a number of the data may reach: beyond, writing or shifting it would take all memory."""


def _decimal(value: Any) -> Any:
    if value.__class__ is Decimal:
        if abs(value.adjusted()) > MAX_MAGNITUDE:
            raise FHIRPathError(f"a number is beyond 10^{MAX_MAGNITUDE}")
        return value
    return Decimal(value) if value.__class__ is int else value


def _quantity(value: Any) -> Any:
    return (quantity.from_fhir(value) or value) if value.__class__ is dict else value


def _parsed(parse: Callable[[str], Temporal | None]) -> Callable[[Any], Any]:
    return lambda value: (parse(value) or value) if value.__class__ is str else value


_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "date": _parsed(temporal.parse_date),
    "dateTime": _parsed(temporal.parse_datetime),
    "instant": _parsed(temporal.parse_datetime),
    "time": _parsed(temporal.parse_time),
    "decimal": _decimal,
    **dict.fromkeys(("Quantity", "Age", "Count", "Distance", "Duration", "SimpleQuantity", "MoneyQuantity"), _quantity),
}


def system(item: Item) -> Any:
    """The System value of an item: a primitive's value (None without one), a Quantity, else its JSON."""
    if item.__class__ is not tuple:
        return item
    value, type_, _ = item
    convert = _CONVERTERS.get(type_.name)
    return value if convert is None else convert(value)


_SYSTEM_CLASSES: dict[type, Type] = {
    bool: SYSTEM["Boolean"],
    int: SYSTEM["Integer"],
    Decimal: SYSTEM["Decimal"],
    str: SYSTEM["String"],
    Quantity: SYSTEM["Quantity"],
    FHIRDate: SYSTEM["Date"],
    FHIRDateTime: SYSTEM["DateTime"],
    FHIRTime: SYSTEM["Time"],
}


def type_of(item: Item) -> Type:
    """The FHIR or System type of an item."""
    if item.__class__ is tuple:
        found: Type = item[1]
        return found
    return _SYSTEM_CLASSES.get(item.__class__, SYSTEM["Any"])


def wrap(value: Any) -> Items:
    """Items from Python values handed in: a dict with `resourceType` is that resource, another dict is untyped."""
    if value is None:
        return []
    if value.__class__ is list or value.__class__ is tuple:
        return [item for part in value for item in wrap(part)]
    if value.__class__ is dict:
        return [(value, type_of_resource(value) or UNTYPED, None)]
    if value.__class__ is float:
        return [Decimal(repr(value))]
    return [value]


def unwrap(items: Iterable[Item]) -> list[Any]:
    """Python values to hand out; a primitive without a value has none to give and is left out."""
    return [
        value
        for item in items
        if (value := item[0] if item.__class__ is tuple else item._asdict() if item.__class__ is TypeInfo else item)
        is not None
    ]


def truth(items: Items) -> bool | None:
    """A collection as a condition: None when empty, a lone boolean itself, another lone item true.

    Raises FHIRPathError for more than one item. Source: https://hl7.org/fhirpath/N1/#singleton-evaluation-of-collections.
    """
    if not items:
        return None
    if len(items) > 1:
        raise FHIRPathError(f"expected one item at most as a condition, found {len(items)}")
    value = items[0]
    if value.__class__ is tuple:
        value = value[0]
    return value if value.__class__ is bool else None if value is None else True


def single(items: Items) -> Any:
    """The System value of the one item, None when empty; FHIRPathError for more."""
    if not items:
        return None
    if len(items) > 1:
        raise FHIRPathError(f"expected one item at most, found {len(items)}")
    item = items[0]
    return system(item) if item.__class__ is tuple else item


def bounded(items: Items) -> Items:
    """The same items; FHIRPathError where they are too many."""
    if len(items) > MAX_ITEMS:
        raise FHIRPathError(f"more than {MAX_ITEMS} items")
    return items


def bounded_text(length: int) -> None:
    """FHIRPathError where a text of this length is not to be made."""
    if length > MAX_TEXT:
        raise FHIRPathError(f"the text would have more than {MAX_TEXT} characters")


def boolean(value: bool | None) -> Items:
    """A three-valued truth as a collection."""
    return EMPTY if value is None else TRUE if value else FALSE


_WIDE = Context(prec=2 * MAX_MAGNITUDE + 100, traps=[])
_PLAIN = (str, int, bool, Decimal)
_NUMBERS = (int, Decimal)


def equal(x: Item, y: Item) -> bool | None:
    """`=` of two items; None where it cannot be known."""
    a = system(x) if x.__class__ is tuple else x
    b = system(y) if y.__class__ is tuple else y
    if a is None or b is None:
        return bool(x[2] == y[2]) if a is b else None
    kind, other = a.__class__, b.__class__
    if kind is other and kind in _PLAIN:
        return bool(a == b)
    if kind in _NUMBERS and other in _NUMBERS:
        return bool(a == b)
    if isinstance(a, Temporal) and isinstance(b, Temporal):
        if isinstance(a, FHIRTime) is not isinstance(b, FHIRTime):
            return False
        order = temporal.compare(a, b)
        return None if order is None else order == 0
    if kind is Quantity or other is Quantity:
        return _equal_quantities(as_quantity(a), as_quantity(b))
    return kind is other and bool(a == b)


def as_quantity(value: Any) -> Quantity | None:
    """A Quantity; a number as one of the unit 1; None for anything else."""
    if value.__class__ is Quantity:
        return value
    return Quantity(Decimal(value)) if value.__class__ in _NUMBERS else None


def _equal_quantities(a: Quantity | None, b: Quantity | None) -> bool | None:
    if a is None or b is None:
        return False
    amounts = quantity.common(a, b)
    if amounts:
        return amounts[0] == amounts[1]
    return None if _vague(a) or _vague(b) else False


def _vague(value: Quantity) -> bool:
    return value.calendar and value.code is None


def equal_lists(left: Items, right: Items) -> bool | None:
    """`=` of two collections: None when either is empty."""
    if not left or not right:
        return None
    if len(left) != len(right):
        return False
    answer: bool | None = True
    for x, y in zip(left, right, strict=True):
        same = equal(x, y)
        if same is False:
            return False
        if same is None:
            answer = None
    return answer


def equivalent(x: Item, y: Item) -> bool:
    """`~` of two items: text without regard to case and kind of space, numbers to the lesser precision."""
    a, b = system(x), system(y)
    kind, other = a.__class__, b.__class__
    if kind is str and other is str:
        return _folded(a) == _folded(b)
    if kind in _NUMBERS and other in _NUMBERS:
        return _equivalent_numbers(a, b)
    if isinstance(a, Temporal) and isinstance(b, Temporal):
        return isinstance(a, FHIRTime) is isinstance(b, FHIRTime) and temporal.compare(a, b) == 0
    if kind is Quantity or other is Quantity:
        left, right = as_quantity(a), as_quantity(b)
        amounts = quantity.roughly_common(left, right) if left and right else None
        return amounts is not None and _equivalent_numbers(*amounts)
    if kind is dict and other is dict:
        return _equivalent_json(a, b)
    return kind is other and bool(a == b)


_SPACES = str.maketrans("\t\r\n", "   ")


def _folded(text: str) -> str:
    return text.translate(_SPACES).casefold()


def _equivalent_numbers(a: int | Decimal, b: int | Decimal) -> bool:
    step = Decimal(1).scaleb(-min(decimals(a), decimals(b)))
    return Decimal(a).quantize(step, context=_WIDE) == Decimal(b).quantize(step, context=_WIDE)


def decimals(value: int | Decimal) -> int:
    """Digits after the point, trailing zeros not counted."""
    if value.__class__ is int:
        return 0
    exponent = Decimal(value).normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _equivalent_json(a: Any, b: Any) -> bool:
    if a.__class__ is dict and b.__class__ is dict:
        x, y = a.keys() - {"id"}, b.keys() - {"id"}
        return x == y and all(_equivalent_json(a[key], b[key]) for key in x)
    if a.__class__ is list and b.__class__ is list:
        return len(a) == len(b) and all(_equivalent_json(x, y) for x, y in zip(a, b, strict=True))
    if a.__class__ in (dict, list) or b.__class__ in (dict, list):
        return False
    return equivalent(a, b)


def equivalent_lists(left: Items, right: Items) -> bool:
    """`~` of two collections, in any order."""
    if len(left) != len(right):
        return False
    if len(left) == 1:
        return equivalent(left[0], right[0])
    if Counter(map(identity, left)) == Counter(map(identity, right)):
        return True
    rest = list(right)
    for x in left:
        found = next((i for i, y in enumerate(rest) if equivalent(x, y)), None)
        if found is None:
            return False
        del rest[found]
    return True


def identity(item: Item) -> Any:
    """A hashable that is equal for items that equal each other: how sets of items are made in linear time."""
    value = system(item) if item.__class__ is tuple else item
    if value.__class__ is str:
        return value
    if value is None:
        return None, _frozen(item[2])
    if value.__class__ is bool:
        return bool, value
    if isinstance(value, Temporal):
        parts, offset = value.parts, value.offset
        if offset:
            parts = temporal.utc_parts(value)
        return Temporal, isinstance(value, FHIRTime), parts, offset is None
    if value.__class__ is Quantity:
        return _quantity_identity(value)
    return _frozen(value)


def _quantity_identity(value: Quantity) -> Any:
    if value.code is None:
        return ("year", value.value / 12) if value.unit == "month" else ("year", value.value)
    try:
        return Quantity, *ucum.canonical(value.value, value.code)
    except ucum.UcumError:
        return Quantity, value.value, value.unit


def _frozen(value: Any) -> Any:
    if value.__class__ is dict:
        return frozenset((key, _frozen(part)) for key, part in value.items())
    if value.__class__ is list:
        return tuple(_frozen(part) for part in value)
    return (bool, value) if value.__class__ is bool else value


def distinct(items: Items) -> Items:
    """The items without repeats, in the order of their first appearance."""
    if len(items) < 2:
        return items
    seen: dict[Any, Item] = {}
    for item in items:
        seen.setdefault(identity(item), item)
    return list(seen.values())


def order(x: Item, y: Item) -> int | None:
    """-1, 0 or 1 as x comes before, with or after y; None where it cannot be known. FHIRPathError for unlike kinds."""
    a, b = system(x), system(y)
    if a is None or b is None:
        return None
    kind, other = a.__class__, b.__class__
    if (kind is str and other is str) or (kind in _NUMBERS and other in _NUMBERS):
        return int(a > b) - int(a < b)
    if isinstance(a, Temporal) and isinstance(b, Temporal) and isinstance(a, FHIRTime) is isinstance(b, FHIRTime):
        return temporal.compare(a, b)
    left, right = as_quantity(a), as_quantity(b)
    if left and right and (kind is Quantity or other is Quantity):
        amounts = quantity.common(left, right)
        return None if amounts is None else (amounts[0] > amounts[1]) - (amounts[0] < amounts[1])
    raise FHIRPathError(f"{type_of(x)} and {type_of(y)} have no order")
