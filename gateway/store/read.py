"""Reading one resource, one version, or the versions of an instance, a type or a facility.

Source: https://hl7.org/fhir/R4/http.html#read, #vread, #history
"""

from datetime import datetime
from typing import Any

from .cursor import Cursor
from .errors import Gone, NotFound
from .facilities import Place
from .model import Connection, Page, Version

VERSION = "v.type, v.id, v.version, v.last_updated, v.method, v.content"
"""The columns of a Version, in the order of `version_of`."""

READ = f"""
select {VERSION}
from resource r join resource_version v on v.resource = r.key and v.version = r.version
where r.facility = $1 and r.type = $2 and r.id = $3"""

READ_VERSION = f"""
select {VERSION}
from resource r join resource_version v on v.resource = r.key and v.version = $4
where r.facility = $1 and r.type = $2 and r.id = $3"""

READ_AT = f"""
select {VERSION}
from resource r join resource_version v on v.resource = r.key
where r.facility = $1 and r.type = $2 and r.id = $3 and v.last_updated <= $4
order by v.version desc limit 1"""

_PERIOD = """
  and ($2::timestamptz is null or v.last_updated >= $2) and ($3::timestamptz is null or v.last_updated <= $3)"""
_AFTER = """
  and ($4::timestamptz is null or (v.last_updated, v.resource, v.version) < ($4, $5::bigint, $6::integer))
order by v.last_updated desc, v.resource desc, v.version desc limit $7"""

INSTANCE_HISTORY = f"""
select {VERSION}, v.resource
from resource r join resource_version v on v.resource = r.key
where r.facility = $1 and r.type = $8 and r.id = $9{_PERIOD}{_AFTER}"""

TYPE_HISTORY = f"""
select {VERSION}, v.resource
from resource_version v
where v.facility = $1 and v.type = $8{_PERIOD}{_AFTER}"""

TYPES = """
with recursive type (name) as (
    select min(type) from resource where facility = $1
    union all
    select (select min(type) from resource where facility = $1 and type > name) from type where name is not null
)
select name from type where name is not null"""
"""The types that a facility has resources of: a step in the index for each."""

SYSTEM_HISTORY = f"""
with recursive type (name) as (
    select min(type) from resource_version where facility = $1
    union all
    select (select min(type) from resource_version where facility = $1 and type > name) from type where name is not null
)
select v.* from type, lateral (
    select {VERSION}, v.resource from resource_version v where v.facility = $1 and v.type = type.name{_PERIOD}{_AFTER}
) v
order by v.last_updated desc, v.resource desc, v.version desc limit $7"""


def version_of(facility: str, row: Any) -> Version:
    """A row whose first columns are VERSION."""
    return Version(facility, *row[:6])


async def read(connection: Connection, place: Place, type: str, id: str) -> Version:
    """The current version. Raises NotFound, Gone."""
    row = await connection.fetchrow(READ, place.number, type, id)
    return _there(place, row, f"{type}/{id}")


async def read_version(connection: Connection, place: Place, type: str, id: str, version: int) -> Version:
    """One version. Raises NotFound, or Gone where that version is the deletion."""
    row = await connection.fetchrow(READ_VERSION, place.number, type, id, version)
    return _there(place, row, f"{type}/{id}/_history/{version}")


async def read_at(connection: Connection, place: Place, type: str, id: str, at: datetime) -> Version:
    """The version that was current at an instant. Raises NotFound, Gone."""
    row = await connection.fetchrow(READ_AT, place.number, type, id, at)
    return _there(place, row, f"{type}/{id}")


def _there(place: Place, row: Any, reference: str) -> Version:
    if row is None:
        raise NotFound(f"{reference} does not exist")
    version = version_of(place.slug, row)
    if version.deleted:
        raise Gone(version.reference, version.version)
    return version


async def history(
    connection: Connection,
    place: Place,
    type: str | None,
    id: str | None,
    since: datetime | None,
    until: datetime | None,
    count: int,
    cursor: str | None,
) -> Page:
    """Versions, the newest first, deletions included. Raises NotFound for an instance that never was."""
    after = Cursor.parse(cursor, (datetime, int, int)).values if cursor else (None, None, None)
    of = [value for value in (type, id) if value is not None]
    statement = (SYSTEM_HISTORY, TYPE_HISTORY, INSTANCE_HISTORY)[len(of)]
    rows = await connection.fetch(statement, place.number, since, until, *after, count + 1, *of)
    if not rows and id is not None and await connection.fetchrow(READ, place.number, type, id) is None:
        raise NotFound(f"{type}/{id} does not exist")
    shown = rows[:count]
    more = None
    if len(rows) > count and shown:
        last = shown[-1]
        more = str(Cursor((last["last_updated"], last["resource"], last["version"])))
    return Page([version_of(place.slug, row) for row in shown], next=more)
