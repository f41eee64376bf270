"""`gapura terminology`: loading, listing and removing code tables, and who takes notice."""

import json
from pathlib import Path

import pytest

from gateway.cli import main

SNOMED = "http://snomed.info/sct"
CONDITION = {
    "resourceType": "Condition",
    "subject": {"reference": "Patient/1"},
    "code": {"coding": [{"system": SNOMED, "code": "11111111"}]},
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GAPURA_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sct.csv").write_text("code,display\n73211009,Diabetes mellitus\n")
    (tmp_path / "condition.json").write_text(json.dumps(CONDITION))
    return tmp_path / "home"


def test_a_table_is_loaded_listed_and_removed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["terminology", "load", "sct.csv", "--system", SNOMED, "--version", "2026"]) == 0
    assert "1 codes" in capsys.readouterr().out
    assert main(["terminology", "list"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["*", "1", "2026", SNOMED, "sct.csv"]
    assert main(["terminology", "remove", SNOMED]) == 0
    assert main(["terminology", "remove", SNOMED]) == 1
    capsys.readouterr()
    main(["terminology", "list"])
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_a_facilitys_own_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["terminology", "load", "sct.csv", "--system", SNOMED, "--facility", "default"]) == 0
    main(["terminology", "list"])
    assert capsys.readouterr().out.splitlines()[-1].startswith("default ")
    assert main(["terminology", "load", "sct.csv", "--system", SNOMED, "--facility", "elsewhere"]) == 2
    assert "there are default" in capsys.readouterr().err


def test_validate_takes_notice(capsys: pytest.CaptureFixture[str]) -> None:
    main(["validate", "condition.json"])
    assert "11111111" not in capsys.readouterr().out
    main(["terminology", "load", "sct.csv", "--system", SNOMED])
    capsys.readouterr()
    assert main(["validate", "condition.json"]) == 0
    assert "11111111" in capsys.readouterr().out
    assert main(["validate", "condition.json", "--for", "satusehat"]) == 1


def test_a_code_system_says_its_own_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    system = {"resourceType": "CodeSystem", "url": "http://example.org/kfa", "version": "7", "content": "complete"}
    (tmp_path / "kfa.json").write_text(json.dumps({**system, "concept": [{"code": "93000001", "display": "Obat"}]}))
    assert main(["terminology", "load", "kfa.json"]) == 0
    main(["terminology", "list"])
    assert capsys.readouterr().out.splitlines()[-1].split() == ["*", "1", "7", "http://example.org/kfa", "kfa.json"]
    assert main(["terminology", "load", "kfa.json", "--system", SNOMED]) == 2
    assert "not of http://snomed.info/sct" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["sct.csv"], "name it with --system"),
        (["absent.csv", "--system", SNOMED], "absent.csv"),
        (["sct.csv", "--system", SNOMED, "--columns", "code"], "it names two"),
        (["sct.csv", "--system", SNOMED, "--columns", "id,term"], "the columns are code, display"),
        (["sct.csv", "condition.json", "--system", SNOMED], "not loaded at once"),
    ],
)
def test_what_cannot_be_loaded_leaves_nothing(
    arguments: list[str], says: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["terminology", "load", *arguments]) == 2
    assert says in capsys.readouterr().err
    assert not list(home.rglob("*.codes"))
