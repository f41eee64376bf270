"""What conditional interactions share: criteria, the one match, and keeping rivals with the same criteria out.

Two callers who both ask "create unless it exists" must not both find nothing. Criteria are therefore locked (a lock of
PostgreSQL that ends with the transaction) before they are searched, in one order, so that nobody waits in a circle.

Source: https://hl7.org/fhir/R4/http.html#ccreate, #cond-update, #3.1.0.7.1
"""

from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode

from gateway.errors import FhirError
from gateway.fhir.call import Call, Query
from gateway.fhir.search import refusal
from gateway.store import BadParameter, Transaction, Version

LOCK = "select pg_advisory_xact_lock(hashtextextended($1, 0))"
RESULT_PARAMETERS = frozenset(
    {"_count", "_sort", "_total", "_include", "_revinclude", "_summary", "_elements", "_format"}
)


class Criteria(NamedTuple):
    """What a conditional interaction searches for. `query` is sorted, so that equal criteria are equal."""

    type: str
    query: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return f"{self.type}?{urlencode(self.query)}"


def criteria(resource_type: str, query: Query | str) -> Criteria:
    """The criteria of a query (`?a=b`, `a=b` or pairs). Raises FhirError GF-206 where they would search for nothing."""
    pairs = parse_qsl(query.partition("?")[2] or query, keep_blank_values=True) if isinstance(query, str) else query
    found = tuple(sorted(pairs))
    useless = [name for name, value in found if not value or name in RESULT_PARAMETERS]
    if not found or useless:
        raise FhirError("GF-206", criteria=f"{resource_type}?{urlencode(found)}")
    return Criteria(resource_type, found)


@asynccontextmanager
async def exclusively(call: Call, asked: Iterable[Criteria]) -> AsyncIterator[Transaction]:
    """A transaction in which nobody else acts on the same criteria."""
    async with call.services.store.transaction(call.facility.slug) as transaction:
        for one in sorted({str(one) for one in asked}):
            await transaction.connection.execute(LOCK, f"{call.facility.slug} {one}")
        yield transaction


async def match(transaction: Transaction, asked: Criteria, without: Collection[str] = frozenset()) -> Version | None:
    """The one resource that meets the criteria, None where there is none; `without` are `Type/id` to overlook.

    Raises FhirError GF-205 where several meet them, GF-401 or GF-402 for criteria that are no search.
    """
    count = str(2 + len(without))
    try:
        page = await transaction.search(asked.type, [*asked.query, ("_count", count)])
    except BadParameter as bad:
        raise refusal(asked.type, bad) from None
    found = [version for version in page.matches if version.reference not in without]
    if len(found) > 1:
        raise FhirError("GF-205", count="2+", criteria=str(asked))
    return found[0] if found else None
