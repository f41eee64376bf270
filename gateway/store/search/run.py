"""Running a search: the page, its total, and what is included with it."""

import json
from collections.abc import Collection, Sequence
from typing import Any

import asyncpg

from ..catalogue import SHIPPED, Catalogue
from ..cursor import BACK, Cursor
from ..errors import BadParameter
from ..extract import LINK
from ..facilities import Place
from ..index import SearchIndex
from ..model import Connection, Contained, Page, Version
from ..read import VERSION, version_of
from .conditions import Builder, Numbers
from .query import Include, Search
from .statement import Bounds, mixed, page, total
from .vocabulary import meant

MOST_INCLUDED = 5_000
"""Resources that one page may add by includes; more is left out with a warning."""
ROUNDS = 10
"""How often `:iterate` follows what it found."""

FORWARD = f"""
select distinct on (v.resource) {VERSION}, v.resource
from reference_index i
join resource t on t.facility = i.facility and t.type = i.target_type and t.id = i.target_id and not t.deleted
join resource_version v on v.resource = t.key and v.version = t.version
where i.facility = (select $1::smallint) and i.resource = any((select $2::bigint[])::bigint[]) and i.parameter <> {LINK}
  and ((select $3::integer) is null or i.parameter = (select $3::integer))
  and ((select $4::text) is null or i.target_type = (select $4::text))
  and t.key <> all((select $5::bigint[])::bigint[])
limit {MOST_INCLUDED}"""
"""The inner selects hide the values from the planner, which else would plan each call anew: ten times the work."""

BACKWARD = f"""
select distinct on (v.resource) {VERSION}, v.resource
from resource t
join reference_index i on i.facility = t.facility and i.target_type = t.type and i.target_id = t.id
join resource s on s.key = i.resource
join resource_version v on v.resource = s.key and v.version = s.version
where t.facility = (select $1::smallint) and t.key = any((select $2::bigint[])::bigint[]) and i.parameter <> {LINK}
  and ((select $3::integer) is null or i.parameter = (select $3::integer))
  and ((select $4::text) is null or s.type = (select $4::text))
  and s.key <> all((select $5::bigint[])::bigint[])
limit {MOST_INCLUDED}"""


async def numbers(search: Search, index: SearchIndex, catalogue: Catalogue = SHIPPED) -> Numbers:
    """The numbers of all parameters of the types that the search names."""
    return {type: await index.numbers(type, catalogue) for type in set(search.types())}


async def run(
    connection: Connection,
    place: Place,
    searches: Sequence[Search],
    known: Numbers,
    count: int,
    catalogue: Catalogue = SHIPPED,
    compartment: tuple[str, str] | None = None,
    among: Collection[str] | None = None,
) -> Page:
    """One page of a search; several are one over several types, alike but for the type.

    Resources of types that are not `among` those that the asker may search are not included, and not followed.

    Raises BadParameter for a value that does not fit its parameter.
    """
    search, bounds = searches[0], Bounds(compartment, among)
    meaning = await meant(connection, place, searches, known, catalogue)
    builder = Builder(place, known, meaning)
    statement, kinds = page(searches, builder, bounds, count)
    try:
        rows = await connection.fetch(statement, *builder.arguments)
    except asyncpg.DataError as error:  # a NUL, a number without end
        raise BadParameter("_cursor" if search.cursor else "search", f"holds an impossible value ({error})") from None
    counted = None
    if search.total != "none":
        builder = Builder(place, known, meaning)
        counted = _number(await connection.fetchval(total(searches, builder, bounds), *builder.arguments))
    shown = rows[:count][::-1] if search.backwards else rows[:count]
    several = mixed(searches)
    before, behind = _around(search, shown, len(rows) > count, len(kinds))
    slug = place.slug
    found = [_found(slug, row) for row in shown] if several else [version_of(slug, row) for row in shown]
    if not search.includes and not search.revincludes:
        return Page(found, next=behind, total=counted, previous=before)
    matches = [(row["key"], row["kind"] if several else search.type) for row in shown]
    included, warnings = await _included(connection, place, search, known, matches, among)
    return Page(found, included, behind, counted, warnings, before)


def _around(search: Search, shown: Sequence[Any], more: bool, keys: int) -> tuple[str | None, str | None]:
    """The cursors of the pages before and behind the rows shown, of which there are `more` in the direction asked."""
    if not shown:
        return None, None
    before = more if search.backwards else search.cursor is not None
    behind = more or search.backwards
    return BACK + _cursor(shown[0], keys) if before else None, _cursor(shown[-1], keys) if behind else None


def _cursor(row: Any, keys: int) -> str:
    return str(Cursor(tuple(row)[-keys:]))


def _found(facility: str, row: Any) -> Version:
    """The resource of a row, or the one that is contained in it."""
    version = version_of(facility, row)
    return version if row["part"] is None else Contained.of(version, row["part"])


def _number(answer: Any) -> int:
    # `explain (format json)` answers a plan instead of a count
    return answer if isinstance(answer, int) else int(json.loads(answer)[0]["Plan"]["Plan Rows"])


async def _included(
    connection: Connection,
    place: Place,
    search: Search,
    known: Numbers,
    matches: Sequence[tuple[int, str]],
    among: Collection[str] | None,
) -> tuple[list[Version], list[str]]:
    found: list[Version] = []
    seen = {key for key, _ in matches}
    directions = [(FORWARD, i) for i in search.includes] + [(BACKWARD, i) for i in search.revincludes]
    sources = list(matches)
    repeats = any(i.iterate for _, i in directions)
    for turn in range(ROUNDS if repeats else 1):
        added: list[tuple[int, str]] = []
        for statement, include in directions:
            if turn and not include.iterate:
                continue
            for row in await _follow(connection, place, statement, include, known, sources, seen):
                if among is not None and row["type"] not in among:
                    continue
                found.append(version_of(place.slug, row))
                added.append((row["resource"], row["type"]))
                seen.add(row["resource"])
            if len(found) >= MOST_INCLUDED:
                return found, [f"more than {MOST_INCLUDED} resources would be included; the rest is left out"]
        if not added:
            return found, []
        sources = added
    return found, [f"what lies more than {ROUNDS} references away is left out"] if repeats else []


async def _follow(
    connection: Connection,
    place: Place,
    statement: str,
    include: Include,
    known: Numbers,
    sources: Sequence[tuple[int, str]],
    seen: set[int],
) -> list[Any]:
    forward = statement is FORWARD
    keys = [key for key, type in sources if not forward or include.source in ("*", type)]
    if not keys:
        return []
    parameter = include.parameter
    number = known[parameter.type].get(parameter.code) if parameter else None
    type = include.type
    if not forward:
        if include.type:
            keys = [key for key, source in sources if source == include.type]
        type = None if include.source == "*" else include.source
    return await connection.fetch(statement, place.number, keys, number, type, list(seen))
