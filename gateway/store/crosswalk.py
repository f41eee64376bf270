"""The crosswalk: where a local resource lives at a destination, per facility."""

from collections.abc import Iterable, Sequence

from .facilities import Place
from .model import Connection, Remote

RECORD = """
insert into crosswalk (facility, destination, local, remote)
select $1, $2, local, remote from unnest($3::text[], $4::text[]) as u (local, remote)
on conflict (facility, destination, local) do update set remote = excluded.remote, recorded = now()
where crosswalk.remote <> excluded.remote"""
REMOTE = "select local, remote from crosswalk where facility = $1 and destination = $2 and local = any($3::text[])"
LOCAL = "select local, remote from crosswalk where facility = $1 and destination = $2 and remote = any($3::text[])"
FORGET = "delete from crosswalk where facility = $1 and destination = $2 and local = any($3::text[])"


async def record(connection: Connection, place: Place, destination: str, pairs: Iterable[Remote]) -> None:
    """Remember where resources live; a new remote replaces the old."""
    by_local = {pair.local: pair.remote for pair in pairs}
    await connection.execute(RECORD, place.number, destination, list(by_local), list(by_local.values()))


async def remote(connection: Connection, place: Place, destination: str, local: Sequence[str]) -> dict[str, str]:
    """Local `Type/id` → remote `Type/id`, for those that are known."""
    rows = await connection.fetch(REMOTE, place.number, destination, list(local))
    return {row[0]: row[1] for row in rows}


async def local(connection: Connection, place: Place, destination: str, remote: Sequence[str]) -> dict[str, str]:
    """Remote `Type/id` → local `Type/id`, for those that are known."""
    rows = await connection.fetch(LOCAL, place.number, destination, list(remote))
    return {row[1]: row[0] for row in rows}


async def forget(connection: Connection, place: Place, destination: str, local: Sequence[str]) -> None:
    """Drop what is remembered of these."""
    await connection.execute(FORGET, place.number, destination, list(local))
