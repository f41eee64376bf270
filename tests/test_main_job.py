"""The main job over HTTP: a visit goes in as FHIR, its SEP and SATUSEHAT ids come back, whatever happens between."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.demo.stage import Stage, staged
from gateway.outbox import admin
from gateway.sandbox import Fault
from tests.outbox import hospital

SEP_SYSTEM = "http://sys-ids.kemkes.go.id/claim-number/10000004"


@pytest.fixture(autouse=True)
def _no_settings_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GAPURA_")]:
        monkeypatch.delenv(name)


@contextlib.asynccontextmanager
async def simrs(stage: Stage) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {stage.key}"}
    async with httpx.AsyncClient(base_url=f"{stage.url}/fhir/", headers=headers, timeout=30) as client:
        yield client


async def post(client: httpx.AsyncClient, *resources: hospital.Resource) -> None:
    entries = [
        {"resource": r, "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"}} for r in resources
    ]
    reply = await client.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert reply.status_code == 200, reply.text


async def get(client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    reply = await client.get(path)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


async def until(condition: Callable[[], bool | Awaitable[bool]], seconds: float = 60.0) -> None:
    """Wait for what must happen; the limit only ends a test that fails."""
    async with asyncio.timeout(seconds):
        while True:
            held = condition()
            if held if isinstance(held, bool) else await held:
                return
            await asyncio.sleep(0.02)


async def rows(stage: Stage) -> dict[str, dict[str, Any]]:
    """The newest delivery of each module and step."""
    async with stage.store.connection() as connection:
        listed = await admin.listed(connection, admin.Filter(), 1000)
    return {f"{row['operation']}:{row['step']}": row for row in reversed(listed)}


async def rest(stage: Stage) -> None:
    async def at_rest() -> bool:
        async with stage.store.connection() as connection:
            return await admin.at_rest(connection)

    await until(at_rest)


def sent(stage: Stage, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stage.sandbox.state.shown()["resources"].get(kind, [])
    return found


def seps(stage: Stage) -> list[str]:
    return list(stage.sandbox.state.shown()["seps"])


def requests(stage: Stage, method: str, path: str) -> int:
    return sum(r["method"] == method and path in r["path"] for r in stage.sandbox.state.shown()["requests"])


def whole_visit() -> list[hospital.Resource]:
    return [
        *hospital.base(),
        hospital.encounter(finished=True),
        hospital.condition(),
        hospital.observation(),
        hospital.wish(),
    ]


@contextlib.asynccontextmanager
async def worker(stage: Stage) -> AsyncIterator[asyncio.subprocess.Process]:
    """`gapura worker` in a process of its own, killed at the end if it still runs."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GAPURA_")} | {
        "GAPURA_HOME": str(stage.settings.home),
        "GAPURA_FACILITIES_FILE": str(stage.settings.facilities_file),
        "GAPURA_LEASE_S": "1.5",
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "gateway.cli", "worker", env=environment)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await process.wait()


async def test_a_visit_gets_its_sep_and_its_satusehat_ids_and_the_simrs_reads_both(home: Path) -> None:
    async with staged(home) as stage, simrs(stage) as client:
        await post(client, *whole_visit())
        await rest(stage)
        (number,) = seps(stage)
        found = await get(client, "CoverageEligibilityResponse?request=CoverageEligibilityRequest/sep")
        (response,) = [entry["resource"] for entry in found["entry"]]
        assert response["preAuthRef"] == [number] or response["preAuthRef"] == number
        assert {"system": SEP_SYSTEM, "value": number} in (await get(client, "Encounter/kunjungan"))["identifier"]
        (encounter,) = sent(stage, "Encounter")
        assert encounter["status"] == "finished"
        assert encounter["diagnosis"][0]["condition"]["reference"] == f"Condition/{sent(stage, 'Condition')[0]['id']}"
        remote = await stage.store.remote("default", "satusehat", ["Encounter/kunjungan", "Condition/dm"])
        assert remote["Encounter/kunjungan"] == f"Encounter/{encounter['id']}"
        trail = await stage.store.history("default", "AuditEvent")
        assert any(b"Gapura outbox" in version.content for version in trail.matches)


async def test_bpjs_down_does_not_block_writes_nor_satusehat_and_its_sep_comes_when_it_is_up(home: Path) -> None:
    async with staged(home) as stage, simrs(stage) as client:
        stage.sandbox.fail(Fault(kind="status", system="vclaim", status=503, times=0))
        await post(client, *whole_visit())
        await until(lambda: bool(sent(stage, "Encounter")) and sent(stage, "Encounter")[0]["status"] == "finished")

        async def tried() -> bool:
            row = (await rows(stage))["vclaim/sep-insert:insert"]
            return row["state"] == "due" and row["attempts"] == 1

        await until(tried)
        assert seps(stage) == []
        stage.sandbox.state.faults.clear()
        await rest(stage)
        assert len(seps(stage)) == 1


@pytest.mark.parametrize(
    ("system", "path", "operation"),
    [
        ("vclaim", "/SEP/2.0/insert$", "vclaim/sep-insert:insert"),
        ("satusehat", "/Encounter$", "satusehat/visit:encounter"),
        ("satusehat", "/fhir-r4/v1/?$", "satusehat/visit:clinical"),
    ],
)
async def test_a_worker_killed_between_send_and_record_doubles_and_loses_nothing(
    home: Path, system: str, path: str, operation: str
) -> None:
    async with staged(home, deliver=False) as stage, simrs(stage) as client:
        stage.sandbox.fail(Fault(kind="stall", committed=True, system=system, method="POST", path=path, seconds=60))
        await post(client, *whole_visit())
        async with worker(stage) as first:

            async def on_the_wire() -> bool:
                row = (await rows(stage)).get(operation)
                return bool(row and row["unsettled"]) and not stage.sandbox.state.faults.shown()

            await until(on_the_wire)
            await until(lambda: bool(seps(stage) if system == "vclaim" else sent(stage, "Encounter")))
            first.kill()
            await first.wait()
        interrupted = (await rows(stage))[operation]
        assert interrupted["state"] == "leased"
        async with worker(stage):
            await rest(stage)
        assert {row["state"] for row in (await rows(stage)).values()} == {"done"}
        assert len(seps(stage)) == 1
        assert len(sent(stage, "Encounter")) == len(sent(stage, "Condition")) == len(sent(stage, "Observation")) == 1
        assert requests(stage, "POST", "/SEP/2.0/insert") == 1
        assert requests(stage, "POST", "/Encounter") == 1
        async with stage.store.connection() as connection:
            evidence = await admin.evidence(connection, interrupted["id"])
        assert [one for one in evidence if one["ended"] is None and one["request"]], "the cut request left no evidence"


async def test_an_answer_lost_on_the_wire_is_asked_for_before_anything_is_sent_again(home: Path) -> None:
    async with staged(home) as stage, simrs(stage) as client:
        for system, path in (("vclaim", "/SEP/2.0/insert$"), ("satusehat", "/Encounter$")):
            stage.sandbox.fail(Fault(kind="drop", committed=True, system=system, method="POST", path=path))
        await post(client, *whole_visit())
        await rest(stage)
        assert {row["state"] for row in (await rows(stage)).values()} == {"done"}
        assert len(seps(stage)) == len(sent(stage, "Encounter")) == 1
        assert requests(stage, "POST", "/SEP/2.0/insert") == requests(stage, "POST", "/Encounter") == 1


async def test_a_held_visit_goes_out_when_it_is_mended_and_says_until_then_what_is_missing(home: Path) -> None:
    async with staged(home) as stage, simrs(stage) as client:
        doctor = hospital.practitioner()
        del doctor["identifier"]
        await post(client, *[r for r in whole_visit() if r["resourceType"] != "Practitioner"], doctor)
        await rest(stage)
        held = await rows(stage)
        assert held["vclaim/sep-insert:insert"]["state"] == "held"
        assert "DPJP" in held["vclaim/sep-insert:insert"]["reason"]["id"]
        assert held["satusehat/visit:encounter"]["state"] == "held"
        assert "NIK" in held["satusehat/visit:encounter"]["reason"]["id"]
        assert seps(stage) == sent(stage, "Encounter") == []
        reply = await client.put("Practitioner/arief", json=hospital.practitioner())
        assert reply.status_code == 200
        await rest(stage)
        assert {row["state"] for row in (await rows(stage)).values()} == {"done"}
        assert len(seps(stage)) == len(sent(stage, "Encounter")) == 1


async def test_a_change_after_delivery_replaces_what_satusehat_has_and_sends_nothing_else(home: Path) -> None:
    async with staged(home) as stage, simrs(stage) as client:
        await post(client, *whole_visit())
        await rest(stage)
        before = requests(stage, "POST", "/fhir-r4/v1")
        changed = hospital.observation()
        changed["valueQuantity"]["value"] = 92
        reply = await client.put("Observation/nadi", json=changed)
        assert reply.status_code == 200
        await rest(stage)
        (kept,) = sent(stage, "Observation")
        assert kept["valueQuantity"]["value"] == 92
        assert (await rows(stage))["satusehat/visit:clinical"]["result"]["sent"] == 1
        assert requests(stage, "POST", "/fhir-r4/v1") == before + 1
        assert len(seps(stage)) == 1


async def test_wrong_credentials_stop_the_queue_until_an_operator_retries(home: Path) -> None:
    async with staged(home) as stage, simrs(stage) as client:
        stage.sandbox.fail(Fault(kind="status", system="vclaim", status=401, times=1))
        await post(client, *whole_visit())

        async def stopped() -> bool:
            async with stage.store.connection() as connection:
                return bool(await admin.paused(connection))

        await until(stopped)
        async with stage.store.connection() as connection:
            (queue,) = await admin.paused(connection)
            assert (queue["facility"], queue["destination"]) == ("default", "vclaim")
            assert seps(stage) == []
            await admin.retry(connection, admin.Filter(destination="vclaim"))
        await until(lambda: len(seps(stage)) == 1)
