"""A rate budget: so many requests a second, a second's worth at once, those who wait served in turn."""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = logging.getLogger(__name__)


class Budget(Protocol):
    """What a client asks before every request."""

    async def take(self) -> None:
        """Wait until one more request may be sent."""


class TokenBucket:
    """`per_s` requests a second, with bursts of one second's worth, for the clients of one process.

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


# The generic cell rate algorithm on Redis's own clock, in microseconds: the key holds when the budget is whole again.
RESERVE = """
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local interval, slack = tonumber(ARGV[1]), tonumber(ARGV[2])
local free = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local lasts = math.ceil((free - now + interval) / 1000) + 1000
redis.call('SET', KEYS[1], string.format('%.0f', free + interval), 'PX', lasts)
return math.max(0, math.floor(free - slack - now))
"""


PAUSE_S = 5.0
"""How long a Redis that did not answer is left alone."""


def shared(url: str) -> "Redis":
    """A Redis that is asked once and answers within half a second, or is taken for gone."""
    # Imported here: six megabytes for what few have.
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    return Redis.from_url(url, socket_timeout=0.5, socket_connect_timeout=0.5, retry=Retry(NoBackoff(), 0))


class SharedBucket:
    """The same budget for every process that uses this Redis and the same credentials.

    While Redis does not answer, each process keeps to the budget on its own, and says so in the log.
    """

    def __init__(self, redis: "Redis", name: str, per_s: float) -> None:
        from redis.exceptions import RedisError

        self._lost = (RedisError, OSError)
        self._alone = TokenBucket(per_s)
        self._reserve = redis.register_script(RESERVE)
        # the name holds a client id, which is nobody else's business
        self._key = f"gapura:budget:{hashlib.sha256(name.encode()).hexdigest()[:32]}"
        interval = 1_000_000 / per_s
        self._arguments = [interval, (max(1.0, per_s) - 1) * interval]
        self._alone_until = 0.0

    async def take(self) -> None:
        """Wait until one more request may be sent."""
        if time.monotonic() < self._alone_until:
            return await self._alone.take()
        try:
            wait = int(await self._reserve(keys=[self._key], args=self._arguments)) / 1_000_000
        except self._lost as error:
            log.warning("Redis does not answer (%s); the rate budget is kept per process", type(error).__name__)
            self._alone_until = time.monotonic() + PAUSE_S
            return await self._alone.take()
        if wait > 0:
            await asyncio.sleep(wait)
