"""The numbers of search parameters, and how resources of each type are indexed."""

from collections.abc import Mapping

from . import extract
from .catalogue import SHIPPED, Catalogue
from .model import Connection
from .pool import connect, translated

ALL = "select type, code, id from search_parameter"
KNOW = """
insert into search_parameter (type, code) select $1, unnest($2::text[]) on conflict (type, code) do nothing"""
OF_TYPE = "select code, id from search_parameter where type = $1"


class SearchIndex:
    """What is indexed of each type. A parameter gets its number when its type is first met, and keeps it for ever."""

    def __init__(self, url: str, numbers: dict[str, dict[str, int]]) -> None:
        self._url = url
        self._numbers = numbers
        self._complete: set[tuple[str, Catalogue]] = set()
        self._plans: dict[tuple[str, Catalogue], extract.Plan] = {}

    @classmethod
    async def of(cls, connection: Connection, url: str) -> "SearchIndex":
        """With the numbers that the database holds."""
        numbers: dict[str, dict[str, int]] = {}
        for type, code, number in await connection.fetch(ALL):
            numbers.setdefault(type, {})[code] = number
        return cls(url, numbers)

    async def plan(self, type: str, catalogue: Catalogue = SHIPPED) -> extract.Plan:
        """How a resource of this type is indexed."""
        found = self._plans.get((type, catalogue))
        if found is None:
            found = extract.plan(type, await self.numbers(type, catalogue), catalogue)
            self._plans[type, catalogue] = found
        return found

    async def numbers(self, type: str, catalogue: Catalogue = SHIPPED) -> Mapping[str, int]:
        """The number of each parameter of a type by its code (and of derived ones: `identifier:of-type`)."""
        if (type, catalogue) not in self._complete:
            codes = extract.codes(type, catalogue)
            if not self._numbers.get(type, {}).keys() >= set(codes):
                await self._learn(type, codes)
            self._complete.add((type, catalogue))
        return self._numbers.get(type, {})

    async def _learn(self, type: str, codes: list[str]) -> None:
        # On a connection of its own: the numbers must stay even where the write that needs them is undone.
        with translated():
            connection = await connect(self._url)
            try:
                await connection.execute(KNOW, type, codes)
                rows = await connection.fetch(OF_TYPE, type)
                self._numbers[type] = {row[0]: row[1] for row in rows}
            finally:
                await connection.close()
