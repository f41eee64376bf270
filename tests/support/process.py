"""`gapura serve` as a process of its own, for tests that need real HTTP."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import httpx


class Served(NamedTuple):
    """A running server: its root URL, the key that its first start printed, and its process."""

    url: str
    key: str
    process: asyncio.subprocess.Process


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def served(home: Path, *arguments: str, key: str = "", **environment: str) -> AsyncIterator[Served]:
    """`gapura serve` on a free port, ready; stopped (SIGTERM) when the block ends. `key`: of an earlier start."""
    port = free_port()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GAPURA_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway.cli", "serve", "--port", str(port), *arguments),
        env={**inherited, "GAPURA_HOME": str(home), "GAPURA_ACCESS_LOG": "false", **environment},
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        async with asyncio.timeout(60):
            if not key:
                assert process.stdout is not None
                await process.stdout.readline()
                key = (await process.stdout.readline()).decode().strip()
            await _ready(url, process)
        yield Served(url, key, process)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def _ready(url: str, process: asyncio.subprocess.Process) -> None:
    async with httpx.AsyncClient() as client:
        while process.returncode is None:
            try:
                if (await client.get(f"{url}/health/ready")).status_code == 200:
                    return
            except httpx.TransportError:
                await asyncio.sleep(0.05)
    raise AssertionError(f"the server ended with {process.returncode} before it was ready")
