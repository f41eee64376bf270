"""Keys for new resources."""

from .model import Connection

KEYS_PER_DRAW = 1000
"""The increment of the sequence `resource_key`."""


class Keys:
    """Keys for new resources, drawn from the sequence by the thousand."""

    def __init__(self) -> None:
        self._next = self._end = 0

    async def draw(self, connection: Connection) -> int:
        """A key that nobody else has."""
        while self._next == self._end:
            first = await connection.fetchval("select nextval('resource_key')")
            if self._next == self._end:
                self._next, self._end = first, first + KEYS_PER_DRAW
        self._next += 1
        return self._next - 1

    async def some(self, connection: Connection, count: int) -> "Keys":
        """So many of them, for whom the connection is busy when they are drawn."""
        found = [await self.draw(connection) for _ in range(count)]
        return Held(found)


class Held(Keys):
    """Keys that are drawn already."""

    def __init__(self, keys: list[int]) -> None:
        self._keys = keys

    async def draw(self, connection: Connection) -> int:
        """One of them."""
        return self._keys.pop()
