"""The numbers of search parameters, and the compiled plans of the types that this process has met."""

from collections.abc import Mapping

from . import extract
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
        self._complete: set[str] = set()
        self._plans: dict[str, extract.Plan] = {}

    @classmethod
    async def of(cls, connection: Connection, url: str) -> "SearchIndex":
        """With the numbers that the database holds."""
        numbers: dict[str, dict[str, int]] = {}
        for type, code, number in await connection.fetch(ALL):
            numbers.setdefault(type, {})[code] = number
        return cls(url, numbers)

    async def plan(self, type: str) -> extract.Plan:
        """How a resource of this type is indexed."""
        found = self._plans.get(type)
        if found is None:
            found = self._plans[type] = extract.plan(type, await self.numbers(type))
        return found

    async def numbers(self, type: str) -> Mapping[str, int]:
        """The number of each parameter of a type by its code (and of derived ones: `identifier:of-type`)."""
        if type not in self._complete:
            codes = extract.codes(type)
            if not self._numbers.get(type, {}).keys() >= set(codes):
                await self._learn(type, codes)
            self._complete.add(type)
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
