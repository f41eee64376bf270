"""`gapura demo` and the operator's commands, as a person runs them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import pytest


def gapura(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("GAPURA_")}
    return subprocess.run(
        [sys.executable, "-m", "gateway.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={**clean, "COLUMNS": "160", **environment},
    )


@pytest.fixture(scope="module")
def played() -> Iterator[tuple[Path, subprocess.CompletedProcess[str]]]:
    with TemporaryDirectory(prefix="gapura-") as folder:
        yield Path(folder), gapura("demo", "--home", folder)


def at_home(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return gapura(*arguments, GAPURA_HOME=str(home), GAPURA_FACILITIES_FILE=str(home / "facilities.yaml"))


def listed(home: Path, *filters: str) -> list[dict[str, Any]]:
    found = at_home(home, "outbox", "list", "--format", "json", *filters)
    assert found.returncode == 0, found.stderr
    rows: list[dict[str, Any]] = json.loads(found.stdout)["rows"]
    return rows


def test_the_demo_does_the_main_job_and_says_so(played: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    home, result = played
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("0301R011") >= 2
    assert "Diagnosa awal (kode ICD-10) belum diisi" in result.stdout
    (report,) = (home / "reports").glob("*.html")
    assert str(report) in result.stdout
    assert "Encounter/igd-0042" in report.read_text("utf-8")


def test_the_demo_leaves_no_process_behind(played: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    home, _ = played
    for process in psutil.process_iter(["cmdline"]):
        assert str(home) not in " ".join(process.info["cmdline"] or ()), process


def test_the_operator_lists_shows_parks_and_retries(played: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    home, _ = played
    (held,) = listed(home, "--state", "held", "--destination", "vclaim")
    assert held["operation"] == "vclaim/sep-insert"
    dry = at_home(home, "outbox", "park", str(held["id"]), "--reason", "pasien batal", "--dry-run")
    assert "1 deliveries would be parked" in dry.stdout
    assert listed(home, "--state", "parked") == []
    assert at_home(home, "outbox", "park", str(held["id"]), "--reason", "pasien batal").returncode == 0
    (parked,) = listed(home, "--state", "parked")
    assert "pasien batal" in parked["reason"]["id"]
    assert at_home(home, "outbox", "retry", "--state", "parked").returncode == 0
    (due,) = listed(home, "--visit", "Encounter/rj-0131", "--destination", "vclaim")
    assert due["state"] == "due"


def test_evidence_is_shown_without_bodies_unless_they_are_asked_for(
    played: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    home, _ = played
    done = listed(home, "--state", "done", "--operation", "vclaim/sep-insert")[-1]
    short = at_home(home, "outbox", "show", str(done["id"]))
    assert "/SEP/2.0/insert" in short.stdout
    assert "noKartu" not in short.stdout
    whole = at_home(home, "outbox", "show", str(done["id"]), "--bodies").stdout
    assert "noKartu" in whole
    assert "sandbox-vclaim-secret" not in whole


def test_everything_is_changed_only_when_one_says_so(played: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    home, _ = played
    refused = at_home(home, "outbox", "retry")
    assert refused.returncode == 2
    assert "--all" in refused.stderr
    assert at_home(home, "outbox", "list", "--facility", "nowhere").returncode == 2


def test_a_report_of_a_period_is_the_same_each_time(
    played: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    home, _ = played
    period = ("report", "--from", "2026-01-01", "--to", "2099-12-31")
    for form in ("html", "pdf", "json", "csv"):
        first = at_home(home, *period, "--format", form, "-o", str(tmp_path / "one"))
        second = at_home(home, *period, "--format", form, "-o", str(tmp_path / "two"))
        assert first.returncode == second.returncode == 0, first.stderr
        assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
        assert first.stdout.split()[-1] == second.stdout.split()[-1]
    assert at_home(home, *period[:2], "2026-02-01", "--to", "2026-01-01", "--format", "csv", "-o", "x").returncode == 2
