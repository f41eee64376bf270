"""Three visits as a SIMRS would send them: transaction Bundles with its own ids, NIKs, card numbers, times in +07:00.

The files are written as if they were sent on 2026-01-06, the day after each visit ended. `bundles` moves them to the
day it is told (birth dates and others long past stay), so that referrals are valid and no time lies in the future.
"""

import datetime as dt
import re
from importlib.resources import files
from typing import Any

from profiles import fhirjson
from profiles.fhirjson import Resource

VISITS = {
    "outpatient": ("outpatient.json",),
    "emergency": ("emergency-1-arrival.json", "emergency-2-admission.json", "emergency-3-discharge.json"),
    "mistakes": ("mistakes.json",),
}
"""Visit → its Bundles in the order in which they are sent."""

SENT = dt.date(2026, 1, 6)
_OLD = dt.date(2025, 7, 1)
_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})(T\S+)?\Z")


def bundles(visit: str, sent: dt.date) -> list[Resource]:
    """The Bundles of a visit as sent on that day."""
    days = sent - SENT
    return [_moved(fhirjson.decode(files(__package__).joinpath(name).read_bytes()), days) for name in VISITS[visit]]


def _moved(value: Any, days: dt.timedelta) -> Any:
    if isinstance(value, dict):
        return {key: _moved(item, days) for key, item in value.items()}
    if isinstance(value, list):
        return [_moved(item, days) for item in value]
    found = _DATE.match(value) if isinstance(value, str) else None
    if not found or (day := dt.date.fromisoformat(found[1])) < _OLD:
        return value
    return f"{day + days}{found[2] or ''}"
