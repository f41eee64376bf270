"""The tables of what a destination's answers mean."""

import pytest

from gateway.connectors.errors import Duplicate, Misconfigured, OutcomeUnknown, Refused, Unavailable
from gateway.connectors.outcomes import Answer, OutcomeTable

TABLE = OutcomeTable.read(
    """
    outcomes:
      - {code: ["7"], text: taken, outcome: duplicate, existing: 'no\\. (\\d+)', element: a.b}
      - {status: [404], legible: false, outcome: misconfigured}
      - {code: ["9"], outcome: unknown}
    """,
    "table.yaml",
)


def test_the_first_row_whose_conditions_all_hold_decides() -> None:
    taken = TABLE.error(Answer("TAKEN by no. 42", changes=True, code="7"))
    assert isinstance(taken, Duplicate)
    assert (taken.existing, taken.element) == ("42", "a.b")
    assert type(TABLE.error(Answer("free", changes=True, code="7"))) is Refused


def test_a_place_that_the_answer_names_wins_over_the_rows() -> None:
    error = TABLE.error(Answer("taken", changes=True, code="7", element="c", existing="43"))
    assert isinstance(error, Duplicate)
    assert (error.element, error.existing) == ("c", "43")


@pytest.mark.parametrize(("changes", "kind"), [(True, OutcomeUnknown), (False, Unavailable)])
def test_what_is_unknown_depends_on_what_was_asked(changes: bool, kind: type[Exception]) -> None:
    assert type(TABLE.error(Answer("?", changes, code="9"))) is kind
    assert type(TABLE.error(Answer("?", changes, legible=False, status=400))) is kind
    assert type(TABLE.error(Answer("?", changes, status=500))) is kind


def test_a_page_and_an_answer_of_the_same_status_differ() -> None:
    assert type(TABLE.error(Answer("?", changes=True, legible=False, status=404))) is Misconfigured
    assert type(TABLE.error(Answer("?", changes=True, status=404))) is Refused


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("outcomes: [{outcome: refused, colour: red}]", "colour"),
        ("outcomes: [{outcome: exploded}]", "exploded"),
        ("outcomes: [{outcome: refused, text: '('}]", "regular expression"),
        ("outcome: []", "unknown section outcome"),
    ],
)
def test_a_table_that_cannot_be_names_its_file_and_fault(text: str, word: str) -> None:
    with pytest.raises(ValueError, match=rf"table\.yaml: .*{word}"):
        OutcomeTable.read(text, "table.yaml")
