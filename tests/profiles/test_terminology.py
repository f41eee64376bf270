"""The terminology service over HL7's tables, ICD-10 and a site's own resources."""

import pytest

from profiles.definitions import R4, Definitions
from profiles.terminology import ICD_10, Terminology, TerminologyError

ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
COLOURS = {
    "resourceType": "CodeSystem",
    "url": "http://example.org/colours",
    "content": "complete",
    "caseSensitive": False,
    "concept": [
        {"code": "red", "display": "Merah", "concept": [{"code": "crimson", "display": "Merah tua"}]},
        {"code": "blue", "display": "Biru"},
    ],
}
SET = {
    "resourceType": "ValueSet",
    "url": "http://example.org/reds",
    "compose": {
        "include": [
            {"system": COLOURS["url"], "filter": [{"property": "concept", "op": "is-a", "value": "red"}]},
            {"system": "http://example.org/other", "concept": [{"code": "x", "display": "Iks"}]},
        ]
    },
}
MAP = {
    "resourceType": "ConceptMap",
    "url": "http://example.org/map",
    "group": [
        {
            "source": COLOURS["url"],
            "target": "http://example.org/numbers",
            "element": [{"code": "red", "target": [{"code": "1", "display": "one", "equivalence": "wider"}]}],
            "unmapped": {"mode": "fixed", "code": "9"},
        }
    ],
}


@pytest.fixture(scope="module")
def terms() -> Terminology:
    return Terminology(Definitions([COLOURS, SET]))


def test_lookup_knows_hl7_the_site_and_icd_10(terms: Terminology) -> None:
    assert terms.lookup(ACT, "AMB").display == "ambulatory"
    assert terms.lookup(COLOURS["url"], "CRIMSON").display == "Merah tua"
    assert "pneumonia" in terms.lookup(ICD_10, "J18.9").display.lower()


@pytest.mark.parametrize(("system", "code"), [(ACT, "NOPE"), ("http://example.org/none", "x"), (ICD_10, "ZZZ")])
def test_lookup_says_what_it_does_not_know(terms: Terminology, system: str, code: str) -> None:
    with pytest.raises(TerminologyError, match=r"no code|not known"):
        terms.lookup(system, code)


def test_expansion_has_every_code_once_and_can_be_narrowed_by_text(terms: Terminology) -> None:
    assert [c.code for c in terms.expand(SET)] == ["crimson", "red", "x"]
    assert [c.code for c in terms.expand(SET, "TUA")] == ["crimson"]


def test_a_set_over_an_unknown_system_is_an_error_not_an_empty_answer(terms: Terminology) -> None:
    with pytest.raises(TerminologyError, match="cannot be enumerated"):
        terms.expand({"url": "http://example.org/s", "compose": {"include": [{"system": "http://example.org/none"}]}})


def test_membership(terms: Terminology) -> None:
    found = terms.holds(SET, COLOURS["url"], "red")
    assert found is not None
    assert found.display == "Merah"
    assert terms.holds(SET, COLOURS["url"], "blue") is None
    assert terms.holds(SET, None, "x") is not None


@pytest.mark.parametrize(
    ("a", "b", "outcome"),
    [("red", "crimson", "subsumes"), ("crimson", "red", "subsumed-by"), ("red", "blue", "not-subsumed"),
     ("red", "red", "equivalent")],
)  # fmt: skip
def test_subsumption(terms: Terminology, a: str, b: str, outcome: str) -> None:
    assert terms.subsumes(COLOURS["url"], a, b) == outcome


def test_subsumption_in_icd_10(terms: Terminology) -> None:
    assert terms.subsumes(ICD_10, "E11", "E11.9") == "subsumes"


def test_translation_both_ways_and_unmapped(terms: Terminology) -> None:
    assert [(t.code, t.equivalence) for t in terms.translate(MAP, COLOURS["url"], "red")] == [("1", "wider")]
    assert [t.code for t in terms.translate(MAP, COLOURS["url"], "blue")] == ["9"]
    back = terms.translate(MAP, "http://example.org/numbers", "1", reverse=True)
    assert [(t.code, t.equivalence) for t in back] == [("red", "narrower")]
    assert terms.translate(MAP, "http://example.org/none", "red") == []


def test_hl7_sets_expand() -> None:
    gender = R4.value_set_definition("http://hl7.org/fhir/ValueSet/administrative-gender")
    assert gender is not None
    assert [c.code for c in Terminology(R4).expand(gender)] == ["female", "male", "other", "unknown"]
