"""`gapura serve` with several processes: one database, and nothing lost when it is told to stop."""

import asyncio
import signal
from pathlib import Path

import httpx

from tests.fhir.support import patient
from tests.support.process import served


async def test_two_workers_serve_one_database_and_stop_when_told(tmp_path: Path) -> None:
    async with served(tmp_path, "--workers", "2") as running:
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {running.key}"}) as client:
            made = [
                (await client.put(f"{running.url}/fhir/Patient/p{n}", json=patient(f"RM-{n}", id=f"p{n}"))).status_code
                for n in range(10)
            ]
            assert made == [201] * 10
            reads = await asyncio.gather(*(client.get(f"{running.url}/fhir/Patient/p{n}") for n in range(10)))
            assert {answer.status_code for answer in reads} == {200}
        running.process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(running.process.wait(), 30)
    assert not (tmp_path / "postgres" / "postmaster.pid").exists(), "the embedded database stopped with it"
    assert list((tmp_path / "audit").glob("*.jsonl")) == [], "every note was recorded"

    async with served(tmp_path, key=running.key) as again:
        headers = {"Authorization": f"Bearer {running.key}"}
        async with httpx.AsyncClient(headers=headers) as client:
            assert (await client.get(f"{again.url}/fhir/Patient/p3")).status_code == 200
            events = (await client.get(f"{again.url}/fhir/AuditEvent?subtype=read&_count=100")).json()
    seen = {e["what"]["reference"] for row in events["entry"] for e in row["resource"]["entity"]}
    assert {f"Patient/p{n}" for n in range(10)} <= seen
