"""history of an instance, a type or everything. Source: https://hl7.org/fhir/R4/http.html#history"""

import re
from datetime import datetime

from gateway.errors import FhirError
from gateway.fhir import bundles
from gateway.fhir.bundles import CURSOR
from gateway.fhir.call import Answer, Call
from gateway.store import BadParameter, NotFound

PARAMETERS = ("_count", "_since", CURSOR)
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)")


async def history(call: Call) -> Answer:
    """GET Type/id/_history, Type/_history, _history"""
    call.no_parameters(*PARAMETERS)
    given = dict(call.query)
    store = call.services.store
    try:
        page = await store.history(
            call.facility.slug,
            call.type or None,
            call.id or None,
            since=_since(given.get("_since")),
            count=count(given.get("_count")),
            cursor=given.get(CURSOR),
        )
    except NotFound:
        raise FhirError("GF-201", reference=call.reference, type=call.type) from None
    except BadParameter as bad:
        raise FhirError("GF-403", detail=str(bad)) from None
    call.audited("history", f"{call.path}?{'&'.join(f'{name}={value}' for name, value in call.query)}")
    answer = bundles.history(
        call,
        [version for version in page.matches if call.who.role.may("s", version.type)],
        query=call.query,
        path=call.path,
        total=page.total,
        following=page.next,
    )
    return Answer(200, resource=answer)


def count(value: str | None) -> int | None:
    """The number of `_count`. Raises FhirError GF-108."""
    if value is None:
        return None
    if not value.isascii() or not value.isdigit():
        raise FhirError("GF-108", name="_count", value=value, wanted="a whole number, 0 or more")
    return int(value)


def _since(value: str | None) -> datetime | None:
    if value is None:
        return None
    # a + in a URL is a space
    text = value.replace(" ", "+")
    if not INSTANT.fullmatch(text):
        raise FhirError("GF-108", name="_since", value=value, wanted="an instant, such as 2026-11-21T09:00:00+07:00")
    return datetime.fromisoformat(text)
