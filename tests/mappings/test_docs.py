"""What docs/mappings.md and docs/sep.md say is true: their fenced parts run."""

import json
import re
import shlex
from pathlib import Path

import pytest

import mappings
from gateway.cli import main
from mappings.functions import functions
from mappings.head import Head, StepHead
from mappings.language import BLOCKS, SHIPPED
from tests.mappings.language import run

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "mappings.md").read_text("utf-8")
SEP = (ROOT / "docs" / "sep.md").read_text("utf-8")
FENCES = re.findall(r"^```(\w+)(?: (\w+))?\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
PLAIN = [(language, text) for language, name, text in FENCES if not name and language in ("yaml", "json")]
TEMPLATES = [(PLAIN[i][1], PLAIN[i + 1][1], PLAIN[i + 2][1]) for i in range(0, len(PLAIN), 3)]


def test_the_page_has_examples() -> None:
    assert len(TEMPLATES) >= 2
    assert all(PLAIN[i][0] == "yaml" for i in range(0, len(PLAIN), 3))


@pytest.mark.parametrize(("template", "source", "product"), TEMPLATES)
def test_a_template_makes_what_the_page_says(tmp_path: Path, template: str, source: str, product: str) -> None:
    assert run(tmp_path, template, json.loads(source)) == json.loads(product)


COMMANDS = [line for language, _, text in FENCES if language == "sh" for line in text.splitlines()]


def test_every_command_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    for line in COMMANDS:
        words = [str(tmp_path) if word == "OVERLAY" else word for word in shlex.split(line)]
        assert words[0] == "gapura"
        assert main(words[1:]) == 0, (line, capsys.readouterr().err)


def named(name: str) -> str:
    """The fence of that name."""
    return next(text for _, found, text in FENCES if found == name)


def test_the_example_of_the_gate_holds(tmp_path: Path) -> None:
    examples = tmp_path / "vclaim/sep-insert/examples"
    examples.mkdir(parents=True)
    (examples / "of-the-page.json").write_text(named("example"), "utf-8")
    assert mappings.prove("vclaim/sep-insert", tmp_path) == mappings.prove("vclaim/sep-insert") + 1


def test_the_clinics_of_a_hospital_translate(tmp_path: Path) -> None:
    (tmp_path / "vclaim").mkdir()
    (tmp_path / "vclaim/poli.json").write_text(named("poli"), "utf-8")
    source = json.loads((SHIPPED / "vclaim/sep-insert/examples/sources/outpatient.json").read_text("utf-8"))
    for entry in source["entry"]:
        if entry["resource"]["resourceType"] == "Location":
            entry["resource"]["identifier"] = [{"system": "https://simrs.example.id/poli", "value": "PD2"}]
    facility = {"organization_id": "10000004", "kode_faskes": "0301R011"}
    product = mappings.load("vclaim/sep-insert", tmp_path)(source, facility=facility)
    assert product["request"]["t_sep"]["poli"]["tujuan"] == "INT"


def test_every_function_and_block_is_on_the_page() -> None:
    documented = set(re.findall(r"(\w+)\(", TEXT))
    assert set(functions({}, {})) | {"outgoing", "send", "mentioned"} <= documented
    assert all(f"{{% {block}" in TEXT for block in BLOCKS)


def test_every_key_of_a_head_is_on_the_page() -> None:
    keys = {*Head.__dataclass_fields__, *StepHead.__dataclass_fields__} - {"file", "line"}
    assert {key for key in keys if f"`{key}`" not in TEXT} == set()


def test_every_field_of_a_sep_has_its_row() -> None:
    schema = json.loads((SHIPPED / "vclaim/sep-insert/t_sep.schema.json").read_text("utf-8"))

    def leaves(part: dict[str, object]) -> set[str]:
        properties = part.get("properties")
        if not isinstance(properties, dict):
            return set()
        return {n for name, sub in properties.items() for n in (leaves(sub) or {name})}

    table = SEP.split("## Field by field")[1].split("\n## ")[0]
    assert {name for name in leaves(schema) if name not in table} == set()


def test_every_kind_of_visit_has_its_row() -> None:
    kinds = re.findall(r"- name: ([a-z-]+)", (SHIPPED / "vclaim/sep-insert/kinds.yaml").read_text("utf-8"))
    table = SEP.split("## Kinds of visit")[1].split("\n## ")[0]
    assert {kind for kind in kinds if f"`{kind}`" not in table} == {"none"}


def test_the_extensions_that_templates_read_are_on_the_page() -> None:
    text = "".join(path.read_text("utf-8") for path in SHIPPED.glob("vclaim/**/*.yaml"))
    read = set(re.findall(r"gapura\.dev/fhir/StructureDefinition/([a-z-]+)", text))
    assert {name for name in read if name not in SEP} == set()
    assert "sep-accident" in read
