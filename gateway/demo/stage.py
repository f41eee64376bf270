"""What the demo runs on: embedded PostgreSQL, the sandbox and the gateway, over real HTTP on free loopback ports."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from gateway.app import create_app
from gateway.commands.sandbox import facilities_yaml
from gateway.sandbox import Sandbox, running_sandbox
from gateway.security import keys
from gateway.settings import Settings
from gateway.store import Store


@dataclass(frozen=True)
class Stage:
    """The running parts. `key` opens the gateway at `url` for a SIMRS."""

    url: str
    key: str
    settings: Settings
    store: Store
    sandbox: Sandbox


@contextlib.asynccontextmanager
async def staged(home: Path, *, deliver: bool = True) -> AsyncIterator[Stage]:
    """All of it in this process until the block ends; nothing is left running after it.

    Without `deliver` the deliveries wait for a worker of their own (`gapura worker`).
    """
    async with running_sandbox() as sandbox:
        accounts = home / "facilities.yaml"
        accounts.write_text(facilities_yaml(sandbox), "utf-8")
        settings = Settings(home=home, facilities_file=accounts, access_log=False, deliver=deliver, _env_file=None)
        async with _served(settings) as (url, store):
            async with store.connection() as connection:
                key = await keys.create(connection, "simrs", settings.facilities[0].slug, "demo", None)
            yield Stage(url, key, settings, store, sandbox)


@contextlib.asynccontextmanager
async def _served(settings: Settings) -> AsyncIterator[tuple[str, Store]]:
    app = create_app(settings)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = _Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="on"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            while not server.started:
                if serving.done():
                    await serving
                    raise RuntimeError("the gateway did not start")
                await asyncio.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", app.state.services.store
        finally:
            server.should_exit = True
            await serving


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # The demo ends by its own hand, and so does what it started.
        yield
