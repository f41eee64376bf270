"""Open connections of the sandbox's server, so that one can be cut without an answer."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Connections:
    """The transports by their client's address; `opened` counts them all."""

    def __init__(self) -> None:
        self.opened = 0
        self._open: dict[tuple[str, int], asyncio.Transport] = {}

    def cut(self, client: tuple[str, int] | None) -> None:
        """Close a client's connection at once."""
        transport = self._open.get(client) if client else None
        if transport is None:
            raise RuntimeError("the sandbox can cut connections only where its own server runs it")
        transport.abort()

    def protocol(self) -> type[asyncio.Protocol]:
        """uvicorn's HTTP protocol, with every connection noted here."""
        noted = self

        class Noted(HttpToolsProtocol):
            def connection_made(self, transport: Any) -> None:
                super().connection_made(transport)
                if self.client:
                    noted._open[self.client] = transport
                    noted.opened += 1

            def connection_lost(self, exc: Exception | None) -> None:
                if self.client:
                    noted._open.pop(self.client, None)
                super().connection_lost(exc)

        return Noted
