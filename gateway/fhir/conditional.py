"""What conditional interactions share: the criteria and the one resource that meets them.

Two callers who both ask "create unless it exists" must not both find nothing. Criteria are therefore locked (a lock of
PostgreSQL that ends with the transaction) before they are searched, in one order, so that nobody waits in a circle.

Source: https://hl7.org/fhir/R4/http.html#ccreate, #cond-update, #3.1.0.7.1
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple, TypeVar
from urllib.parse import parse_qsl, urlencode

from gateway.errors import FhirError
from gateway.fhir.call import Call, Query
from gateway.fhir.search import forbidden, refusal, visible
from gateway.store import BadParameter, OutOfSight, Transaction, Version
from gateway.store.retry import ATTEMPTS, step_aside
from gateway.store.search.parameters import RESULT

LOCK = "select pg_advisory_xact_lock(hashtextextended($1, 0))"
QUICKER = frozenset({"GF-204", "GF-209"})

Made = TypeVar("Made")


class Criteria(NamedTuple):
    """What a conditional interaction searches for. `query` is sorted, so that equal criteria are equal."""

    type: str
    query: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return f"{self.type}?{urlencode(self.query, safe='|:/,')}"


class Matched(NamedTuple):
    """An open transaction in which nobody else acts on the same criteria, what each of them met, and what those that
    may meet several met besides."""

    transaction: Transaction
    found: dict[Criteria, Version | None]
    more: dict[Criteria, Sequence[Version]]


def criteria(call: Call, resource_type: str, query: Query | str) -> Criteria:
    """The criteria of a query (`?a=b`, `a=b` or pairs).

    Raises FhirError GF-206 where they would search for nothing, GF-401 or GF-402 where they are no search, GF-603 where
    the caller may not search so.
    """
    if isinstance(query, str):
        query = parse_qsl(query.partition("?")[2] or query, keep_blank_values=True)
    found = Criteria(resource_type, tuple(sorted(query)))
    if not query or any(not value or name in RESULT for name, value in query):
        raise FhirError("GF-206", criteria=str(found))
    try:
        call.services.store.understood(call.facility.slug, resource_type, found.query, visible(call))
    except OutOfSight as hidden:
        raise forbidden(call, hidden.type) from None
    except BadParameter as bad:
        raise refusal(resource_type, bad) from None
    return found


@asynccontextmanager
async def exclusively(
    call: Call, asked: Iterable[Criteria], several: Collection[Criteria] = ()
) -> AsyncIterator[Matched]:
    """Look up all criteria of an interaction under their locks. Raises TooManyMatches where one meets more than one, or
    one of `several` more than a page."""
    distinct = sorted(set(asked))
    async with call.services.store.transaction(call.facility.slug) as transaction:
        for one in distinct:
            await transaction.connection.execute(LOCK, f"{call.facility.slug} {one}")
        met = {}
        for one in distinct:
            most = call.services.settings.max_page_size if one in several else 1
            met[one] = await _matches(transaction, one, most, visible(call))
        found = {one: matches[0] if matches else None for one, matches in met.items()}
        yield Matched(transaction, found, {one: matches[1:] for one, matches in met.items()})


async def _matches(
    transaction: Transaction, asked: Criteria, most: int, among: frozenset[str] | None
) -> Sequence[Version]:
    page = await transaction.search(asked.type, [*asked.query, ("_count", str(most))], among=among)
    if page.next is not None:
        raise TooManyMatches(asked, most)
    return page.matches


class TooManyMatches(FhirError):
    """GF-205, with the criteria that meet more resources than they may."""

    def __init__(self, asked: Criteria, most: int) -> None:
        self.asked = asked
        super().__init__("GF-205", criteria=str(asked), most=most)


def taken(error: FhirError, asked: Criteria, given: str | None) -> FhirError:
    """The refusal of a conditional update that met nothing and whose own id another resource has; else the error."""
    if given is None or error.refusal.number != "GF-208":
        return error
    return FhirError("GF-214", criteria=str(asked), id=given, type=asked.type)


async def until_quiet(act: Callable[[], Awaitable[Made]], *, sure: bool) -> Made:
    """Do an act again when another writer was quicker; not where the caller named a version (`sure`)."""
    for attempt in range(ATTEMPTS - 1):
        try:
            return await act()
        except FhirError as error:
            if sure or error.refusal.number not in QUICKER:
                raise
        await step_aside(attempt)
    return await act()
