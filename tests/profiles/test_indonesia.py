"""The Indonesian profiles: an example of each passes, and each of their conditions is broken once."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from profiles import indonesia
from profiles.validator import Issue, Validator
from tests.profiles.rules_support import base, patched

VALIDATOR = Validator(["indonesia"])

SID = "http://sys-ids.kemkes.go.id/"
OWN = "https://gapura.dev/fhir/sid/"
BPJS = {"identifier": {"system": "https://fhir.kemkes.go.id/id/org-number", "value": "100000030"}}
CLASS = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/coverage-class", "code": "class"}]}
NIK = "https://fhir.kemkes.go.id/id/nik"

TYPES = (
    "AllergyIntolerance",
    "CarePlan",
    "Claim",
    "ClinicalImpression",
    "Composition",
    "Condition",
    "Coverage",
    "CoverageEligibilityRequest",
    "CoverageEligibilityResponse",
    "DiagnosticReport",
    "Encounter",
    "EpisodeOfCare",
    "Immunization",
    "Location",
    "Medication",
    "MedicationDispense",
    "MedicationRequest",
    "Observation",
    "Organization",
    "Patient",
    "Practitioner",
    "Procedure",
    "ServiceRequest",
    "Specimen",
)

OTHERS: dict[str, dict[str, Any]] = {
    "Practitioner": {
        "resourceType": "Practitioner",
        "identifier": [
            {"system": NIK, "value": "3174051507800002"},
            {"system": "https://fhir.kemkes.go.id/id/nakes-his-number", "value": "10000000001"},
            {"system": OWN + "bpjs-dpjp", "value": "12345"},
        ],
        "name": [{"text": "dr. Anggrek Contoh"}],
    },
    "CoverageEligibilityRequest": {
        "resourceType": "CoverageEligibilityRequest",
        "status": "active",
        "purpose": ["validation"],
        "patient": {"reference": "Patient/1"},
        "servicedDate": "2025-03-04",
        "created": "2025-03-04",
        "insurer": BPJS,
        "facility": {"reference": "Location/1"},
        "supportingInfo": [
            {"sequence": 1, "information": {"reference": "Encounter/1"}},
            {"sequence": 2, "information": {"reference": "ServiceRequest/1"}},
        ],
        "insurance": [{"focal": True, "coverage": {"reference": "Coverage/1"}}],
        "item": [{"diagnosis": [{"diagnosisReference": {"reference": "Condition/1"}}]}],
    },
    "Coverage": {
        "resourceType": "Coverage",
        "status": "active",
        "subscriberId": "0001234567890",
        "beneficiary": {"reference": "Patient/1"},
        "payor": [BPJS],
        "class": [{"type": CLASS, "value": "2"}],
    },
}


def example(resource_type: str) -> dict[str, Any]:
    return deepcopy(OTHERS.get(resource_type) or base(resource_type))


def issues(resource: dict[str, Any]) -> list[Issue]:
    return [issue for issue in VALIDATOR.validate(resource) if issue.tier == "profile"]


def test_there_is_a_profile_of_every_type_that_a_visit_needs() -> None:
    for resource_type in TYPES:
        assert indonesia.profile_of(resource_type) == indonesia.BASE + resource_type
    assert indonesia.profile_of("Slot") is None


@pytest.mark.parametrize("resource_type", TYPES)
def test_a_proper_resource_breaks_nothing(resource_type: str) -> None:
    assert VALIDATOR.validate(example(resource_type)) == [] or resource_type == "Location"
    assert issues(example(resource_type)) == []


def _demanded() -> Iterator[tuple[str, str]]:
    """(type, element id) of the elements that a profile demands and R4 does not."""
    for definition in indonesia.resources():
        if definition["resourceType"] == "StructureDefinition" and definition["kind"] == "resource":
            for element in definition["differential"]["element"]:
                if element.get("min") and ":" not in element["id"] and "[x]" not in element["id"]:
                    yield definition["type"], element["id"]


@pytest.mark.parametrize(("resource_type", "element"), list(_demanded()))
def test_what_a_profile_demands_is_missed(resource_type: str, element: str) -> None:
    resource = example(resource_type)
    parent: Any = resource
    *above, last = element.split(".")[1:]
    for step in above:
        parent = parent[step][0] if isinstance(parent[step], list) else parent[step]
    del parent[last]
    found = [issue for issue in issues(resource) if issue.severity == "error"]
    assert any(issue.rule == element and last in issue.path for issue in found)


def _identifier(system: str, value: str, at: int = 0) -> list[Any]:
    return [f"identifier[{at}]", {"system": system, "value": value}]


SEP = f"{SID}claim-number/10000004"
BROKEN: dict[str, tuple[str, list[Any]]] = {
    "id-nik": ("Patient", [_identifier(NIK, "317405420390001")]),
    "id-nik-plausible": ("Patient", [_identifier(NIK, "3174053203900001")]),
    "id-nik-birthdate": ("Patient", [["birthDate", "1990-03-12"]]),
    "id-nik-gender": ("Patient", [["gender", "male"]]),
    "id-patient-name": ("Patient", [["name", [{"use": "official"}]]]),
    "id-patient-address": ("Patient", [["address"]]),
    "id-ihs-patient": ("Patient", [_identifier("https://fhir.kemkes.go.id/id/ihs-number", "P0123")]),
    "id-no-kartu": ("Patient", [_identifier("https://sys-ids.kemkes.go.id/insurance-subscriber/100000030", "123")]),
    "id-ihs-practitioner": ("Practitioner", [["identifier[1].value", "P01"]]),
    "id-kode-dpjp": ("Practitioner", [["identifier[2].value", "dr. Anggrek"]]),
    "id-kode-faskes": ("Organization", [_identifier(OWN + "bpjs-faskes", "301R011")]),
    "id-kode-poli": ("Location", [_identifier(SID + "bpjs-poli", "Penyakit Dalam")]),
    "id-enc-finished-end": ("Encounter", [["period.end"]]),
    "id-enc-finished-diagnosis": ("Encounter", [["diagnosis"]]),
    "id-enc-provider": ("Encounter", [["serviceProvider"]]),
    "id-no-sep": ("Encounter", [_identifier(SEP, "0301R0111325V000001")]),
    "id-icd10": ("Condition", [["code.coding[0].code", "J069"]]),
    "id-obs-result": ("Observation", [["valueQuantity"], ["interpretation"], ["hasMember"]]),
    "id-procedure-time": ("Procedure", [["performedPeriod"]]),
    "id-med-product": ("Medication", [["code"]]),
    "id-med-compound": (
        "Medication",
        [["ingredient"], ["extension[0].valueCodeableConcept.coding[0].code", "SD"]],
    ),
    "id-dispense-handed-over": ("MedicationDispense", [["whenHandedOver"]]),
    "id-sr-encounter": ("ServiceRequest", [["encounter"]]),
    "id-no-rujukan": ("ServiceRequest", [_identifier(SID + "referral-number", "12345")]),
    "id-no-kontrol": ("ServiceRequest", [_identifier(OWN + "bpjs-spri", "0301R0110325V000001")]),
    "id-ci-content": (
        "ClinicalImpression",
        [["summary"], ["finding"], ["problem"], ["prognosisCodeableConcept"]],
    ),
    "id-imm-lot": ("Immunization", [["lotNumber"]]),
    "id-imm-expiry": ("Immunization", [["expirationDate"]]),
    "id-imm-dose": ("Immunization", [["protocolApplied"]]),
    "id-eoc-finished": ("EpisodeOfCare", [["status", "finished"], ["period.end"]]),
    "id-coverage-card": ("Coverage", [["subscriberId", "1234"]]),
    "id-coverage-class": ("Coverage", [["class[0].value", "VIP"]]),
    "id-sep-focal": ("CoverageEligibilityRequest", [["insurance[0].focal", False]]),
    "id-sep-visit": (
        "CoverageEligibilityRequest",
        [["supportingInfo[1].information.reference", "Encounter/2"]],
    ),
    "id-sep-diagnosis": ("CoverageEligibilityRequest", [["item[0].diagnosis"]]),
    "id-sep-preauth": ("CoverageEligibilityResponse", [["preAuthRef", "0301R0110325V000002"]]),
    "id-claim-focal": ("Claim", [["insurance[0].focal", False]]),
    "id-claim-rupiah": ("Claim", [["total.currency", "USD"]]),
}
"""Each condition of the profiles, and what is done to the example of a type to break it."""


@pytest.mark.parametrize("key", sorted(indonesia.messages()))
def test_each_condition_is_broken_and_says_so_in_both_languages(key: str) -> None:
    resource_type, patches = BROKEN[key]
    [issue] = [issue for issue in issues(patched(example(resource_type), patches)) if issue.rule == key]
    assert issue.text("id")
    assert issue.text("id") != issue.text("en")


@pytest.mark.parametrize(
    ("number", "birth", "gender", "broken"),
    [
        ("3174054203900001", "1990-03-02", "female", set()),
        ("3174050203900001", "1990-03-02", "male", set()),
        ("3174057112050001", "2005-12-31", "female", set()),
        ("3174050203900001", "1990-03-02", "female", {"id-nik-gender"}),
        ("3174050203900001", "1991-03-02", "male", {"id-nik-birthdate"}),
        ("3174050203900001", "1990", "male", set()),
        ("0074050203900001", "1990-03-02", "male", {"id-nik-plausible"}),
        ("3174050213900001", "1990-03-02", "male", {"id-nik-plausible", "id-nik-birthdate"}),
        ("317405020390000A", "1990-03-02", "male", {"id-nik"}),
    ],
)
def test_a_nik_tells_area_birth_and_gender(number: str, birth: str, gender: str, broken: set[str]) -> None:
    patient = patched(example("Patient"), [_identifier(NIK, number), ["birthDate", birth], ["gender", gender]])
    assert {issue.rule for issue in issues(patient)} == broken


def test_a_local_identifier_is_welcome_beside_the_ministrys() -> None:
    patient = example("Patient")
    patient["identifier"].append({"system": "https://rs.example.org/rm", "value": "00-12-34"})
    assert issues(patient) == []


def test_an_incoming_referral_needs_no_visit() -> None:
    referral = patched(
        example("ServiceRequest"),
        [["encounter"], _identifier(SID + "referral-number-pcare", "030107010325P000001")],
    )
    assert issues(referral) == []


def test_a_class_upgrade_of_the_sep_names_class_and_financing() -> None:
    request = example("CoverageEligibilityRequest")
    codes = "https://gapura.dev/fhir/CodeSystem/"
    parts = [
        {"url": "class", "valueCoding": {"system": codes + "bpjs-naik-kelas", "code": "2"}},
        {"url": "financing", "valueCoding": {"system": codes + "bpjs-pembiayaan", "code": "1"}},
        {"url": "payer", "valueString": "Melati Contoh"},
    ]
    url = "https://gapura.dev/fhir/StructureDefinition/sep-class-upgrade"
    request["extension"] = [{"url": url, "extension": parts}]
    assert VALIDATOR.validate(request) == []
    parts[0]["valueCoding"]["code"] = "9"
    assert any(issue.severity == "error" for issue in VALIDATOR.validate(request))
    del parts[0]
    assert any(issue.severity == "error" for issue in VALIDATOR.validate(request))


def test_a_service_class_outside_the_ministrys_table_is_an_error() -> None:
    visit = example("Encounter")
    extension = visit["location"][0]["extension"][0]["extension"]
    extension[0]["valueCodeableConcept"]["coding"][0]["code"] = "platinum"
    assert any(issue.severity == "error" and "extension" in issue.path for issue in VALIDATOR.validate(visit))


def test_every_code_system_of_the_ministry_is_found_by_its_url() -> None:
    for resource in indonesia.resources():
        if resource["resourceType"] == "CodeSystem":
            found = indonesia.code_system(resource["url"])
            assert found is not None
            codes = [concept["code"] for concept in found["concept"]]
            assert len(codes) == len(set(codes)) == found["count"]
    assert indonesia.code_system("http://example.org/none") is None
