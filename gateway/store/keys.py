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
