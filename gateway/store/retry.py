"""When to try again where another writer was quicker."""

import asyncio
from random import uniform

ATTEMPTS = 16
"""How often an act is tried when another writer was quicker, and the caller did not say which version it means."""
LONGEST_MS = 64


async def step_aside(attempt: int) -> None:
    """Wait before the next attempt: at random, so that those who collided part, and longer each time."""
    await asyncio.sleep(uniform(0, min(2**attempt, LONGEST_MS)) / 1000)  # noqa: S311 (jitter, not a secret)
