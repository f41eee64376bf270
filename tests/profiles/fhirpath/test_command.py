"""`gapura fhirpath EXPR FILE`."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import main
from profiles import fhirjson


@pytest.fixture
def file(patient: dict[str, Any], tmp_path: Path) -> str:
    path = tmp_path / "patient.json"
    path.write_bytes(fhirjson.encode(patient))
    return str(path)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("Patient.name.given", '["Siti","Iti"]'),
        ("name.suffix", "[]"),
        ("1.50 | 2 | active", "[1.50,2,true]"),
        ("birthDate + 1 day", '["1987-09-06"]'),
        ("5 'mg' + 5 'mg'", '[{"value":10,"unit":"mg"}]'),
        ("managingOrganization", '[{"reference":"#org"}]'),
    ],
)
def test_the_result_is_one_line_of_json(
    expression: str, expected: str, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fhirpath", expression, file]) == 0
    assert capsys.readouterr().out == expected + "\n"


@pytest.mark.parametrize("expression", ["name.givn", "name.", "name.single()"])
def test_a_bad_expression_exits_2_with_its_column(
    expression: str, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fhirpath", expression, file]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "column 6" in shown.err
    assert shown.err.splitlines()[-1] == "  " + " " * 5 + "^"


def test_a_bad_file_exits_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text('{"resourceType": ')
    assert main(["fhirpath", "name", str(broken)]) == 2
    assert main(["fhirpath", "name", str(tmp_path / "none.json")]) == 2
    assert capsys.readouterr().err.count("gapura fhirpath: ") == 2


def test_trace_is_shown_beside_the_result(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fhirpath", "--trace", "name.trace('n', use).count()", file]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out) == [2]
    assert shown.err == 'n: ["official","nickname"]\n'
