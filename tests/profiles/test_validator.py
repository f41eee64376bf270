"""What a user of the validator notices: what is refused, where, why, and what to write instead."""

from copy import deepcopy
from typing import Any

import pytest

from profiles import INDONESIA, Validator, fhirjson, is_valid, outcome
from profiles.validator import Issue

Json = dict[str, Any]

R4 = Validator()
PATIENT: Json = {
    "resourceType": "Patient",
    "name": [{"text": "Siti Rahayu", "given": ["Siti"]}],
    "gender": "female",
    "birthDate": "1990-02-01",
}
XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'
ABSENT = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}
OBSERVATION: Json = {"resourceType": "Observation", "status": "final", "code": {"text": "suhu"}}


def found(resource: Json, validator: Validator = R4) -> list[tuple[str, str, str]]:
    return [(i.severity, i.rule, i.path) for i in validator.validate(resource)]


def only(resource: Json) -> Issue:
    [issue] = R4.validate(resource)
    return issue


def test_a_valid_resource_has_no_issues() -> None:
    assert R4.validate(PATIENT) == []
    assert R4.accepts(PATIENT)


@pytest.mark.parametrize(
    ("change", "rule", "path"),
    [
        ({"gender": "perempuan"}, "Patient.gender", "Patient.gender"),
        ({"birthDate": "1990-02-30"}, "Patient.birthDate", "Patient.birthDate"),
        ({"birthDate": "01-02-1990"}, "Patient.birthDate", "Patient.birthDate"),
        ({"active": "true"}, "Patient.active", "Patient.active"),
        ({"multipleBirthInteger": 2147483648}, "Patient.multipleBirth[x]", "Patient.multipleBirth.ofType(integer)"),
        ({"deceasedBoolean": True, "deceasedDateTime": "2026"}, "Patient.deceased[x]", "Patient.deceased"),
        ({"famly": "x"}, "Patient", "Patient.famly"),
        ({"name": {"text": "x"}}, "Patient.name", "Patient.name"),
        ({"name": []}, "Patient.name", "Patient.name"),
        ({"name": [{}]}, "Patient.name", "Patient.name[0]"),
        ({"name": [{"id": "a"}]}, "HumanName.id", "Patient.name[0]"),
        ({"name": [{"given": ["Siti", None]}]}, "HumanName.given", "Patient.name[0].given[1]"),
        ({"name": [{"given": [""]}]}, "HumanName.given", "Patient.name[0].given[0]"),
        ({"name": [{"text": "a <script>b</script>"}]}, "HumanName.text", "Patient.name[0].text"),
        ({"contact": [{"gender": "male"}]}, "pat-1", "Patient.contact[0]"),
        ({"generalPractitioner": [{"reference": "Patient/1"}]}, "Patient.generalPractitioner",
         "Patient.generalPractitioner[0].reference"),
        ({"managingOrganization": {"reference": "#org"}}, "ref-1", "Patient.managingOrganization.reference"),
        ({"managingOrganization": {"reference": "rumah sakit"}}, "Reference.reference",
         "Patient.managingOrganization.reference"),
        ({"extension": [{"url": "http://example.org/x"}]}, "ext-1", "Patient.extension[0]"),
        ({"text": {"status": "generated", "div": "<div><script>x</script></div>"}}, "txt-1", "Patient.text.div"),
        ({"text": {"status": "generated", "div": f"<div {XHTML}> </div>"}}, "txt-2", "Patient.text.div"),
        ({"text": {"status": "generated", "div": "<!DOCTYPE a [<!ENTITY b 'c'>]><div>&b;</div>"}}, "txt-1",
         "Patient.text.div"),
        ({"photo": [{"data": "aGFs", "size": 4}]}, "Attachment.size", "Patient.photo[0].size"),
        ({"contained": [{"resourceType": "Organization", "id": "o", "name": "RS"}]}, "dom-3", "Patient.contained[0]"),
        ({"maritalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus",
                                        "code": "KAWIN"}]}}, "Coding.code", "Patient.maritalStatus.coding[0].code"),
    ],
)  # fmt: skip
def test_what_r4_forbids_is_an_error_at_its_place(change: Json, rule: str, path: str) -> None:
    broken = {**PATIENT, **change}
    assert ("error", rule, path) in found(broken)
    assert not R4.accepts(broken)


@pytest.mark.parametrize(
    "change",
    [
        {"birthDate": "1990"},
        {"birthDate": "2000-02-29"},
        {"_birthDate": {"extension": [{"url": "http://example.org/x", "valueString": "x"}]}},
        {"name": [{"given": [None, "Siti"], "_given": [{"extension": [ABSENT]}, None]}]},
        {"text": {"status": "generated", "div": f"<div {XHTML}>a &amp; b<br/><!-- c --></div>"}},
        {"managingOrganization": {"reference": "#o"}, "contained": [{"resourceType": "Organization", "id": "o",
                                                                     "name": "RS"}]},
        {"managingOrganization": {"identifier": {"value": "x"}, "display": "RS"}},
        {"generalPractitioner": [{"reference": "https://example.org/fhir/Practitioner/1/_history/2"}]},
        {"photo": [{"contentType": "image/png", "data": "aGFsbw==", "size": 4}]},
    ],
)  # fmt: skip
def test_what_r4_allows_is_accepted(change: Json) -> None:
    assert R4.validate({**PATIENT, **change}) == []


def test_an_issue_says_what_to_write_instead_in_both_languages() -> None:
    misspelt = only({**PATIENT, "birthdate": "1990-02-01"})
    assert (misspelt.fix("en"), misspelt.fix("id")) == ("Did you mean 'birthDate'?", "Maksudnya 'birthDate'?")
    gender = only({**PATIENT, "gender": "pria"})
    assert gender.fix("en") == "Choose one of: female, male, other, unknown"
    assert "'pria'" in gender.text("id")
    number = only({**PATIENT, "active": "true"})
    assert number.fix("en") == "Write it without quotes: true"


def test_an_outcome_carries_severity_code_rule_path_and_language() -> None:
    [row] = outcome(R4.validate({**PATIENT, "gender": "pria"}), "id")["issue"]
    assert (row["severity"], row["code"], row["expression"]) == ("error", "code-invalid", ["Patient.gender"])
    assert [c["code"] for c in row["details"]["coding"]] == ["Patient.gender", "base"]
    assert "daftar wajib" in row["details"]["text"]
    assert outcome([], "en")["issue"][0]["severity"] == "information"


def test_doubts_are_warnings_and_do_not_make_a_resource_invalid() -> None:
    unit = {"value": 1, "unit": "tablet", "system": "http://unitsofmeasure.org", "code": "tablet"}
    issues = R4.validate({**OBSERVATION, "valueQuantity": unit})
    assert [(i.severity, i.rule) for i in issues] == [("warning", "Quantity.code")]
    assert is_valid(issues)
    icd = {"system": "http://hl7.org/fhir/sid/icd-10", "code": "J18.9", "display": "Patah tulang"}
    condition = {"resourceType": "Condition", "subject": {"reference": "Patient/1"}, "code": {"coding": [icd]}}
    assert ("warning", "Coding.display", "Condition.code.coding[0].display") in found(condition)
    assert "Coding.code" in {
        rule for _, rule, _ in found({**condition, "code": {"coding": [{**icd, "code": "J99.99"}]}})
    }


def test_a_hospital_name_and_ucum_units_are_no_doubt() -> None:
    unit = {"value": 36.5, "unit": "°C", "system": "http://unitsofmeasure.org", "code": "Cel"}
    assert R4.validate({**OBSERVATION, "valueQuantity": unit}) == []


# ---------------------------------------------------------------------- Bundles


def bundle(type_: str, *entries: Json, **more: Any) -> Json:
    return {"resourceType": "Bundle", "type": type_, "entry": list(entries), **more}


PUT = {"request": {"method": "PUT", "url": "Patient/1"}, "resource": {**PATIENT, "id": "1"}}


@pytest.mark.parametrize(
    ("resource", "rule", "path"),
    [
        (bundle("transaction", {"resource": PATIENT}), "bdl-3", "Bundle.entry[0].request"),
        (bundle("collection", {"fullUrl": "urn:uuid:3f6ae65c-6c0d-4f4d-9d2b-000000000001", **PUT}), "bdl-3",
         "Bundle.entry[0].request"),
        (bundle("collection", {"resource": PATIENT}), "bundle-fullurl", "Bundle.entry[0]"),
        (bundle("collection", {"fullUrl": "http://x/Patient/2", "resource": {**PATIENT, "id": "1"}}), "bundle-fullurl",
         "Bundle.entry[0].fullUrl"),
        (bundle("collection", *[{"fullUrl": "http://x/Patient/1", "resource": {**PATIENT, "id": "1"}}] * 2), "bdl-7",
         "Bundle.entry[1].fullUrl"),
        (bundle("batch", {"request": PUT["request"], "resource": {**PATIENT, "gender": "x"}}), "Patient.gender",
         "Bundle.entry[0].resource.gender"),
        (bundle("batch", {"request": PUT["request"], "resource": {"resourceType": "Pasien"}}), "Bundle.entry.resource",
         "Bundle.entry[0].resource.resourceType"),
        (bundle("document", {"fullUrl": "http://x/Patient/1", "resource": {**PATIENT, "id": "1"}}), "bdl-11",
         "Bundle.entry[0]"),
        (bundle("collection", total=1), "bdl-1", "Bundle.total"),
        (bundle("collection", {"fullUrl": "http://x/Patient/1", "resource": {**PATIENT, "id": "1"},
                               "search": {"mode": "match"}}), "bdl-2", "Bundle.entry[0].search"),
    ],
)  # fmt: skip
def test_bundle_rules(resource: Json, rule: str, path: str) -> None:
    resource = {k: v for k, v in resource.items() if v != []}
    assert ("error", rule, path) in found(resource)
    assert not R4.accepts(resource)


def test_a_reference_to_an_entry_that_is_not_there() -> None:
    reference = {"reference": "urn:uuid:3f6ae65c-6c0d-4f4d-9d2b-00000000000f"}
    encounter = {
        "resourceType": "Encounter",
        "status": "planned",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "subject": reference,
    }
    request = {"method": "POST", "url": "Encounter"}
    missing = bundle("transaction", {"request": request, "resource": encounter})
    assert ("warning", "bundle-reference", "Bundle.entry[0].resource.subject.reference") in found(missing)
    patient = {"fullUrl": reference["reference"], "request": {"method": "POST", "url": "Patient"}, "resource": PATIENT}
    assert found(bundle("transaction", {"request": request, "resource": encounter}, patient)) == []
    organization = {**patient, "resource": {"resourceType": "Organization", "name": "RS"}}
    wrong = bundle("transaction", {"request": request, "resource": encounter}, organization)
    assert ("error", "Encounter.subject", "Bundle.entry[0].resource.subject.reference") in found(wrong)


# ---------------------------------------------------------------------- extensions


def test_a_known_extension_stands_where_it_may_with_what_it_wants() -> None:
    url = "http://hl7.org/fhir/StructureDefinition/patient-birthPlace"
    good = {"url": url, "valueAddress": {"city": "Bogor"}}
    assert R4.validate({**PATIENT, "extension": [good]}) == []
    wrong_type = R4.validate({**PATIENT, "extension": [{"url": url, "valueString": "Bogor"}]})
    assert ("profile", "Extension.value[x]") in {(i.tier, i.rule) for i in wrong_type}
    elsewhere = {**OBSERVATION, "extension": [good]}
    assert ("error", url, "Observation.extension[0]") in found(elsewhere)
    modifying = {**PATIENT, "modifierExtension": [good]}
    assert ("error", url, "Patient.modifierExtension[0]") in found(modifying)


def test_an_unknown_extension_is_an_error_only_to_the_strict() -> None:
    resource = {**PATIENT, "extension": [{"url": "http://example.org/unknown", "valueString": "x"}]}
    assert R4.validate(resource) == []
    assert ("error", "Extension.url", "Patient.extension[0]") in found(resource, Validator(strict=True))


# ---------------------------------------------------------------------- the shipped profiles


def test_the_shipped_profiles_hold_every_resource_of_their_types_and_speak_indonesian() -> None:
    validator = Validator([INDONESIA])
    nik = {"system": "https://fhir.kemkes.go.id/id/nik", "value": "123"}
    issues = validator.validate({**PATIENT, "identifier": [nik]})
    [short] = [i for i in issues if i.rule == "id-nik"]
    assert (short.tier, short.path, short.severity) == ("profile", "Patient.identifier[0]", "error")
    assert short.text("id") == "NIK terdiri atas 16 angka."
    assert validator.accepts({**PATIENT, "identifier": [nik]})
    assert R4.validate({**PATIENT, "identifier": [nik]}) == []


def test_a_narrative_of_plain_text_is_a_warning_beside_the_shipped_profiles() -> None:
    resource = {**OBSERVATION, "text": {"status": "additional", "div": "Suhu 36,5"}}
    assert not R4.accepts(resource)
    lenient = Validator([INDONESIA])
    assert lenient.accepts(resource)
    assert [i.severity for i in lenient.validate(resource) if i.rule == "txt-1"] == ["warning"]


def test_nothing_is_changed_in_what_is_handed_in() -> None:
    resource = fhirjson.decode(fhirjson.encode({**PATIENT, "gender": "x", "contained": [{"resourceType": "Basic"}]}))
    before = deepcopy(resource)
    Validator([INDONESIA]).validate(resource)
    assert resource == before


# ---------------------------------------------------------------------- hostile input


@pytest.mark.parametrize("resource", [{}, {"resourceType": None}, {"resourceType": {}}, {"resourceType": ["Patient"]}])
def test_no_resource_type_is_one_error(resource: Json) -> None:
    assert not R4.accepts(resource)
    assert [i.severity for i in R4.validate(resource)] == ["error"]


def test_nesting_without_end_is_refused_not_followed() -> None:
    item: Json = {"linkId": "1", "type": "group"}
    for _ in range(5000):
        item = {"linkId": "1", "type": "group", "item": [item]}
    resource = {"resourceType": "Questionnaire", "status": "draft", "item": [item]}
    assert not R4.accepts(resource)
    assert any(i.severity == "fatal" and i.code == "too-costly" for i in R4.validate(resource))


def test_the_list_of_issues_ends() -> None:
    issues = R4.validate({**PATIENT, **{f"x{n}": 1 for n in range(5000)}})
    assert len(issues) == 1001
    assert issues[-1].severity == "information"


@pytest.mark.parametrize(
    "div",
    [
        f"<div {XHTML}>" + "<!-- " * 200_000 + "</div>",
        f"<div {XHTML}><b " + 'class="a" ' * 100_000 + '"x>x</b></div>',
        f"<div {XHTML}>" + "<" * 500_000 + "</div>",
        f"<div {XHTML}><b" + " " * 500_000 + "</div>",
    ],
)
def test_hostile_narratives_are_refused_in_one_pass(div: str) -> None:
    assert not R4.accepts({**PATIENT, "text": {"status": "generated", "div": div}})


@pytest.mark.parametrize(
    ("change", "accepted"),
    [
        ({"name": [{"text": "< " + " " * 900_000}]}, True),
        ({"name": [{"given": [None] * 300_000, "_given": [{"extension": [ABSENT]}] * 300_000}]}, True),
        ({"implicitRules": "urn:oid:" + "1." * 500_000}, False),
        ({"photo": [{"contentType": "a/b", "data": "ab c" * 500_000}]}, True),
    ],
)
def test_hostile_values_are_judged_in_time_that_grows_as_they_do(change: Json, accepted: bool) -> None:
    assert R4.accepts({**PATIENT, **change}) is accepted


def test_codes_of_many_components_are_compared_as_sets() -> None:
    loinc = "http://loinc.org"
    many = {
        **OBSERVATION,
        "valueString": "x",
        "code": {"coding": [{"system": loinc, "code": str(n)} for n in range(20_000)]},
        "component": [{"code": {"coding": [{"system": loinc, "code": f"c{n}"}]}} for n in range(20_000)],
    }
    assert R4.accepts(many)
    many["component"][-1]["code"]["coding"][0]["code"] = "7"
    assert ("error", "obs-7", "Observation.component") in found(many)
