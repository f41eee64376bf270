"""A sandbox for the clients to talk to, and a server that says whatever a test tells it to."""

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.connectors.satusehat import Satusehat
from gateway.connectors.vclaim import VClaim
from gateway.connectors.wire import Exchange
from gateway.sandbox import Sandbox, running_sandbox
from gateway.sandbox.connections import Connections
from gateway.sandbox.server import serving
from gateway.settings import SatusehatAccount, VClaimAccount


@pytest.fixture(scope="session")
async def _sandbox() -> AsyncIterator[Sandbox]:
    async with running_sandbox() as running:
        yield running


@pytest.fixture
def sandbox(_sandbox: Sandbox) -> Sandbox:
    """The simulated systems, as they are at their start."""
    _sandbox.state.reset()
    return _sandbox


@pytest.fixture
def evidence() -> list[Exchange]:
    """What the clients below handed back, in order."""
    return []


@pytest.fixture
async def vclaim(sandbox: Sandbox, evidence: list[Exchange]) -> AsyncIterator[VClaim]:
    client = VClaim(sandbox.vclaim_account(timeout_s=5.0), evidence.append)
    yield client
    await client.close()


@pytest.fixture
async def satusehat(sandbox: Sandbox, evidence: list[Exchange]) -> AsyncIterator[Satusehat]:
    client = Satusehat(sandbox.satusehat_account(timeout_s=5.0), evidence.append)
    yield client
    await client.close()


@dataclass
class Script:
    """A server over real HTTP that gives the `replies` in turn and remembers what it was asked."""

    url: str = ""
    replies: deque[Response] = field(default_factory=deque)
    asked: list[Request] = field(default_factory=list)

    def says(self, body: str | bytes, status: int = 200, media_type: str = "application/json", **headers: str) -> None:
        """Add a reply."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.replies.append(Response(body, status, named, media_type))

    def vclaim(self) -> VClaim:
        """A VClaim client of this server."""
        return VClaim(
            VClaimAccount(
                base_url=f"{self.url}/vclaim",
                consumer_id="1234",
                consumer_secret=SecretStr("pwd"),
                user_key=SecretStr("key"),
                timeout_s=5.0,
            ),
            clock=lambda: 433223232.9,
        )

    def satusehat(self) -> Satusehat:
        """A SATUSEHAT client of this server, which says the token first."""
        self.replies.appendleft(Response('{"access_token": "T", "expires_in": "3599"}', media_type="application/json"))
        return Satusehat(
            SatusehatAccount(
                base_url=f"{self.url}/fhir",
                auth_url=f"{self.url}/oauth2",
                client_id="id",
                client_secret=SecretStr("secret"),
                timeout_s=5.0,
            )
        )


@pytest.fixture
async def script() -> AsyncIterator[Script]:
    told = Script()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        await request.body()
        told.asked.append(request)
        await told.replies.popleft()(scope, receive, send)

    async with serving(app, Connections()) as told.url:
        yield told
