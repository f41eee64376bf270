"""Medicines: KFA codes by what is done with them, wherever the Medication stands, and its type by its ingredients."""

from typing import Any

import pytest

from profiles.rules import Rules
from tests.profiles.rules_support import NOW, Json, base

RULES = Rules("10000004")
KFA = "http://sys-ids.kemkes.go.id/kfa"
LEVELS = {"91": "91000101", "92": "92001092", "93": "93001019", "94": "94000001"}

ALLOWED = {"MedicationRequest": {"92", "93"}, "MedicationDispense": {"93"}, "MedicationAdministration": {"93"}}
RULE = {
    "MedicationRequest": "request-product",
    "MedicationDispense": "dispense-actual-product",
    "MedicationAdministration": "administration-actual-product",
}


def medication(code: str | None, type_: str = "NC") -> Json:
    made = base("Medication") | {"id": "obat"}
    made["extension"][0]["valueCodeableConcept"]["coding"][0]["code"] = type_
    made["code"] = {"coding": [{"system": KFA, "code": code}]}
    if code is None:
        del made["code"]
    return made


def said(resource: Json, judge: Rules = RULES) -> dict[str, str]:
    """Broken rules with the place of each."""
    return {issue.rule: issue.path for issue in judge.judge(resource, NOW) if issue.severity == "error"}


def bundle(kind: str, *resources: Json, **urls: Any) -> Json:
    entries = [{"resource": resource} for resource in resources]
    for number, entry in enumerate(entries):
        if kind == "transaction":
            entry["fullUrl"] = f"urn:uuid:5f0e2c1a-7b1d-4c3e-9a57-00000000004{number}"
            entry["request"] = {"method": "POST", "url": resources[number]["resourceType"]}
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


PLACES = ["contained", "transaction", "collection"]


def placed(place: str, resource_type: str, inner: Json) -> tuple[Json, str, str]:
    """A resource with its Medication in some place; where the reference and the Medication's code stand."""
    act = base(resource_type)
    act.pop("contained", None)
    act.pop("medicationCodeableConcept", None)
    code = "code.coding[0].code"
    if place == "contained":
        act |= {"contained": [inner], "medicationReference": {"reference": "#obat"}}
        return act, f"{resource_type}.medicationReference.reference", f"{resource_type}.contained[0].{code}"
    name = "Medication/obat" if place == "collection" else "urn:uuid:5f0e2c1a-7b1d-4c3e-9a57-000000000041"
    act["medicationReference"] = {"reference": name}
    made = bundle(place, act, {**inner, "id": "obat"})
    return made, "Bundle.entry[0].resource.medicationReference.reference", f"Bundle.entry[1].resource.{code}"


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("resource_type", ALLOWED)
def test_the_level_of_a_kfa_code_by_what_is_done_with_it(resource_type: str, place: str, level: str) -> None:
    made, at, code = placed(place, resource_type, medication(LEVELS[level]))
    expected = {} if level in ALLOWED[resource_type] else {RULE[resource_type]: at}
    if level in ("91", "94"):
        expected["10024"] = code
    for judge in (RULES, Rules("10000004", wire=False)):
        assert said(made, judge) == expected


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    ("resource_type", "rule", "allowed"),
    [
        ("MedicationRequest", "request-product", {"92", "93"}),
        ("MedicationDispense", "dispense-actual-product", {"93"}),
        ("MedicationAdministration", "10757", {"93"}),
        ("MedicationStatement", "10433", {"92", "93"}),
    ],
)
def test_a_kfa_code_in_the_element_itself(resource_type: str, rule: str, allowed: set[str], level: str) -> None:
    act = base(resource_type)
    act.pop("medicationReference", None)
    act["medicationCodeableConcept"] = {"coding": [{"system": KFA, "code": LEVELS[level]}]}
    found = said(act, Rules("10000004", wire=False))
    assert found == ({} if level in allowed else {rule: f"{resource_type}.medicationCodeableConcept{_of(rule)}"})


def _of(rule: str) -> str:
    return ".coding[0].code" if rule.isdigit() else ""


@pytest.mark.parametrize(("code", "right"), [("93006992", True), ("VG139", True), ("92001092", False)])
def test_a_vaccine_is_an_actual_product_or_an_antigen_group(code: str, right: bool) -> None:
    given = base("Immunization") | {"vaccineCode": {"coding": [{"system": KFA, "code": code}]}}
    assert set(said(given)) == (set() if right else {"10103"})


@pytest.mark.parametrize("level", LEVELS)
def test_ingredients_and_allergies_may_name_a_substance(level: str) -> None:
    coding = {"coding": [{"system": KFA, "code": LEVELS[level]}]}
    drug = base("Medication")
    drug["ingredient"][0]["itemCodeableConcept"] = coding
    assert set(said(drug)) == ({"10030"} if level == "94" else set())
    assert set(said(base("AllergyIntolerance") | {"code": coding})) == ({"10078"} if level == "94" else set())


@pytest.mark.parametrize("place", PLACES)
def test_what_is_not_coded_in_kfa_or_lies_elsewhere_is_not_judged(place: str) -> None:
    other = medication("93001019") | {"code": {"coding": [{"system": "http://snomed.info/sct", "code": "387564004"}]}}
    assert said(placed(place, "MedicationDispense", other)[0]) == {}
    assert said(base("MedicationDispense") | {"medicationReference": {"reference": "Medication/lain"}}) == {}


def test_a_medication_that_was_sent_before_counts_too() -> None:
    dispensed = base("MedicationDispense") | {"medicationReference": {"reference": "Medication/jauh"}}
    found = RULES.judge(dispensed, NOW, {"Medication/jauh": medication(LEVELS["92"])})
    assert [issue.rule for issue in found] == ["dispense-actual-product"]
    assert RULES.judge(dispensed, NOW, {"Medication/jauh": medication(LEVELS["93"])}) == []
    found = RULES.judge(bundle("transaction", dispensed), NOW, {"Medication/jauh": medication(LEVELS["92"])})
    assert [issue.rule for issue in found] == ["dispense-actual-product"]


@pytest.mark.parametrize("place", PLACES)
def test_a_compounded_medicine_has_no_product_code_of_its_own(place: str) -> None:
    assert said(placed(place, "MedicationDispense", medication(None, "SD"))[0]) == {}


def test_a_reference_to_a_medication_is_demanded_on_the_wire_only() -> None:
    request = base("MedicationRequest")
    del request["medicationReference"]
    request["medicationCodeableConcept"] = {"coding": [{"system": KFA, "code": "93001019"}]}
    assert said(request) == {"10135": "MedicationRequest.medicationReference"}
    assert said(request, Rules("10000004", wire=False)) == {}


@pytest.mark.parametrize("place", [None, *PLACES])
@pytest.mark.parametrize(
    ("type_", "code", "ingredients", "right"),
    [
        ("NC", "93001019", True, True),
        ("NC", "93001019", False, True),
        ("NC", None, True, False),
        ("SD", None, True, True),
        ("SD", None, False, False),
        ("EP", None, True, True),
        ("EP", "93001019", False, False),
    ],
)
def test_the_medication_type_by_its_ingredients(
    type_: str, code: str | None, ingredients: bool, right: bool, place: str | None
) -> None:
    drug = medication(code, type_)
    if not ingredients:
        del drug["ingredient"]
    made = drug if place is None else placed(place, "MedicationRequest", drug)[0]
    assert set(said(made)) == (set() if right else {"medication-type-content"})


def test_a_medication_says_its_type() -> None:
    drug = base("Medication")
    drug["extension"] = [{"url": "https://example.org/lain", "valueString": "x"}]
    assert said(drug) == {"10031": "Medication.extension"}
    del drug["extension"]
    assert said(drug) == {"10031": "Medication.extension"}
    drug = medication("93001019", "XX")
    assert set(said(drug)) >= {"10031"}


def test_a_contained_medication_is_judged_in_its_place() -> None:
    request = base("MedicationRequest") | {"contained": [medication("93001019")]}
    request["medicationReference"] = {"reference": "#obat"}
    request["contained"][0]["form"]["coding"][0]["code"] = "BS999"
    assert said(request) == {"10025": "MedicationRequest.contained[0].form.coding[0].code"}
    request["medicationReference"] = {"reference": "#lain"}
    assert "10135" in said(request)
