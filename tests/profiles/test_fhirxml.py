"""FHIR XML: what goes out comes back equal, and what is not FHIR is refused with its line."""

from typing import Any

import pytest

from profiles import fhirjson, fhirxml

DIV = '<div xmlns=\\"http://www.w3.org/1999/xhtml\\"><p>Budi &amp; Siti</p></div>'
PATIENT = (
    (
        """{"resourceType":"Patient","id":"p1","_birthDate":{"extension":[{"url":"http://example.org/x","valueDecimal":1.00}]},
    "active":true,"text":{"status":"generated","div":"DIV"},
    "name":[{"id":"n","given":["Budi",null],"_given":[null,{"id":"g2"}]}],"multipleBirthInteger":2,
    "contained":[{"resourceType":"Organization","id":"o","name":"RS \\"Contoh\\"\\nJakarta"}],
    "managingOrganization":{"reference":"#o"},"contact":[{"relationship":[{"text":"ibu"}]}]}"""
    )
    .replace("DIV", DIV)
    .encode()
)


def _round_trip(resource: dict[str, Any]) -> dict[str, Any]:
    return fhirxml.decode(fhirxml.encode(resource))


def test_a_resource_comes_back_equal() -> None:
    patient = fhirjson.decode(PATIENT)
    assert _round_trip(patient) == patient


def test_decimals_keep_their_digits_and_newlines_survive() -> None:
    patient = fhirjson.decode(PATIENT)
    raw = fhirxml.encode(patient)
    assert b'value="1.00"' in raw
    assert _round_trip(patient)["contained"][0]["name"] == 'RS "Contoh"\nJakarta'


def test_elements_stand_in_the_order_of_the_definition() -> None:
    raw = fhirxml.encode({"resourceType": "Patient", "gender": "male", "active": True, "id": "x"})
    assert raw.index(b"<id") < raw.index(b"<active") < raw.index(b"<gender")


def test_comments_are_no_content() -> None:
    xml = b'<Patient xmlns="http://hl7.org/fhir"><!-- hello --><active value="false"/></Patient>'
    assert fhirxml.decode(xml) == {"resourceType": "Patient", "active": False}


@pytest.mark.parametrize(
    ("xml", "says"),
    [
        (b"<Patient", "Start Tag"),
        (b'<Patient xmlns="urn:other"/>', "not an R4 resource"),
        (b'<Patient xmlns="http://hl7.org/fhir"><colour value="red"/></Patient>', "no element <colour>"),
        (b'<Patient xmlns="http://hl7.org/fhir"><active value="yes"/></Patient>', "not a boolean"),
        (b'<Patient xmlns="http://hl7.org/fhir">Budi</Patient>', "text is not allowed"),
        (b'<Patient xmlns="http://hl7.org/fhir"><active value="true"/>Budi</Patient>', "text is not allowed"),
        (b'<Patient xmlns="http://hl7.org/fhir"><active value="true"/><active value="true"/></Patient>', "only once"),
        (b'<!DOCTYPE P [<!ENTITY a "b">]><Patient xmlns="http://hl7.org/fhir"/>', "document type"),
    ],
)
def test_what_is_not_fhir_is_refused(xml: bytes, says: str) -> None:
    with pytest.raises(fhirxml.FhirXmlError, match=says):
        fhirxml.decode(xml)


def test_an_entity_bomb_is_refused_at_once() -> None:
    lines = [b'<!ENTITY a0 "ha">', *(b'<!ENTITY a%d "%s">' % (i, b"&a%d;" % (i - 1) * 10) for i in range(1, 12))]
    bomb = b"<!DOCTYPE p [" + b"".join(lines) + b']><Patient xmlns="http://hl7.org/fhir"><id value="&a11;"/></Patient>'
    with pytest.raises(fhirxml.FhirXmlError):
        fhirxml.decode(bomb)


def test_deep_nesting_is_refused() -> None:
    extension: dict[str, Any] = {"url": "http://example.org/x"}
    for _ in range(150):
        extension = {"url": "http://example.org/x", "extension": [extension]}
    with pytest.raises(fhirxml.FhirXmlError, match="deep"):
        fhirxml.decode(fhirxml.encode({"resourceType": "Patient", "extension": [extension]}))


def test_encoding_an_unknown_element_is_refused() -> None:
    with pytest.raises(fhirxml.FhirXmlError, match="no element 'colour'"):
        fhirxml.encode({"resourceType": "Patient", "colour": "red"})
