"""history of an instance, a type or everything. Source: https://hl7.org/fhir/R4/http.html#history"""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.errors import FhirError
from gateway.fhir import bundles
from gateway.fhir.bundles import CURSOR
from gateway.fhir.call import Answer, Call
from gateway.fhir.search import visible
from gateway.store import BadParameter, NotFound, When
from gateway.store.values import span

PARAMETERS = ("_count", "_since", "_at", "_sort", CURSOR)
SORTS = ("-_lastUpdated", "_lastUpdated")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)")
MOMENT = timedelta(microseconds=1)


async def history(call: Call) -> Answer:
    """GET Type/id/_history, Type/_history, _history"""
    call.no_parameters(*PARAMETERS)
    given = dict(call.query)
    order = given.get("_sort", SORTS[0])
    if order not in SORTS:
        raise FhirError("GF-108", name="_sort", value=order, wanted=" | ".join(SORTS))
    try:
        page = await call.services.store.history(
            call.facility.slug,
            call.type or None,
            call.id or None,
            _when(given, ZoneInfo(call.facility.zone)),
            count=0 if call.view.summary == "count" else count(given.get("_count")),
            cursor=given.get(CURSOR),
            oldest_first=order == SORTS[1],
            among=None if call.type else visible(call),
        )
    except NotFound:
        raise FhirError("GF-201", reference=call.reference, type=call.type) from None
    except BadParameter as bad:
        raise FhirError("GF-403", detail=str(bad)) from None
    call.audited("history", f"{call.path}?{'&'.join(f'{name}={value}' for name, value in call.query)}")
    answer = bundles.history(
        call,
        page.matches,
        query=[*call.query, *call.view.asked],
        path=call.path,
        total=page.total,
        following=page.next,
    )
    return Answer(200, resource=answer)


def _when(given: dict[str, str], zone: ZoneInfo) -> When:
    """The versions that `_since` and `_at` ask for. Raises FhirError GF-108."""
    since, at = instant("_since", given["_since"]) if "_since" in given else None, given.get("_at")
    if at is None:
        return When(since)
    # a + in a URL is a space
    time = span(at.replace(" ", "+"), zone)
    if time is None:
        raise FhirError(
            "GF-108", name="_at", value=at, wanted="a dateTime, such as 2026-11-21 or 2026-11-21T09:00+07:00"
        )
    return When(since, max(time.low, time.high - MOMENT) if time.high > time.low else time.low, time.low)


def instant(name: str, value: str) -> datetime:
    """The instant of a parameter. Raises FhirError GF-108."""
    # a + in a URL is a space
    text = value.replace(" ", "+")
    try:
        if INSTANT.fullmatch(text):
            return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise FhirError("GF-108", name=name, value=value, wanted="an instant, such as 2026-11-21T09:00:00+07:00")


def count(value: str | None) -> int | None:
    """The number of `_count`. Raises FhirError GF-108."""
    if value is None:
        return None
    if not value.isascii() or not value.isdigit():
        raise FhirError("GF-108", name="_count", value=value, wanted="a whole number, 0 or more")
    return int(value)
