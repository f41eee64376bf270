"""A rate budget: so many requests a second, a second's worth at once, those who wait served in turn."""

import asyncio
import time
from collections.abc import Callable


class TokenBucket:
    """`per_s` requests a second, with bursts of one second's worth.

    SATUSEHAT publishes no limit but answers bursts with 429 (reference satusehat.md §1).
    """

    def __init__(self, per_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        if per_s <= 0:
            raise ValueError("requests_per_s must be more than 0")
        self._per_s, self._clock = per_s, clock
        self._burst = max(1.0, per_s)
        self._left, self._counted = self._burst, clock()

    async def take(self) -> None:
        """Wait until one more request may be sent."""
        wait = self.reserve()
        if wait > 0:
            await asyncio.sleep(wait)

    def reserve(self) -> float:
        """Take one request from the budget and return the seconds until it may be sent."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._counted) * self._per_s) - 1
        self._counted = now
        return max(0.0, -self._left / self._per_s)
