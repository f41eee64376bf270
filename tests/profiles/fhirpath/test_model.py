"""The type model is what the definitions say, and is read only as far as it is needed."""

import subprocess
import sys

from profiles import definitions
from profiles.fhirpath.distil import MODEL, distil
from profiles.fhirpath.model import fhir_type, specifier


def test_the_model_is_distilled_from_the_shipped_definitions() -> None:
    assert MODEL.read_text("utf-8") == distil(definitions.structures())


def test_elements_know_their_types() -> None:
    patient = fhir_type("Patient").elements
    assert [key for key, _ in patient["deceased"].keys] == ["deceasedBoolean", "deceasedDateTime"]
    assert patient["contact"].keys[0][1].elements["name"].keys[0][1] is fhir_type("HumanName")
    assert patient["id"].keys[0][1] is fhir_type("id")
    item = fhir_type("QuestionnaireResponse.item")
    assert fhir_type("QuestionnaireResponse.item.answer").elements["item"].keys[0][1] is item


def test_types_inherit() -> None:
    quantity, code = specifier("Quantity"), specifier("string")
    assert quantity is not None
    assert code is not None
    assert quantity.covers(fhir_type("Age"))
    assert code.covers(fhir_type("code"))
    assert not code.selects(fhir_type("code"))
    assert specifier("Nothing") is None


def test_importing_reads_no_definitions() -> None:
    program = "import sys, profiles.fhirpath as f; f.evaluate('1', {}); print('profiles.definitions' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "False\n"
