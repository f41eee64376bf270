"""A site's overlay, the gate of the examples, and heads with slips in them."""

import json
import logging
import shutil
from pathlib import Path

import pytest

import mappings
from mappings.language import SHIPPED

FACILITY = {"organization_id": "10000004", "kode_faskes": "0301R011", "zone": "Asia/Jakarta", "options": {}}
SOURCE = json.loads((SHIPPED / "vclaim/sep-insert/examples/sources/outpatient.json").read_text("utf-8"))


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    """A site's folder with a module of its own."""
    shutil.copytree(SHIPPED / "vclaim/sep-delete", tmp_path / "example/cancel")
    shutil.copy(SHIPPED / "vclaim/user.yaml", tmp_path / "example/user.yaml")
    head = tmp_path / "example/cancel/module.yaml"
    head.write_text(head.read_text("utf-8").replace("vclaim/sep-delete", "example/cancel"), "utf-8")
    return tmp_path


def user_of(overlay: Path) -> str:
    """What the site's module puts as user."""
    source = json.loads((overlay / "example/cancel/examples/sources/outpatient.json").read_text("utf-8"))
    for entry in source["entry"]:
        if entry["resource"]["resourceType"] == "CoverageEligibilityRequest":
            entry["resource"]["status"] = "cancelled"
    return str(mappings.load("example/cancel", overlay)(source, facility=FACILITY)["request"]["t_sep"]["user"])


def test_a_site_has_modules_of_its_own_beside_the_shipped(overlay: Path) -> None:
    assert "example/cancel" in mappings.modules(overlay)
    assert "example/cancel" not in mappings.modules()
    assert "vclaim/sep-insert" in mappings.modules(overlay)
    assert user_of(overlay) == "loket-2"


def test_one_file_of_the_site_replaces_its_namesake(tmp_path: Path) -> None:
    site = tmp_path / "vclaim"
    site.mkdir()
    (site / "noTelp.yaml").write_text('"021555"', "utf-8")
    with pytest.raises(mappings.MappingError, match=r"noTelp is '021555', expected '081200004471'"):
        mappings.load("vclaim/sep-insert", tmp_path)
    examples = tmp_path / "vclaim/sep-insert/examples"
    examples.mkdir(parents=True)
    for path in (SHIPPED / "vclaim/sep-insert/examples").glob("*.json"):
        text = path.read_text("utf-8").replace("081200004471", "021555")
        if '"telephone"' in text or "noTelp" in text:
            changed = json.loads(text)
            changed["held"] = [key for key in changed.get("held", []) if key != "telephone"] or changed.get("held")
            changed["findings"] = [f for f in changed.get("findings", []) if "noTelp" not in f] or None
            text = json.dumps({key: value for key, value in changed.items() if value})
        (examples / path.name).write_text(text, "utf-8")
    product = mappings.load("vclaim/sep-insert", tmp_path)(SOURCE, facility=FACILITY)
    assert product["request"]["t_sep"]["noTelp"] == "021555"
    assert mappings.load("vclaim/sep-insert")(SOURCE, facility=FACILITY)["request"]["t_sep"]["noTelp"] == "081200004471"


def test_the_sites_own_clinics_are_a_concept_map(tmp_path: Path) -> None:
    own = {
        "resourceType": "ConceptMap",
        "group": [
            {
                "source": "urn:poli",
                "element": [{"code": "7", "target": [{"code": "JAN", "equivalence": "equivalent"}]}],
            },
            *json.loads((SHIPPED / "vclaim/poli.json").read_text("utf-8"))["group"],
        ],
    }
    (tmp_path / "vclaim").mkdir()
    (tmp_path / "vclaim/poli.json").write_text(json.dumps(own), "utf-8")
    source = json.loads(json.dumps(SOURCE))
    for entry in source["entry"]:
        if entry["resource"]["resourceType"] == "Location":
            entry["resource"]["identifier"] = [{"system": "urn:poli", "value": "7"}]
    product = mappings.load("vclaim/sep-insert", tmp_path)(source, facility=FACILITY)
    assert product["request"]["t_sep"]["poli"]["tujuan"] == "JAN"


def test_a_change_that_breaks_an_example_is_refused_and_the_previous_version_stays(
    overlay: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert user_of(overlay) == "loket-2"
    template = overlay / "example/user.yaml"
    good = template.read_text("utf-8")
    template.write_text('"somebody"', "utf-8")
    with caplog.at_level(logging.ERROR):
        assert user_of(overlay) == "loket-2"
    assert "user is 'somebody', expected 'loket-2'" in caplog.text
    with pytest.raises(mappings.MappingError, match="somebody"):
        mappings.prove("example/cancel", overlay)
    template.write_text(good.replace(".display", ".display.upper()"), "utf-8")
    (overlay / "example/cancel/examples/cancelled.json").unlink()
    assert user_of(overlay) == "LOKET-2"


def test_a_module_that_never_worked_raises(overlay: Path) -> None:
    (overlay / "example/user.yaml").write_text('"somebody"', "utf-8")
    for _ in range(2):
        with pytest.raises(mappings.MappingError, match="somebody"):
            mappings.load("example/cancel", overlay)


SLIPS = {
    ("destination:", "destinatoin:"): "unknown key of a module 'destinatoin'; valid are",
    ("operation: sep.delete", "operation: delete"): "'delete' is no dotted name",
    ("template: t_sep.yaml", "templat: t_sep.yaml"): "unknown key of a step 'templat'",
    ("source: visit", "source: bundle"): "unknown source 'bundle'; valid are json, visit",
    ("name: example/cancel", "name: example/other"): "its folder is 'example/cancel'",
    ("when: >-\n      status in", "when: >-\n      statsu in"): "statsu",
    ("  user:\n    path", "  usr:\n    path"): "user.yaml:4: unknown name in hold() 'user'; valid are number, usr",
    ("template: t_sep.yaml", "template: nowhere.yaml"): "nowhere.yaml",
    ("    text: The", "    txet: The"): "unknown key of an option 'txet'",
}


@pytest.mark.parametrize(("slip", "message"), SLIPS.items(), ids=[new for _, new in SLIPS])
def test_a_slip_in_a_head_is_an_error_that_names_it(overlay: Path, slip: tuple[str, str], message: str) -> None:
    head = overlay / "example/cancel/module.yaml"
    text = head.read_text("utf-8")
    assert slip[0] in text
    head.write_text(text.replace(slip[0], slip[1], 1), "utf-8")
    with pytest.raises(mappings.MappingError) as caught:
        mappings.load("example/cancel", overlay)
    assert message in str(caught.value)


def test_a_concept_map_with_two_targets_for_a_code_is_refused(tmp_path: Path) -> None:
    two = {"code": "7", "target": [{"code": "JAN"}, {"code": "INT"}]}
    (tmp_path / "vclaim").mkdir()
    (tmp_path / "vclaim/poli.json").write_text(
        json.dumps({"resourceType": "ConceptMap", "group": [{"source": "urn:poli", "element": [two]}]}), "utf-8"
    )
    with pytest.raises(mappings.MappingError, match="'7' has 2 targets"):
        mappings.load("vclaim/sep-insert", tmp_path)


def test_every_option_that_modules_read_can_be_listed() -> None:
    assert set(mappings.options()) == {"sep_control", "vclaim_user"}
