"""Connections that ask as soon as they are answered, and what they saw."""

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from samples import SAMPLE, number

MOST_REQUESTS = 40_000
"""Of one turn."""


@dataclass
class Turn:
    """What one turn saw: milliseconds of each answer, seconds of the whole, CPU µs an answer by process."""

    waits: list[float] = field(default_factory=list)
    seconds: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)
    refused: bytes = b""

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.waits) / self.seconds


class Client(asyncio.Protocol):
    """One keep-alive connection that asks again as soon as it is answered."""

    def __init__(self, turn: Turn, ask: Callable[[], bytes | None]) -> None:
        self._turn, self._ask = turn, ask
        self._seen, self._left, self._began = b"", -1, 0.0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        if self._left < 0:
            self._seen += data
            head, found, rest = self._seen.partition(b"\r\n\r\n")
            if not found:
                return
            at = head.lower().index(b"content-length:")
            self._left = int(head[at + 15 :].split(b"\r\n", 1)[0]) - len(rest)
            if self._seen[9:10] != b"2":
                self._turn.refused = self._seen
        else:
            self._left -= len(data)
        if self._left == 0:
            self._turn.waits.append((time.perf_counter() - self._began) * 1000)
            self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionResetError("the server hung up"))

    def _next(self) -> None:
        self._seen, self._left = b"", -1
        request = None if self._turn.refused else self._ask()
        if request is None:
            self.done.set_result(None)
            self._transport.close()
        else:
            self._began = time.perf_counter()
            self._transport.write(request)


async def turn(
    port: int, requests: Sequence[bytes], clients: int, seconds: float, persons: int, most: int = MOST_REQUESTS
) -> Turn:
    """Ask for `seconds`, from `clients` connections, one request after the other, about persons by chance.

    Raises SystemExit with the first answer that is no success.
    """
    chance, seen, asked = Random(1), Turn(), 0
    end, sample = time.perf_counter() + seconds, SAMPLE.encode()

    def ask() -> bytes | None:
        nonlocal asked
        if asked == most or time.perf_counter() > end:
            return None
        asked += 1
        return requests[asked % len(requests)].replace(sample, number(chance.randrange(persons)).encode())

    began, loop = time.perf_counter(), asyncio.get_running_loop()
    made = [(await loop.create_connection(lambda: Client(seen, ask), "127.0.0.1", port))[1] for _ in range(clients)]
    await asyncio.gather(*(client.done for client in made))
    seen.seconds = time.perf_counter() - began
    if seen.refused:
        raise SystemExit(seen.refused.decode("utf-8", "replace"))
    return seen


def shares(turns: Sequence[Turn]) -> dict[str, float]:
    """Rate and CPU of the median turn, percentiles of all answers."""
    waits = sorted(wait for each in turns for wait in each.waits)
    at = {f"p{p}_ms": round(waits[min(len(waits) - 1, len(waits) * p // 100)], 2) for p in (50, 95, 99)}
    cpu = {f"{name}_us": round(statistics.median(each.cpu[name] for each in turns)) for name in turns[0].cpu}
    return {"per_s": round(statistics.median(each.rate for each in turns), 1), **at, **cpu}
