"""The distilled definitions say what HL7 published."""

import json
import subprocess
import sys
from collections import Counter

import pytest

from profiles import definitions
from profiles.definitions import BASE, DATA, RESOURCE_TYPES, Definitions

HL7 = "http://hl7.org/"
THO = "http://terminology.hl7.org/"


def test_every_resource_and_data_type_of_r4_is_there() -> None:
    kinds = Counter((s["kind"], s["abstract"]) for s in definitions.structures() if s.get("derivation") != "constraint")
    assert kinds[("resource", False)] == len(RESOURCE_TYPES) == 146
    assert kinds[("primitive-type", False)] == 20
    assert {"Patient", "Claim", "Parameters", "Bundle"} <= RESOURCE_TYPES
    assert not {"Resource", "DomainResource", "Element"} & RESOURCE_TYPES


def test_a_structure_is_found_by_type_name_url_and_versioned_url() -> None:
    patient = definitions.structure("Patient")
    assert patient is not None
    assert patient["url"] == BASE + "Patient"
    assert definitions.structure(BASE + "Patient|4.0.1") is patient
    assert definitions.structure("Pasien") is None


def test_elements_keep_what_a_validator_needs_and_no_prose() -> None:
    patient = definitions.structure("Patient")
    assert patient is not None
    elements = {e["id"]: e for e in patient["snapshot"]["element"]}
    assert elements["Patient.contact"]["constraint"][0]["key"] == "pat-1"
    assert elements["Patient.gender"]["binding"]["strength"] == "required"
    assert elements["Patient.link.other"]["type"][0]["targetProfile"] == [BASE + "Patient", BASE + "RelatedPerson"]
    assert not {"definition", "comment", "short", "requirements", "mapping", "example"} & {
        k for e in elements.values() for k in e
    }


@pytest.mark.parametrize(
    ("url", "codes", "example"),
    [
        (f"{HL7}fhir/ValueSet/administrative-gender|4.0.1", 4, (f"{HL7}fhir/administrative-gender", "female")),
        (f"{THO}ValueSet/v3-ActEncounterCode", None, (f"{THO}CodeSystem/v3-ActCode", "AMB")),
        (f"{HL7}fhir/ValueSet/request-status", 7, (f"{HL7}fhir/request-status", "active")),
    ],
)
def test_value_sets_are_enumerated(url: str, codes: int | None, example: tuple[str, str]) -> None:
    found = definitions.value_set(url)
    assert found is not None
    assert example in found
    assert codes is None or len(found) == codes


def test_a_value_set_that_nobody_can_list_is_none() -> None:
    assert definitions.value_set("http://hl7.org/fhir/ValueSet/ucum-units") is None
    assert definitions.value_set("http://example.org/ValueSet/unknown") is None


def test_search_parameters_include_those_of_every_resource() -> None:
    patient = definitions.search_parameters("Patient")
    assert {"_id", "_lastUpdated", "_text", "birthdate", "general-practitioner"} <= patient.keys()
    assert patient["general-practitioner"]["target"] == ["Practitioner", "Organization", "PractitionerRole"]
    assert "_text" not in definitions.search_parameters("Bundle")
    with pytest.raises(KeyError):
        definitions.search_parameters("Pasien")


def test_compartments_name_the_parameters_that_lead_into_them() -> None:
    assert definitions.compartment("Patient")["Observation"] == ("subject", "performer")
    with pytest.raises(KeyError):
        definitions.compartment("Hospital")


def test_a_site_adds_and_replaces_definitions() -> None:
    site = Definitions([
        {"resourceType": "CodeSystem", "url": "http://site/cs", "content": "complete",
         "concept": [{"code": "a", "concept": [{"code": "b"}]}, {"code": "c"}]},
        {"resourceType": "ValueSet", "url": "http://site/vs", "compose": {
            "include": [{"system": "http://site/cs", "filter": [{"property": "concept", "op": "is-a", "value": "a"}]}],
            "exclude": [{"system": "http://site/cs", "concept": [{"code": "a"}]}]}},
        {"resourceType": "ValueSet", "url": "http://site/loop", "compose": {"include": [{"valueSet": ["http://site/loop"]}]}},
    ])  # fmt: skip
    assert site.value_set("http://site/vs") == {("http://site/cs", "b")}
    assert site.value_set("http://site/loop") is None
    assert site.structure("Patient") is definitions.structure("Patient")
    assert definitions.value_set("http://site/vs") is None


def test_importing_reads_no_table() -> None:
    code = "import sys, profiles.definitions as d; print(d._structures._rows is None, 'msgspec' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["True", "False"]


def test_the_sources_are_recorded_with_their_hashes() -> None:
    sources = json.loads((DATA / "sources.json").read_text())
    assert [s["name"] for s in sources] == ["hl7.fhir.r4.examples", "hl7.fhir.r4.expansions", "hl7.terminology.r4"]
    assert all(len(s["sha256"]) == 64 for s in sources)
