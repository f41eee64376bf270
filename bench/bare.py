"""What the server is measured against: bare Starlette routes on asyncpg that do the same SQL and nothing else.

`bench/server.py` starts it beside `gapura serve`, on the same database. Statements and rows are not written down here:
they are taken from the store as it runs, with placeholders in the place of ids and keys.
"""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import uvicorn
from samples import SAMPLE, VISITS, observation, searches, visits
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.fhir.bundles import http_date
from gateway.security import audit
from gateway.security.audit import Visitor
from gateway.settings import load
from gateway.store import Change, Judgement, Store, Version, new_id
from gateway.store.keys import Keys
from gateway.store.pool import connect
from gateway.store.read import READ
from gateway.store.rows import VALIDATION, VERSIONS, Batch

JSON = "application/fhir+json"
CLIENTS = 16
Said = tuple[list[Any], str, Sequence[Any]]
"""Connections of the kind that the store took, statement, values."""


class Bare:
    """Idle connections, and what each route repeats."""

    async def open(self) -> None:
        """Learn statements and rows from a store on the same database."""
        settings = load()
        self.store = await Store.open(settings)
        url = self.store._database.url
        self.idle = [await connect(url) for _ in range(CLIENTS)]
        self.planning = [await connect(url, plan_cache_mode="force_custom_plan") for _ in range(CLIENTS)]
        self.facility = self.store._facilities[settings.facilities[0].slug].number
        self.keys = Keys()
        self.observation = await self._rows([observation(SAMPLE)])
        self.visits = {
            count: await self._rows([entry["resource"] for entry in visits(SAMPLE, count)["entry"]]) for count in VISITS
        }
        self.searches = {name: await self._statements(address) for name, address in searches(SAMPLE).items()}

    async def close(self) -> None:
        """Leave the database."""
        for connection in (*self.idle, *self.planning):
            await connection.close()
        await self.store.close()

    async def _rows(self, resources: Sequence[dict[str, Any]]) -> Batch:
        def audits(versions: Sequence[Version]) -> list[dict[str, Any]]:
            entities = [e for v in versions for e in audit.written("POST", f"{v.reference}/_history/1", None)]
            return [audit.event(Visitor("default", None, "127.0.0.1"), "create", datetime.now(UTC), entities)]

        changes = [Change.create(r, new_id(), judgement=Judgement([], [], [], 0)) for r in resources]
        place = next(iter(self.store._facilities._places.values()))
        async with self.store.connection() as connection:
            return (await self.store._plan(connection, place, changes, {}, audits))[1]

    async def _statements(self, address: str) -> list[Said]:
        said: list[Said] = []

        def kept(record: Any) -> None:
            said.append((self.idle, record.query, record.args))

        def planned(record: Any) -> None:
            said.append((self.planning, record.query, record.args))

        kind, _, query = address.partition("?")
        pairs = [(name, value) for name, _, value in (part.partition("=") for part in query.split("&"))]
        async with self.store._pool.connection() as one, self.store._planned.connection() as two:
            # both are idle again for the search, and the last given back is the first given out
            self.store._pool.give_back(one)
            self.store._planned.give_back(two)
            await self.store.search("default", kind, pairs)  # now the driver has asked for the types that it met
            with one.query_logger(kept), two.query_logger(planned):
                await self.store.search("default", kind, pairs)
            self.store._pool._idle.remove(one)
            self.store._planned._idle.remove(two)
        return said

    async def read(self, request: Request) -> Response:
        """The row of one resource."""
        connection = self.idle.pop()
        try:
            row = await connection.fetchrow(READ, self.facility, "Patient", request.path_params["id"])
        finally:
            self.idle.append(connection)
        assert row is not None
        headers = {"etag": f'W/"{row[2]}"', "last-modified": http_date(row[3])}
        return Response(row[5], media_type=JSON, headers=headers)

    async def create(self, request: Request) -> Response:
        """The rows of one Observation and its AuditEvent, in one statement."""
        return await self._write(request, self.observation)

    async def transaction(self, request: Request) -> Response:
        """The rows of a Bundle and its AuditEvent."""
        return await self._write(request, self.visits[int(request.path_params["count"])])

    async def search(self, request: Request) -> Response:
        """The statements of one search, and its contents strung together."""
        number, contents, keys = request.query_params["n"], [], []
        for idle, statement, given in self.searches[request.path_params["name"]]:
            connection = idle.pop()
            try:
                rows = await connection.fetch(statement, *(_meant(value, number, keys) for value in given))
            finally:
                idle.append(connection)
            contents += [row["content"] for row in rows]
            keys = keys or [row["key"] for row in rows]
        return Response(b'{"resourceType":"Bundle","entry":[' + b",".join(contents) + b"]}", media_type=JSON)

    async def _write(self, request: Request, like: Batch) -> Response:
        await request.body()
        batch, keys, ids = Batch(), {}, {}
        connection = self.idle.pop()
        try:
            for row in like.rows[VERSIONS]:
                keys[row[0]], ids[row[4]] = str(await self.keys.draw(connection)), new_id()
            batch.rows = {**like.rows, VALIDATION: [(keys[key], *rest) for key, *rest in like.rows[VALIDATION]]}
            batch.rows[VERSIONS] = [(keys[row[0]], *row[1:4], ids[row[4]], *row[5:]) for row in like.rows[VERSIONS]]
            batch.index = [(keys[key], *rest) for key, *rest in like.index]
            batch.blocks = [(keys[key], *rest) for key, *rest in like.blocks]
            await batch.write(connection)
        finally:
            self.idle.append(connection)
        return Response(like.rows[VERSIONS][0][7], 201, media_type=JSON)


def _meant(value: Any, number: str, keys: list[int]) -> Any:
    """A value of the sample's statement for another person; a list of numbers is the keys of the page found before."""
    if isinstance(value, str):
        return value.replace(SAMPLE, number)
    return keys if isinstance(value, list) and isinstance(value[0], int) else value


def app() -> Starlette:
    """The routes, with their store open while they run."""
    bare = Bare()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await bare.open()
        yield
        await bare.close()

    routes = [
        Route("/Patient/{id}", bare.read),
        Route("/Observation", bare.create, methods=["POST"]),
        Route("/visits/{count}", bare.transaction, methods=["POST"]),
        Route("/search/{name}", bare.search),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


if __name__ == "__main__":
    uvicorn.run(
        app(), port=int(os.environ["PORT"]), loop="uvloop", http="httptools", access_log=False, log_level="warning"
    )
