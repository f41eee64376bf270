"""The template language: as the published FPML does it, and where it is ours or stricter, as its documentation says."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from fpml import resolve_template

from mappings import MappingError
from tests.mappings.language import run

PATIENT = {
    "resourceType": "Patient",
    "active": True,
    "gender": "female",
    "name": [{"use": "nickname", "given": ["Sri"]}, {"use": "official", "text": "SRI WAHYUNI", "given": ["Sri", "W"]}],
    "telecom": [{"system": "phone", "value": "0812"}, {"system": "email", "value": "sri@example.id"}],
    "contact": [{"name": {"text": "Budi"}, "telecom": [{"value": "1"}, {"value": "2"}]}, {"name": {"text": "Ani"}}],
}

SAME_AS_PUBLISHED = {
    "first result": 'a: "{{ name.given }}"',
    "missing key": 'a: "{{ photo.url }}"\nb: 1',
    "null on demand": 'a: "{{+ photo.url +}}"\nb: 1',
    "all results": 'a: "{[ name.given ]}"',
    "no results": 'a: "{[ photo.url ]}"\nb: x',
    "text around": 'a: "{{ name[1].text }}: {{ telecom[0].value }}."',
    "text around nothing": 'a: "{{ name[1].text }}: {{ photo.url }}."\nb: x',
    "constants": "a: 1\nb: true\nc: x\nd: null\ne: 1.5",
    "lists are flattened": 'a: ["{[ name.given ]}", ["x", ["{{ gender }}"]], "{{ photo.url }}"]',
    "empty containers go": 'a: {b: {c: "{{ photo.url }}"}}\nd: ["{{ photo.url }}"]\ne: x',
    "context": 'a:\n  "{{ contact }}":\n    n: "{{ name.text }}"\n    t: "{[ telecom.value ]}"',
    "context inside a list": 'a:\n  - "{{ telecom }}": {v: "{{ value }}"}\n  - {v: last}',
    "for": 'a:\n  "{% for c in contact %}":\n    n: "{{ %c.name.text }}"\n    g: "{{ gender }}"',
    "for with index": 'a:\n  "{% for i, t in telecom.value %}": "{{ %i }}={{ %t }}"',
    "for over nothing": 'a:\n  "{% for p in photo %}": {x: 1}\nb: x',
    "if": 'a:\n  "{% if gender = \'female\' %}": {x: 1}\n  "{% else %}": {x: 2}',
    "else": 'a:\n  "{% if gender = \'male\' %}": {x: 1}\n  "{% else %}": {x: 2}',
    "if without else": "a:\n  \"{% if gender = 'male' %}\": {x: 1}\nb: x",
    "empty condition": 'a:\n  "{% if photo.exists() %}": {x: 1}\n  "{% else %}": none',
    "if joins its siblings": 'a:\n  x: 0\n  y: 0\n  "{% if active %}": {x: 1}',
    "merge": 'a:\n  x: 0\n  "{% merge %}":\n    - {y: "{{ gender }}"}\n    - {x: 2}\n    - {z: "{{ photo.url }}"}',
    "merge one": 'a:\n  x: 0\n  "{% merge %}": {y: 1}',
    "assign": '"{% assign %}":\n  - o: "{{ name.where(use = \'official\').text }}"\n  - p: "{{ %o }}!"\na: "{{ %p }}"',
    "assign nothing": '"{% assign %}":\n  - o: "{{ photo.url }}"\na: "{{ %o }}"\nb: x',
    "assign a list": '"{% assign %}":\n  - o: "{[ name.given ]}"\na: "{{ %o.count() }}"',
    "assign within": '"{% assign %}": [{o: 1}]\na:\n  "{% assign %}": [{o: 2}]\n  x: "{{ %o }}"\nb: "{{ %o }}"',
    "the whole template may be a value": '"{{ gender }}"',
}


@pytest.mark.parametrize("template", SAME_AS_PUBLISHED.values(), ids=SAME_AS_PUBLISHED)
def test_as_the_published_language(tmp_path: Path, template: str) -> None:
    assert run(tmp_path, template, PATIENT) == resolve_template(PATIENT, yaml.safe_load(template))


def test_data_is_never_read_as_a_template(tmp_path: Path) -> None:
    sly = {"resourceType": "Patient", "gender": "male", "name": [{"text": "{{ gender }}"}]}
    template = 'a: "{{ name.text }}"\nb:\n  "{% if true %}": {c: "{{ name.text }}"}\nd:\n  "{{ name }}": "{{ text }}"'
    product = run(tmp_path, template, sly)
    assert product == {"a": "{{ gender }}", "b": {"c": "{{ gender }}"}, "d": ["{{ gender }}"]}


def test_booleans_in_text_are_written_as_fhir_writes_them(tmp_path: Path) -> None:
    assert run(tmp_path, 'a: "active={{ active }}"', PATIENT) == {"a": "active=true"}


def test_dates_and_on_are_text(tmp_path: Path) -> None:
    assert run(tmp_path, "on: 2026-01-02", PATIENT) == {"on": "2026-01-02"}


def test_the_first_row_that_holds_decides(tmp_path: Path) -> None:
    table = """
"{% first %}":
  - {name: men, when: gender = 'male', then: "L"}
  - {name: women, when: gender = 'female', then: "P"}
  - {name: all, when: true, then: "?"}
"""
    assert run(tmp_path, table, PATIENT) == "P"
    assert run(tmp_path, table, {"resourceType": "Patient"}) == "?"


def test_an_included_file_sees_the_variables(tmp_path: Path) -> None:
    (tmp_path / "part.yaml").write_text('x: "{{ %o }}"', "utf-8")
    template = '"{% assign %}": [{o: "{{ gender }}"}]\na: "{% include part.yaml %}"'
    assert run(tmp_path, template, PATIENT) == {"a": {"x": "female"}}


def test_variables_keep_their_fhir_type(tmp_path: Path) -> None:
    extended = {"resourceType": "Patient", "extension": [{"url": "u", "valueCode": "x"}]}
    template = '"{% assign %}": [{e: "{{ extension }}"}]\na: "{{ %e.value }}"\nb: "{% include f.yaml %}"'
    (tmp_path / "f.yaml").write_text('"{% for e in extension %}": "{{ %e.value }}"', "utf-8")
    assert run(tmp_path, template, extended) == {"a": "x", "b": ["x"]}


WRONG = {
    'a: "{{ name.where( }}"': (1, "name.where("),
    'x: 1\na: "{{ nosuch() }}"': (2, "nosuch"),
    'a:\n  "{% fi x %}": 1': (2, "valid are {% assign %}, {% else %}, {% first %}, {% for %}, {% if %}, {% merge %}"),
    'a: "{% inlcude x.yaml %}"': (1, "valid is {% include FILE %}"),
    'a: "{% include nowhere.yaml %}"': (1, "nowhere.yaml"),
    'a:\n  "{% else %}": 1': (2, "without {% if %}"),
    'a:\n  b: 1\n  "{% for x in name %}": 1': (2, "only key"),
    'a:\n  "{% for x of name %}": 1': (2, "for x in EXPRESSION"),
    'a:\n  "{% merge %}": [{x: 1}, "{{ gender }}"]': (2, "'female'"),
    "a: 1\na: 2": (2, "'a' occurs twice"),
    "a: 1\n1: 2": (2, "must be text"),
    '"{% first %}":\n  - {name: n, wehn: true, then: 1}': (2, "unknown key of a row of {% first %} 'wehn'"),
    "a: [1": (1, "expected"),
    'a:\n  "{% if name %}": 1': (2, "2"),
    '"{% assign %}":\n  - {a: 1, b: 2}\nc: 1': (2, "one name"),
    'a: "{{ %nothing }}"': (1, "nothing"),
    'a: "{{ telecom.value.day() }}"': (1, "'0812' is no"),
}


@pytest.mark.parametrize(("template", "expected"), WRONG.items(), ids=list(WRONG))
def test_an_error_names_file_line_and_value(tmp_path: Path, template: str, expected: tuple[int, str]) -> None:
    with pytest.raises(MappingError) as caught:
        run(tmp_path, template, PATIENT)
    line, words = expected
    assert caught.value.line == line
    assert "template.yaml" in str(caught.value)
    assert words in str(caught.value)


def test_a_file_that_includes_itself_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text('x: "{% include template.yaml %}"', "utf-8")
    with pytest.raises(MappingError, match="includes itself"):
        run(tmp_path, 'a: "{% include b.yaml %}"', PATIENT)


def test_numbers_keep_their_digits(tmp_path: Path) -> None:
    from profiles import fhirjson

    dose: dict[str, Any] = fhirjson.decode(b'{"resourceType": "Observation", "valueQuantity": {"value": 1.00}}')
    product = run(tmp_path, 'v: "{{ value.value }}"\nt: "{{ value.value }} mg"', dose)
    assert fhirjson.encode(product) == b'{"v":1.00,"t":"1.00 mg"}'
