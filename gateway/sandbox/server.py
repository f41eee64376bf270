"""The sandbox on a loopback port: in this process for tests and the demo, or alone as `gapura sandbox`."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from pydantic import SecretStr
from starlette.types import ASGIApp

from gateway.sandbox.app import build
from gateway.sandbox.connections import Connections
from gateway.sandbox.faults import Fault
from gateway.sandbox.state import State
from gateway.settings import Facility, SatusehatAccount, VClaimAccount

DEFAULT_FACILITY = "0301R011"


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox: its address, what it remembers, and accounts that a client can use on it."""

    url: str
    state: State
    connections: Connections

    @property
    def vclaim_url(self) -> str:
        """The base URL of the simulated VClaim."""
        return f"{self.url}/vclaim-rest"

    @property
    def fhir_url(self) -> str:
        """The base URL of the simulated SATUSEHAT's FHIR service."""
        return f"{self.url}/fhir-r4/v1"

    @property
    def auth_url(self) -> str:
        """The base URL of the simulated SATUSEHAT's token service."""
        return f"{self.url}/oauth2/v1"

    def vclaim_account(self, kode_faskes: str = DEFAULT_FACILITY, *, timeout_s: float = 20.0) -> VClaimAccount:
        """Settings with which a client reaches the simulated VClaim."""
        keys = self.state.account(kode_faskes).vclaim
        return VClaimAccount(
            base_url=self.vclaim_url,
            consumer_id=keys.consumer_id,
            consumer_secret=SecretStr(keys.consumer_secret),
            user_key=SecretStr(keys.user_key),
            timeout_s=timeout_s,
        )

    def satusehat_account(
        self, kode_faskes: str = DEFAULT_FACILITY, *, timeout_s: float = 30.0, requests_per_s: float = 1000.0
    ) -> SatusehatAccount:
        """Settings with which a client reaches the simulated SATUSEHAT."""
        keys = self.state.account(kode_faskes).satusehat
        return SatusehatAccount(
            base_url=self.fhir_url,
            auth_url=self.auth_url,
            client_id=keys.client_id,
            client_secret=SecretStr(keys.client_secret),
            timeout_s=timeout_s,
            requests_per_s=requests_per_s,
        )

    def facility(self, kode_faskes: str = DEFAULT_FACILITY, *, slug: str = "default") -> Facility:
        """A facility whose two accounts are this sandbox's."""
        account = self.state.account(kode_faskes)
        return Facility(
            slug=slug,
            name=account.name,
            organization_id=account.organization_id,
            kode_faskes=kode_faskes,
            vclaim=self.vclaim_account(kode_faskes),
            satusehat=self.satusehat_account(kode_faskes),
        )

    def fail(self, fault: Fault) -> None:
        """Ask for a fault, as POST /_sandbox/faults does."""
        self.state.faults.add(fault)


@contextlib.asynccontextmanager
async def running_sandbox(
    *, host: str = "127.0.0.1", port: int = 0, seeds: Sequence[Path] = ()
) -> AsyncIterator[Sandbox]:
    """Serve the sandbox in this event loop until the block ends; port 0 is any free one."""
    state, connections = State(seeds), Connections()
    async with serving(build(state, connections), connections, host=host, port=port) as url:
        yield Sandbox(url, state, connections)


@contextlib.asynccontextmanager
async def serving(
    app: ASGIApp, connections: Connections, *, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[str]:
    """Serve any application in this event loop until the block ends; gives its address."""
    listener = _listener(host, port)
    server = _Server(_config(app, connections))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:
            if running.done():
                await running
            await asyncio.sleep(0.005)
        yield _address(listener)
    finally:
        server.should_exit = server.force_exit = True
        await running
        listener.close()


def serve(host: str, port: int, seeds: Sequence[Path], announce: Callable[[Sandbox], None]) -> None:
    """Serve the sandbox alone until it is told to stop; `announce` is called once it listens."""
    state, connections = State(seeds), Connections()
    listener = _listener(host, port)
    announce(Sandbox(_address(listener), state, connections))
    try:
        uvicorn.Server(_config(build(state, connections), connections)).run(sockets=[listener])
    finally:
        listener.close()


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Whoever runs the sandbox in its own process keeps its own signal handlers.
        yield


def _config(app: ASGIApp, connections: Connections) -> uvicorn.Config:
    return uvicorn.Config(app, http=connections.protocol(), lifespan="off", log_config=None, access_log=False)


def _listener(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(128)
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
