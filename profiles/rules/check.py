"""What a check is: how it judges one value of an element, and the short way to know that the value is right."""

from collections.abc import Callable
from typing import Any, NamedTuple

from profiles.rules.findings import Judgement, Place

Report = Callable[[Any, Place, Judgement], None]
"""Judges one value of a rule's element (lists one item at a time) and reports what is wrong with it."""


class Check(NamedTuple):
    """`quick` is a Python condition that is true only where `report` would say nothing, and raises nothing: `{v}` is
    the value, `{0}`, `{1}` … are the `uses`; `j` (the Judgement), `now`, `utc` and `Decimal` are at hand. Without one,
    `report` is asked each time."""

    report: Report
    quick: str | None = None
    uses: tuple[Any, ...] = ()
