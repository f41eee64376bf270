"""The access log: one JSON line a request, without patient data.

A line holds the shape of the address (`Patient/{id}`), never ids, search values or bodies. Lines are gathered and
written together, so that a request waits for no disk.
"""

import asyncio
from typing import Any, TextIO

from msgspec import json

FLUSH_S = 0.5


class AccessLog:
    """Writes lines to `stream` at most `FLUSH_S` seconds after they happened; `close` writes the rest."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines: list[dict[str, Any]] = []
        self._timer: asyncio.TimerHandle | None = None

    def write(self, line: dict[str, Any]) -> None:
        """Note one line."""
        self._lines.append(line)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self.flush)

    def flush(self) -> None:
        """Write what is noted."""
        lines, self._lines, self._timer = self._lines, [], None
        self._stream.write("".join(f"{json.encode(line).decode()}\n" for line in lines))
        self._stream.flush()

    def close(self) -> None:
        """Write what is noted and stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
        self.flush()
