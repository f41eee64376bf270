"""What generated conditions call. All names begin with `fp_`; `NAMES` is the namespace that they need.

They take plain JSON values. Where these are not of the shape that the types promise they raise Bail, or Python itself
raises: whoever runs generated code catches `BAILS` and asks the closures, which take any shape.
"""

from collections.abc import Callable, Iterable
from typing import Any

from profiles.fhirpath import temporal
from profiles.fhirpath.environment import Environment
from profiles.fhirpath.functions.conversions import to_integer, to_text
from profiles.fhirpath.model import fhir_type, type_of_resource
from profiles.fhirpath.operators import fit
from profiles.fhirpath.quantity import from_fhir
from profiles.fhirpath.regex import pattern
from profiles.fhirpath.values import _CONVERTERS, MAX_TEXT, equal, identity, order

FEW = 16
"""Values that are compared with each other rather than hashed."""


MANY = 200
"""Values that generated code goes over again and again."""


class Bail(Exception):
    """The data is not as simple as the generated code needs it."""


BAILS = (Bail, TypeError, AttributeError, KeyError, IndexError, ValueError, RecursionError)
"""What generated code may raise where the closures must judge."""


def fp_list(value: Any) -> list[Any]:
    """One value or None as a list."""
    return [] if value is None else [value]


def fp_one(value: Any) -> tuple[Any, ...]:
    """One value or None as something to iterate over."""
    return () if value is None else (value,)


def fp_get(owner: Any, key: str) -> Any:
    """A key of an object that may be None."""
    return None if owner is None else owner.get(key)


def fp_many(owner: dict[str, Any], key: str) -> list[Any]:
    """A repeating primitive; Bail where its `_key` makes pairs."""
    if f"_{key}" in owner:
        raise Bail
    value = owner.get(key)
    if value is None:
        return []
    if value.__class__ is not list:
        raise Bail
    return value


def fp_few(values: list[Any]) -> list[Any]:
    """A list that is gone over for each item of another; Bail where that could take too long."""
    if len(values) > MANY:
        raise Bail
    return values


def fp_pick(owner: dict[str, Any], keys: tuple[str, ...]) -> Any:
    """The value of a choice, whichever type it is of."""
    for key in keys:
        if key in owner:
            return owner[key]
    return None


def fp_single(values: list[Any]) -> Any:
    """The one value or None; Bail for more."""
    if len(values) > 1:
        raise Bail
    return values[0] if values else None


def fp_at(values: list[Any], position: int) -> Any:
    """The value at a place or None."""
    return values[position] if position < len(values) else None


def fp_last(values: list[Any]) -> Any:
    """The last value or None."""
    return values[-1] if values else None


def fp_has(owner: Any, keys: tuple[str, ...]) -> bool:
    """Whether an object that may be None has one of the keys."""
    if owner is not None:
        for key in keys:
            if key in owner:
                return True
    return False


def fp_add(a: Any, b: Any) -> Any:
    """The sum of two Integers."""
    return None if a is None or b is None else fit(a + b)


def fp_mod(a: Any, b: Any) -> Any:
    """`mod` of two Integers: the rest has the sign of the dividend."""
    if a is None or b is None:
        return None
    if a.__class__ is not int or b.__class__ is not int:
        raise Bail
    if not b:
        return None
    rest = abs(a) % abs(b)
    return rest if a >= 0 else -rest


def fp_combine(*lists: list[Any]) -> list[Any]:
    """The values with repeats."""
    return [value for values in lists for value in values]


def fp_resource(value: Any, name: str) -> Any:
    """The resource if it is of this concrete type."""
    return value if value is not None and value.get("resourceType") == name else None


def fp_boolean(value: Any) -> Any:
    """A boolean element's value; Bail for any other."""
    if value is None or value.__class__ is bool:
        return value
    raise Bail


def fp_text(value: Any) -> Any:
    """A text element's value; Bail for any other."""
    if value is None or value.__class__ is str:
        return value
    raise Bail


def fp_eq(a: Any, b: Any) -> bool | None:
    """`=` of two texts or two numbers."""
    return None if a is None or b is None else a == b


def fp_eq_list(values: list[Any], other: Any) -> bool | None:
    """`=` of texts or numbers with one."""
    if not values or other is None:
        return None
    if len(values) > 1:
        return False
    return None if values[0] is None else values[0] == other


def fp_eq_lists(values: list[Any], others: list[Any]) -> bool | None:
    """`=` of two lists of texts or numbers."""
    if None in values or None in others:
        raise Bail
    return values == others if values and others else None


def fp_in(value: Any, values: Iterable[Any]) -> bool | None:
    """`in` of texts or numbers."""
    return None if value is None else value in values


def _typed(value: Any, name: str) -> Any:
    convert = _CONVERTERS.get(name)
    return value if convert is None else convert(value)


def fp_equal(a: Any, a_type: str, b: Any, b_type: str) -> bool | None:
    """`=` of two values of FHIR types."""
    return None if a is None or b is None else equal(_typed(a, a_type), _typed(b, b_type))


def fp_order(a: Any, a_type: str, b: Any, b_type: str) -> int | None:
    """How two values of FHIR types stand: -1, 0, 1, or None where that cannot be known."""
    return None if a is None or b is None else order(_typed(a, a_type), _typed(b, b_type))


def fp_order_numbers(a: Any, b: Any) -> int | None:
    """How two numbers stand."""
    if a is None or b is None:
        return None
    if a.__class__ is str or b.__class__ is str:
        raise Bail
    return int(a > b) - int(a < b)


def fp_order_texts(a: Any, b: Any) -> int | None:
    """How two texts stand."""
    if fp_text(a) is None or fp_text(b) is None:
        return None
    return int(a > b) - int(a < b)


def fp_order_dates(a: Any, b: Any) -> int | None:
    """How two dates or dateTimes stand. Texts of one form in one zone stand as their characters do."""
    if a is None or b is None:
        return None
    length = len(a)
    if length == len(b) and (length <= 10 or (length > 19 and a[19:] == b[19:])):
        sign: int = (a > b) - (a < b)
        return sign
    x, y = temporal.parse_datetime(a), temporal.parse_datetime(b)
    if x is None or y is None:
        raise Bail
    return temporal.compare(x, y)


def fp_order_quantities(a: Any, b: Any) -> int | None:
    """How two Quantities stand."""
    if a is None or b is None:
        return None
    x, y = from_fhir(a), from_fhir(b)
    if x is None or y is None:
        raise Bail
    return order(x, y)


def fp_distinct(values: list[Any]) -> bool:
    """Whether no value repeats."""
    try:
        return len(set(values)) == len(values)
    except TypeError:
        return len({identity(v) for v in values}) == len(values)


def fp_union(*lists: list[Any]) -> list[Any]:
    """The values of one type without repeats."""
    values = [value for values in lists for value in values]
    if len(values) < 2:
        return values
    if len(values) <= FEW:
        few: list[Any] = []
        for value in values:
            if value not in few:
                few.append(value)
        return few
    seen: dict[Any, Any] = {}
    for value in values:
        seen.setdefault(identity(value), value)
    return list(seen.values())


def fp_union_of_one(*lists: list[Any]) -> list[Any]:
    """The one item of lists of unlike types; Bail for more, whose equality is not that of their JSON."""
    filled = [values for values in lists if values]
    if not filled:
        return []
    if len(filled) > 1 or len(filled[0]) > 1:
        raise Bail
    return filled[0]


def fp_extensions(owner: Any, url: str) -> list[Any]:
    """The extensions of an object with this url."""
    found = owner.get("extension") if owner.__class__ is dict else None
    if found is None:
        return []
    return [extension for extension in found if extension["url"] == url]


def fp_matches(source: str, full: bool) -> Callable[[Any], bool | None]:
    """A constant regular expression as a test."""
    compiled = pattern(source)
    test = compiled.fullmatch if full else compiled.search
    return lambda value: None if value is None else test(value)


def fp_starts(value: Any, start: Any) -> bool | None:
    """`startsWith()`."""
    return None if value is None or start is None else value.startswith(start)


def fp_ends(value: Any, end: Any) -> bool | None:
    """`endsWith()`."""
    return None if value is None or end is None else value.endswith(end)


def fp_contains(value: Any, part: Any) -> bool | None:
    """`contains()`."""
    return None if fp_text(value) is None or part is None else part in value


def fp_html(value: Any) -> bool | None:
    """`htmlChecks()`."""
    from profiles.validator.narrative import is_narrative

    return None if value is None else is_narrative(value)


def fp_to_integer(value: Any) -> int | None:
    """`toInteger()`."""
    if value is None:
        return None
    if value.__class__ is str and len(value) < 10 and value.isdecimal() and value.isascii():
        return int(value)
    return to_integer(value)


def fp_join(a: Any, b: Any) -> str:
    """`&` of two texts; Bail where the result could be too long."""
    joined: str = (fp_text(a) or "") + (fp_text(b) or "")
    if len(joined) > MAX_TEXT:
        raise Bail
    return joined


def fp_upper(value: Any) -> Any:
    """`upper()`."""
    return None if value is None else value.upper()


def fp_lower(value: Any) -> Any:
    """`lower()`."""
    return None if value is None else value.lower()


def fp_trim(value: Any) -> Any:
    """`trim()`."""
    return None if value is None else value.strip()


def fp_replace(value: Any, old: str, new: str) -> Any:
    """`replace()` of a text that is not empty; Bail where the result could be too long."""
    if value is None:
        return None
    if (len(value) + 1) * len(new) > MAX_TEXT:
        raise Bail
    return value.replace(old, new)


def fp_length(value: Any) -> int | None:
    """`length()`."""
    return None if fp_text(value) is None else len(value)


def fp_split(value: Any, separator: str) -> list[str]:
    """`split()`."""
    return [] if fp_text(value) is None else value.split(separator)


def fp_join_all(values: list[Any], separator: str) -> str | None:
    """`join()`; Bail where the result could be too long."""
    parts = [value for value in values if value is not None]
    if len(separator) * len(parts) > MAX_TEXT:
        raise Bail
    return separator.join(parts) if values else None


def fp_written(value: Any) -> str | None:
    """`toString()` of a number."""
    return None if value is None else to_text(value)


def fp_intersect(values: list[Any], others: list[Any]) -> list[Any]:
    """The values of one type that are in both, without repeats."""
    if not values or not others:
        return []
    if len(values) * len(others) <= FEW * FEW:
        found = [value for value in values if value in others]
    else:
        known = {identity(value) for value in others}
        found = [value for value in values if identity(value) in known]
    return fp_union(found) if len(found) > 1 else found


def fp_substring(value: Any, start: int, length: int | None = None) -> Any:
    """`substring()`."""
    if fp_text(value) is None or not 0 <= start < len(value):
        return None
    return value[start:] if length is None else value[start : start + max(0, length)]


def fp_items(value: Any, type_name: str) -> list[Any]:
    """One plain value as items for a closure."""
    if value is None:
        return []
    kind = fhir_type(type_name)
    return [(value, (type_of_resource(value) or kind) if kind.open else kind, None)]


def fp_environment(resource: dict[str, Any]) -> Environment:
    """The environment of a resource and nothing else, for the parts that are left to closures."""
    return Environment([(resource, type_of_resource(resource), None)], {})


def fp_is_target(reference: Any, start: str) -> bool:
    """Whether a Reference's `Type/id` names a type (`start` is `Type/`); Bail for what only a resolver or the data
    itself can tell."""
    text = None if reference is None else reference.get("reference")
    if text is None:
        return False
    if text.startswith(start) and text.count("/") == 1:
        return True
    parts = text.partition("/_history/")[0].split("/")
    if len(parts) < 2 or text[0] == "#":
        raise Bail
    return bool(parts[-2] == start[:-1])


def fp_keys(type_name: str) -> frozenset[str]:
    """The JSON keys of a type."""
    return frozenset(fhir_type(type_name).key_elements)


def fp_count_children(value: Any, keys: frozenset[str]) -> int:
    """How many elements an object has; Bail where primitives have ids or extensions."""
    count = 0
    for key, part in {} if value is None else value.items():
        if key in keys and part is not None:
            count += len(part) if part.__class__ is list else 1
        elif key != "resourceType":
            raise Bail
    return count


NAMES: dict[str, Any] = {name: value for name, value in list(globals().items()) if name.startswith("fp_")}
"""The namespace of generated code."""
