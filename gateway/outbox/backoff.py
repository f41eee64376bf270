"""How long to wait before the next attempt."""

from random import uniform

FIRST_S = 2.0
LONGEST_S = 60 * 60.0


def delay(attempts: int, retry_after: float | None = None) -> float:
    """Seconds until the next attempt after `attempts` failures: doubling from 2 s to an hour, each shortened by up to
    half at random so that the rows of one outage do not come back together. The destination's own wish wins if longer.
    """
    longest = min(LONGEST_S, FIRST_S * 2.0 ** min(attempts - 1, 20))
    return max(uniform(longest / 2, longest), retry_after or 0.0)  # noqa: S311 (jitter, not a secret)
