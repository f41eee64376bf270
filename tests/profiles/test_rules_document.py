"""docs/rules.md says what the data say."""

from profiles.rules import rules
from profiles.rules.document import FILE, document


def test_the_page_is_current() -> None:
    assert FILE.read_text("utf-8") == document(), "run: python -m profiles.rules.document"


def test_every_rule_has_its_row_in_both_languages() -> None:
    rows = {line.split(" | ")[0].strip("| *"): line for line in document().splitlines() if line.startswith("| ")}
    for rule in rules():
        assert rows[rule.number].count("<br>") >= 1
