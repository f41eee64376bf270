"""FHIR JSON: exact numbers, no duplicate keys, bounded depth, and the place of what is wrong."""

from decimal import Decimal

import pytest

from profiles import fhirjson
from profiles.fhirjson import FhirJsonError
from profiles.places import places


def test_decimals_keep_their_digits() -> None:
    raw = b'{"a":1.00,"b":0.1000000000000000055,"c":12}'
    assert fhirjson.decode(raw) == {"a": Decimal("1.00"), "b": Decimal("0.1000000000000000055"), "c": 12}
    assert fhirjson.encode(fhirjson.decode(raw)) == raw


@pytest.mark.parametrize(
    ("raw", "words", "place"),
    [
        (b'{"a":1,\n "b":}', "Expecting value", (2, 6)),
        (b'{"a":"\xff"}', "UTF-8", (1, 7)),
        (b"[1]", "expected a JSON object", (1, 1)),
        (b'{"a":{"b":1,"b":2}}', "appears twice", (None, None)),
        (b'{"a":{"b":1,"\\u0062":2}}', "appears twice", (None, None)),
        (b'{"x":"\\"[{","a":\n' + b"[" * 200 + b"]" * 200 + b"}", "deeper than 100", (2, 100)),
        (b'{"a":' * 101 + b"1" + b"}" * 101, "deeper than 100", (1, 501)),
    ],
)
def test_what_is_no_fhir_json_is_refused_with_its_place(
    raw: bytes, words: str, place: tuple[int | None, int | None]
) -> None:
    with pytest.raises(FhirJsonError, match=words) as refusal:
        fhirjson.decode(raw)
    assert (refusal.value.line, refusal.value.column) == place


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":' * 100 + b"1" + b"}" * 100,
        b'{"a":["' + b"[" * 500 + b'"]}',
        b'{"a":["\\\\","\\"[[", ' + b"[]," * 500 + b"1]}",
    ],
)
def test_brackets_in_strings_and_side_by_side_are_not_depth(raw: bytes) -> None:
    assert "a" in fhirjson.decode(raw)


def test_more_bytes_than_allowed_are_not_read() -> None:
    with pytest.raises(FhirJsonError, match="more than the limit of 5"):
        fhirjson.decode(b'{"a":1}', max_bytes=5)


def test_the_place_of_an_element_or_of_what_it_is_missing_from() -> None:
    raw = (
        b'{\n "resourceType": "Patient",\n "name": [{"given": ["a", "b]"]},\n  {"family": "x"}],\n'
        b' "deceasedBoolean": true\n}'
    )
    found = places(
        raw,
        [
            "Patient.name[0].given[1]",
            "Patient.name[1].family",
            "Patient.name[1].given[0]",
            "Patient.deceased.ofType(boolean)",
            "Patient.birthDate",
        ],
    )
    assert list(found.values()) == [(3, 27), (4, 4), (4, 3), (5, 2), (1, 1)]
