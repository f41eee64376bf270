"""Reading one resource, one version, or the versions of an instance, a type or a facility.

Source: https://hl7.org/fhir/R4/http.html#read, #vread, #history
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from .cursor import Cursor
from .errors import Gone, NotFound
from .facilities import Place
from .model import Connection, Page, Version, When

VERSION = "v.type, v.id, v.version, v.last_updated, v.method, v.content"
"""The columns of a Version, in the order of `version_of`."""

READ = f"""
select {VERSION}
from resource r join resource_version v on v.resource = r.key and v.version = r.version
where r.facility = $1 and r.type = $2 and r.id = $3"""

EXISTING = """
select r.type || '/' || r.id
from unnest($2::text[], $3::text[]) as asked (type, id)
join resource r on r.facility = $1 and r.type = asked.type and r.id = asked.id
where not r.deleted"""

READ_ALL = f"""
select {VERSION}
from resource r join resource_version v on v.resource = r.key and v.version = r.version
where r.facility = $1 and r.type = $2 and r.id = any((select $3::text[])::text[])"""
"""The inner select hides how many ids there are from the planner, which else would plan each call anew."""

READ_VERSION = f"""
select {VERSION}
from resource r join resource_version v on v.resource = r.key and v.version = $4
where r.facility = $1 and r.type = $2 and r.id = $3"""

READ_AT = f"""
select {VERSION}
from resource r join resource_version v on v.resource = r.key
where r.facility = $1 and r.type = $2 and r.id = $3 and v.last_updated <= $4
order by v.version desc limit 1"""

_WHEN = """
  and ($2::timestamptz is null or v.last_updated >= $2) and ($3::timestamptz is null or v.last_updated <= $3)
  and ($4::timestamptz is null or not exists (select from resource_version n
    where n.resource = v.resource and n.version = v.version + 1 and n.last_updated <= $4))"""
"""Written from $2 to $3, and not replaced by $4."""


def _page(order: str) -> str:
    after = "<" if order == "desc" else ">"
    return f"""
  and ($5::timestamptz is null or (v.last_updated, v.resource, v.version) {after} ($5, $6::bigint, $7::integer))
order by v.last_updated {order}, v.resource {order}, v.version {order} limit $8"""


INSTANCE = "from resource r join resource_version v on v.resource = r.key where r.facility = $1"
TYPE = "from resource_version v where v.facility = $1"

TYPES = """
with recursive type (name) as (
    select min(type) from resource where facility = $1
    union all
    select (select min(type) from resource where facility = $1 and type > name) from type where name is not null
)
select name from type where name is not null"""
"""The types that a facility has resources of: a step in the index for each."""
INSIDE_TYPES = TYPES.replace("from resource ", "from contained ")


def _histories(order: str) -> tuple[str, str, str]:
    """The statements for the whole facility (its types $9, or all), a type ($9), and an instance ($9, $10)."""
    page = f"{_WHEN}{_page(order)}"
    return (
        f"""
with recursive type (name) as (
    select min(type) from resource_version where facility = $1
    union all
    select (select min(type) from resource_version where facility = $1 and type > name) from type where name is not null
)
select v.* from type, lateral (select {VERSION}, v.resource {TYPE} and v.type = type.name{page}) v
where $9::text[] is null or type.name = any($9)
order by v.last_updated {order}, v.resource {order}, v.version {order} limit $8""",
        f"select {VERSION}, v.resource {TYPE} and v.type = $9{page}",
        f"select {VERSION}, v.resource {INSTANCE} and r.type = $9 and r.id = $10{page}",
    )


NEWEST_FIRST, OLDEST_FIRST = _histories("desc"), _histories("asc")
COUNTS = (
    f"select count(*) {TYPE} and ($5::text[] is null or v.type = any($5)){_WHEN}",
    f"select count(*) {TYPE} and v.type = $5{_WHEN}",
    f"select count(*) {INSTANCE} and r.type = $5 and r.id = $6{_WHEN}",
)


def version_of(facility: str, row: Any) -> Version:
    """A row whose first columns are VERSION."""
    return Version(facility, *row[:6])


async def read(connection: Connection, place: Place, type: str, id: str) -> Version:
    """The current version. Raises NotFound, Gone."""
    row = await connection.fetchrow(READ, place.number, type, id)
    return there(place, row, f"{type}/{id}")


async def existing(connection: Connection, place: Place, references: Sequence[str]) -> frozenset[str]:
    """Those of the references (`Type/id`) that are stored and not deleted."""
    pairs = [reference.partition("/") for reference in references]
    types, ids = [type for type, _, _ in pairs], [id for _, _, id in pairs]
    return frozenset(row[0] for row in await connection.fetch(EXISTING, place.number, types, ids))


async def read_version(connection: Connection, place: Place, type: str, id: str, version: int) -> Version:
    """One version. Raises NotFound, or Gone where that version is the deletion."""
    row = await connection.fetchrow(READ_VERSION, place.number, type, id, version)
    return there(place, row, f"{type}/{id}/_history/{version}")


async def read_at(connection: Connection, place: Place, type: str, id: str, at: datetime) -> Version:
    """The version that was current at an instant. Raises NotFound, Gone."""
    row = await connection.fetchrow(READ_AT, place.number, type, id, at)
    return there(place, row, f"{type}/{id}")


def there(place: Place, row: Any, reference: str) -> Version:
    """The version of a row. Raises NotFound where there is none, Gone where it is a deletion."""
    if row is None:
        raise NotFound(f"{reference} does not exist")
    version = version_of(place.slug, row)
    if version.deleted:
        raise Gone(version.reference, version.version)
    return version


async def history(
    connection: Connection,
    place: Place,
    of: Sequence[str],
    when: When,
    count: int,
    cursor: str | None,
    *,
    oldest_first: bool = False,
    among: Collection[str] | None = None,
) -> Page:
    """Versions of an instance (`of`: type and id), a type or the facility (of the types `among`), deletions included; a
    `count` of 0 gives their number alone. Raises NotFound for an instance that never was."""
    named: list[Any] = [*of] or [None if among is None else list(among)]
    if count == 0:
        total = await connection.fetchval(COUNTS[len(of)], place.number, *when, *named)
        return await _known(connection, place, of, Page(total=total), total)
    after = Cursor.parse(cursor, (datetime, int, int)).values if cursor else (None, None, None)
    statement = (OLDEST_FIRST if oldest_first else NEWEST_FIRST)[len(of)]
    rows = await connection.fetch(statement, place.number, *when, *after, count + 1, *named)
    shown = rows[:count]
    more = None
    if len(rows) > count:
        last = shown[-1]
        more = str(Cursor((last["last_updated"], last["resource"], last["version"])))
    page = Page([version_of(place.slug, row) for row in shown], next=more)
    return await _known(connection, place, of, page, len(rows))


async def _known(connection: Connection, place: Place, of: Sequence[str], page: Page, count: int) -> Page:
    """The page, unless it is empty because there never was such an instance."""
    if not count and len(of) == 2 and await connection.fetchrow(READ, place.number, *of) is None:
        raise NotFound(f"{'/'.join(of)} does not exist")
    return page
