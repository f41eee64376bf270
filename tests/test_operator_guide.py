"""The operator's guide names every setting, with the default that it has, and no other."""

import re
from pathlib import Path

import yaml

from gateway.settings import Facility, Settings

GUIDE = (Path(__file__).parents[1] / "docs" / "operator.md").read_text("utf-8")


def test_every_setting_is_in_the_table_and_nothing_else() -> None:
    table = GUIDE[GUIDE.index("## Settings") : GUIDE.index("## Back-up")]
    named = set(re.findall(r"`GAPURA_([A-Z_]+)`", table))
    assert named == {name.upper() for name in Settings.model_fields}


def test_the_numbers_in_the_table_are_the_defaults() -> None:
    for names, defaults in re.findall(r"^\| ((?:`GAPURA_\w+`(?:, )?)+) \| ([\d., ]+) \|", GUIDE, re.MULTILINE):
        for name, default in zip(re.findall(r"GAPURA_(\w+)", names), defaults.split(","), strict=True):
            assert str(Settings.model_fields[name.lower()].default).removesuffix(".0") == default.strip()


def test_the_example_of_a_facility_is_one() -> None:
    example = re.search(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    assert example is not None
    [row] = yaml.safe_load(example[1])
    assert Facility.model_validate(row).kode_faskes == "0301R011"
