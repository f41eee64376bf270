"""The rate budget."""

import pytest

from gateway.connectors.satusehat.rate import TokenBucket


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_seconds_worth_goes_at_once_and_the_rest_waits_its_turn() -> None:
    bucket = TokenBucket(5.0, Clock())
    assert [bucket.reserve() for _ in range(5)] == [0.0] * 5
    assert [bucket.reserve() for _ in range(3)] == pytest.approx([0.2, 0.4, 0.6])


def test_time_refills_it_but_never_beyond_a_second() -> None:
    clock = Clock()
    bucket = TokenBucket(5.0, clock)
    for _ in range(5):
        bucket.reserve()
    clock.now += 0.4
    assert [bucket.reserve() for _ in range(3)] == pytest.approx([0.0, 0.0, 0.2])
    clock.now += 3600
    assert sum(bucket.reserve() == 0.0 for _ in range(50)) == 5


def test_less_than_one_a_second_is_possible_and_none_is_not() -> None:
    bucket = TokenBucket(0.5, Clock())
    assert [bucket.reserve() for _ in range(3)] == pytest.approx([0.0, 2.0, 4.0])
    with pytest.raises(ValueError, match="more than 0"):
        TokenBucket(0)
