"""HL7's own cases and examples: the verdicts agree with those of its Java validator."""

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from profiles import fhirjson
from profiles.validator import Validator, is_valid
from tests.conftest import shared_path

SUITE = shared_path("suites", "validator")
CASES: list[dict[str, Any]] = msgspec.json.decode((SUITE / "manifest.json").read_bytes())

STRICT = Validator(strict=True)
"""As HL7 runs its cases: an extension that nobody defined is an error."""

DIFFERS = {
    "contained-resource-bad-id-ignore": "the case switches the check of ids off; the file holds an id of 65 characters",
    "extension-version-restriction-range-ctxt-r4": "the case brings the definition of its extension, the file does not",
}


def verdict(name: str) -> bool:
    try:
        return is_valid(STRICT.validate(fhirjson.decode((SUITE / name).read_bytes())))
    except fhirjson.FhirJsonError:
        return False


def test_verdicts_agree_with_hl7s_validator(capsys: pytest.CaptureFixture[str]) -> None:
    base = [case for case in CASES if case["base_only"]]
    wrong = {c["name"] for c in base if verdict(c["file"]) is not (c["java_errors"] == 0)}
    with capsys.disabled():
        print(f"\nHL7 validator cases: {len(base) - len(wrong)} of {len(base)} verdicts agree")
    assert wrong <= DIFFERS.keys()
    assert len(wrong) <= 0.05 * len(base)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["name"]))
def test_no_case_breaks_the_validator_and_both_passes_agree(case: dict[str, Any]) -> None:
    try:
        resource = fhirjson.decode((SUITE / case["file"]).read_bytes())
    except fhirjson.FhirJsonError:
        return
    issues = [issue for issue in STRICT.validate(resource) if issue.tier == "base"]
    assert STRICT.accepts(resource) is is_valid(issues)


# ---------------------------------------------------------------------- HL7's examples

DEFINITIONS = [
    "StructureDefinition",
    "ValueSet",
    "CodeSystem",
    "SearchParameter",
    "ConceptMap",
    "OperationDefinition",
    "CompartmentDefinition",
    "CapabilityStatement",
    "ImplementationGuide",
    "NamingSystem",
]
BROKEN = {
    "ActivityDefinition-blood-tubes-supply": "txt-2: the narrative is empty",
    "ActivityDefinition-heart-valve-replacement": "txt-2: the narrative is empty",
    "EventDefinition-example": "txt-2: the narrative is empty",
    "Questionnaire-zika-virus-exposure-assessment": "txt-2: the narrative is empty",
    "Questionnaire-qs1": "items without the linkId that each must have",
    "DeviceMetric-example": "parent refers to a DeviceDefinition, not to a Device",
    "DeviceUseStatement-example": "reasonReference refers to a Procedure",
    "MedicationRequest-medrx0301": "dispenseRequest.performer refers to a Practitioner, not to an Organization",
    "Observation-clinical-gender": "performer refers to an Encounter",
    "Bundle-10bb101f-a121-4264-a920-67be9cb82c74": "a fullUrl that names another id than its resource has",
    "Bundle-3a0707d3-549e-4467-b8b8-5a2ab3800efe": "a fullUrl that names another id than its resource has",
    "Bundle-lri-example": "fullUrls that name other ids than their resources have",
    "Bundle-dataelements": "bdl-7: fullUrls that are there twice",
    "Bundle-v2-valuesets": "codes with a no-break space",
    "Bundle-resources": "35 MB, more than is read",
}
"""Examples of R4 that R4 itself forbids, each with the reason. HL7's validator refuses each of them too (those of
references once it is told to trust the type in `Type/id`; the three largest Bundles were not put to it)."""


def test_the_examples_of_r4_are_valid() -> None:
    """Set GAPURA_R4_EXAMPLES to the unpacked folder of the npm package hl7.fhir.r4.examples 4.0.1."""
    folder = os.environ.get("GAPURA_R4_EXAMPLES")
    if not folder:
        pytest.skip("GAPURA_R4_EXAMPLES does not name the package hl7.fhir.r4.examples")
    validator, refused, seen = Validator(), {}, 0
    for path in sorted(Path(folder).glob("*-*.json")):
        if path.name.split("-")[0] in DEFINITIONS or path.stem in BROKEN or path.name == "ig-r4.json":
            continue
        seen += 1
        resource = fhirjson.decode(path.read_bytes())
        issues = [i for i in validator.validate(resource) if i.severity in ("error", "fatal")]
        if issues or not validator.accepts(resource):
            refused[path.name] = [(i.rule, i.path, i.text()) for i in issues[:3]]
    assert refused == {}
    assert seen > 700
