"""Open connections of the sandbox's server, so that one can be cut without an answer."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Connections:
    """The transports by their client's address."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, int], asyncio.Transport] = {}

    def cut(self, client: tuple[str, int] | None) -> None:
        """Close a client's connection at once."""
        transport = self._open.get(client) if client else None
        if transport is None:
            raise RuntimeError("the sandbox can cut connections only where its own server runs it")
        transport.abort()

    def protocol(self) -> type[asyncio.Protocol]:
        """uvicorn's HTTP protocol, with every connection noted here."""
        connections = self._open

        class Noted(HttpToolsProtocol):
            def connection_made(self, transport: Any) -> None:
                super().connection_made(transport)
                if self.client:
                    connections[self.client] = transport

            def connection_lost(self, exc: Exception | None) -> None:
                if self.client:
                    connections.pop(self.client, None)
                super().connection_lost(exc)

        return Noted
