"""Limits of values: numbers, dates and quantities against a least or most, texts against patterns and sizes.

Source: https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.minValue_x_
"""

from decimal import Decimal
from typing import Any, Literal

Json = dict[str, Any]

Side = Literal["least", "most"]


def beyond(v: Any, side: Side, limit: Any) -> str | None:
    """What is wrong with a value beside a limit, as a message key: beyond it, of another kind of unit, not comparable.

    A limit of a date or time that is a Quantity is a duration before or after now.
    """
    if isinstance(v, bool) or v is None:
        return None
    if v.__class__ is dict and isinstance(limit, dict):
        return _quantity(v, side, limit)
    if v.__class__ is str:
        order = _moments(v, side, limit)
    elif isinstance(v, int | float | Decimal) and isinstance(limit, int | float | Decimal):
        order = (v > limit) - (v < limit)
    else:
        return None
    return side if order == (-1 if side == "least" else 1) else None


def shown_value(v: Any) -> Any:
    """A value for a message: a Quantity as number and unit."""
    return f"{v.get('value')} {v.get('unit') or v.get('code') or ''}".rstrip() if v.__class__ is dict else v


def _quantity(v: Json, side: Side, limit: Json) -> str | None:
    from profiles import ucum

    value, most, system, code = v.get("value"), limit.get("value"), v.get("system"), v.get("code")
    if value is None or most is None:
        return None
    if (system, code) != (limit.get("system"), limit.get("code")):
        if code is None or system != limit.get("system") or system != "http://unitsofmeasure.org":
            return "limit-unjudged"
        if not ucum.valid(code):
            return "limit-unjudged"
        pair = ucum.common(_decimal(value), str(code), _decimal(most), str(limit.get("code")))
        if pair is None:
            return "limit-unit"
        value, most = pair
    return side if (_decimal(value) < _decimal(most) if side == "least" else _decimal(value) > _decimal(most)) else None


def _decimal(value: Any) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value))


def _moments(v: str, side: Side, limit: Any) -> int | None:
    """-1, 0 or 1 as `v` is before, at or after the limit; None where that cannot be told."""
    from profiles.fhirpath import temporal

    given = _moment(v)
    end = _moment(limit) if isinstance(limit, str) else _from_now(side, limit) if isinstance(limit, dict) else None
    if given is None or end is None:
        return None
    return temporal.compare(given, end)


def _moment(text: str) -> Any:
    from profiles.fhirpath import temporal

    return temporal.parse_time(text) if text[2:3] == ":" else temporal.parse_datetime(text)


def _from_now(side: Side, limit: Json) -> Any:
    from profiles.fhirpath import temporal

    units = {"a": "year", "mo": "month", "wk": "week", "d": "day", "h": "hour", "min": "minute", "s": "second"}
    unit = units.get(str(limit.get("code")))
    if unit is None or "value" not in limit:
        return None
    amount = _decimal(limit["value"])
    return temporal.add(temporal.now(), -amount if side == "least" else amount, unit)


# ---------------------------------------------------------------------- texts, numbers and data


def has_pattern(v: Any, pattern: str) -> bool:
    """True where the whole of a primitive matches; of a pattern that cannot be matched in bounded time, too."""
    from profiles.fhirpath import FHIRPathError, regex

    text = str(v).lower() if isinstance(v, bool) else str(v)
    try:
        return isinstance(v, dict | list) or regex.pattern(pattern).fullmatch(text)
    except FHIRPathError:
        return True


def has_length(v: Any, least: int) -> bool:
    return v.__class__ is not str or len(v) >= least


def has_places(v: Any, most: int) -> bool:
    """True where a number, or the value of a Quantity, has no more decimal places than `most`."""
    if v.__class__ is dict:
        v = v.get("value")
    return not isinstance(v, Decimal) or -int(v.as_tuple().exponent) <= most


def has_size(v: Any, most: int) -> bool:
    """True where base64 data, or that of an Attachment, stands for no more bytes than `most`."""
    if v.__class__ is dict:
        v = v.get("data")
    return v.__class__ is not str or decoded_size(v) <= most


def decoded_size(data: str) -> int:
    """Bytes that a base64 text stands for."""
    packed = "".join(data.split())
    return len(packed) * 3 // 4 - packed.count("=", -2)
