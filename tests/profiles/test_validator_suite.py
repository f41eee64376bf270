"""HL7's own cases: the verdicts agree with those of its Java validator."""

from collections.abc import Callable
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


def test_verdicts_agree_with_hl7s_validator(record_property: Callable[[str, object], None]) -> None:
    base = [case for case in CASES if case["base_only"]]
    wrong = {c["name"] for c in base if verdict(c["file"]) is not (c["java_errors"] == 0)}
    record_property("HL7's validator cases", f"{len(base) - len(wrong)} of {len(base)} verdicts agree")
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
