"""`gapura map` and `gapura mapping`, as an integration engineer meets them."""

import json
from pathlib import Path

import pytest

from gateway.cli import main
from mappings.language import SHIPPED

VISITS = Path(__file__).parents[2] / "gateway" / "demo" / "visits"
OUTPATIENT = str(VISITS / "outpatient.json")


def test_map_prints_the_payload(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["map", "vclaim/sep-insert", OUTPATIENT]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["request"]["t_sep"]["noKartu"] == "0001137150385"
    assert printed.err == ""


def test_trace_names_the_line_that_made_each_value(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["map", "vclaim/sep-insert", OUTPATIENT, "--trace"]) == 0
    printed = capsys.readouterr()
    product = json.loads(printed.out)["request"]["t_sep"]
    lines = {line.split(" = ")[0]: line for line in printed.err.splitlines()}
    assert len(lines) == len(printed.err.splitlines()) == printed.out.count('": "')
    assert lines["request.t_sep.klsRawat.klsRawatNaik"].endswith("(schema default)")
    for path, file in {
        "noKartu": "vclaim/sep-insert/t_sep.yaml",
        "rujukan.noRujukan": "vclaim/sep-insert/referral.yaml",
        "dpjpLayan": "vclaim/sep-insert/kinds.yaml",
        "klsRawat.klsRawatHak": "vclaim/klsRawat.yaml",
    }.items():
        line = lines[f"request.t_sep.{path}"]
        place = line.split("<-")[1].split()[0]
        named, _, number = place.partition(":")
        assert named == file
        key = path.split(".")[-1]
        around = (SHIPPED / file).read_text("utf-8").splitlines()[int(number) - 1]
        assert key in around or "{{" in around
        value = product
        for step in path.split("."):
            value = value[step]
        assert f"= {value!r} " in line


def test_a_held_visit_says_why_and_exits_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["map", "vclaim/sep-insert", str(VISITS / "mistakes.json")]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "CoverageEligibilityRequest.item.diagnosis" in printed.err
    assert "Dokter penanggung jawab" in printed.err
    assert "The attending doctor" in printed.err


def test_a_product_that_the_schema_refuses_is_shown_and_exits_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = Path(OUTPATIENT).read_text("utf-8").replace("0001137150385", "113715")
    (tmp_path / "wrong.json").write_text(wrong, "utf-8")
    assert main(["map", "vclaim/sep-insert", str(tmp_path / "wrong.json")]) == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out)["request"]["t_sep"]["noKartu"] == "113715"
    assert "13 angka" in printed.err


def test_several_files_are_one_visit(capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(path) for path in sorted(VISITS.glob("emergency-*.json"))]
    assert main(["map", "vclaim/sep-insert", *files]) == 0
    assert json.loads(capsys.readouterr().out)["request"]["t_sep"]["skdp"]["kodeDPJP"] == "31574"
    assert main(["map", "satusehat/visit", *files, "--step", "close", "--pretend"]) == 0
    encounter = json.loads(capsys.readouterr().out)
    assert [past["class"]["code"] for past in encounter["classHistory"]] == ["EMER", "IMP"]
    assert encounter["id"] == "igd-0042"


def test_a_crosswalk_gives_the_destinations_ids(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = {
        "Patient/pasien-sri": "P02100000001",
        "Practitioner/dokter-arief": "10021000001",
        "Location/poli-dalam": "3a1d7b10-5a3f-4a53-8d7e-2f0f4a9c0001",
    }
    (tmp_path / "known.json").write_text(json.dumps(known), "utf-8")
    command = ["map", "satusehat/visit", OUTPATIENT, "--step", "encounter"]
    assert main([*command, "--crosswalk", str(tmp_path / "known.json")]) == 0
    assert json.loads(capsys.readouterr().out)["subject"]["reference"] == "Patient/P02100000001"
    assert main(command) == 1
    assert "Patient/pasien-sri" in capsys.readouterr().err


def test_a_reply_is_mapped_with_its_visit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "reply.json").write_text('{"noSep": "0301R0111126V000001", "tglSep": "2026-01-05"}', "utf-8")
    focus = ["--focus", "CoverageEligibilityRequest/sep-rj-0117"]
    assert main(["map", "vclaim/sep-response", str(tmp_path / "reply.json"), "--visit", OUTPATIENT, *focus]) == 0
    response = json.loads(capsys.readouterr().out)
    assert response["preAuthRef"] == "0301R0111126V000001"
    assert response["request"] == {"reference": "CoverageEligibilityRequest/sep-rj-0117"}


CANNOT_RUN = {
    "unknown module": (["vclaim/nothing", OUTPATIENT], "valid are"),
    "no such file": (["vclaim/sep-insert", "nowhere.json"], "nowhere.json"),
    "no JSON": (["vclaim/sep-insert", __file__], "test_commands.py"),
    "several steps": (["satusehat/visit", OUTPATIENT], "encounter, clinical, close"),
    "unknown step": (["satusehat/visit", OUTPATIENT, "--step", "open"], "valid are clinical, close, encounter"),
    "unknown facility": (["vclaim/sep-insert", OUTPATIENT, "--facility", "other"], "the facilities are default"),
    "nothing to map": (["vclaim/sep-delete", OUTPATIENT], "nothing in the source calls for it"),
}


@pytest.mark.parametrize(("arguments", "words"), CANNOT_RUN.values(), ids=CANNOT_RUN)
def test_what_cannot_run_exits_2(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["map", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_the_modules_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mapping", "list"]) == 0
    assert "satusehat/visit  1.0.0  satusehat  encounter (fhir.save)" in capsys.readouterr().out


def test_all_modules_or_one_are_tested(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mapping", "test"]) == 0
    assert "vclaim/sep-insert: 15 examples hold" in capsys.readouterr().out
    assert main(["mapping", "test", "vclaim/sep-delete"]) == 0
    assert capsys.readouterr().out.splitlines() == ["vclaim/sep-delete: 2 examples hold"]


def test_a_module_is_begun_tried_and_broken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    overlay = ["--overlay", str(tmp_path)]
    assert main(["mapping", "new", "example/report", *overlay]) == 0
    assert main(["mapping", "test", "example/report", *overlay]) == 0
    assert "2 examples hold" in capsys.readouterr().out
    assert main(["mapping", "new", "example/report", *overlay]) == 2
    assert "exists already" in capsys.readouterr().err
    template = tmp_path / "example/report/template.yaml"
    template.write_text(template.read_text("utf-8").replace("visit:", "visits:"), "utf-8")
    assert main(["mapping", "test", "example/report", *overlay]) == 1
    assert "example finished.json: visit is missing, expected 'Encounter/e1'" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["report", "example/", "/report", "example/a b"])
def test_a_bad_module_name_is_an_error(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mapping", "new", name, "--overlay", str(tmp_path)]) == 2
    assert "no module name" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
