"""`gapura validate`: what it reads, what it prints, how it exits."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli import main
from tests.conftest import shared_path

GOOD = '{"resourceType": "Patient", "active": true}'
BAD = '{"resourceType": "Patient",\n "gender": "pria"}'


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "a-good.json").write_text(GOOD)
    (tmp_path / "b-bad.json").write_text(BAD)
    (tmp_path / "c-lines.ndjson").write_text(GOOD + "\n" + BAD.replace("\n", "") + "\n")
    (tmp_path / "readme.txt").write_text("not a resource")
    return tmp_path


def test_exit_codes_tell_valid_not_valid_and_could_not_run(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(files / "a-good.json")]) == 0
    assert main(["validate", str(files / "a-good.json"), str(files / "b-bad.json")]) == 1
    assert main(["validate", str(files / "absent.json")]) == 2
    assert "absent.json" in capsys.readouterr().err
    (files / "empty").mkdir()
    assert main(["validate", str(files / "empty")]) == 2


def test_text_names_file_place_rule_and_remedy(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["validate", str(files / "b-bad.json"), "--lang", "id"])
    out = capsys.readouterr().out
    assert out.startswith(f"{files / 'b-bad.json'}: tidak sah\n  2:2: error base Patient.gender: ")
    assert "Pilih salah satu: female, male, other, unknown" in out


def test_json_is_one_outcome_a_line_in_the_order_of_the_files(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(files), "--format", "json"]) == 1
    outcomes = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [o["issue"][0]["severity"] for o in outcomes] == ["information", "error", "information", "error"]
    assert outcomes[1]["issue"][0]["expression"] == ["Patient.gender"]
    places = {e["url"].rpartition("-")[2]: e["valueInteger"] for e in outcomes[1]["issue"][0]["extension"]}
    assert places == {"line": 2, "col": 2}


@pytest.mark.parametrize(
    ("text", "lines"), [(GOOD, 1), (GOOD + "\n" + GOOD + "\n", 2), ('{\n "resourceType":\n "Basic"}', 1)]
)
def test_standard_input_holds_one_resource_or_one_a_line(
    text: str, lines: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    main(["validate", "-", "--format", "json"])
    assert len(capsys.readouterr().out.splitlines()) == lines


def test_what_is_no_json_is_a_fatal_issue_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "broken.json").write_text('{"resourceType": "Patient",\n "id": }')
    assert main(["validate", str(tmp_path / "broken.json"), "--format", "json"]) == 1
    [issue] = json.loads(capsys.readouterr().out)["issue"]
    assert (issue["severity"], [e["valueInteger"] for e in issue["extension"]]) == ("fatal", [2, 8])


def test_profiles_are_urls_or_files_and_an_unknown_one_stops_the_run(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = str(files / "a-good.json")
    assert main(["validate", good, "--profile", "https://fhir.kemkes.go.id/r4/StructureDefinition/Patient"]) == 1
    assert "Patient.birthDate" in capsys.readouterr().out
    assert main(["validate", good, "--profile", "http://example.org/none"]) == 2
    assert "http://example.org/none" in capsys.readouterr().err


def test_many_resources_come_out_in_order_from_several_processes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [GOOD if n % 3 else BAD.replace("\n", "") for n in range(90)]
    (tmp_path / "many.ndjson").write_text("\n".join(rows))
    assert main(["validate", str(tmp_path / "many.ndjson"), "--processes", "2"]) == 1
    heads = [line for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]
    assert heads == [f"{tmp_path / 'many.ndjson'}:{n + 1}: {'OK' if n % 3 else 'not valid'}" for n in range(90)]


def test_it_starts_without_the_server_and_without_the_rules() -> None:
    code = (
        "import sys; from gateway.cli import main; sys.stdin = open('/dev/stdin'); main(['validate', '-']);"
        "print([m for m in ('pydantic', 'fastapi', 'asyncpg', 'profiles.rules', 'rich') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], input=GOOD, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]", run.stderr


def test_a_claim_that_is_not_there_is_said_to_be_missing(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["validate", str(files / "a-good.json"), "--for", "vclaim"])
    assert "warning vclaim" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("error_wrong_org_in_identifier_system_10117.json", "10117"),
        ("error_duplicate_encounter.json", "20002"),
    ],
)
def test_refusals_of_the_ministry_fail_with_their_number(
    name: str, number: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", "--for", "satusehat", str(shared_path("samples", "satusehat", name))]) == 1
    assert f"error satusehat {number}:" in capsys.readouterr().out


def test_what_the_ministry_accepted_passes(capsys: pytest.CaptureFixture[str]) -> None:
    folder = shared_path("samples", "satusehat")
    rows = json.loads((folder / "INDEX.json").read_text())
    names = [
        str(folder / row["file"])
        for row in rows
        if row.get("method") in ("POST", "PUT")
        and row.get("response_status") in (200, 201)
        and "response" not in row["file"]
        and (folder / row["file"]).exists()
    ]
    assert main(["validate", "--for", "satusehat", *names]) == 0, capsys.readouterr().out
    assert len(names) > 50
