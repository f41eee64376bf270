"""The data against the ministry's own book: each rule looks at the element, demands what is demanded, allows what is
listed. Where it does otherwise the reason stands here."""

import re
from functools import cache
from typing import Any

import msgspec
import pytest

from profiles.rules import Rule, rules
from profiles.rules.book import table, url
from tests.conftest import shared_path

SAMPLES = shared_path("samples", "satusehat")
JUDGED = [rule for rule in rules() if rule.kamus and rule.local and rule.resource != "Bundle"]


@cache
def _book() -> dict[str, Any]:
    book: dict[str, Any] = msgspec.json.decode((SAMPLES / "kamus_rule_number.json").read_bytes())
    return book


def _text(rule: Rule) -> str:
    row = _book()[rule.number]
    return f"{row.get('terminology') or ''}\n{row.get('description') or ''}"


def _urls(rule: Rule) -> set[str]:
    return set(re.findall(r"https?://[^\s\"]+", _book()[rule.number].get("terminology") or ""))


def each(*checks: str) -> pytest.MarkDecorator:
    mine = [rule for rule in JUDGED if not checks or rule.check in checks]
    return pytest.mark.parametrize("rule", mine, ids=lambda rule: f"{rule.resource}-{rule.number}")


ELEMENTS = {
    "10030": "misspelt: itemCodableConcept",
    "10031": "misspelt: valueCodableConcept, of the extension MedicationType",
    "10036": "R4 has periodUnit in timing.repeat",
    "10052": "R4 has periodUnit in timing.repeat",
    "10135": "medication[x]; its text speaks of medicationReference",
    "10138": "medication; its text speaks of medicationReference",
    "10156": "occurrence[x]; a time stands in occurrenceDateTime",
    "10160": "medication[x]; either of the two",
    "10163": "the extension's value",
    "10164": "the extension's value",
    "10165": "the extension's value",
    "10228": "its text speaks of coverage.coverage",
    "10236": "misspelt: chargeItemRefrence, of lineItem",
    "10266": "currency and value: the Money as a whole",
    "10284": "currency and value: the Money as a whole",
    "10286": "ClaimResponse.total has its Money in amount",
    "10309": "misspelt: lotnumber",
    "10367": "of the extension TransportedTime",
    "10392": "the Reference stands in performer.actor",
    "10399": "the Reference stands in performer.actor",
    "10437": "R4 has periodUnit in timing.repeat",
    "10634": "currency and value: the Money as a whole",
    "10644": "currency and value: the Money as a whole",
    "10683": "VisionPrescription has no dateTime but created",
    "10728": "RiskAssessment has no practitioner but performer",
    "10776": "currency and value: the Money as a whole",
    "10779": "currency and value: the Money as a whole",
    "10811": "currency and value: the Money as a whole",
    "10812": "currency and value: the Money as a whole",
    "10848": "the manufacturer is the contained Medication's",
}


@each()
def test_the_rule_looks_at_the_element_that_the_book_names(rule: Rule) -> None:
    resource, _, element = _book()[rule.number]["path"].partition(".")
    assert resource == rule.resource
    named = {element, re.sub(r"(\.coding)?(\.(code|system|reference))?$", "", element)}
    assert named.isdisjoint(rule.elements) is (rule.number in ELEMENTS)


NOT_DEMANDED = {
    "10228": "the server fails on an Account with a Coverage",
    "10386": "72 % of the ministry's reports have a specimen: a warning, diagnosticreport-lab-specimen",
    "10336": "the condition itself demands it",
}
DEMANDED = {
    "10003": "every body of the ministry has it, and its profile asks for it",
    "10010": "R4 demands it; here with a coding",
    "10015": "every body of the ministry has it, and its profile asks for it",
    "10021": "R4 demands it; here with a coding",
    "10031": "every Medication of the ministry has it",
    "10060": "every body of the ministry has it, and its profile asks for it",
    "10070": "every body of the ministry has it, and its profile asks for it",
    "10103": "R4 demands it; here with a coding",
    "10114": "R4 demands it; here with a coding",
    "10208": "the server misses it",
    "10299": "»tidak boleh kosong«",
    "10376": "the server misses it, and names this number",
    "10377": "the server misses it, and names this number",
    "10415": "every body of the ministry has it",
    "10450": "the server misses it, and names this number",
    "10451": "»harus terisi«",
}


@each()
def test_what_the_book_demands_is_demanded(rule: Rule) -> None:
    text = _text(rule).lower()
    said = any(word in text for word in ("not null", "wajib", "mandatory"))
    demanded = bool(rule.args.get("required")) or rule.check == "required"
    assert demanded is ((said and rule.number not in NOT_DEMANDED) or rule.number in DEMANDED)


@each("coding", "unit")
def test_every_code_system_of_the_book_is_taken(rule: Rule) -> None:
    taken = set(map(url, rule.args["systems"])) | set(table("systems")["misspelt"])
    families = ("http://terminology.kemkes.go.id/CodeSystem/locationServiceClass",)  # -Inpatient and -Outpatient
    assert _urls(rule) - taken <= set(families)


WITHOUT_THE_BOOK = {
    ("10297", "kk:icd-10-mm"): "the twin of icd-10-pm, which is used",
    ("10349", "kk:smallest-logistic-unit"): "as in 10852, the dose that is given",
    ("10357", "kk:smallest-logistic-unit"): "as in 10852, the dose that is given",
    ("10416", "SCT"): "the ministry's page on Observation names it",
    ("10636", "hl7:paymentstatus"): "what HL7 calls the system that the book spells payment-status",
    ("10665", "ICD10"): "answers of registries; 10283 lists the others",
    ("10665", "UCUM"): "answers of registries; 10283 lists the others",
    ("10934", "kk:clinical-speciality"): "the ministry's own list of specialties",
}


@cache
def _seen() -> dict[str, list[str]]:
    """Element → the code systems that the ministry's examples use there."""
    rows = msgspec.json.decode((SAMPLES / "observed_codes_by_element.json").read_bytes())
    return {path.removesuffix(".coding"): list(systems) for path, systems in rows.items()}


def _used(rule: Rule) -> set[str]:
    found: set[str] = set()
    for element in rule.elements:
        plain = re.sub(r":[A-Za-z]+|\.X", "", element)
        inner = f".contained.{plain}" if rule.resource == "Medication" else "-"
        for path, systems in _seen().items():
            if path == f"{rule.resource}.{plain}" or path.endswith(inner):
                found.update(systems)
    return found


def test_no_code_system_is_taken_that_neither_the_book_nor_the_examples_have() -> None:
    misspelt = {wrong: url(right) for wrong, right in table("systems")["misspelt"].items()}
    beyond = set()
    for rule in JUDGED:
        known = _urls(rule) | _used(rule)
        if rule.number == "10665":
            known |= set(_book()["10283"]["terminology"].split())
        known |= {misspelt[each] for each in known & set(misspelt)}
        for name in rule.args.get("systems", ()) if rule.check in ("coding", "unit") else ():
            if url(name) not in known and not name.startswith("kk:locationServiceClass-"):
                beyond.add((rule.number, name))
    assert beyond == set(WITHOUT_THE_BOOK)


@each("code")
def test_the_list_of_codes_is_the_one_that_the_book_names(rule: Rule) -> None:
    same = {"request-intent": "care-plan-intent", "codesystem-history-status.html": "history-status"}
    same |= {"http://unitsofmeasure.org": "units-of-time"}
    named = {same.get(found, found) for each in _urls(rule) for found in (each, each.rpartition("/")[2])}
    assert rule.args["values"] in named | {"request-intent" if "request-intent" in _text(rule) else ""}


@each("identifier")
def test_every_identifier_system_of_the_book_is_taken(rule: Rule) -> None:
    mine = {system.replace("{any}", "{org}") for system in rule.args["systems"]}
    mine |= {f"http://sys-ids.kemkes.go.id/{system}" for system in mine}
    for named in _urls(rule):
        assert re.sub(r"/(10000004|\{org_?I?i?[dD]\})", "/{org}", named) in mine


BEYOND = {
    "10375": "»merujuk pada data Practitioner« is said of Observation.performer too, where organisations are accepted",
    "10376": "as 10375, and an Organization is seen accepted",
    "10377": "as 10375, and an Organization is seen accepted",
    "10382": "as 10375",
    "10383": "as 10375, and an Organization is seen accepted",
    "10384": "as 10375, and an Organization is seen accepted",
    "10387": "as 10375",
    "10392": "as 10375",
    "10399": "as 10375",
    "10712": "the list of the book breaks off: »Condition |«",
    "10726": "the list of the book breaks off: »Patient |«",
    "10728": "10847 leaves performer to whatever R4 allows",
    "10756": "the list of the book breaks off: »MedicationAdministration |«",
    "10764": "the list of the book breaks off: »Condition | Observation |«",
}
TYPES = (
    "Account|AllergyIntolerance|CarePlan|CareTeam|ChargeItem|Claim|ClaimResponse|ClinicalImpression|Condition|Coverage|"
    "CoverageEligibilityRequest|Device|DiagnosticReport|DocumentReference|Encounter|EpisodeOfCare|FamilyMemberHistory|"
    "ImagingStudy|Invoice|Location|Media|Medication|MedicationAdministration|MedicationRequest|MolecularSequence|"
    "Observation|Organization|Patient|PaymentReconciliation|Practitioner|PractitionerRole|Procedure|"
    "QuestionnaireResponse|RelatedPerson|RiskAssessment|ServiceRequest|Specimen"
)


@each("reference")
def test_a_reference_leads_where_the_book_says(rule: Rule) -> None:
    terms = (
        (_book()[rule.number].get("terminology") or "")
        .replace("Allergy I", "AllergyI")
        .replace("Related P", "RelatedP")
    )
    named = set(re.findall(rf"\b({TYPES})\b", terms))
    targets = set(rule.args.get("targets", ()))
    if named and targets:
        assert named <= targets
        assert (targets > named) is (rule.number in BEYOND)


@each("instant")
def test_a_time_is_one_by_the_book(rule: Rule) -> None:
    text = _text(rule)
    elsewhere = {"10123", "10132", "10156", "10451", "10502"}  # »not null«: the general page on times applies
    assert "date" in text.lower() or rule.number in elsewhere
    local = "zz:zz" in text
    assert bool(rule.args.get("offset")) is (local or rule.number == "10373")  # seen accepted with local time


@each("number")
def test_a_number_is_whole_and_not_negative_where_the_book_says_so(rule: Rule) -> None:
    text = _text(rule).lower()
    if "integer" in text:
        assert rule.args.get("integer")
    if "mulai dari 0" in text:
        assert rule.args.get("least") == 0
