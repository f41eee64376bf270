"""Conditional interactions: which one resource do these criteria mean?

Two conditional creates with the same criteria must not both find nothing. Each takes a lock named by its criteria until
its transaction ends. Source: https://hl7.org/fhir/R4/http.html#ccreate
"""

import hashlib
from collections.abc import Sequence
from urllib.parse import urlencode

from .errors import MultipleMatches, PreconditionFailed
from .facilities import Place
from .index import SearchIndex
from .model import Connection, Query
from .search.run import numbers, run
from .search.syntax import parse

LOCK = "select pg_advisory_xact_lock($1)"


async def match(
    connection: Connection, place: Place, criteria: Sequence[tuple[str, Query]], index: SearchIndex
) -> list[str | None]:
    """The id that each (type, query) meets, or None. Raises BadParameter, MultipleMatches, PreconditionFailed."""
    searches = [parse(type, query) for type, query in criteria]
    for (type, query), search in zip(criteria, searches, strict=True):
        if not search.conditions:
            raise PreconditionFailed(f"{_written(type, query)}: criteria without a search parameter meet everything")
    for lock in sorted({_lock(place, type, query) for type, query in criteria}):
        await connection.execute(LOCK, lock)
    found: list[str | None] = []
    for (type, query), search in zip(criteria, searches, strict=True):
        page = await run(connection, place, search, await numbers(search, index), 2)
        if len(page.matches) > 1:
            raise MultipleMatches(_written(type, query), len(page.matches))
        found.append(page.matches[0].id if page.matches else None)
    return found


def _written(type: str, query: Query) -> str:
    return f"{type}?{urlencode(list(query), safe='|:/,')}"


def _lock(place: Place, type: str, query: Query) -> int:
    name = f"{place.number} {_written(type, sorted(query))}"
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)
