"""Everything of a type at one moment: what bulk exports read, row after row from a snapshot of the database."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from profiles import definitions

from .catalogue import Catalogue
from .facilities import Place
from .index import SearchIndex
from .model import Connection, Query
from .search.conditions import Builder, Row
from .search.query import Search
from .search.run import numbers
from .search.syntax import parse
from .search.vocabulary import meant

PREFETCH = 500

DELETED = """
select r.type, r.id, v.content
from resource r
left join resource_version v on v.resource = r.key and v.version = r.version - 1
where r.facility = $1 and r.type = $2 and r.deleted and r.last_updated >= $3
order by r.key"""


@dataclass(frozen=True, slots=True)
class Selection:
    """Resources of a type. `queries` are alternatives (none: all); `since`: written at or after this instant;
    `patients`: in the compartment of one of these ids, `ANYONE`: of any patient, None: wherever they are."""

    type: str
    queries: Sequence[Query] = ()
    since: datetime | None = None
    patients: Sequence[str] | None = None


ANYONE: Sequence[str] = ("*",)


class Snapshot:
    """One state of a facility's resources, for as long as its transaction lasts."""

    def __init__(self, connection: Connection, place: Place, index: SearchIndex, catalogue: Catalogue) -> None:
        self._connection, self._place, self._index, self._catalogue = connection, place, index, catalogue

    async def select(self, chosen: Selection) -> AsyncIterator[bytes]:
        """The stored bytes of each resource. Raises BadParameter."""
        statement, arguments = await self.statement(chosen)
        async for row in self._connection.cursor(statement, *arguments, prefetch=PREFETCH):
            yield row[0]

    async def deleted(self, type: str, since: datetime) -> AsyncIterator[tuple[str, bytes]]:
        """`Type/id` of each resource of a type deleted at or after an instant, with what it held before."""
        async for row in self._connection.cursor(DELETED, self._place.number, type, since, prefetch=PREFETCH):
            yield f"{row[0]}/{row[1]}", row[2] or b""

    async def meeting(self, search: Search, ids: Sequence[str]) -> tuple[str, list[Any]]:
        """The statement that finds which of these ids meet a search, and its arguments. Raises BadParameter."""
        known = await numbers(search, self._index, self._catalogue)
        meaning = await meant(self._connection, self._place, [search], known, self._catalogue)
        builder = Builder(self._place, known, meaning)
        where = builder.where(Row("r", search.type), None, search.conditions)
        named = builder.arguments.add(list(ids), "text[]")
        return f"select r.id from resource r where r.id = any({named}) and {where}", builder.arguments

    async def statement(self, chosen: Selection) -> tuple[str, list[Any]]:
        """The statement of a selection and its arguments. Raises BadParameter."""
        searches = [parse(chosen.type, query, self._catalogue) for query in chosen.queries or [()]]
        known: dict[str, Mapping[str, int]] = {}
        for search in searches:
            known.update(await numbers(search, self._index, self._catalogue))
        meaning = await meant(self._connection, self._place, searches, known, self._catalogue)
        builder = Builder(self._place, known, meaning)
        row = Row("r", chosen.type)
        alternatives = [builder.where(row, None, search.conditions) for search in searches]
        where = [f"({' or '.join(f'({one})' for one in alternatives)})"]
        if chosen.since is not None:
            where.append(f"r.last_updated >= {builder.arguments.add(chosen.since, 'timestamptz')}")
        if chosen.patients is not None:
            where += self._compartment(builder, chosen.type, chosen.patients)
        conditions = "\n  and ".join(where)
        return (
            "select v.content from resource r"
            " join resource_version v on v.resource = r.key and v.version = r.version\n"
            f"where {conditions}\norder by r.key"
        ), builder.arguments

    def _compartment(self, builder: Builder, type: str, patients: Sequence[str]) -> list[str]:
        """Conditions on `r`: in the compartment of one of the patients. A patient is in its own."""
        own = type == "Patient"
        if own and patients is ANYONE:
            return []
        if own:
            return [f"r.id = any({builder.arguments.add(list(patients), 'text[]')})"]
        codes = definitions.compartment("Patient").get(type, ())
        known = builder.numbers[type]
        of = builder.arguments.add([known[code] for code in codes if code in known], "integer[]")
        entry = f"i.facility = {builder.facility} and i.target_type = 'Patient' and i.parameter = any({of})"
        if patients is ANYONE:
            return [f"exists (select 1 from reference_index i where i.resource = r.key and {entry})"]
        ids = builder.arguments.add(list(patients), "text[]")
        return [f"r.key in (select i.resource from reference_index i where {entry} and i.target_id = any({ids}))"]
