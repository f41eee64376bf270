"""The shipped modules: their examples, the fields of a SEP, when they are called for, what they need first."""

import json
from pathlib import Path
from typing import Any

import pytest

import mappings
from gateway.demo.visits import SENT, VISITS, bundles
from mappings.examples import source_of
from mappings.language import SHIPPED
from profiles import fhirjson
from profiles.fhirjson import Resource
from tests.conftest import shared_path

FACILITY = {"organization_id": "10000004", "kode_faskes": "0301R011", "zone": "Asia/Jakarta", "options": {}}
HEADS = sorted(SHIPPED.glob("*/*/module.yaml"))


def visit(name: str, upto: int | None = None) -> Resource:
    """A demo visit as one Bundle, after its first `upto` messages."""
    entries: dict[str, Any] = {}
    for bundle in bundles(name, SENT)[:upto]:
        entries |= {entry["fullUrl"]: entry for entry in bundle["entry"]}
    return {"resourceType": "Bundle", "type": "collection", "entry": list(entries.values())}


def known(reference: str) -> str:
    """A destination that knows everything."""
    return f"there-{reference.split('/')[-1].removeprefix('urn:uuid:')}"


def example(module: str, name: str, **change: Any) -> tuple[Resource, dict[str, Any]]:
    """Source and context of an example, changed further."""
    folder = SHIPPED / module / "examples"
    found = fhirjson.decode((folder / name).read_bytes())
    found["change"] = {**found.get("change", {}), **change}
    sources = {path.name: path for path in (folder / "sources").glob("*.json")}
    return source_of(found, sources), found["context"]


@pytest.mark.parametrize("head", HEADS, ids=[h.parent.relative_to(SHIPPED).as_posix() for h in HEADS])
def test_its_examples_hold_and_there_are_some(head: Path) -> None:
    name = head.parent.relative_to(SHIPPED).as_posix()
    assert mappings.prove(name) >= 2
    assert name in mappings.modules()


@pytest.mark.parametrize("head", HEADS, ids=[h.parent.relative_to(SHIPPED).as_posix() for h in HEADS])
def test_every_reason_and_map_of_its_head_is_used(head: Path) -> None:
    module = mappings.load(head.parent.relative_to(SHIPPED).as_posix())
    templates = "\n".join(
        p.read_text("utf-8") for p in (*head.parent.glob("*.yaml"), *head.parent.parent.glob("*.yaml"))
    )
    unused = [key for key in (*module.head.held, *module.head.concept_maps) if f"'{key}'" not in templates]
    assert unused == []


def paths(value: Any, path: str = "") -> set[str]:
    """Every key path of a JSON value."""
    if not isinstance(value, dict):
        return {path}
    return {inner for key, item in value.items() for inner in paths(item, f"{path}.{key}")}


def test_a_sep_has_exactly_the_fields_of_the_catalogue() -> None:
    sample = json.loads(shared_path("samples", "bpjs", "vclaim__sep_insert_sep_2_0.json").read_text("utf-8"))
    product = mappings.load("vclaim/sep-insert")(visit("outpatient"), facility=FACILITY)
    assert paths(product) == paths(sample["request"])


def test_the_catalogues_own_sep_passes_the_schema() -> None:
    sample = json.loads(shared_path("samples", "bpjs", "vclaim__sep_insert_sep_2_0.json").read_text("utf-8"))
    assert mappings.load("vclaim/sep-insert").check(sample["request"]) == []


def test_a_referral_has_exactly_the_fields_of_the_catalogue() -> None:
    sample = json.loads(shared_path("samples", "bpjs", "vclaim__insert_rujukan_2_0.json").read_text("utf-8"))
    source, context = example("vclaim/rujukan-insert", "full-referral.json")
    module = mappings.load("vclaim/rujukan-insert")
    assert paths(module(source, **context)) == paths(sample["request"])
    assert module.check(sample["request"]) == []


def test_all_strings() -> None:
    product = mappings.load("vclaim/sep-insert")(visit("outpatient"), facility=FACILITY)

    def leaves(value: Any) -> list[Any]:
        return [leaf for item in value.values() for leaf in leaves(item)] if isinstance(value, dict) else [value]

    assert all(isinstance(leaf, str) for leaf in leaves(product))


def test_a_reason_says_in_both_languages_what_to_mend() -> None:
    with pytest.raises(mappings.Held) as held:
        mappings.load("vclaim/sep-insert")(visit("mistakes"), facility=FACILITY)
    found = {reason.key: reason for reason in held.value.reasons}
    assert set(found) == {"diagnosis", "doctor"}
    assert found["diagnosis"].path == "CoverageEligibilityRequest.item.diagnosis"
    assert found["diagnosis"].text("id").startswith("Diagnosa awal")
    assert found["diagnosis"].text("en").startswith("The initial diagnosis")


def test_a_schema_finding_says_in_both_languages_what_is_expected() -> None:
    module = mappings.load("vclaim/sep-insert")
    product = module(visit("outpatient"), facility=FACILITY)
    product["request"]["t_sep"]["noKartu"] = "12"
    (finding,) = module.check(product)
    assert (finding.path, finding.value) == ("request.t_sep.noKartu", "12")
    assert "13 angka" in finding.text("id")
    assert "13 digits" in finding.text("en")


def test_the_option_of_a_control_visit_must_be_one_of_those_there_are() -> None:
    facility = {**FACILITY, "options": {"sep_control": "surat"}}
    with pytest.raises(mappings.MappingError, match="valid are referral, letter"):
        mappings.load("vclaim/sep-insert")(visit("outpatient"), facility=facility)


def test_the_module_maps_the_request_that_it_is_told() -> None:
    twin: Resource = {"status": "active", "servicedDate": "2026-02-11", "id": "q2"}
    source, context = example("vclaim/sep-insert", "referral.json")
    first = next(
        e["resource"] for e in source["entry"] if e["resource"]["resourceType"] == "CoverageEligibilityRequest"
    )
    source["entry"].append({"resource": {**first, **twin}})
    module = mappings.load("vclaim/sep-insert")
    day = {
        focus: module(source, **context, focus=focus)["request"]["t_sep"]["tglSep"]
        for focus in (None, "CoverageEligibilityRequest/q1", "CoverageEligibilityRequest/q2")
    }
    assert list(day.values()) == ["2026-02-10", "2026-02-10", "2026-02-11"]
    with pytest.raises(mappings.MappingError, match="does not hold CoverageEligibilityRequest/q3"):
        module(source, **context, focus="CoverageEligibilityRequest/q3")


def request(**change: Any) -> Resource:
    """The demo's wish for a SEP, changed."""
    found = (entry["resource"] for entry in visit("outpatient")["entry"])
    return {**next(r for r in found if r["resourceType"] == "CoverageEligibilityRequest"), **change}


CALLED_FOR = [
    (request(), {"vclaim/sep-insert"}),
    (request(meta={"versionId": "1"}), {"vclaim/sep-insert"}),
    (request(meta={"versionId": "2"}), {"vclaim/sep-insert", "vclaim/sep-update"}),
    (request(status="cancelled"), {"vclaim/sep-delete"}),
    (request(status="draft"), set()),
    (request(insurer={"display": "Asuransi Contoh"}), set()),
    ({"resourceType": "Encounter", "id": "e", "status": "arrived", "class": {"code": "AMB"}}, {"satusehat/visit"}),
    ({"resourceType": "Encounter", "id": "e", "status": "entered-in-error", "class": {"code": "AMB"}}, set()),
    ({"resourceType": "Patient", "id": "p"}, set()),
]


@pytest.mark.parametrize(("resource", "expected"), CALLED_FOR)
def test_what_a_write_calls_for(resource: Resource, expected: set[str]) -> None:
    assert {step.module.name for step in mappings.called_for(resource)} == expected


def test_a_sep_is_asked_for_once() -> None:
    step = mappings.load("vclaim/sep-insert").only
    asked, context = example("vclaim/sep-delete", "cancelled.json", **{"CoverageEligibilityRequest/q1": {}})
    assert not step.applies(asked, **context, focus="CoverageEligibilityRequest/q1")
    fresh, context = example("vclaim/sep-insert", "referral.json")
    assert step.applies(fresh, **context, focus="CoverageEligibilityRequest/q1")


def test_only_a_request_changed_after_its_sep_is_an_update() -> None:
    step = mappings.load("vclaim/sep-update").only

    def applies(updated: str) -> bool:
        change = {"CoverageEligibilityRequest/q1": {"meta": {"versionId": "2", "lastUpdated": updated}}}
        source, context = example("vclaim/sep-update", "changed-after-issue.json", **change)
        return step.applies(source, **context, focus="CoverageEligibilityRequest/q1")

    assert applies("2026-02-10T09:00:00+07:00")
    assert not applies("2026-02-10T08:12:30+07:00")


def test_a_closed_visit_is_not_opened_again() -> None:
    step = mappings.load("satusehat/visit").step("encounter")
    finished = visit("outpatient")
    assert step.applies(finished, facility=FACILITY)
    assert not step.applies(finished, facility=FACILITY, crosswalk=known)
    assert step.applies(visit("emergency", 1), facility=FACILITY, crosswalk=known)


def test_what_satusehat_must_know_first() -> None:
    module = mappings.load("satusehat/visit")
    assert set(module.requires(visit("emergency"), FACILITY)) == {
        ("patient", "Patient/pasien-budi"),
        ("practitioner", "Practitioner/dokter-wulan"),
        ("practitioner", "Practitioner/dokter-arief"),
        ("practitioner", "Practitioner/perawat-fitri"),
        ("location", "Location/igd"),
        ("location", "Location/melati-2-1"),
    }


def test_nothing_stands_before_what_it_refers_to() -> None:
    step = mappings.load("satusehat/visit").step("clinical")
    people = ("Patient", "Practitioner", "Location", "Encounter")
    product = step(
        visit("outpatient"),
        facility=FACILITY,
        crosswalk=lambda local: known(local) if local.startswith(people) else None,
    )
    seen: set[str] = set()
    for entry in product["entry"]:
        text = fhirjson.encode(entry["resource"]).decode()
        assert {part.split('"')[0] for part in text.split('"reference":"')[1:] if part.startswith("urn:")} <= seen
        seen.add(entry["fullUrl"])
    assert len(seen) == len(product["entry"]) == 24


def test_what_stays_in_the_house() -> None:
    step = mappings.load("satusehat/visit").step("clinical")
    text = fhirjson.encode(step(visit("outpatient"), facility=FACILITY, crosswalk=known)).decode()
    for inside in ("simrs.example.id", "gapura.dev", "+07:00", "Coverage", "referral-number", "pasien-sri/"):
        assert inside not in text
    assert "+00:00" in text


def test_the_same_visit_has_the_same_ids_in_every_send() -> None:
    step = mappings.load("satusehat/visit").step("clinical")
    first, second = (step(visit("outpatient"), facility=FACILITY, crosswalk=known) for _ in range(2))
    other = step(visit("outpatient"), facility={**FACILITY, "organization_id": "10000005"}, crosswalk=known)
    assert first == second
    assert {e["fullUrl"] for e in first["entry"]}.isdisjoint(e["fullUrl"] for e in other["entry"])


def test_a_module_with_several_steps_names_them() -> None:
    with pytest.raises(mappings.MappingError, match="encounter, clinical, close"):
        mappings.load("satusehat/visit")(visit("outpatient"))
    with pytest.raises(mappings.MappingError, match="valid are clinical, close, encounter"):
        mappings.load("satusehat/visit").step("encouter")


def test_an_unknown_module_is_an_error_that_names_the_known() -> None:
    with pytest.raises(mappings.MappingError, match="vclaim/sep-insert"):
        mappings.load("vclaim/sep-inset")


def test_the_outpatient_demo_has_the_kinds_of_the_ministrys_bundle() -> None:
    official = json.loads(shared_path("samples", "satusehat", "bundle_rajal_transaction.json").read_text("utf-8"))
    ours = [entry["resource"]["resourceType"] for entry in visit("outpatient")["entry"]]
    for kind in (entry["resource"]["resourceType"] for entry in official["entry"]):
        ours.remove(kind)
    assert set(ours) == {
        "Organization",
        "Practitioner",
        "Location",
        "Patient",
        "Coverage",
        "ServiceRequest",
        "CoverageEligibilityRequest",
    }


@pytest.mark.parametrize("name", VISITS)
def test_a_demo_visit_moves_as_a_whole(name: str) -> None:
    import datetime as dt

    written, moved = bundles(name, SENT), bundles(name, SENT + dt.timedelta(days=320))
    text = fhirjson.encode(moved).decode()
    assert "2026-01-" not in text
    assert "2026-11-" in text
    for bundle, other in zip(written, moved, strict=True):
        births = [[e["resource"].get("birthDate") for e in b["entry"]] for b in (bundle, other)]
        assert births[0] == births[1]


@pytest.mark.parametrize("name", VISITS)
def test_a_demo_visit_is_valid_r4(name: str) -> None:
    from profiles import Validator

    validator = Validator()
    for bundle in bundles(name, SENT):
        errors = [issue for issue in validator.validate(bundle) if issue.severity in ("error", "fatal")]
        assert [f"{issue.path}: {issue.text('en')}" for issue in errors if issue.tier == "base"] == []


@pytest.mark.parametrize("step", ["encounter", "clinical", "close"])
@pytest.mark.parametrize("name", VISITS)
def test_the_ministrys_rules_accept_what_is_sent_of_a_visit_without_mistakes(name: str, step: str) -> None:
    from profiles.rules import Rules

    product = mappings.load("satusehat/visit").step(step)(visit(name), facility=FACILITY, crosswalk=known)
    broken = {issue.rule for issue in Rules("10000004").judge(product) if issue.severity in ("error", "fatal")}
    mistakes = {"encounter": {"10336"}, "clinical": {"10003"}, "close": {"10336", "10122"}}
    assert broken == (mistakes[step] if name == "mistakes" else set())
