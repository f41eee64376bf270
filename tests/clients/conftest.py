"""Fixtures of these tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.process import Served, served
from tests.support.server import app, client, make_client, services  # noqa: F401 - fixtures


@pytest.fixture
async def running(tmp_path: Path, database_url: str) -> AsyncIterator[Served]:
    """A server process on a fresh database."""
    async with served(tmp_path, GAPURA_DATABASE_URL=database_url) as found:
        yield found
