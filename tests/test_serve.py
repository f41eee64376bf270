"""`gapura serve` on the wire and at its end."""

import asyncio
from pathlib import Path

import httpx
import pytest

from tests.fhir.support import patient
from tests.support.process import Served, served


def asks(server: Served, *lines: str) -> bytes:
    """One request without a body."""
    host = server.url.removeprefix("http://")
    return "\r\n".join([*lines, f"Host: {host}", f"Authorization: Bearer {server.key}", "", ""]).encode()


async def answers(server: Served, *requests: bytes) -> bytes:
    """Everything that the server says to requests sent at once, until it hangs up."""
    port = int(server.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"".join(requests))
    async with asyncio.timeout(10):
        said = await reader.read()
    writer.close()
    return said


async def test_answers_come_whole_and_in_order_however_they_are_asked_for(tmp_path: Path, database_url: str) -> None:
    async with served(tmp_path, GAPURA_DATABASE_URL=database_url) as server:
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {server.key}"}) as client:
            made = await client.put(f"{server.url}/fhir/Patient/p", json={**patient("RM-1"), "id": "p"})
            assert made.status_code == 201
            big = {**patient("RM-2"), "id": "big", "text": {"status": "generated", "div": _narrative()}}
            assert (await client.put(f"{server.url}/fhir/Patient/big", json=big)).status_code == 201
            whole = (
                await client.get(f"{server.url}/fhir/Patient/big", headers={"Accept-Encoding": "identity"})
            ).content
            assert (await client.get(f"{server.url}/fhir/Patient?_count=2")).json()["entry"][0]["resource"][
                "id"
            ] == "big"
        said = await answers(
            server,
            asks(server, "HEAD /fhir/Patient/p HTTP/1.1"),
            asks(server, "GET /fhir/Patient/p HTTP/1.1", 'If-None-Match: W/"1"'),
            asks(server, "GET /fhir/Patient/big HTTP/1.1"),
            asks(server, "GET /fhir/Patient/p HTTP/1.1", "Connection: close"),
        )
        first, second, third, fourth = said.split(b"HTTP/1.1 ")[1:]
        assert first.startswith(b"200 ")
        assert first.endswith(b"\r\n\r\n")
        assert second.startswith(b"304 ")
        assert third.startswith(b"200 ")
        assert third.endswith(b"\r\n\r\n" + whole)
        assert fourth.startswith(b"200 ")
        assert fourth.endswith(b"}")


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_server_that_is_told_to_stop_leaves_no_database_behind(home: Path, workers: str) -> None:
    async with served(home, "--workers", workers):
        assert (home / "postgres" / "postmaster.pid").exists()
    assert not (home / "postgres" / "postmaster.pid").exists()


def _narrative() -> str:
    return f'<div xmlns="http://www.w3.org/1999/xhtml">{"panjang " * 40_000}</div>'
