"""A site's own code tables: what is read into them, what they answer, what the rules and the validator make of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from profiles import Validator, tables
from profiles.definitions import R4
from profiles.rules import Rules
from profiles.tables import CodeTables, TableError
from profiles.terminology import Terminology, TerminologyError

SNOMED = "http://snomed.info/sct"
ROWS = [("73211009", "Diabetes mellitus"), ("38341003", "Hypertensive disorder"), ("38341003", "Hipertensi")]


@pytest.fixture
def loaded(tmp_path: Path) -> CodeTables:
    tables.write(tmp_path, SNOMED, ROWS, version="2026-01", source="sct.csv")
    return CodeTables(tmp_path)


def written(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, "utf-8")
    return folder / name


def test_every_code_of_a_large_table_is_found_and_no_other(tmp_path: Path) -> None:
    codes = [str(n * 7) for n in range(1, 5000)]
    tables.write(tmp_path, SNOMED, ((code, f"name {code}") for code in reversed(codes)))
    table = CodeTables(tmp_path)(SNOMED)
    assert table is not None
    assert len(table) == len(codes)
    assert all(table[code] == (f"name {code}",) for code in codes)
    assert sorted(table) == sorted(codes)
    assert not any(code in table for code in ("", "0", "1", "6", "8", "69", "701", "99999", "7\t", "name", "é"))


def test_a_code_has_all_its_names_the_first_is_its_display(loaded: CodeTables) -> None:
    table = loaded(SNOMED)
    assert table is not None
    assert table["38341003"] == ("Hypertensive disorder", "Hipertensi")
    assert len(table) == 2
    assert loaded("http://loinc.org") is None


def test_a_facilitys_table_comes_before_that_for_all(tmp_path: Path) -> None:
    tables.write(tmp_path, SNOMED, ROWS)
    tables.write(tmp_path / "own", SNOMED, [("1", "one")])
    found = CodeTables(tmp_path, tmp_path / "own")(SNOMED)
    assert found is not None
    assert list(found) == ["1"]


def test_who_reads_a_table_goes_on_when_it_is_replaced(tmp_path: Path, loaded: CodeTables) -> None:
    table = loaded(SNOMED)
    tables.write(tmp_path, SNOMED, [("1", "one")])
    assert table is not None
    assert "73211009" in table
    fresh = CodeTables(tmp_path)(SNOMED)
    assert fresh is not None
    assert "73211009" not in fresh


@pytest.mark.parametrize(
    ("name", "text", "columns"),
    [
        ("a.csv", 'code,display\nA1,"Satu, dua"\nB2,\n', None),
        ("a.csv", 'Kode,Nama\r\nA1,"Satu, dua"\r\nB2,\r\n', None),
        ("a.csv", '\ufeffA1,"Satu, dua"\n\nB2\n', None),
        ("a.csv", 'n,KODE,x,NAMA\n1,A1,y,"Satu, dua"\n2,B2,,\n', ("KODE", "NAMA")),
        ("a.tsv", "A1\tSatu, dua\nB2\t\n", None),
    ],
)
def test_lists_of_codes(tmp_path: Path, name: str, text: str, columns: tuple[str, str] | None) -> None:
    assert list(tables.read_rows(written(tmp_path, name, text), columns)) == [("A1", "Satu, dua"), ("B2", "")]


@pytest.mark.parametrize(
    ("text", "columns", "says"),
    [
        ("code,display\nA1,x\n,y\n", None, r"a\.csv:3: '' is no code"),
        ("code,display\nA1,x,y\n", None, r"a\.csv:2: 3 columns"),
        ("LOINC,NAME\n1-2,x\n", ("CODE", "NAME"), r"a\.csv:1: no column CODE; the columns are LOINC, NAME"),
        ('code,display\nA1,"x\n', None, r"a\.csv: unexpected end"),
    ],
)
def test_what_is_wrong_with_a_list(tmp_path: Path, text: str, columns: tuple[str, str] | None, says: str) -> None:
    with pytest.raises(TableError, match=says):
        list(tables.read_rows(written(tmp_path, "a.csv", text), columns))


def code_system(**changed: Any) -> str:
    concepts = [{"code": "A", "display": "Satu", "concept": [{"code": "A1", "designation": [{"value": "Dua"}]}]}]
    base = {"resourceType": "CodeSystem", "url": "http://example.org/a", "content": "complete", "concept": concepts}
    return json.dumps(base | changed)


def test_a_code_system_gives_nested_codes_and_their_designations(tmp_path: Path) -> None:
    found = tables.read_code_system(written(tmp_path, "a.json", code_system()))
    assert list(found.rows()) == [("A", "Satu"), ("A1", ""), ("A1", "Dua")]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (code_system(content="fragment"), "content is 'fragment'"),
        (code_system(resourceType="ValueSet"), "expected a CodeSystem, found 'ValueSet'"),
        (code_system(concept=[{"display": "x"}]), "no CodeSystem.*code"),
        (code_system(concept=[{"code": " x"}]), "' x' is no code"),
        ("[", "no CodeSystem"),
    ],
)
def test_what_is_no_complete_code_system(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(TableError, match=says):
        tables.read_code_system(written(tmp_path, "a.json", text))


def test_a_file_that_is_no_table_is_said(tmp_path: Path) -> None:
    written(tmp_path, "x.codes", "not a table\n")
    with pytest.raises(TableError, match=r"x\.codes: no code table"):
        CodeTables(tmp_path)
    with pytest.raises(TableError, match="no codes"):
        tables.write(tmp_path, SNOMED, [])


# Who uses them -------------------------------------------------------------------------------------------------------


def condition(code: str, display: str | None = None) -> dict[str, Any]:
    coding = {"system": SNOMED, "code": code} | ({"display": display} if display else {})
    return {"resourceType": "Condition", "subject": {"reference": "Patient/1"}, "code": {"coding": [coding]}}


def test_the_validator_doubts_a_code_and_a_name_that_the_table_does_not_have(loaded: CodeTables) -> None:
    def doubts(resource: dict[str, Any], codes: CodeTables) -> list[tuple[str, str]]:
        validator = Validator(codes=codes)
        assert validator.accepts(resource)
        return [(i.severity, i.path) for i in validator.validate(resource) if i.path.startswith("Condition.code")]

    assert doubts(condition("38341003", "Hipertensi"), loaded) == []
    assert [severity for severity, _ in doubts(condition("11111111"), loaded)] == ["warning"]
    assert [severity for severity, _ in doubts(condition("38341003", "Diabetes"), loaded)] == ["warning"]
    assert doubts(condition("11111111"), CodeTables()) == []


def test_the_rules_hold_a_code_outside_the_table_and_only_warn_without_one(loaded: CodeTables) -> None:
    def severities(code: str, codes: CodeTables | None) -> set[str]:
        found = Rules("10000004", codes).findings(allergy(code))
        return {f.issue().severity for f in found if "code.coding" in f.issue().path}

    assert severities("73211009", loaded) == set()
    assert severities("99999999", loaded) == {"error"}
    assert severities("99999999", None) == {"warning"}


def allergy(code: str) -> dict[str, Any]:
    coding = {"system": SNOMED, "code": code, "display": "x"}
    return {"resourceType": "Procedure", "status": "completed", "code": {"coding": [coding]}}


def test_the_terminology_service_looks_up_in_the_table(loaded: CodeTables) -> None:
    terms = Terminology(R4, loaded)
    assert terms.lookup(SNOMED, "38341003").display == "Hypertensive disorder"
    assert terms.system(SNOMED)["version"] == "2026-01"
    assert terms.subsumes(SNOMED, "38341003", "38341003") == "equivalent"
    with pytest.raises(TerminologyError, match="no code '1'"):
        terms.lookup(SNOMED, "1")
    with pytest.raises(TerminologyError, match="no hierarchy"):
        terms.subsumes(SNOMED, "38341003", "73211009")
