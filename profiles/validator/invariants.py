"""Invariants: the FHIRPath conditions of StructureDefinitions, corrected where the published ones are known wrong.

`data/invariants.json` is the table of corrections: key → a better `expression`, a `severity`, or `by` (the code that
judges it in place of FHIRPath), each with its reason.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from profiles.validator.source import Source

Json = dict[str, Any]

DATA = Path(__file__).parent / "data"

NATIVE = ("Attachment", "Bundle", "Coding", "Identifier", "Observation", "Quantity", "SearchParameter")
"""Types whose own rules need more than a condition: the context judges them after the generated function."""

UNCONTAINING = ("Bundle", "Parameters", "Binary")
"""Resources that contain none."""


class Invariant(NamedTuple):
    """One condition on a value of `type` (a type name or the path of a backbone element)."""

    key: str
    severity: str
    expression: str
    type: str

    def write(self, s: Source, v: str, path: str) -> None:
        """Write the test of `v`: as plain Python where its types decide it, as a call of closures where they do not.

        What is written as Python takes simple data; on other data it raises one of `BAILS`, and the closures judge.
        """
        from profiles.fhirpath import FHIRPathError, typed

        say = (s.bad if self.severity == "error" else s.warn)(
            "invariant", path, self.key, "None", expression=self.expression
        )
        closures = f"{s.constant(f'invariant({self.expression!r}, {self.type!r})', 'I')}({v}, c)"
        try:
            inline = typed.condition(self.expression, self.type, v, "c.resource", "c.root", s.constant, "q_")
        except FHIRPathError:
            inline = None
        if inline is None:
            s.line(f"if not {closures}: {say}")
            return
        with s.block("try:"):
            s.line(f"if not ({inline}): {say}")
        with s.block("except BAILS:"):
            s.line(f"if not {closures}: {say}")


@cache
def corrections() -> dict[str, dict[str, str]]:
    from msgspec import json

    found: dict[str, dict[str, str]] = json.decode((DATA / "invariants.json").read_bytes())
    return found


def of(element: Json, type_: str, but: frozenset[str] = frozenset()) -> Iterator[Invariant]:
    """The invariants that an element states and FHIRPath must judge, without those whose key is in `but`."""
    for constraint in element.get("constraint", ()):
        key = constraint["key"]
        if key in but or "expression" not in constraint:
            continue
        better = corrections().get(key, {})
        if "by" in better or ("type" in better and better["type"] != type_):
            continue
        expression = better.get("expression", constraint["expression"])
        yield Invariant(key, better.get("severity", constraint["severity"]), expression, type_)
