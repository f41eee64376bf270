"""The doors of the sandbox itself: faults, state, reset, seeds, and the command."""

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

import httpx
import pytest

from gateway.cli import main
from gateway.connectors.errors import OutcomeUnknown, Unavailable
from gateway.connectors.satusehat import Satusehat
from gateway.connectors.vclaim import VClaim
from gateway.sandbox import Sandbox, running_sandbox
from gateway.sandbox.seed import load, today
from gateway.settings import Settings
from tests.connectors.resources import encounter
from tests.connectors.visits import sep

SRI = "0001137150385"


async def ask(sandbox: Sandbox, **fault: object) -> httpx.Response:
    async with httpx.AsyncClient() as http:
        return await http.post(f"{sandbox.url}/_sandbox/faults", json=fault)


async def state(sandbox: Sandbox) -> dict:  # type: ignore[type-arg]
    async with httpx.AsyncClient() as http:
        return (await http.get(f"{sandbox.url}/_sandbox/state")).json()


async def test_a_fault_asked_for_over_http_happens_as_often_as_asked(sandbox: Sandbox, vclaim: VClaim) -> None:
    assert (await ask(sandbox, kind="html", system="vclaim", path="peserta", times=2, after=1)).status_code == 200
    await vclaim.peserta(SRI, today())
    for _ in range(2):
        with pytest.raises(Unavailable):
            await vclaim.peserta(SRI, today())
    await vclaim.peserta(SRI, today())
    assert (await state(sandbox))["faults"] == []


async def test_a_fault_befalls_only_what_it_is_about(sandbox: Sandbox, vclaim: VClaim, satusehat: Satusehat) -> None:
    await ask(sandbox, kind="drop", system="satusehat", method="POST", path="/Encounter$")
    await vclaim.peserta(SRI, today())
    assert await satusehat.find_patient("1371015203850001") == "P02100000001"
    with pytest.raises(OutcomeUnknown):
        await satusehat.create(encounter())


async def test_latency_delays_and_changes_nothing(sandbox: Sandbox, vclaim: VClaim) -> None:
    await ask(sandbox, kind="latency", seconds=0.2)
    begun = asyncio.get_running_loop().time()
    await vclaim.sep_insert(sep())
    assert asyncio.get_running_loop().time() - begun >= 0.2


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "explode"},
        {"kind": "drop", "tymes": 3},
        {"kind": "status", "status": 200},
        {"kind": "latency", "committed": True},
        {"kind": "drop", "path": "("},
        {},
    ],
)
async def test_a_fault_that_cannot_be_is_refused_and_the_fields_are_named(sandbox: Sandbox, fault: dict) -> None:  # type: ignore[type-arg]
    refused = await ask(sandbox, **fault)
    assert refused.status_code == 400
    assert {"kind", "times", "committed"} <= set(refused.json()["fields"])
    assert (await state(sandbox))["faults"] == []


async def test_the_state_shows_what_was_sent_and_a_reset_forgets_it(
    sandbox: Sandbox, vclaim: VClaim, satusehat: Satusehat
) -> None:
    number = (await vclaim.sep_insert(sep()))["noSep"]
    created = await satusehat.create(encounter())
    shown = await state(sandbox)
    assert list(shown["seps"]) == [number]
    assert [row["id"] for row in shown["resources"]["Encounter"]] == [created["id"]]
    assert [row["status"] for row in shown["requests"]] == [200, 200, 201]
    async with httpx.AsyncClient() as http:
        await http.post(f"{sandbox.url}/_sandbox/reset")
    shown = await state(sandbox)
    assert (shown["seps"], shown["resources"], shown["requests"]) == ({}, {}, [])


async def test_more_people_may_be_brought(tmp_path: Path) -> None:
    more = tmp_path / "more.yaml"
    more.write_text(
        "people:\n"
        '  - {nik: "1371010101010099", name: TAMU, sex: L, birth: 2001-01-01, ihs: [P02100000099],\n'
        '     bpjs: {noKartu: "0001137000099", kelas: "3", jenis: PBI (APBN), faskes: "03010701"}}\n',
        "utf-8",
    )
    async with running_sandbox(seeds=[more]) as sandbox:
        client = VClaim(sandbox.vclaim_account())
        assert (await client.peserta("0001137000099", today()))["nama"] == "TAMU"
        assert (await client.peserta(SRI, today()))["nama"] == "SRI WAHYUNI"
        await client.close()


@pytest.mark.parametrize("text", ["peopel: []", "people: [{nik: '1'}]", "people: [{nick: '1371010101010099'}]"])
def test_a_seed_that_cannot_be_is_refused_and_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(ValueError, match=r"wrong\.yaml"):
        load([path])


def test_the_command_says_what_it_cannot_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("peopel: []", "utf-8")
    for seed, word in ((wrong, "peopel"), (tmp_path / "absent.yaml", "absent.yaml")):
        assert main(["sandbox", "--port", "0", "--seed", str(seed)]) == 2
        assert word in capsys.readouterr().err


async def test_the_command_serves_until_it_is_interrupted(tmp_path: Path) -> None:
    facilities = tmp_path / "facilities.yaml"
    command = [sys.executable, "-m", "gateway.cli", "sandbox", "--port", "0", "--facilities", str(facilities)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=os.environ)
    assert process.stdout is not None
    said = ""
    while "facilities" not in said:
        said += (await process.stdout.readline()).decode()
    assert re.search(r"VClaim +http://127\.0\.0\.1:\d+/vclaim-rest", said)
    (facility,) = Settings(facilities_file=facilities).facilities
    assert facility.vclaim is not None
    client = VClaim(facility.vclaim)
    assert (await client.peserta(SRI, today()))["nama"] == "SRI WAHYUNI"
    await client.close()
    process.send_signal(signal.SIGINT)
    assert await process.wait() in (0, 130, -signal.SIGINT)
