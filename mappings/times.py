"""Times between a hospital's zone and a destination's (SATUSEHAT takes every dateTime in UTC, written `+00:00`)."""

import re
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?\Z")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}")

zone = lru_cache(maxsize=None)(ZoneInfo)


def moment(text: str, zone_name: str) -> datetime:
    """A FHIR dateTime or instant as an aware datetime; without offset it is taken in the facility's zone.

    Raises ValueError for anything else.
    """
    if not _TIME.match(text):
        raise ValueError(f"{text!r} is no date with a time")
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=zone(zone_name))


def utc(text: str, zone_name: str) -> str:
    """`2026-01-05T08:00:00+07:00` → `2026-01-05T01:00:00+00:00`. A date alone has no moment and stays as it is."""
    if _DATE.match(text):
        return text
    return moment(text, zone_name).astimezone(UTC).isoformat()


def day(text: str, zone_name: str) -> str:
    """The calendar day `yyyy-MM-dd` of a full date or moment in the zone. Raises ValueError for a year or a month."""
    if _DATE.match(text):
        if len(text) != 10:
            raise ValueError(f"{text!r} is no full date")
        return text
    return moment(text, zone_name).astimezone(zone(zone_name)).date().isoformat()
