"""Instants as they stand in resources, compared as moments: an offset is no difference."""

from datetime import UTC, datetime
from typing import Any


def moment(value: Any) -> datetime | None:
    """The moment of a full dateTime; None for a date alone and for what is no dateTime."""
    if not isinstance(value, str) or "T" not in value:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


def earlier(one: Any, other: Any) -> bool:
    """Whether one dateTime is certainly before another."""
    first, second = moment(one), moment(other)
    return first is not None and second is not None and first < second
