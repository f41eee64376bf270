"""The values of one statement: SQL text only ever holds their numbers."""

from typing import Any


class Arguments(list[Any]):
    """Positional arguments in the order of their `$n`."""

    def add(self, value: Any, kind: str) -> str:
        """Bind a value and return its placeholder, with its PostgreSQL type."""
        self.append(value)
        return f"${len(self)}::{kind}"
